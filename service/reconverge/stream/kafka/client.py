"""What every use of aiokafka has in common: options, deadlines, one kind of error, and requests.

Hazards of the client that this file meets: `stop()` and requests can hang with the broker down
(aiokafka #712, #773, #1101), so a deadline is round every await.
"""

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Iterable,
    Mapping,
)
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, TypeVar

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    KafkaError,
    LeaderNotAvailableError,
    MessageSizeTooLargeError,
    NoBrokersAvailable,
    NoError,
    RecordTooLargeError,
    for_code,
)
from aiokafka.protocol.offset import OffsetRequest

from reconverge.stream.log import LogError, TooLarge

T = TypeVar("T")

Connection = Mapping[str, Any]
"""What every client is given alike.

`bootstrap_servers`, and `security_protocol`, `sasl_*`, `ssl_context` where needed.
"""

TOO_LARGE: Final = (MessageSizeTooLargeError, RecordTooLargeError)
FAILURES: Final = (KafkaError, OSError, AssertionError)  # it asserts that a partition is known

READ_COMMITTED: Final = 1
_RETRY_S: Final = 0.05
EARLIEST: Final = -2
LATEST: Final = -1


@asynccontextmanager
async def within(
    seconds: float, what: str, error: type[LogError] = LogError
) -> AsyncIterator[None]:
    """A deadline, and one kind of error for all that the client may raise."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TOO_LARGE as failure:
        raise TooLarge(f"{what}: {failure}") from failure
    except TimeoutError as failure:
        raise error(f"{what}: nothing within {seconds} s") from failure
    except FAILURES as failure:
        raise error(f"{what}: {failure!r}") from failure


async def closed(closing: Awaitable[None], seconds: float) -> None:
    """Close a client, or leave it to its fate after the deadline."""
    with suppress(LogError):
        async with within(seconds, "closing"):
            await closing


async def stopped(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait for their end, whatever that is."""
    given = list(tasks)
    for task in given:
        task.cancel()
    await asyncio.gather(*given, return_exceptions=True)


async def together(*doing: Coroutine[Any, Any, T]) -> list[T]:
    """The results of all; as soon as one fails, none of the others goes on."""
    tasks = [asyncio.create_task(one) for one in doing]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        await stopped(tasks)
        raise


class PartitionClient:
    """Requests about one partition of any topics, to the brokers that lead it.

    Deadlines are the caller's, and so is the handling of what aiokafka raises.
    """

    def __init__(self, connection: Connection, partition: int, client_id: str) -> None:
        self._client = AIOKafkaClient(
            **connection,
            client_id=client_id,
            request_timeout_ms=30_000,
            retry_backoff_ms=int(_RETRY_S * 1_000),
            metadata_max_age_ms=60_000,
            connections_max_idle_ms=540_000,
        )
        self.partition = partition
        self._closed = False

    async def start(self) -> None:
        """Connect."""
        await self._client.bootstrap()

    async def close(self) -> None:
        """Release the connections. Whoever still asks gets an error, for aiokafka would connect."""
        self._closed = True
        await self._client.close()

    async def get_to_know(self, topics: Collection[str]) -> None:
        """Ask who leads these, of those that were not asked about before."""
        self._check_open()
        await asyncio.gather(*map(self._client.add_topic, topics))

    async def look_again(self) -> None:
        """Somebody else may lead by now: ask, and give it a moment."""
        self._check_open()
        self._client.force_metadata_update()
        await asyncio.sleep(_RETRY_S)

    def leader(self, topic: str) -> int | None:
        """The node that leads the topic's partition, as far as is known."""
        node = self._client.cluster.leader_for_partition(TopicPartition(topic, self.partition))
        return None if node == -1 else node

    def any_node(self) -> int:
        """One of the brokers."""
        node: int | None = self._client.get_random_node()
        if node is None:
            raise NoBrokersAvailable
        return node

    async def send(self, node: int, request: object) -> Any:
        """A broker's response to a request of aiokafka's protocol."""
        self._check_open()
        return await self._client.send(node, request)

    async def led(self, topics: Collection[str]) -> dict[int, list[str]]:
        """These topics by the node that leads their partition.

        Raises `LeaderNotAvailableError` when one has no leader.
        """
        if any(self.leader(topic) is None for topic in topics):
            await self.get_to_know(topics)
        by_node: dict[int, list[str]] = {}
        for topic in topics:
            node = self.leader(topic)
            if node is None:
                raise LeaderNotAvailableError(topic)
            by_node.setdefault(node, []).append(topic)
        return by_node

    async def persist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try until it succeeds, or fails in a way that trying again does not mend."""
        while True:
            try:
                return await attempt()
            except KafkaError as error:
                if not error.retriable:
                    raise
                await self.look_again()

    async def offset(self, topic: str, moment: int) -> int:
        """Where a topic begins (`EARLIEST`) or what is committed of it ends (`LATEST`)."""
        asked = [(topic, [(self.partition, moment)])]

        async def attempt() -> int:
            (node,) = await self.led([topic])
            response = await self.send(node, OffsetRequest(-1, READ_COMMITTED, asked))
            ((_, ((_, code, _, offset),)),) = response.topics
            check(code, topic)
            found: int = offset
            return found

        return await self.persist(attempt)

    def _check_open(self) -> None:
        if self._closed:
            raise KafkaError("closed")


def check(code: int, about: str) -> None:
    """Raise the error that a response's code stands for, if it does."""
    error = for_code(code)
    if error is not NoError:
        raise error(about)
