"""The commands `episodes list` and `episodes show`: what diverged, when, and both its clocks.

From Kafka, or from a folder of tables, which go back further. Of each episode the newest record
counts.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
import orjson
import typer
from rich.console import Console
from rich.table import Table

from reconverge.cli import history, inputs
from reconverge.cli.exits import Exit, leave
from reconverge.config.settings import Settings
from reconverge.core.messages.effects import Episode
from reconverge.core.messages.wire import plain
from reconverge.stream import stretch

Record = Mapping[str, Any]
"""An episode's record by field, as the contract has it."""

CLOCKS: Final = (
    "link_down_ms", "divergence_ms", "fds_ms", "dark_ms", "reentry_ms", "sdl_ms", "sdl_reentry_ms",
)  # fmt: skip
_SERIES: Final = ("path", "gaps", "similarity", "decisions", "backlog", "unresolved")
_SERIES_TOLD: Final = 5
"""Last points of a series that are shown to a person; machines get all."""
_decode: Final = msgspec.json.Decoder(Episode).decode

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Divergences, with both clocks: the link's and the state's.",
    rich_markup_mode="markdown",
)

Tables = Annotated[
    str | None,
    typer.Option("--tables", metavar="DIR", help="Read them there instead of in Kafka."),
]


@app.command("list")
def list_episodes(
    *,
    session: Annotated[str | None, typer.Option(metavar="ID", help="Only of this session.")] = None,
    tables: Tables = None,
    bootstrap_servers: history.Brokers = None,
    topic_prefix: history.Prefix = None,
    as_json: history.AsJson = False,
) -> None:
    """List every episode, the newest first: one line for people, one JSON object for machines.

    reconverge episodes list --session DESK-A

    reconverge episodes list --tables tables --json
    """
    found = [
        record
        for record in _newest(_records(tables, bootstrap_servers, topic_prefix))
        if session in {None, record["session"]}
    ]
    if as_json:
        for record in found:
            head = {name: value for name, value in record.items() if name not in _SERIES}
            typer.echo(orjson.dumps(head))
        return
    names = ("began", "episode", "session", "venue", "cause", "status", *CLOCKS, "unresolved")
    table = Table(*names, box=None, pad_edge=False)
    for record in found:
        table.add_row(*_line(record))
    Console().print(table if found else "no episode")


@app.command("show")
def show_episode(
    episode: Annotated[str, typer.Argument(metavar="ID", show_default=False)],
    *,
    tables: Tables = None,
    bootstrap_servers: history.Brokers = None,
    topic_prefix: history.Prefix = None,
    as_json: history.AsJson = False,
) -> None:
    """Show one episode whole: its path, clocks, series, and what was left open.

    Exit code 1 when there is none of this id; those that there are of the session are named.

        reconverge episodes show DESK-A/e1
    """
    found = list(_newest(_records(tables, bootstrap_servers, topic_prefix)))
    record = next((one for one in found if one["episode_id"] == episode), None)
    if record is None:
        session = episode.rpartition("/")[0]
        near = [one["episode_id"] for one in found if one["session"] == session] or [
            one["episode_id"] for one in found
        ]
        named = ", ".join(near[:5]) or "none at all"
        leave(Exit.FOUND, [f"there is no episode {episode}; there are: {named}"])
    if as_json:
        typer.echo(orjson.dumps(record))
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in record.items():
        table.add_row(name, _told(name, value))
    Console().print(table)


def _line(record: Record) -> Iterator[str]:
    yield _moment(record["start_ns"])
    for name in ("episode_id", "session", "venue", "cause", "status"):
        yield record.get(name) or "-"
    for name in CLOCKS:
        value = record.get(name)
        yield "-" if value is None else f"{value:.0f}"
    yield str(len(record.get("unresolved") or ()))


def _told(name: str, value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, list | tuple):
        return "\n".join(_points(value)) or "none"
    return _moment(value) if name.endswith("_ns") else str(value)


def _points(series: Sequence[Any]) -> Iterator[str]:
    """The last of them, and how many there are before."""
    left_out = len(series) - _SERIES_TOLD
    if left_out > 0:
        yield f"({left_out} before)"
    yield from (orjson.dumps(point).decode() for point in series[-_SERIES_TOLD:])


def _moment(at_ns: int) -> str:
    seconds, rest = divmod(at_ns, 1_000_000_000)
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"{whole}.{rest // 1_000_000:03d}"


def _newest(records: Iterable[Record]) -> Iterator[Record]:
    """The last record of each episode, the episode that began last first."""
    last = {record["episode_id"]: record for record in records}
    return iter(sorted(last.values(), key=lambda record: -record["start_ns"]))


def _records(
    tables: str | None, bootstrap_servers: str | None, topic_prefix: str | None
) -> list[Record]:
    if tables is not None:
        return list(_from_tables(tables))
    settings = inputs.settings(bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix)
    return history.perform(_from_kafka(settings))


async def _from_kafka(settings: Settings) -> list[Record]:
    """Every readable record of the topic, partition by partition."""
    topic = settings.topic("episodes")
    found: list[Record] = []
    for partition in range(await history.partitions(settings)):
        async with history.opened(settings, partition, "episodes") as (log, options):
            start, end = await log.span(topic)
            wait_s = options.deadlines.read_s
            async with aclosing(stretch(log, topic, start, end, wait_s)) as records:
                found += [plain(_decode(record.value or b"")) async for record in records]
    return found


def _from_tables(folder: str) -> Iterator[Record]:
    from reconverge.sink import Store, read  # noqa: PLC0415 - Arrow takes half a second

    try:
        rows = read(Store(folder), "episodes")
    except (OSError, ValueError) as error:
        leave(Exit.ENVIRONMENT, [f"{folder}: {error}"])
    for row in rows:
        parsed = {name: orjson.loads(row[name] or b"[]") for name in _SERIES}
        yield {name: value for name, value in (row | parsed).items() if name not in _PLACE}


_PLACE: Final = ("journal_offset", "position", "batch_ns")
