"""The command `sink`: history as tables, from Kafka; checking and compacting a folder of them."""

import asyncio
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from typing import Annotated, Any, Final

import orjson
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from reconverge.cli import history, inputs
from reconverge.cli.exits import Exit, leave
from reconverge.cli.kafka import administration, partition_counts
from reconverge.cli.run import options
from reconverge.config.settings import Settings
from reconverge.sink import MarksSink, Sink, Standing, Store, check, compact

SHOW_S: Final = 5.0
"""The open windows are written again this often: an episode is readable within ten seconds."""
LOOK_S: Final = 0.5
"""Pause between two looks at a journal that had nothing new."""

Folder = Annotated[
    str,
    typer.Argument(
        metavar="DIR", show_default=False, help="Folder, or a store's URI (s3://bucket/path)."
    ),
]

app = typer.Typer(
    add_completion=False,
    name="sink",
    help="Write history as tables (Parquet), check a folder of them, compact old days.",
    rich_markup_mode="markdown",
    invoke_without_command=True,
)


@app.callback()
def write(
    context: typer.Context,
    *,
    to: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="DIR", show_default=False, help="Folder, or a store's URI (s3://…)."
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on with what comes, until SIGINT or SIGTERM.")
    ] = False,
    partitions: Annotated[
        list[int] | None,
        typer.Option(
            "--partition", metavar="N", show_default=False, help="Only this one; may be repeated."
        ),
    ] = None,
    bootstrap_servers: history.Brokers = None,
    topic_prefix: history.Prefix = None,
) -> None:
    """Replay the journal and write what happened as Parquet tables (docs/tables.md).

    Goes on where the folder ends. Files are named by journal offsets, and the same history gives
    the same bytes: a sink that was killed, or a second one beside it, can neither lose nor double a
    row. The window that is not full yet is written as an `…-open` file every few seconds.

    Exit code 1 when history is missing between what is written and what Kafka still holds: the hole
    is named, and `reconverge sink check` names it too.

        reconverge sink --to tables

        reconverge sink --to s3://bucket/tables --follow
    """
    if context.invoked_subcommand is not None:
        return
    if to is None:
        leave(Exit.USAGE, ["--to DIR: where to write the tables (or: sink check, sink compact)"])
    settings = inputs.settings(bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix)
    holes = history.perform(_write(settings, _store(to), partitions or [], follow=follow))
    for hole in holes:
        typer.echo(hole, err=True)
    raise typer.Exit(Exit.FOUND if holes else Exit.DONE)


@app.command("check")
def check_folder(folder: Folder, *, as_json: history.AsJson = False) -> None:
    """Say what span of history a folder holds whole, and name every hole.

    Exit code 1 when something is missing, overlaps or cannot be read.
    """
    try:
        verdict = check(_store(folder))
    except ValueError as overlap:
        leave(Exit.FOUND, [overlap])
    except OSError as error:
        leave(Exit.ENVIRONMENT, [error])
    if as_json:
        document: dict[str, Any] = {
            "whole": verdict.whole,
            "windows": verdict.windows,
            "batches": verdict.batches,
            "begin_ns": verdict.begin_ns,
            "end_ns": verdict.end_ns,
            "cores": sorted(verdict.cores),
            "rows": verdict.rows,
            "gaps": [gap._asdict() for gap in verdict.gaps],
        }
        typer.echo(orjson.dumps(document))
    else:
        typer.echo(f"{verdict.windows} windows, {verdict.batches} batches")
        for table, rows in verdict.rows.items():
            typer.echo(f"  {table:<15}{rows:>12}")
        for gap in verdict.gaps:
            between = f"partition {gap.partition}, after {gap.after} and before {gap.before}"
            typer.echo(f"hole in {gap.spine}: {gap.why}" + f" ({between})" * (gap.partition >= 0))
    raise typer.Exit(Exit.DONE if verdict.whole else Exit.FOUND)


@app.command("compact")
def compact_folder(folder: Folder) -> None:
    """Put the files of days that are over into one a table and partition. The rows stay the same.

    May be stopped anywhere and run again.
    """
    try:
        done = compact(_store(folder))
    except ValueError as overlap:
        leave(Exit.FOUND, [overlap])
    except OSError as error:
        leave(Exit.ENVIRONMENT, [error])
    typer.echo(f"{done.windows} windows put together, {done.files_deleted} files deleted")


def _store(to: str) -> Store:
    try:
        return Store(to)
    except (OSError, ValueError) as error:
        leave(Exit.USAGE, [f"{to}: {error}"])


async def _write(
    settings: Settings, store: Store, only: Sequence[int], *, follow: bool
) -> list[str]:
    """Write until done, or until told to stop. Returns the holes there are."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        sinks = await _opened(stack, settings, store, only)
        with _shown() as (progress, task):
            for sink in sinks:
                if isinstance(sink, Sink) and not stop.is_set():
                    await _catch_up(sink, stop, progress, task)
        await _follow(sinks, stop, once=not follow)
        return [hole for sink in sinks for hole in _holes(sink)]


async def _catch_up(sink: Sink, stop: asyncio.Event, progress: Progress, task: TaskID) -> None:
    def told(at: Standing) -> None:
        where = f"partition {at.partition}: journal offset {at.offset}, {at.records} records"
        progress.update(task, description=where)

    await sink.catch_up(stop.is_set, told)


async def _follow(sinks: Sequence[Sink | MarksSink], stop: asyncio.Event, *, once: bool) -> None:
    """Look at every source in turn; show the open windows every few seconds, and at the end."""
    shown_s = time.monotonic()
    while True:
        news = [await sink.follow() for sink in sinks]
        if time.monotonic() - shown_s >= SHOW_S:
            _show(sinks)
            shown_s = time.monotonic()
        if stop.is_set() or (once and not any(news)):
            break
        if not any(news):
            await _pause(stop)
    _show(sinks)


def _show(sinks: Sequence[Sink | MarksSink]) -> None:
    for sink in sinks:
        sink.show()


async def _pause(stop: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(LOOK_S):
            await stop.wait()
    except TimeoutError:
        return


async def _opened(
    stack: AsyncExitStack, settings: Settings, store: Store, only: Sequence[int]
) -> list[Sink | MarksSink]:
    own = options(settings)
    marks = settings.topic("marks")
    async with administration(settings) as admin:
        counts = await partition_counts(admin, [own.topics.journal, marks])
    wanted = [n for n in range(counts[own.topics.journal]) if not only or n in only]
    sinks: list[Sink | MarksSink] = []
    for partition in wanted:
        log, _ = await stack.enter_async_context(history.opened(settings, partition, "sink"))
        sinks.append(await stack.enter_async_context(Sink.opened(log, own, inputs.venues(), store)))
    for partition in range(0 if only else counts[marks]):
        log, _ = await stack.enter_async_context(history.opened(settings, partition, "sink"))
        sinks.append(MarksSink(log, marks, store, own.deadlines.read_s))
    return sinks


def _holes(sink: Sink | MarksSink) -> list[str]:
    if not sink.hole:
        return []
    return [f"{sink.name}: history is missing behind what was written; it is gone from Kafka"]


@contextmanager
def _shown() -> Iterator[tuple[Progress, TaskID]]:
    """Progress on a terminal; nothing elsewhere."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    shown = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with shown:
        yield shown, shown.add_task("reading the journal", total=None)
