"""The command `run`: settings, the Kafka shell and the operator's port, composed into a process."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import structlog
import typer
import uvloop

import reconverge
from reconverge.cli import inputs
from reconverge.cli.auditing import auditing
from reconverge.cli.exits import Exit, leave
from reconverge.config.connection import connection
from reconverge.config.settings import Settings, SettingsRefused
from reconverge.core.control import Policy
from reconverge.core.partition import CORE_VERSION, Partition
from reconverge.core.session import Session
from reconverge.ops.http import Port, application
from reconverge.ops.logging import configure
from reconverge.ops.metrics import Metrics
from reconverge.ops.progress import Progress
from reconverge.ops.status import SessionStatus, status
from reconverge.stream.clock import Clock
from reconverge.stream.conditions import Refusal
from reconverge.stream.core_fold import CoreFold, CoreFolds
from reconverge.stream.kafka.log import KafkaLog
from reconverge.stream.kafka.membership import KafkaMembership, check_topics
from reconverge.stream.log import Log, LogError
from reconverge.stream.options import Deadlines, Limits, Options, Topics
from reconverge.stream.service import Service, Stalled
from reconverge.stream.worker import Context

_log = structlog.get_logger(__name__)


def options(settings: Settings, cores_accepted: Iterable[str] = ()) -> Options:
    """The shell's options, as far as an installation may choose them.

    The cores accepted are those of one start: a setting would outlive its reason.
    """
    names = {
        field: settings.topic(field.replace("_", "-"))
        for field in Topics.__dataclass_fields__
        if field != "quarantine_prefix"
    }
    limits = Limits(
        batch_records=settings.batch_records_max, suffix_records=settings.snapshot_records
    )
    deadlines = Deadlines(
        fetch_s=settings.fetch_wait_ms / 1_000, session_s=settings.session_timeout_ms / 1_000
    )
    return Options(
        Topics(**names),
        limits,
        deadlines,
        member=settings.member,
        cores_accepted=frozenset(cores_accepted),
    )


class Process:
    """One process of the service."""

    def __init__(
        self, settings: Settings, policy: Policy | None, cores_accepted: Iterable[str] = ()
    ) -> None:
        self._settings = settings
        self._options = options(settings, cores_accepted)
        self._connection = connection(settings)
        self._metrics = Metrics()
        context = Context(
            folds=CoreFolds(inputs.venues()),
            policies=[policy.model_dump(mode="json")] if policy else [],
            options=self._options,
            observer=self._metrics,
            clock=Clock,
            restores=asyncio.Semaphore(self._options.limits.restores_at_once),
        )
        self._clock = Clock()
        membership = KafkaMembership(
            self._connection,
            settings.group_id,
            f"reconverge-{settings.member}",
            self._options.topics,
            self._options.deadlines,
        )
        self._service = Service(context, self._connect, membership)
        self._progress = Progress(self._turns)

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then leave in order.

        Raises Refusal and LogError when there is nothing to serve, and OSError when the port is
        taken. Does not return at all when it is stuck: the process ends.
        """
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        partitions = await check_topics(
            self._connection, self._options.topics, self._options.deadlines
        )
        app = application(self._metrics, self._sessions, self._progress.ill, self._busy)
        async with Port(app, self._settings.http_host, self._settings.http_port) as port:
            _log.info(
                "serving",
                version=reconverge.__version__,
                http=f"http://{self._settings.http_host}:{port.number}",
                brokers=self._settings.bootstrap_servers,
                partitions=partitions,
                core=CORE_VERSION,
                cores_accepted=sorted(self._options.cores_accepted),
            )
            try:
                async with auditing(self._settings, self._names, self._metrics.audited):
                    await self._service.run(stop)
            except Stalled as error:
                _give_up(error)
        _log.info("stopped")

    async def _connect(self, partition: int) -> Log:
        client_id = f"reconverge-{self._settings.member}"
        return await KafkaLog.connect(
            self._connection, partition, client_id, self._options.deadlines
        )

    def _sessions(self) -> Mapping[str, Callable[[], SessionStatus]]:
        def reading(session: Session) -> Callable[[], SessionStatus]:
            return lambda: status(session, max(self._clock.now_ns(), session.now_ns))

        return {
            name: reading(session)
            for partition in self._partitions()
            for name, session in partition.sessions.items()
        }

    def _names(self) -> list[str]:
        return [name for partition in self._partitions() for name in partition.sessions]

    def _partitions(self) -> Iterator[Partition]:
        for worker in self._service.workers().values():
            if isinstance(worker.fold, CoreFold):
                yield worker.fold.partition

    def _turns(self) -> dict[int, int]:
        return {p: worker.progress for p, worker in self._service.workers().items()}

    def _busy(self) -> list[str]:
        if self._service.ready:
            return []
        waiting = [p for p, served in self._service.status().items() if not served]
        return [f"partition {p} is being restored" for p in waiting] or ["no partitions yet"]


def _give_up(error: Stalled) -> NoReturn:
    """End the process now: what is stuck may not let go of the event loop, however it is asked.

    Whatever was not done is in the journal for the next owner.
    """
    _log.critical("giving up", reason=str(error))
    logging.shutdown()
    os._exit(Exit.ENVIRONMENT)


def run(  # noqa: PLR0913 - one parameter an option
    *,
    bootstrap_servers: Annotated[
        str | None, typer.Option(metavar="HOST:PORT,...", help="Kafka brokers.")
    ] = None,
    group_id: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Consumer group that shares out the partitions."),
    ] = None,
    policy_file: Annotated[
        Path | None, typer.Option("--policy", metavar="FILE", help="Policy (TOML) to start with.")
    ] = None,
    topic_prefix: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Put before every topic's name.")
    ] = None,
    http_host: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Address of the HTTP port; loopback unless given."),
    ] = None,
    http_port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT", min=0, max=65_535, help="HTTP port; 0 takes a free one and logs it."
        ),
    ] = None,
    audit_every_s: Annotated[
        float | None,
        typer.Option(
            "--audit-every",
            metavar="SECONDS",
            help="Audit one random session so often, in a process of its own; 0 never does.",
        ),
    ] = None,
    accept_core: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VERSION",
            help="Fold history that another version of the core has written, by this one's rules"
            " (docs/upgrade.md). Given for one start; may be repeated.",
        ),
    ] = None,
    log_level: Annotated[
        str | None,
        typer.Option(metavar="debug|info|warning|error", help="Least severe level that is logged."),
    ] = None,
    log_format: Annotated[
        str | None,
        typer.Option(
            metavar="auto|json|pretty", help="`auto` is pretty on a terminal, JSON elsewhere."
        ),
    ] = None,
) -> None:
    """Run the service: fold what the inputs carry, publish caps, transitions and episodes.

    Several processes of one group share the partitions. Every setting can be given as a
    RECONVERGE_* variable or in .env; flags come first. Stop it with SIGTERM or Ctrl-C: it writes a
    snapshot and leaves in order. It ends by itself, with exit code 3, rather than linger without
    progress.

        reconverge run --bootstrap-servers kafka:9092 --policy desk.toml

        curl localhost:8080/status
    """
    flags = locals()
    cores_accepted = flags.pop("accept_core") or ()
    settings = inputs.settings(**flags)  # the other flags are named as their settings
    policy = inputs.policy_or_end(settings.policy_file) if settings.policy_file else None
    configure(settings.log_level, settings.log_format)
    _serve(settings, policy, cores_accepted)


def _serve(settings: Settings, policy: Policy | None, cores_accepted: Sequence[str]) -> None:
    """Run until told to stop; ends the command with the reason when it cannot go on."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(Process(settings, policy, cores_accepted).run())
    except SettingsRefused as refused:
        leave(Exit.USAGE, refused.problems)
    except Refusal as refusal:
        leave(Exit.ENVIRONMENT, [f"{refusal}: see `reconverge doctor`"])
    except (LogError, OSError) as error:
        leave(Exit.ENVIRONMENT, [f"{type(error).__name__}: {error}"])
