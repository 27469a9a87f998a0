"""The command `watch`: every session, live, as a router and an operator would want to see it.

Caps come from Kafka, as a router has them; similarity and horizon from the status pages of the
service's processes, where they can be reached.
"""

import asyncio
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Annotated, Any, Final

import aiohttp
import orjson
import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from reconverge.cli import inputs
from reconverge.cli.exits import Exit, leave
from reconverge.cli.kafka import Unreachable, quieten_client
from reconverge.client import CapSubscription
from reconverge.config.connection import connection
from reconverge.config.settings import Settings, SettingsRefused
from reconverge.core.messages.effects import Cap, State
from reconverge.core.messages.wire import plain

REFRESH_S: Final = 0.5
"""How often the view is drawn anew: ages are shown to a tenth of a second."""
STATUS_TIMEOUT: Final = aiohttp.ClientTimeout(total=1.0)
"""A status page slower than this is left out of this round."""
_CATCH_UP_S: Final = 5.0
"""Longest wait for the caps that were there before, with `--once`."""

COLOURS: Final = {
    State.HEALTHY: "green",
    State.STABLE: "green",
    State.CONTROLLED_REENTRY: "cyan",
    State.REPLAY_SYNCING: "yellow",
    State.FAILOVER_DETECTED: "red",
    State.STATE_DIVERGED: "bold red",
}

Statuses = Mapping[str, Mapping[str, Any]]
"""What the status pages say, by session."""


async def statuses(client: aiohttp.ClientSession, urls: Iterable[str]) -> dict[str, Any]:
    """The sessions of every status page that answers."""
    found: dict[str, Any] = {}
    for url in urls:
        with suppress(aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError, KeyError):
            after: str | None = ""
            while after is not None:
                page = f"{url.rstrip('/')}/status"
                async with client.get(page, params={"after": after}) as response:
                    told = orjson.loads(await response.read())
                found |= told["sessions"]
                after = told.get("next")
    return found


def row(cap: Cap, valid: bool, now_ns: int, status: Mapping[str, Any] | None) -> dict[str, Any]:  # noqa: FBT001
    """One session as data; similarity and horizon are null where no status page tells them."""
    shown: dict[str, Any] = {
        "session": cap.session,
        "state": cap.state.value,
        "cap": cap.cap,
        "valid": valid,
        "reason": cap.reason,
        "confidence": cap.confidence,
        "components": plain(cap.components),
        "freeze_expansion": cap.freeze_expansion,
        "safe_mode": cap.safe_mode,
        "episode_id": cap.episode_id,
        "age_s": round((now_ns - (cap.publish_ns or cap.event_ns)) / 1e9, 1),
        "epoch": cap.epoch,
        "sequence": cap.sequence,
        "lss": None,
        "rwh": None,
    }
    if status is not None:
        shown |= {"lss": status["lss"], "rwh": status["rwh"]}
    return shown


def rows(caps: CapSubscription, seen: Statuses) -> list[dict[str, Any]]:
    """Every session ever heard of, in alphabetical order."""
    now_ns = time.time_ns()
    return [
        row(cap, not caps.cap(session).safe, now_ns, seen.get(session))
        for session in sorted(caps.book.sessions())
        if (cap := caps.book.newest(session)) is not None
    ]


def table(shown: Iterable[Mapping[str, Any]], trouble: str | None) -> Table:
    """The view."""
    made = Table(box=None, pad_edge=False, caption=trouble, caption_style="red")
    for heading in ("session", "state", "LSS", "missing", "lost", "confidence", "cap", "", "age"):
        is_text = heading in {"session", "state", ""}
        made.add_column(heading, justify="left" if is_text else "right", no_wrap=bool(heading))
    for one in shown:
        state = Text(one["state"], style=COLOURS[State(one["state"])])
        cap = Text(f"{one['cap']:.2f}" if one["valid"] else "expired")
        cap.stylize("" if one["valid"] else "bold red")
        made.add_row(
            Text(one["session"]),
            state,
            "-" if one["lss"] is None else f"{one['lss']['settled']:.3f}",
            _total(one, "outstanding"),
            _total(one, "unrecoverable"),
            f"{one['confidence']:.2f}",
            cap,
            Text(_notes(one), style="dim"),
            f"{one['age_s']:.1f} s",
        )
    return made


def _total(one: Mapping[str, Any], field: str) -> str:
    if one["rwh"] is None:
        return "-"
    return str(sum(source[field] for source in one["rwh"].values()))


def _notes(one: Mapping[str, Any]) -> str:
    flags = {"safe_mode": one["safe_mode"], "frozen": one["freeze_expansion"]}
    notes = dict.fromkeys([one["reason"], *(flag for flag, up in flags.items() if up)])
    return ", ".join(notes)


async def follow(settings: Settings, urls: list[str], *, once: bool, as_json: bool) -> None:
    """Show the sessions until interrupted, or once everything published so far has been read."""
    topic = settings.topic("caps")
    async with (
        CapSubscription(connection(settings), topic=topic, lookback_s=None) as caps,
        aiohttp.ClientSession(timeout=STATUS_TIMEOUT) as client,
    ):
        if once:
            try:
                await asyncio.wait_for(caps.caught_up(), _CATCH_UP_S)
            except TimeoutError:
                raise Unreachable(f"{settings.bootstrap_servers}: {caps.trouble}") from None
            _print(rows(caps, await statuses(client, urls)), as_json=as_json)
        elif as_json:
            async for session, _ in caps.changes():
                seen = await statuses(client, urls)
                _print([one for one in rows(caps, seen) if one["session"] == session], as_json=True)
        else:
            with Live(console=Console(), auto_refresh=False) as live:
                while True:
                    seen = await statuses(client, urls)
                    live.update(table(rows(caps, seen), caps.trouble), refresh=True)
                    await asyncio.sleep(REFRESH_S)


def _print(shown: list[dict[str, Any]], *, as_json: bool) -> None:
    if not as_json:
        Console().print(table(shown, None))
        return
    for one in shown:
        sys.stdout.buffer.write(orjson.dumps(one) + b"\n")
    sys.stdout.buffer.flush()


def watch(
    *,
    bootstrap_servers: Annotated[
        str | None, typer.Option(metavar="HOST:PORT,...", help="Kafka brokers.")
    ] = None,
    topic_prefix: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Put before every topic's name.")
    ] = None,
    http: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            show_default=False,
            help="HTTP port of a service process, for similarity and horizon; repeatable. The one"
            " in the settings if not given.",
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Print the present state and end.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a session and change, for machines.")
    ] = False,
) -> None:
    """Show every session live: state, similarity, horizon, confidence, cap, and how old that is.

    The word after the cap is what binds it: a component of the confidence, the state's ceiling, the
    ramp, the safe mode. A cap that has expired says so: routers are on their own caps then.

        reconverge watch

        reconverge watch --once --json | jq 'select(.state != "HEALTHY")'
    """
    settings = inputs.settings(bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix)
    quieten_client()
    urls = http or [f"http://{settings.http_host}:{settings.http_port}"]
    try:
        asyncio.run(follow(settings, urls, once=once, as_json=as_json))
    except SettingsRefused as refused:
        leave(Exit.USAGE, refused.problems)
    except Unreachable as error:
        leave(Exit.ENVIRONMENT, [f"Kafka: {error}"])
    except KeyboardInterrupt:
        raise typer.Exit from None
