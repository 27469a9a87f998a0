"""The HTTP port: metrics, health, readiness, status. Only reads; loopback unless told otherwise."""

from collections.abc import Callable, Sequence

import orjson
from aiohttp import web

import reconverge
from reconverge.ops.metrics import Metrics, Sessions
from reconverge.ops.status import as_json

Reasons = Callable[[], Sequence[str]]
"""Why something is not so; empty when it is."""


def application(
    metrics: Metrics, sessions: Sessions, ill: Reasons, busy: Reasons
) -> web.Application:
    """The routes. ``ill`` says why there is no progress, ``busy`` why the service is not ready."""

    async def show_metrics(request: web.Request) -> web.Response:
        body, content_type = metrics.render(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def show_health(_: web.Request) -> web.Response:
        return _verdict(ill())

    async def show_readiness(_: web.Request) -> web.Response:
        return _verdict([*ill(), *busy()])

    async def show_status(request: web.Request) -> web.Response:
        wanted = frozenset(request.query.getall("session", ()))
        found = {
            status.session: as_json(status)
            for status in sessions()
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
