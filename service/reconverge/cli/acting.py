"""Publishing what an operator does, and waiting for what became of it.

The service answers each record of `controls` in `control-results`, in the same partition, by the
record's topic and offset. Only that shows that a command took effect: a record may lie in Kafka
while no service reads it.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from difflib import get_close_matches
from typing import Final, NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from reconverge.cli.kafka import Unreachable, administration, partition_counts
from reconverge.client import CapSubscription
from reconverge.config.connection import connection
from reconverge.config.settings import Settings
from reconverge.core.messages.effects import ControlRefused, ControlResult
from reconverge.core.messages.events import ControlEvent
from reconverge.core.messages.wire import BROADCAST, encode

TOPIC: Final = "controls"
RESULTS: Final = "control-results"
RESULT_S: Final = 5.0
"""Longest wait for the service's answer: it takes some ten milliseconds, or there is no service."""
_SEND_S: Final = 15.0
"""Every replica of every partition has it by then, or the operator must hear that this is not
known."""
_STOP_S: Final = 5.0
_CAPS_S: Final = 10.0
"""Longest wait for the caps that tell which sessions are known."""
_LOOKBACK_S: Final = 10.0
"""A session that is served has a cap so recent: a look at the whole topic is for those that have
none."""
_NEAREST: Final = 3

Place = tuple[int, int]
"""Partition and offset of a record of `controls`."""
Results = dict[Place, ControlResult | None]
"""What became of each record that was published; none where nobody said."""


class Unpublished(Exception):
    """Not every partition is known to have the event."""


class Unknown(Exception):
    """Nobody knows the session."""


class Acted(NamedTuple):
    """What became of a command."""

    topic: str
    results: Results
    waited: bool


async def act(settings: Settings, event: ControlEvent, *, wait: bool, known: bool) -> Acted:
    """Publish one control event to its session's partition, or to every one, and wait for results.

    ``wait``: for at most ``RESULT_S``. ``known``: only where the session is. Raises Unreachable,
    Unpublished, Unknown and SettingsRefused.
    """
    topic, answers = settings.topic(TOPIC), settings.topic(RESULTS)
    async with administration(settings) as admin:
        counts = await partition_counts(admin, [topic, answers, settings.topic("caps")])
    for needed in [topic, answers] if wait else [topic]:
        if not counts[needed]:
            raise Unpublished(f"there is no topic {needed}: see `reconverge topics --create`")
    if known and event.session != BROADCAST:
        await _require_known(settings, event.session, counts[settings.topic("caps")])
    if not wait:
        places = await _publish(settings, event, topic, counts[topic])
        return Acted(topic, dict.fromkeys(places), waited=False)
    async with _answers(settings, answers, counts[answers]) as consumer:
        places = await _publish(settings, event, topic, counts[topic])
        return Acted(topic, await _awaited(consumer, topic, places), waited=True)


# -- sessions -------------------------------------------------------------------------------------


async def _require_known(settings: Settings, session: str, partitions: int) -> None:
    if partitions and await known_session(settings, session, _LOOKBACK_S) is None:
        return
    nearest = await known_session(settings, session, None) if partitions else []
    if nearest is None:
        return
    told = f"; the nearest names: {', '.join(nearest)}" if nearest else ""
    raise Unknown(f"no session {session} is known{told}. --unknown does it all the same")


async def known_session(
    settings: Settings, session: str, lookback_s: float | None
) -> list[str] | None:
    """None where the service has published a cap of the session; else the nearest names.

    ``lookback_s``: how far back caps are looked at, None for all. Raises Unreachable.
    """
    topic = settings.topic("caps")
    async with CapSubscription(connection(settings), topic=topic, lookback_s=lookback_s) as caps:
        if not await caps.caught_up(_CAPS_S):
            raise Unreachable(f"{topic} cannot be read: {caps.trouble or 'no answer'}")
        names = [name for name in caps.book.sessions() if caps.book.newest(name) is not None]
    return None if session in names else get_close_matches(session, sorted(names), _NEAREST)


# -- publishing -----------------------------------------------------------------------------------


async def _publish(
    settings: Settings, event: ControlEvent, topic: str, partitions: int
) -> list[Place]:
    """Where the event lies now; every replica has it."""
    # A broadcast's own key would lead to one partition: each is named instead.
    targets = range(partitions) if event.session == BROADCAST else [None]
    key, value = event.session.encode(), encode(event)
    async with _producer(settings) as producer:
        try:
            async with asyncio.timeout(_SEND_S):
                sent = [
                    await producer.send(topic, value, key=key, partition=target)
                    for target in targets
                ]
                return [(each.partition, each.offset) for each in await asyncio.gather(*sent)]
        except (KafkaError, TimeoutError) as error:
            reason = str(error) or f"not acknowledged within {_SEND_S:g} s"
            told = "some partitions may have it; repeating the command does no harm"
            raise Unpublished(f"{topic}: {reason}: {told}") from None


@asynccontextmanager
async def _producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        **connection(settings), acks="all", enable_idempotence=True, client_id="reconverge-control"
    )
    try:
        await producer.start()
        yield producer
    except KafkaError as error:
        raise Unreachable(f"{settings.bootstrap_servers}: {error}") from None
    finally:
        await asyncio.wait([asyncio.ensure_future(producer.stop())], timeout=_STOP_S)


# -- results --------------------------------------------------------------------------------------


@asynccontextmanager
async def _answers(
    settings: Settings, topic: str, partitions: int
) -> AsyncIterator[AIOKafkaConsumer]:
    """What is answered from now on."""
    consumer = AIOKafkaConsumer(**connection(settings), client_id="reconverge-control")
    try:
        await consumer.start()
        where = [TopicPartition(topic, number) for number in range(partitions)]
        consumer.assign(where)
        for partition, end in (await consumer.end_offsets(where)).items():
            consumer.seek(partition, end)
        yield consumer
    except KafkaError as error:
        raise Unreachable(f"{topic} cannot be read: {error}") from None
    finally:
        await asyncio.wait([asyncio.ensure_future(consumer.stop())], timeout=_STOP_S)


async def _awaited(consumer: AIOKafkaConsumer, topic: str, places: Iterable[Place]) -> Results:
    """The answers to records of a topic; those that come in time."""
    results: Results = dict.fromkeys(places)
    try:
        async with asyncio.timeout(RESULT_S):
            while None in results.values():
                record = await consumer.getone()
                try:
                    result = _RESULT.decode(record.value or b"")
                except msgspec.DecodeError:  # of a later version
                    continue
                if result.topic == topic and (record.partition, result.offset) in results:
                    results[record.partition, result.offset] = result
    except TimeoutError:
        pass
    return results


def refusals(results: Mapping[Place, ControlResult | None]) -> list[str]:
    """Why the command was refused; every reason once, however many partitions gave it."""
    details = [r.detail for r in results.values() if isinstance(r, ControlRefused)]
    return list(dict.fromkeys(details))


_RESULT: Final = msgspec.json.Decoder(ControlResult)
