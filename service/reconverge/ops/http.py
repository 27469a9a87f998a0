"""The HTTP port: metrics, health, readiness, status. Only reads; loopback unless told otherwise."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import orjson
from aiohttp import web

import reconverge
from reconverge.ops.metrics import Metrics
from reconverge.ops.status import SessionStatus, as_json

Sessions = Callable[[], Mapping[str, Callable[[], SessionStatus]]]
"""The sessions served here by name; each is read only when its own function is called."""
Reasons = Callable[[], Sequence[str]]
"""Why something is not so; empty when it is."""

PAGE: Final = 1_000
"""Sessions of a page of `/status`, at most: some hundred milliseconds' work and a megabyte."""
_AT_ONCE: Final = 25
"""Sessions read without giving way: two milliseconds, a small batch's time."""


def application(
    metrics: Metrics, sessions: Sessions, ill: Reasons, busy: Reasons
) -> web.Application:
    """The routes. ``ill`` says why there is no progress, ``busy`` why the service is not ready."""

    async def show_metrics(request: web.Request) -> web.Response:
        accept = request.headers.get("Accept", "")
        seen = await _read(sessions().values())
        body, content_type = await asyncio.to_thread(metrics.render, accept, seen)
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def show_health(_: web.Request) -> web.Response:
        return _verdict(ill())

    async def show_readiness(_: web.Request) -> web.Response:
        return _verdict([*ill(), *busy()])

    async def show_status(request: web.Request) -> web.Response:
        try:
            limit = int(request.query.get("limit", PAGE))
        except ValueError:
            limit = 0
        if not 1 <= limit <= PAGE:
            return _json({"error": f"limit is a number from 1 to {PAGE}"}, 400)
        served, query = sessions(), request.query
        wanted, after = frozenset(query.getall("session", ())), query.get("after", "")
        names = sorted(n for n in served if n > after and (not wanted or n in wanted))
        page = await _read([served[name] for name in names[:limit]])
        more = names[limit - 1] if len(names) > limit else None
        found = {status.session: as_json(status) for status in page}
        document = {"version": reconverge.__version__, "sessions": found, "next": more}
        return _json(document | {"count": len(names)}, 200)

    app = web.Application()
    app.add_routes([
        web.get("/metrics", show_metrics),
        web.get("/healthz", show_health),
        web.get("/readyz", show_readiness),
        web.get("/status", show_status),
    ])  # fmt: skip
    return app


async def _read(sessions: Iterable[Callable[[], SessionStatus]]) -> list[SessionStatus]:
    """The sessions a few at a time: the workers' batches go on in between."""
    seen: list[SessionStatus] = []
    for status in sessions:
        seen.append(status())
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
