"""The command ``tap``: composes logs, tap and output, and turns the outcome into an exit code."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from reconverge.cli import tap_report
from reconverge.cli.tap_kafka import kafka
from reconverge.config.settings import SettingsRefused
from reconverge.core.messages.events import StreamEvent
from reconverge.core.messages.wire import NAME_LENGTH_MAX, encode
from reconverge.tap.framing import zone_offset_ns
from reconverge.tap.kafka import PublishError, publish_stream
from reconverge.tap.mapping import PARENT_TAGS
from reconverge.tap.pipeline import Tap, UsageError
from reconverge.tap.resume import Source
from reconverge.tap.run import follow, read
from reconverge.tap.source import Log
from reconverge.tap.translate import Identity

EXIT_REJECTS, EXIT_ENVIRONMENT = 1, 3  # 2 is wrong usage, as everywhere

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Turn real feeds into events.")


class Stream(StrEnum):
    """Which input the logs are."""

    ORDER_ENTRY = "order-entry"
    DROP_COPY = "drop-copy"


Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE...",
        exists=True,
        dir_okay=False,
        readable=True,
        show_default=False,
        help="Message logs, rotated parts oldest first, and the engine's event logs, which tell the"
        " exact moment of a disconnect. Merged by time.",
    ),
]
Session = Annotated[
    str, typer.Option(help="Order-entry session the events are about; the Kafka key.")
]
StreamOption = Annotated[Stream, typer.Option(help="What the logs are of.")]
CompId = Annotated[
    str | None,
    typer.Option(
        metavar="OURS",
        help="Our CompID. Else taken from the line (incoming, outgoing), from a file name as"
        " QuickFIX gives it, or from the first Logon, which an initiator sends.",
    ),
]
Peers = Annotated[
    list[str] | None,
    typer.Option(
        metavar="THEIRS",
        help="Only messages with this counterparty's CompID. Repeatable; numbers with any but the"
        " first are another segment's.",
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TAG=VALUE",
        help="On a feed of several sessions, which reports are of this one; the others only use up"
        " their number. Repeatable: any of them.",
    ),
]
Channel = Annotated[
    str | None, typer.Option(help="Drop-copy channel; the counterparty's CompID if not given.")
]
Gateways = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[HOST:PORT=]NAME",
        help="Path; the counterparty's CompID if not given. With HOST:PORT, while the event log"
        " says that the engine is connected there. Repeatable.",
    ),
]
Venue = Annotated[
    str | None, typer.Option(help="Venue profile the session follows; stamped on its logons.")
]
ParentTags = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TAG",
        help=f"Tag of the parent order's id; {', then '.join(PARENT_TAGS)} if not given."
        " Repeatable: the first present counts.",
    ),
]
UtcOffset = Annotated[
    str,
    typer.Option(
        metavar="+HH:MM",
        help="How far the lines' own times are ahead of UTC, where they do not say.",
    ),
]
Lenient = Annotated[
    bool,
    typer.Option(
        "--lenient",
        help="Read altered messages too (masked, anonymised, converted): those whose BodyLength or"
        " CheckSum is wrong. Counted by what is wrong.",
    ),
]
ToKafka = Annotated[
    bool, typer.Option("--to-kafka", help="Publish to the stream's topic instead of printing.")
]
Brokers = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT,...", help="Brokers; RECONVERGE_BOOTSTRAP_SERVERS if not given."
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume/--no-resume",
        help="Publish only what the topic does not have of this session, or all of it again.",
    ),
]
Follow = Annotated[
    bool,
    typer.Option("--follow", help="Read on as the logs grow, through rotation, until interrupted."),
]
RejectsFile = Annotated[
    Path | None,
    typer.Option(
        "--rejects", metavar="FILE", help="Keep every line that could not be read here, verbatim."
    ),
]
JsonSummary = Annotated[bool, typer.Option("--json-summary", help="Summary as one JSON object.")]


app.command("kafka")(kafka)


@app.callback()
def _tap() -> None:
    """Turn real feeds into events."""


@app.command("fix-log")
def fix_log(  # noqa: PLR0913, PLR0917 - one parameter an option
    files: Files,
    session: Session,
    stream: StreamOption,
    comp_id: CompId = None,
    peer: Peers = None,
    only: Only = None,
    channel: Channel = None,
    gateway: Gateways = None,
    venue: Venue = None,
    parent_tag: ParentTags = None,
    utc_offset: UtcOffset = "+00:00",
    lenient: Lenient = False,  # noqa: FBT002
    to_kafka: ToKafka = False,  # noqa: FBT002 - typer's way
    bootstrap_servers: Brokers = None,
    resume: Resume = True,  # noqa: FBT002
    live: Follow = False,  # noqa: FBT002
    rejects: RejectsFile = None,
    json_summary: JsonSummary = False,  # noqa: FBT002
) -> None:
    """Turn FIX engine logs into events: JSON lines on standard output, or Kafka.

    Reads FIX 4.2, 4.4 and 5.0 SP2 (FIXT 1.1) as QuickFIX (C++, /J, /n, /Go) logs it, raw, or with
    another delimiter in the place of SOH. Standard error has a summary, and the first lines that
    could not be read.

        reconverge tap fix-log entry.log --session EQ-1 --stream order-entry > entry.jsonl

        reconverge tap fix-log dc.log --session EQ-1 --stream drop-copy --follow --to-kafka

    Exit code: 0 everything was used, 1 some lines could not be, 2 wrong usage or nothing of the
    session asked for, 3 a file or the broker failed.
    """
    _check_apart(rejects, files)
    default, endpoints = _gateways(gateway or [])
    _check_names("--session", [session])
    _check_names("--channel", [channel])
    _check_names("--gateway", [default, *endpoints.values()])
    _check_names("--venue", [venue])
    identity = Identity(
        session=session,
        is_drop_copy=stream is Stream.DROP_COPY,
        channel=channel,
        gateway=default,
        endpoints=endpoints,
        venue=venue,
        parent_tags=tuple(parent_tag) if parent_tag else PARENT_TAGS,
        only=_tags_and_values(only or []),
    )
    offset_ns = _offset_ns(utc_offset)
    with ExitStack() as stack:
        try:
            kept = tap_report.Rejects(stack.enter_context(rejects.open("wb")) if rejects else None)
            tap = Tap(identity, ours=comp_id, peers=tuple(peer or ()), on_reject=kept)
            logs = [stack.enter_context(Log(file, offset_ns, lenient=lenient)) for file in files]
            if to_kafka:
                source = Source(session, channel) if resume else None
                events = _events(tap, logs, live=live)
                publication = _publish(events, stream, bootstrap_servers, source)
                tap.counts.published = asyncio.run(publication)
            elif live:
                asyncio.run(_print_live(_events(tap, logs, live=True)))
            else:
                _print(read(tap, logs))
        except UsageError as error:
            raise typer.BadParameter(str(error), param_hint=error.option) from None
        except OSError as error:
            _fail(str(error))
        _summarise(tap, kept, as_json=json_summary)
    raise typer.Exit(EXIT_REJECTS if tap.counts.rejects or tap.counts.set_aside else 0)


def _check_apart(rejects: Path | None, logs: Iterable[Path]) -> None:
    """Keeping what cannot be read must not overwrite what is read."""
    if rejects is not None and any(rejects.exists() and rejects.samefile(log) for log in logs):
        raise typer.BadParameter(f"{rejects} is one of the logs", param_hint="--rejects")


def _check_names(option: str, names: Iterable[str | None]) -> None:
    """What becomes a field of every event must be a text that the contract allows."""
    if any(name is not None and not 0 < len(name) <= NAME_LENGTH_MAX for name in names):
        told = f"a name has 1 to {NAME_LENGTH_MAX} characters"
        raise typer.BadParameter(told, param_hint=option)


def _gateways(given: list[str]) -> tuple[str | None, dict[str, str]]:
    """The default path, and the paths by the address the engine connects to."""
    default, endpoints = None, {}
    for each in given:
        endpoint, is_mapped, name = each.rpartition("=")
        if is_mapped:
            endpoints[endpoint] = name
        else:
            default = name
    return default, endpoints


def _tags_and_values(given: list[str]) -> tuple[tuple[str, str], ...]:
    pairs = [tuple(each.split("=", 1)) for each in given]
    if any(len(pair) != 2 or not pair[0].isdigit() for pair in pairs):
        raise typer.BadParameter("expected TAG=VALUE, such as 128=DESK-A", param_hint="--only")
    return tuple((pair[0], pair[1]) for pair in pairs)


def _offset_ns(text: str) -> int:
    try:
        return zone_offset_ns(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--utc-offset") from None


def _print(events: Iterable[StreamEvent]) -> None:
    try:
        for event in events:
            sys.stdout.buffer.write(encode(event) + b"\n")
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        _forget_stdout()


async def _print_live(events: AsyncIterator[StreamEvent]) -> None:
    try:
        async for event in events:
            sys.stdout.buffer.write(encode(event) + b"\n")
            sys.stdout.buffer.flush()
    except BrokenPipeError:
        _forget_stdout()


def _forget_stdout() -> None:
    """The reader of our output has had enough: leave the interpreter nothing to flush to it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


async def _events(tap: Tap, logs: list[Log], *, live: bool) -> AsyncIterator[StreamEvent]:
    """The events: until the logs end or, live, until a signal."""
    if not live:
        for event in read(tap, logs):
            yield event
        return
    stop = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    async for event in follow(tap, logs, stop):
        yield event


async def _publish(
    events: AsyncIterator[StreamEvent],
    stream: Stream,
    servers: str | None,
    resume: Source | None,
) -> int:
    # What goes wrong is told once, in our words, and not at every try in the client's.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        return await publish_stream(events, stream, bootstrap_servers=servers, resume=resume)
    except SettingsRefused as error:
        raise typer.BadParameter("\n".join(error.problems)) from None
    except PublishError as error:
        _fail(str(error))


def _summarise(tap: Tap, kept: tap_report.Rejects, *, as_json: bool) -> None:
    if as_json:
        sys.stderr.buffer.write(tap_report.as_json(tap.counts, kept) + b"\n")
    else:
        tap_report.show(Console(stderr=True), tap.counts, kept)


def _fail(why: str) -> NoReturn:
    typer.echo(why, err=True)
    raise typer.Exit(EXIT_ENVIRONMENT)
