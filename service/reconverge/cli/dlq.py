"""The commands `dlq list`, `show` and `replay`: records that were set aside, and sending them anew.

A record is named by its origin, `TOPIC/PARTITION/OFFSET`: where it lay in the input, and the same
however often it was set aside.
"""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import orjson
import typer
from rich.console import Console
from rich.table import Table

from reconverge.cli import history, inputs
from reconverge.cli.exits import Exit, leave
from reconverge.config.settings import Settings
from reconverge.core.messages.decode import Undecodable, decode
from reconverge.core.messages.events import Event
from reconverge.core.messages.wire import BROADCAST, plain
from reconverge.stream import (
    HEADER_PREFIX,
    Log,
    Message,
    Options,
    Record,
    provenance,
    read,
    stretch,
)

_READER: Final = "dlq"
REPLAYED_FROM: Final = HEADER_PREFIX + "replayed-from"
"""Header of a record sent anew: its origin."""

app = typer.Typer(
    add_completion=False,
    help="Records that were set aside: `list` them, `show` one, `replay` a mended one.",
    no_args_is_help=True,
)


class Origin(NamedTuple):
    """Where a record lay in the input."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return "/".join(map(str, self))


class Aside(NamedTuple):
    """A record that was set aside."""

    origin: Origin
    disposition: str
    error: str
    timestamp_ms: int
    """When the original was produced. Milliseconds, UTC."""
    left: bool
    """Too large to be set aside: the value is still where it was, while retention lasts."""
    record: Record


def _origin(text: str) -> Origin:
    try:
        topic, partition, offset = text.rsplit("/", 2)
        return Origin(topic, int(partition), int(offset))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not TOPIC/PARTITION/OFFSET") from None


ORIGIN = Annotated[
    Origin,
    typer.Argument(
        metavar="TOPIC/PARTITION/OFFSET", parser=_origin, show_default=False,
        help="The record's origin, as `list` shows it.",
    ),
]  # fmt: skip


@app.command("list")
def list_(
    *,
    topic: Annotated[
        str | None, typer.Option(help="Only of this input: order-entry, drop-copy, ...")
    ] = None,
    bootstrap_servers: history.Brokers = None,
    topic_prefix: history.Prefix = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a record.")] = False,
) -> None:
    """List the records that were set aside, each once, by origin: what they are and why.

    reconverge dlq list --topic drop-copy
    """
    settings = inputs.settings(bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix)
    found = history.perform(_list(settings, topic))
    if as_json:
        for aside in found:
            typer.echo(orjson.dumps(_fields(aside)))
        return
    table = Table("origin", "disposition", "key", "error", box=None, pad_edge=False)
    for aside in found:
        error = aside.error.partition("\n")[0]
        table.add_row(str(aside.origin), aside.disposition, _text(aside.record.key), error)
    Console().print(table)


@app.command()
def show(
    *,
    origin: ORIGIN,
    bootstrap_servers: history.Brokers = None,
    topic_prefix: history.Prefix = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="The value's bytes and nothing else, to mend them.")
    ] = False,
) -> None:
    """Show one record: why it was set aside, its bytes, what can be read of it, whether it was
    replayed.

        reconverge dlq show order-entry/0/1234

        reconverge dlq show order-entry/0/1234 --raw > mended.json
    """
    settings = inputs.settings(bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix)
    aside, replayed = history.perform(_show(settings, origin))
    value: bytes = aside.record.value or b""
    if raw:
        sys.stdout.buffer.write(value)
        return
    report = _fields(aside) | {"replayed_as": replayed, "value": _text(value)}
    try:
        report["decoded"] = plain(decode(value))
    except Undecodable:
        report["decoded"] = _json(value)
    typer.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2))


@app.command()
def replay(
    *,
    origin: ORIGIN,
    edit: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            allow_dash=True,
            dir_okay=False,
            help="The mended value, - for standard input; without it, the value as it was.",
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Although it was replayed before.")
    ] = False,
    bootstrap_servers: history.Brokers = None,
    topic_prefix: history.Prefix = None,
) -> None:
    """Send a record anew into the input it came from, mended.

    It becomes a new record at the end of that input, keyed by its session, its header
    `reconverge.replayed-from` naming its origin. One that cannot be decoded, or was replayed
    before, is refused with exit code 1. A numbered message is marked as a possible duplicate, so
    that a number made good in the meantime is not taken for a violation (docs/audit.md).

        reconverge dlq replay order-entry/0/1234 --edit mended.json
    """
    settings = inputs.settings(bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix)
    mended = None if edit is None else _bytes(edit)
    sent = history.perform(_replay(settings, origin, mended, again=again))
    typer.echo(f"{origin} is now {sent}")


def _bytes(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        leave(Exit.ENVIRONMENT, [error])


# -- Kafka ----------------------------------------------------------------------------------------


async def _asides(log: Log, options: Options, topic: str) -> AsyncIterator[Aside]:
    """What of an input was set aside, each origin once, and nothing that is no such record."""
    seen: set[Origin] = set()
    aside_topic = options.topics.quarantine(topic)
    start, end = await log.span(aside_topic)
    async for record in stretch(log, aside_topic, start, end, options.deadlines.read_s):
        aside = _aside(record)
        if aside is not None and aside.origin not in seen:
            seen.add(aside.origin)
            yield aside


def _aside(record: Record) -> Aside | None:
    told = provenance(record)
    try:
        origin = Origin(told["topic"], int(told["partition"]), int(told["offset"]))
        left = "value_left_at_origin" in told
        timestamp_ms = int(told["timestamp_ms"])
        return Aside(origin, told["disposition"], told["error"], timestamp_ms, left, record)
    except (KeyError, ValueError):
        return None


async def _list(settings: Settings, wanted: str | None) -> list[Aside]:
    found: list[Aside] = []
    for partition in range(await history.partitions(settings)):
        async with history.opened(settings, partition, _READER) as (log, options):
            topics = [settings.topic(wanted)] if wanted else options.topics.inputs
            for topic in topics:
                found += [aside async for aside in _asides(log, options, topic)]
    return sorted(found, key=lambda aside: aside.timestamp_ms)


async def _find(log: Log, options: Options, origin: Origin) -> Aside:
    """The record of an origin, its value fetched from there if it had to be left."""
    found = [a async for a in _asides(log, options, origin.topic) if a.origin == origin]
    if not found:
        leave(Exit.FOUND, [f"no record from {origin} was set aside"])
    (aside,) = found
    if not aside.left:
        return aside
    wait_s, offset = options.deadlines.read_s, origin.offset
    (record,) = await read(log, origin.topic, offset, offset + 1, wait_s)
    return aside._replace(record=record)


async def _replayed_as(log: Log, options: Options, origin: Origin) -> str | None:
    """Where an origin was sent anew already, if it was: the input itself says so."""
    header = (REPLAYED_FROM, str(origin).encode())
    start, end = await log.span(origin.topic)
    start = max(start, origin.offset + 1)
    async for record in stretch(log, origin.topic, start, end, options.deadlines.read_s):
        if header in record.headers:
            return str(Origin(origin.topic, origin.partition, record.offset))
    return None


async def _show(settings: Settings, origin: Origin) -> tuple[Aside, str | None]:
    async with history.opened(settings, origin.partition, _READER) as (log, options):
        aside = await _find(log, options, origin)
        return aside, await _replayed_as(log, options, origin)


async def _replay(
    settings: Settings, origin: Origin, mended: bytes | None, *, again: bool
) -> Origin:
    async with history.opened(settings, origin.partition, _READER) as (log, options):
        aside = await _find(log, options, origin)
        earlier = await _replayed_as(log, options, origin)
    if earlier and not again:
        leave(Exit.FOUND, [f"{origin} was replayed before, as {earlier}; --again does it anyway"])
    value: bytes = (aside.record.value or b"") if mended is None else mended
    event = _decoded(value)
    own = [header for header in aside.record.headers if not header[0].startswith(HEADER_PREFIX)]
    headers = [*own, (REPLAYED_FROM, str(origin).encode())]
    partition = origin.partition
    if event.session != BROADCAST:  # which belongs where it came from
        partition = history.partition_of(event.session, await history.partitions(settings))
    key = event.session.encode()
    async with history.opened(settings, partition, _READER, writing=True) as (log, _):
        (sent,) = await log.send([Message(origin.topic, key, _marked(event, value), headers)])
        return Origin(origin.topic, partition, await log.acknowledged(sent))


def _decoded(value: bytes) -> Event:
    try:
        return decode(value)
    except Undecodable as fault:
        leave(Exit.FOUND, [f"it would only be set aside again: {fault}"])


def _marked(event: Event, value: bytes) -> bytes:
    """A number that is said again says so (R4)."""
    if getattr(event, "seq", None) is None or getattr(event, "poss_dup", True):
        return value
    return orjson.dumps(orjson.loads(value) | {"poss_dup": True})


# -- shown ----------------------------------------------------------------------------------------


def _fields(aside: Aside) -> dict[str, Any]:
    headers = {
        name: _text(value)
        for name, value in aside.record.headers
        if not name.startswith(HEADER_PREFIX)
    }
    return {
        "origin": str(aside.origin),
        "disposition": aside.disposition,
        "error": aside.error,
        "timestamp_ms": aside.timestamp_ms,
        "key": None if aside.record.key is None else _text(aside.record.key),
        "headers": headers,
        "size_bytes": len(aside.record.value or b""),
        "value_left_at_origin": aside.left,
    }


def _text(value: bytes | None) -> str:
    """As text; bytes that are none show as escapes."""
    return (value or b"").decode(errors="backslashreplace")


def _json(value: bytes) -> Any:
    """The JSON in it, where there is that much."""
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
