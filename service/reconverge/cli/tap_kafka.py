"""The command ``tap kafka``: raw FIX in Kafka, translated by a process beside the service."""

import asyncio
import signal
import tomllib
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import structlog
import typer
from aiokafka import TopicPartition

from reconverge.cli import inputs
from reconverge.cli.exits import Exit, leave
from reconverge.cli.kafka import Unreachable, administration, partition_counts, quieten_client
from reconverge.config.connection import connection
from reconverge.config.settings import Settings
from reconverge.ops.logging import configure
from reconverge.tap.framing import Unreadable
from reconverge.tap.kafka import PublishError
from reconverge.tap.routing import MappingRefused, Routes, parse_routes
from reconverge.tap.sample import Sample, take
from reconverge.tap.service import Options, ScatteredError, Service

GROUP_SUFFIX: Final = "-tap"
"""The tap's consumer group is the service's own with this behind it."""
TOLD_EVERY_S: Final = 60.0
"""What became of the records is logged so often, if there were any."""

_log = structlog.get_logger(__name__)


def kafka(
    *,
    topics: Annotated[
        list[str],
        typer.Option("--from", metavar="TOPIC", help="Topic of raw FIX. Repeatable."),
    ],
    mapping: Annotated[
        Path,
        typer.Option(
            metavar="FILE", exists=True, dir_okay=False, help="Whose each message is (TOML)."
        ),
    ],
    check: Annotated[
        bool,
        typer.Option("--check", help="Try the mapping on the newest records; publish nothing."),
    ] = False,
    sample: Annotated[
        int, typer.Option(min=1, help="Records of each partition that --check looks at.")
    ] = 1_000,
    lenient: Annotated[
        bool, typer.Option("--lenient", help="Read altered messages too, as fix-log does.")
    ] = False,
    bootstrap_servers: Annotated[
        str | None, typer.Option(metavar="HOST:PORT,...", help="Kafka brokers.")
    ] = None,
) -> None:
    """Turn raw FIX in Kafka into events, as long as it comes.

    One message a record, alone or on the line of a log. The mapping file says by topic, header or
    CompIDs which session, stream and channel a message is of. Several processes share the
    partitions out. Started again after any end, it goes on where the events in the output topics
    end: none is missing, and none is there twice.

        reconverge tap kafka --from fix.raw --mapping fix-raw.toml --check

        reconverge tap kafka --from fix.raw --mapping fix-raw.toml

    Exit code: 0 stopped by SIGTERM or SIGINT, 1 the check found something, 2 wrong usage, settings
    or mapping, 3 the broker failed: start it again.
    """
    settings = inputs.settings(bootstrap_servers=bootstrap_servers)
    routes = _routes(mapping)
    _ended(_check_topics(settings, topics))
    if check:
        found = _ended(take(topics, routes, sample, lenient=lenient, **connection(settings)))
        _tell(found, routes)
    configure(settings.log_level, settings.log_format)
    quieten_client()
    options = Options(
        topics=tuple(topics),
        routes=routes,
        streams={name: settings.topic(name) for name in ("order-entry", "drop-copy")},
        positions=settings.topic("tap-positions"),
        group=settings.group_id + GROUP_SUFFIX,
        session_s=settings.session_timeout_ms / 1_000,
        lenient=lenient,
    )
    _ended(_serve(options, settings))


def _routes(file: Path) -> Routes:
    try:
        return parse_routes(tomllib.loads(file.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        leave(Exit.USAGE, [f"{file}: not TOML: {error}"])
    except MappingRefused as refused:
        leave(Exit.USAGE, (f"{file}: {problem}" for problem in refused.problems))


def _ended(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of what speaks to the brokers; ends the command with what went wrong there."""
    try:
        return asyncio.run(work)
    except (Unreachable, PublishError) as error:
        leave(Exit.ENVIRONMENT, [error])
    except ScatteredError as error:
        leave(Exit.USAGE, [error])


async def _check_topics(settings: Settings, raw: Sequence[str]) -> None:
    own = [settings.topic(name) for name in ("order-entry", "drop-copy", "tap-positions")]
    async with administration(settings) as admin:
        counts = await partition_counts(admin, [*raw, *own])
    missing = sorted(name for name, count in counts.items() if not count)
    if missing:
        told = ", ".join(missing)
        leave(Exit.USAGE, [f"no such topic: {told}; `reconverge topics --create` makes our own"])
    clash = sorted(set(raw) & set(own))
    if clash:
        leave(Exit.USAGE, [f"{', '.join(clash)}: a topic cannot be read and written at once"])


def _tell(sample: Sample, routes: Routes) -> NoReturn:
    typer.echo(f"{sample.records} records, {sample.copies} of them delivered before")
    for owner, count in sorted(sample.events.items()):
        typer.echo(f"{count:>8} events of {owner}, in {', '.join(sorted(sample.where[owner]))}")
    findings = list(sample.findings(routes))
    for finding in findings:
        typer.echo(finding, err=True)
    raise typer.Exit(Exit.FOUND if findings else Exit.DONE)


async def _serve(options: Options, settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    service = Service(options, connection(settings), _reject, _taken)
    telling = asyncio.ensure_future(_tell_now_and_then(service))
    try:
        await service.run(stop)
    finally:
        telling.cancel()
    _log.info("stopped")


def _reject(unreadable: Unreadable) -> None:
    """A record that could not be used; its bytes stay in the raw topic."""
    _log.warning("not used", record=str(unreadable.origin), reason=unreadable.reason)


def _taken(at: TopicPartition, offset: int, lost: int) -> None:
    place = f"{at.topic}-{at.partition}"
    _log.info("reading", partition=place, offset=offset)
    if lost:
        _log.error("records were deleted before they were read", partition=place, records=lost)


async def _tell_now_and_then(service: Service) -> None:
    told: dict[TopicPartition, int] = {}
    while True:
        await asyncio.sleep(TOLD_EVERY_S)
        for at, place in service.places.items():
            tally = place.feed.tally
            if tally.records != told.get(at):
                told[at] = tally.records
                _log.info(
                    "read",
                    partition=f"{at.topic}-{at.partition}",
                    records=tally.records,
                    delivered_before=tally.copies,
                    not_used=tally.rejects,
                    no_rule_fits=dict(tally.unrouted),
                )
