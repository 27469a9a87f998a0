"""The command `export`: one file that holds a session's incident, to be replayed anywhere."""

from pathlib import Path
from typing import Annotated

import typer

from reconverge.audit import opened, write
from reconverge.cli import history, inputs
from reconverge.cli.exits import Exit, leave
from reconverge.config.settings import Settings
from reconverge.stream import CoreFolds


def export(
    *,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", dir_okay=False, show_default=False, help="File to write."),
    ],
    session: history.Session,
    from_ns: Annotated[int, history.moment("--from", "Where the incident begins.")],
    to_ns: Annotated[int, history.moment("--to", "Where it ends.")],
    bootstrap_servers: history.Brokers = None,
    topic_prefix: history.Prefix = None,
) -> None:
    """Write one portable file of what a session went through in some span of time.

    It holds the session's state at the beginning, the policies, and every journalled batch with its
    time, its epoch and the session's raw input records. `reconverge replay FILE` makes the very
    same effects of it, byte for byte, on any machine, without Kafka. The file holds orders: treat
    it as you treat those. TIME is ISO 8601 or nanoseconds.

        reconverge export --session DESK-A --from 2026-01-05T14:00Z --to 2026-01-05T14:10Z a.jsonl

        reconverge replay a.jsonl
    """
    if to_ns < from_ns:
        leave(Exit.USAGE, ["--to is before --from"])
    settings = inputs.settings(bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix)
    lines, notices = history.perform(_export(settings, session, (from_ns, to_ns), file))
    typer.echo(f"{file}: {lines} lines", err=True)
    for notice in notices:
        typer.echo(f"note: {notice}", err=True)


async def _export(
    settings: Settings, session: str, span_ns: tuple[int, int], file: Path
) -> tuple[int, list[str]]:
    """Whole or not at all: the file appears when its last line is written."""
    from_ns, to_ns = span_ns
    part, lines = file.with_name(file.name + ".part"), 0
    async with (
        history.reading(settings, session) as (log, options),
        opened(log, options, CoreFolds(inputs.venues()), from_ns, to_ns) as past,
    ):
        try:
            with part.open("wb") as stream:
                async for line in write(past, session, from_ns, to_ns):
                    stream.write(line)
                    lines += 1
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)
        notices = list(past.conditions.told)
        if past.begin_ns >= from_ns:
            notices.append("it begins later than asked: nothing older can be derived any more")
        return lines, notices
