"""Bad roads between the services and the brokers: TCP that breaks off, falls silent or dawdles.

A small proxy of our own, one link a broker. toxiproxy, the usual tool, comes from no registry that
this project installs from (no wheel, npm or Debian package; building it wants a Go compiler), and
HAProxy cannot delay. What is needed of one is little and visible here.
"""

import asyncio
from contextlib import suppress
from typing import NamedTuple, Self

_HOST = "127.0.0.1"
_CHUNK_BYTES = 64 * 1024
_CHUNKS_MAX = 64
"""On the way in one direction; then the sender feels it, as TCP would have it."""


class _Chunk(NamedTuple):
    due_s: float
    data: bytes


class Link:
    """A port in front of another one. A context manager; whoever connects while cut is reset."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._whole = asyncio.Event()
        self._whole.set()
        self._cut = False
        self._connections: set[asyncio.Task[None]] = set()
        self.delay_s = 0.0
        """Added to every byte, in each direction. What is on its way is not overtaken."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accepted, _HOST, 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self._hang_up()
        if self._connections:
            await asyncio.wait(self._connections)
        await self._server.wait_closed()

    def cut(self) -> None:
        """Reset every connection, and every new one until `mend`."""
        self._cut = True
        self._hang_up()

    def silence(self) -> None:
        """Pass nothing until `mend`; nobody is told."""
        self._whole.clear()

    def mend(self) -> None:
        """As good as new. What was held back arrives late, as it would."""
        self._cut = False
        self.delay_s = 0.0
        self._whole.set()

    def _hang_up(self) -> None:
        for connection in self._connections:
            connection.cancel()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._connections.add(task)
        try:
            if not self._cut:
                await self._join(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # either side hung up, or we did: both sides are told by the reset below
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward, back = await asyncio.open_connection(_HOST, self._target_port)
        pumps = [
            asyncio.create_task(self._pump(reader, back)),
            asyncio.create_task(self._pump(onward, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.wait(pumps)
            for pump in pumps:
                with suppress(asyncio.CancelledError):
                    pump.exception()  # one side hung up: no news
            back.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until the sender is done. Reading goes on while what was read waits for its time."""
        on_the_way: asyncio.Queue[_Chunk | None] = asyncio.Queue(_CHUNKS_MAX)
        delivery = asyncio.create_task(self._deliver(on_the_way, writer))
        clock = asyncio.get_running_loop().time
        try:
            while data := await reader.read(_CHUNK_BYTES):
                await on_the_way.put(_Chunk(clock() + self.delay_s, data))
            await on_the_way.put(None)
            await delivery
        finally:
            delivery.cancel()
            await asyncio.wait([delivery])

    async def _deliver(
        self, on_the_way: "asyncio.Queue[_Chunk | None]", writer: asyncio.StreamWriter
    ) -> None:
        clock = asyncio.get_running_loop().time
        while chunk := await on_the_way.get():
            await asyncio.sleep(chunk.due_s - clock())
            await self._whole.wait()
            writer.write(chunk.data)
            await writer.drain()
