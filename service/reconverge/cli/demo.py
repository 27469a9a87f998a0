"""The command `demo`: the recorded incident through the whole product, watched as it happens, told
and drawn at its end. Composes the demo's parts with the service and the view of `watch`.
"""

import asyncio
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final

import aiohttp
import orjson
import typer
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from reconverge.cli import watch
from reconverge.cli.exits import Exit, leave
from reconverge.cli.kafka import quieten_client
from reconverge.client import CapSubscription
from reconverge.config.topics import TOPICS
from reconverge.core.messages.effects import Effect, Episode, Transition
from reconverge.core.messages.events import Disconnect, Event, Logon, MassStatusEnd, ResendRequested
from reconverge.demo.account import Unfinished, account
from reconverge.demo.recording import SESSION, Recording, demo_policy, load, played
from reconverge.demo.router import obey
from reconverge.demo.stage import FETCH_WAIT_MS, ServiceFailed, Witness, feed, service
from reconverge.demo.story import tell
from reconverge.demo.timeline import SPEED_MAX, Timeline
from reconverge.demo.trace import Trace, retrace

_LEAD_NS: Final = 1_000_000_000
"""From the start of the play to its first message: every feed is connected by then."""
_CLOSE_S: Final = 20.0
"""Longest wait, after the last message, for the episode to close."""
_INTRODUCTION: Final = (
    "Two real FIX engines trade; then the primary gateway dies with requests in flight."
)
_REFRESH_S: Final = 0.25
"""How often the view is drawn anew."""
_NS_PER_S: Final = 1e9


class Narrator:
    """Says what happens while it does, above the view; knows when the episode has closed."""

    def __init__(self, console: Console) -> None:
        self.closed = asyncio.Event()
        self.timeline = Timeline(0, 0)
        self.console = console
        self._failed_ns = 0

    def hear(self, said: Event | Effect) -> None:
        """Take note of one record of any topic."""
        if isinstance(said, Disconnect) and said.channel is None:
            self._failed_ns = said.event_ns
        words = _words(said)
        if words and self._failed_ns:
            at_s = (said.event_ns - self._failed_ns) * self.timeline.speed / _NS_PER_S
            self.console.print(f"[dim]{at_s:+7.2f} s[/]  {words}", highlight=False)
        if isinstance(said, Episode) and said.status == "closed":
            self.closed.set()


def _words(said: Event | Effect) -> str | None:
    """What a record means to somebody who watches; none if it is only one of many."""
    match said:
        case Disconnect(channel=None):
            return "the primary gateway is dead"
        case Logon(channel=None, outbound=False):
            return "the backup has logged us on: the socket is back"
        case ResendRequested(channel=None, outbound=True):
            return f"messages are missing from {said.from_seq} on: asked for again"
        case MassStatusEnd():
            return "a mass status tells what the venue really has"
        case Transition():
            style = watch.COLOURS[said.to_state]
            return f"[{style}]{said.to_state}[/]  [dim]{said.signal}[/]"
    return None


async def _perform(address: str, speed: float, folder: Path, console: Console) -> Trace:
    """Play the recording through a broker, the service and the router."""
    recording, narrator = load(), Narrator(console)
    async with Witness(address, narrator.hear) as witness:
        async with service(address, folder / "service.log") as url:
            console.print(_INTRODUCTION, soft_wrap=True)
            console.print(f"[dim]The service: {url}/status, {url}/metrics[/]", soft_wrap=True)
            timeline = Timeline(recording.begin_ns, time.time_ns() + _LEAD_NS, speed)
            narrator.timeline = timeline
            await _play(recording, witness, narrator, address, url)
        await witness.rest()
    return retrace(SESSION, timeline, witness.inputs, witness.effects)


async def _play(
    recording: Recording, witness: Witness, narrator: Narrator, address: str, url: str
) -> None:
    inputs = list(played(recording, narrator.timeline, demo_policy()))
    reaching = {"bootstrap_servers": address, "fetch_max_wait_ms": FETCH_WAIT_MS}
    async with (
        CapSubscription(reaching) as caps,
        asyncio.TaskGroup() as group,
    ):
        beside = [
            group.create_task(witness.listen()),
            group.create_task(obey(SESSION, caps, address)),
            group.create_task(_show(recording, narrator, caps, url)),
        ]
        await feed(inputs, address)
        with suppress(TimeoutError):  # then the account says what is missing
            await asyncio.wait_for(narrator.closed.wait(), _CLOSE_S)
        for task in beside:
            task.cancel()


async def _show(recording: Recording, narrator: Narrator, caps: CapSubscription, url: str) -> None:
    """The view of `watch`, under the narrator's lines, until cancelled."""
    async with aiohttp.ClientSession(timeout=watch.STATUS_TIMEOUT) as client:
        with Live(console=narrator.console, auto_refresh=False, transient=True) as live:
            while True:
                seen = await watch.statuses(client, [url])
                view = watch.table(watch.rows(caps, seen), narrator.console.width)
                now_ns = narrator.timeline.recorded(time.time_ns())
                played_s = min(max(now_ns, recording.begin_ns), recording.end_ns)
                live.update(Group("", _progress(recording, played_s), view), refresh=True)
                await asyncio.sleep(_REFRESH_S)


def _progress(recording: Recording, now_ns: int) -> Text:
    at_s = (now_ns - recording.begin_ns) / _NS_PER_S
    end_s = (recording.end_ns - recording.begin_ns) / _NS_PER_S
    return Text(f"second {at_s:.0f} of {end_s:.0f}", style="dim")


def demo(
    *,
    speed: Annotated[
        float,
        typer.Option(min=0.1, max=SPEED_MAX, help="How many times as fast as it was recorded."),
    ] = 1.0,
    out: Annotated[
        Path, typer.Option(metavar="DIR", file_okay=False, help="Where account and picture go.")
    ] = Path("reconverge-demo"),
) -> None:
    """Play a recorded failover between real FIX engines through the whole product, and tell it.

    Starts an embedded broker and the service, reads the engines' logs with the tap, publishes the
    events as they come, lets a router stand-in obey the caps, shows the session live, and ends by
    itself after about a minute with the incident in plain words, a picture (SVG, PNG) and all
    figures (JSON). Needs nothing but
    this package with its `demo` extra, and opens ports on loopback only.

        reconverge demo

        reconverge demo --speed 10 --out incident
    """
    try:  # what comes with the extra
        from reconverge.demo.broker import broker  # noqa: PLC0415
        from reconverge.demo.picture import draw  # noqa: PLC0415
    except ModuleNotFoundError as error:
        leave(Exit.ENVIRONMENT, [f"{error.name} is missing: pip install 'reconverge[demo]'"])
    out.mkdir(parents=True, exist_ok=True)
    out = out.resolve()
    console = Console(highlight=False)
    quieten_client()
    try:
        with broker(topic.name for topic in TOPICS) as address:
            told = account(asyncio.run(_perform(address, speed, out, console)))
    except Unfinished as reason:
        slower = " (at a lower --speed, a busy machine's delays weigh less)" if speed > 1 else ""
        leave(Exit.FOUND, [f"{reason}{slower}; the service's log is {out / 'service.log'}"])
    except ServiceFailed as error:
        leave(Exit.ENVIRONMENT, [error])
    story = tell(told)
    (out / "incident.txt").write_text(story, encoding="utf-8")
    (out / "incident.json").write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2))
    draw(told, story, out / "incident.svg", out / "incident.png")
    console.print(f"\n{story}", markup=False, soft_wrap=True)
    console.print(f"[dim]The picture: {out / 'incident.svg'}[/]", soft_wrap=True)
