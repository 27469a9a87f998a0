"""The command `audit`: what was published, proved from journal and inputs."""

from typing import Annotated, Any

import orjson
import typer

from reconverge.audit import Report, opened
from reconverge.audit import audit as audited
from reconverge.audit.compare import utc
from reconverge.cli import history, inputs
from reconverge.cli.exits import Exit
from reconverge.config.settings import Settings
from reconverge.stream import CoreFolds


def audit(
    *,
    session: history.Session,
    from_ns: Annotated[
        int | None, history.moment("--from", "First moment compared; as far back as can be.")
    ] = None,
    to_ns: Annotated[int | None, history.moment("--to", "Last moment compared; up to now.")] = None,
    bootstrap_servers: history.Brokers = None,
    topic_prefix: history.Prefix = None,
    as_json: history.AsJson = False,
) -> None:
    """Derive a session's caps, transitions, episodes and alerts again, and compare every byte.

    Reads the journal and the inputs of the session's partition, folds them again, and compares the
    outcome with what the output topics hold. Exit code 0: all of it is proved; 1: it is not, and
    the first difference is explained; 3: Kafka cannot be read, or no longer holds what it takes.
    Nothing is written, and no right to write is needed.

    TIME is ISO 8601 (UTC unless it says otherwise) or nanoseconds since 1970. How far back an audit
    can go is a matter of retention, and it says so (docs/audit.md).

        reconverge audit --session DESK-A --from 2026-01-05T14:00Z --to 2026-01-05T15:00Z
    """
    settings = inputs.settings(bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix)
    report = history.perform(_audit(settings, session, from_ns, to_ns))
    if as_json:
        typer.echo(orjson.dumps(_as_json(report)))
    else:
        typer.echo(_told(report))
    raise typer.Exit(Exit.FOUND if report.differences else Exit.DONE)


async def _audit(
    settings: Settings, session: str, from_ns: int | None, to_ns: int | None
) -> Report:
    async with (
        history.reading(settings, session) as (log, options),
        opened(log, options, CoreFolds(inputs.venues()), from_ns, to_ns) as past,
    ):
        return await audited(past, session, from_ns, to_ns)


def _as_json(report: Report) -> dict[str, Any]:
    fields = {name: getattr(report, name) for name in Report.__dataclass_fields__}
    fields["first"] = report.first and report.first._asdict()
    return fields | {"clean": not report.differences}


def _told(report: Report) -> str:
    head = f"{report.session}, partition {report.partition}: "
    begin = utc(report.from_ns) if report.from_ns else "the beginning"
    span = f"{begin} to {utc(report.to_ns)}"
    lines = [f"{head}{report.batches} batches, {span}"]
    for topic, derived in sorted(report.derived.items()):
        lines.append(f"  {topic}: {derived} derived, {report.found[topic]} found, equal bytes")
    for count, what in (
        (report.compacted, "caps gave way to newer ones (compacted, or never sent)"),
        (report.repeated, "records were sent again, with the same bytes"),
        (report.pending, "outputs are still on their way"),
        (report.expired, "events are out of their topic's retention"),
    ):
        lines += [f"  {count} {what}"] * bool(count)
    lines += [f"  note: {notice}" for notice in report.notices]
    if report.first is None:
        return "\n".join([*lines, "every byte is accounted for"])
    others = f" ({report.differences} in all)" if report.differences > 1 else ""
    return "\n".join([*lines, f"first difference{others}:", str(report.first)])
