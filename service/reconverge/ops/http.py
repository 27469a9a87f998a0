"""The HTTP port: metrics, health, readiness, status. Only reads; loopback unless told otherwise."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import orjson
from aiohttp import web

import reconverge
from reconverge.ops.metrics import Metrics
from reconverge.ops.status import SessionStatus, as_json

Sessions = Callable[[], Iterable[SessionStatus]]
"""The sessions served here, each read when it is asked for."""
Reasons = Callable[[], Sequence[str]]
"""Why something is not so; empty when it is."""

_AT_ONCE: Final = 25
"""Sessions read without giving way: two milliseconds, a small batch's time."""


def application(
    metrics: Metrics, sessions: Sessions, ill: Reasons, busy: Reasons
) -> web.Application:
    """The routes. ``ill`` says why there is no progress, ``busy`` why the service is not ready."""

    async def show_metrics(request: web.Request) -> web.Response:
        accept, seen = request.headers.get("Accept", ""), await _read(sessions)
        body, content_type = await asyncio.to_thread(metrics.render, accept, seen)
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def show_health(_: web.Request) -> web.Response:
        return _verdict(ill())

    async def show_readiness(_: web.Request) -> web.Response:
        return _verdict([*ill(), *busy()])

    async def show_status(request: web.Request) -> web.Response:
        wanted = frozenset(request.query.getall("session", ()))
        found = {
            status.session: as_json(status)
            for status in await _read(sessions)
            if not wanted or status.session in wanted
        }
        return _json({"version": reconverge.__version__, "sessions": found}, 200)

    app = web.Application()
    app.add_routes([
        web.get("/metrics", show_metrics),
        web.get("/healthz", show_health),
        web.get("/readyz", show_readiness),
        web.get("/status", show_status),
    ])  # fmt: skip
    return app


async def _read(sessions: Sessions) -> list[SessionStatus]:
    """The sessions a few at a time: the workers' batches go on in between."""
    seen: list[SessionStatus] = []
    for status in sessions():
        seen.append(status)
        if len(seen) % _AT_ONCE == 0:
            await asyncio.sleep(0)
    return seen


def _verdict(reasons: Sequence[str]) -> web.Response:
    return _json({"ok": not reasons, "reasons": list(reasons)}, 503 if reasons else 200)


def _json(document: object, status: int) -> web.Response:
    body = orjson.dumps(document)
    return web.Response(body=body, status=status, content_type="application/json")


class Port:
    """The open port. ``async with Port(...) as port`` serves until the block ends."""

    def __init__(self, app: web.Application, host: str, port: int) -> None:
        self._runner = web.AppRunner(app, access_log=None)
        self._host = host
        self._port = port

    async def __aenter__(self) -> "Port":
        """Open the port. Raises OSError when it is taken."""
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def number(self) -> int:
        """The port's number, which the system chose if 0 was asked for."""
        return int(self._runner.addresses[0][1])
