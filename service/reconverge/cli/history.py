"""What commands that read history share: a partition's log, and finding a session's partition."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeVar

import typer
from aiokafka.partitioner import murmur2

from reconverge.audit import Gone, Unheard
from reconverge.cli import moments
from reconverge.cli.exits import Exit, leave
from reconverge.cli.kafka import Unreachable, administration, partition_counts
from reconverge.cli.run import options
from reconverge.config.connection import connection
from reconverge.config.settings import Settings, SettingsRefused
from reconverge.stream import LogError, Options, Refusal
from reconverge.stream.kafka.log import KafkaLog

Result = TypeVar("Result")

Session = Annotated[
    str, typer.Option("--session", metavar="ID", show_default=False, help="The session.")
]
Brokers = Annotated[str | None, typer.Option(metavar="HOST:PORT,...", help="Kafka brokers.")]
Prefix = Annotated[str | None, typer.Option(metavar="TEXT", help="Put before every topic's name.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object, for machines.")]


def moment(name: str, text: str) -> Any:
    """An option that takes a time."""
    return typer.Option(name, metavar="TIME", parser=moments.parse, show_default=False, help=text)


def partition_of(session: str, partitions: int) -> int:
    """The partition of a key, as the Java client's default partitioner has it."""
    return int((murmur2(session.encode()) & 0x7FFFFFFF) % partitions)


async def partitions(settings: Settings) -> int:
    """Partitions of every topic. Raises Unreachable and `Gone`."""
    journal = settings.topic("journal")
    async with administration(settings) as admin:
        count = (await partition_counts(admin, [journal]))[journal]
    if not count:
        raise Gone(f"there is no topic {journal}")
    return count


@asynccontextmanager
async def opened(
    settings: Settings, partition: int, reader: str, *, writing: bool = False
) -> AsyncIterator[tuple[KafkaLog, Options]]:
    """A log of a partition, for reading alone unless told, and the options it is written under."""
    own = options(settings)
    made = KafkaLog.connect if writing else KafkaLog.reading
    client_id = f"reconverge-{reader}-{settings.member}"
    log = await made(connection(settings), partition, client_id, own.deadlines)
    try:
        yield log, own
    finally:
        await log.close()


@asynccontextmanager
async def reading(settings: Settings, session: str) -> AsyncIterator[tuple[KafkaLog, Options]]:
    """The log of a session's partition, for reading alone, and the options it is written under."""
    partition = partition_of(session, await partitions(settings))
    async with opened(settings, partition, "reader") as log_and_options:
        yield log_and_options


def perform(work: Coroutine[Any, Any, Result]) -> Result:
    """Run it; ends the command with the reason when the environment does not allow it."""
    try:
        return asyncio.run(work)
    except SettingsRefused as refused:
        leave(Exit.USAGE, refused.problems)
    except Unheard as unheard:
        leave(Exit.FOUND, [unheard])
    except OSError as error:
        told = f"{error.filename}: {error.strerror}" if error.filename else f"Kafka: {error}"
        leave(Exit.ENVIRONMENT, [told])
    except (Unreachable, LogError) as error:
        leave(Exit.ENVIRONMENT, [f"Kafka: {error}"])
    except (Gone, Refusal) as error:
        leave(Exit.ENVIRONMENT, [str(error)])
