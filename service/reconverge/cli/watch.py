"""The command `watch`: every session, live, as a router and an operator would want to see it.

Caps come from Kafka, as a router has them; similarity and horizon from the status pages of the
service's processes, where they can be reached.
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any, Final, NamedTuple

import aiohttp
import orjson
import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from reconverge.cli import inputs
from reconverge.cli.exits import Exit, leave
from reconverge.cli.kafka import Unreachable, quieten_client
from reconverge.cli.reach import cause
from reconverge.client import CapSubscription, Change
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

_WORST: Final = (
    State.STATE_DIVERGED,
    State.FAILOVER_DETECTED,
    State.REPLAY_SYNCING,
    State.CONTROLLED_REENTRY,
    State.STABLE,
    State.HEALTHY,
)
_HEADINGS: Final = (
    "session", "state", "LSS", "missing", "lost", "confidence", "cap", "", "age",
)  # fmt: skip
_WIDE: Final = 100
"""Columns of a terminal in which everything fits."""
_ONLY_WIDE: Final = frozenset({"LSS", "missing", "lost"})
_FRAME_LINES: Final = 4
"""Summary, headings, trouble, and the line of the prompt."""

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


class Chosen(NamedTuple):
    """Which sessions are shown; empty is every one."""

    sessions: frozenset[str] = frozenset()
    states: frozenset[State] = frozenset()

    def takes(self, cap: Cap) -> bool:
        """Whether the session of this cap is shown now."""
        return (not self.sessions or cap.session in self.sessions) and (
            not self.states or cap.state in self.states
        )


def rows(
    caps: CapSubscription,
    seen: Statuses,
    chosen: Chosen = Chosen(),  # noqa: B008 - immutable
) -> list[dict[str, Any]]:
    """The chosen sessions, worst first: without a valid cap, by state, then the lowest cap."""
    now_ns = time.time_ns()
    newest = (caps.book.newest(session) for session in caps.book.sessions())
    found = [
        row(cap, not caps.cap(cap.session).safe, now_ns, seen.get(cap.session))
        for cap in newest
        if cap is not None and chosen.takes(cap)
    ]
    return sorted(found, key=badness)


def badness(one: Mapping[str, Any]) -> tuple[bool, int, float, str]:
    """What sorts the worst first."""
    return one["valid"], _WORST.index(State(one["state"])), one["cap"], one["session"]


def summary(shown: Sequence[Mapping[str, Any]], fits: int) -> str:
    """All of them in one line."""
    states = Counter(one["state"] for one in shown)
    parts = [f"{states[state]} {state}" for state in _WORST if states[state]]
    ended = sum(not one["valid"] for one in shown)
    parts += [f"{ended} without a valid cap"] * bool(ended)
    parts += [f"the worst {fits} shown"] * (fits < len(shown))
    count = f"{len(shown):,} session{'s' if len(shown) != 1 else ''}"
    return f"{count}: {', '.join(parts)}" if parts else count


def view(
    shown: Sequence[Mapping[str, Any]], trouble: str | None, size: tuple[int, int], *, caught: bool
) -> Group:
    """The summary, and as many of the rows as fit into a width and height."""
    width, height = size
    fits = shown[: max(1, height - _FRAME_LINES)]
    told = summary(shown, len(fits)) + ("" if caught else "; catching up")
    lines: list[Text | Table] = [
        Text(told, no_wrap=True, overflow="ellipsis"),
        table(fits, width, caught=caught),
    ]
    if trouble:
        lines.append(Text(trouble, "red", no_wrap=True))
    return Group(*lines)


def table(shown: Iterable[Mapping[str, Any]], width: int = 100, *, caught: bool = True) -> Table:
    """The sessions, with the columns that fit into a width."""
    made = Table(box=None, pad_edge=False)
    left_out = frozenset() if width >= _WIDE else _ONLY_WIDE
    for heading in _HEADINGS:
        if heading not in left_out:
            is_text = heading in {"session", "state", ""}
            made.add_column(heading, justify="left" if is_text else "right", no_wrap=True)
    for one in shown:
        cells = dict(zip(_HEADINGS, _cells(one, caught=caught), strict=True))
        made.add_row(*(cell for heading, cell in cells.items() if heading not in left_out))
    return made


def _cells(one: Mapping[str, Any], *, caught: bool) -> list[Text]:
    ended = "expired" if caught else "catching up"
    return [
        Text(one["session"]),
        Text(one["state"], style=COLOURS[State(one["state"])]),
        Text("-" if one["lss"] is None else f"{one['lss']['settled']:.3f}"),
        Text(_total(one, "outstanding")),
        Text(_total(one, "unrecoverable")),
        Text(f"{one['confidence']:.2f}"),
        Text(f"{one['cap']:.2f}") if one["valid"] else Text(ended, "bold red" if caught else "dim"),
        Text(_notes(one), style="dim"),
        Text(f"{one['age_s']:.1f} s"),
    ]


def _total(one: Mapping[str, Any], field: str) -> str:
    if one["rwh"] is None:
        return "-"
    return str(sum(source[field] for source in one["rwh"].values()))


def _notes(one: Mapping[str, Any]) -> str:
    flags = {"safe_mode": one["safe_mode"], "frozen": one["freeze_expansion"]}
    notes = dict.fromkeys([one["reason"], *(flag for flag, up in flags.items() if up)])
    return ", ".join(notes)


class Changes:
    """Every cap that comes, as it is when it comes: a later one does not stand in for it."""

    def __init__(self, caps: CapSubscription, chosen: Chosen) -> None:
        self._caps = caps
        self._chosen = chosen
        self._waiting: asyncio.Queue[tuple[Cap, bool] | None] = asyncio.Queue()
        caps._listeners.add(self)  # noqa: SLF001 - of this package; `changes` gives views, not caps

    def put(self, change: Change) -> None:
        """See ``client.listeners.Listener``."""
        cap = self._caps.book.newest(change.session)
        if cap is not None and self._chosen.takes(cap):
            self._waiting.put_nowait((cap, not change.view.safe))

    def close(self) -> None:
        """See ``client.listeners.Listener``."""
        self._waiting.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[tuple[Cap, bool]]:
        """Each cap, and whether it was valid then."""
        while (one := await self._waiting.get()) is not None:
            yield one


class _Pages:
    """The status pages, asked at most twice a second however many caps come."""

    def __init__(self, client: aiohttp.ClientSession, urls: list[str]) -> None:
        self._client = client
        self._urls = urls
        self._asked_s = -REFRESH_S
        self._seen: Statuses = {}

    async def seen(self) -> Statuses:
        now_s = time.monotonic()
        if now_s - self._asked_s >= REFRESH_S:
            self._asked_s, self._seen = now_s, await statuses(self._client, self._urls)
        return self._seen


async def follow(
    settings: Settings, urls: list[str], chosen: Chosen, *, once: bool, as_json: bool
) -> None:
    """Show the sessions until interrupted, or once everything published so far has been read."""
    topic, console = settings.topic("caps"), Console()
    options = connection(settings)
    async with (
        CapSubscription(options, topic=topic, lookback_s=None) as caps,
        aiohttp.ClientSession(timeout=STATUS_TIMEOUT) as client,
    ):
        pages, changes = _Pages(client, urls), Changes(caps, chosen)
        if once or not (as_json or console.is_terminal):
            if not await caps.caught_up(_CATCH_UP_S):
                raise Unreachable(f"{caps.trouble}: {await cause(options)}")
            _print(rows(caps, await pages.seen(), chosen), console, as_json=as_json)
        if once:
            return
        if as_json or not console.is_terminal:
            async for cap, valid in changes:
                one = row(cap, valid, time.time_ns(), (await pages.seen()).get(cap.session))
                _tell(one, cap, as_json=as_json)
        with Live(console=console, auto_refresh=False) as live:
            while True:
                shown = rows(caps, await pages.seen(), chosen)
                caught = await caps.caught_up(0)
                size = console.width, console.height
                live.update(view(shown, caps.trouble, size, caught=caught), refresh=True)
                await asyncio.sleep(REFRESH_S)


def _tell(one: Mapping[str, Any], cap: Cap, *, as_json: bool) -> None:
    """One change, as a line."""
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(one) + b"\n")
        sys.stdout.buffer.flush()
    elif cap.cause != "heartbeat" or not one["valid"]:
        told = f"cap {one['cap']:.2f} ({_notes(one)})" if one["valid"] else "expired"
        at = f"{time.strftime('%H:%M:%S', time.gmtime())}Z"
        print(at, one["session"], one["state"], told, flush=True)  # noqa: T201 - the output


def _print(shown: list[dict[str, Any]], console: Console, *, as_json: bool) -> None:
    if not as_json:
        size = console.width, len(shown) + _FRAME_LINES
        console.print(view(shown, None, size, caught=True))
        return
    for one in shown:
        sys.stdout.buffer.write(orjson.dumps(one) + b"\n")
    sys.stdout.buffer.flush()


def watch(  # noqa: PLR0913 - one parameter an option
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
    session: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", show_default=False, help="Only this session; repeatable."),
    ] = None,
    state: Annotated[
        list[State] | None,
        typer.Option(
            metavar="STATE",
            show_default=False,
            case_sensitive=False,
            help="Only sessions in this state; repeatable.",
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Print the present state and end.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a session and change, for machines.")
    ] = False,
) -> None:
    """Show every session live: state, similarity, horizon, confidence, cap, and its age.

    Worst first; the first line sums all of them up. The word after the cap is what binds it: a
    component of the confidence, the state's ceiling, the ramp, the safe mode. A cap that has
    expired says so: routers are on their own caps then. Without a terminal, each change is a line.

        reconverge watch

        reconverge watch --state STATE_DIVERGED --state FAILOVER_DETECTED

        reconverge watch --once --json | jq 'select(.state != "HEALTHY")'
    """
    settings = inputs.settings(bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix)
    quieten_client()
    urls = http or [f"http://{settings.http_host}:{settings.http_port}"]
    try:
        chosen = Chosen(frozenset(session or ()), frozenset(state or ()))
        asyncio.run(follow(settings, urls, chosen, once=once, as_json=as_json))
    except SettingsRefused as refused:
        leave(Exit.USAGE, refused.problems)
    except Unreachable as error:
        leave(Exit.ENVIRONMENT, [f"Kafka: {error}"])
    except KeyboardInterrupt:
        raise typer.Exit from None
