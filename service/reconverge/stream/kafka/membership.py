"""Who owns which partition: a consumer group that carries no data.

The group only advises: the journal decides. So a rebalance stops nobody; workers go on until a new
assignment, or a newer claim, says otherwise. Keeping the group apart from the data removes the
hazards of a client whose rebalances run beside processing; two of its own remain, and are met here:
a listener's exception is swallowed (ours only puts into a queue), and a member may be left without
partitions, or without membership, and never told (aiokafka #1187), so such a member joins anew.
"""

import asyncio
from collections.abc import Collection
from time import monotonic

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, OffsetAndMetadata, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.assignors.range import RangePartitionAssignor

from reconverge.stream.conditions import Refusal
from reconverge.stream.kafka.client import Connection, closed, within
from reconverge.stream.log import LogError, Positions
from reconverge.stream.options import Deadlines, Topics


class KafkaMembership:
    """A member of a consumer group on the input topics, with its partitions paused for good."""

    def __init__(
        self,
        connection: Connection,
        group: str,
        client_id: str,
        topics: Topics,
        deadlines: Deadlines,
    ) -> None:
        self._connection = connection
        self._group = group
        self._client_id = client_id
        self._topics = topics
        self._deadlines = deadlines
        self._consumer: AIOKafkaConsumer | None = None
        self._listener = _Listener()
        self._heard_s = 0.0
        """When the group last took us for a member. Seconds, of the steady clock."""

    async def assigned(self) -> frozenset[int]:
        """See `Membership.assigned`. A member left without partitions joins anew now and then."""
        if self._consumer is None:
            await self._join()
        while True:
            try:
                async with asyncio.timeout(
                    None if self._listener.partitions else self._deadlines.rejoin_s
                ):
                    return await self._listener.next()
            except TimeoutError:
                await self._leave()
                await self._join()

    async def report(self, positions: Positions) -> None:
        """See `Membership.report`.

        The broker answers members only, and not while it rebalances them: a member refused for long
        has been forgotten, and joins anew.
        """
        offsets = {
            TopicPartition(topic, partition): OffsetAndMetadata(offset, "")
            for partition, by_topic in positions.items()
            for topic, offset in by_topic.items()
            if partition in self._listener.partitions
        }
        if not offsets or self._consumer is None:
            return
        try:
            async with within(self._deadlines.read_s, "committing offsets for lag tools"):
                await self._consumer.commit(offsets)
            self._heard_s = monotonic()
        except LogError as error:
            if monotonic() - self._heard_s > self._deadlines.forgotten_s:
                await self._leave()
                self._listener.interrupt(error)
            raise

    async def close(self) -> None:
        """See `Membership.close`."""
        await self._leave()

    async def _join(self) -> None:
        consumer = AIOKafkaConsumer(
            **self._connection,
            client_id=f"{self._client_id}-member",
            group_id=self._group,
            group_instance_id=None,
            partition_assignment_strategy=(
                RangePartitionAssignor,
            ),  # same partition of every topic
            session_timeout_ms=int(self._deadlines.session_s * 1_000),
            heartbeat_interval_ms=int(
                1_000 * min(self._deadlines.heartbeat_s, self._deadlines.session_s / 4)
            ),
            rebalance_timeout_ms=int(self._deadlines.session_s * 1_000),
            max_poll_interval_ms=2**31 - 1,  # it never polls
            enable_auto_commit=False,
            auto_offset_reset="latest",
            fetch_max_bytes=1,  # between an assignment and its pause: one record at most
            max_partition_fetch_bytes=1,
            request_timeout_ms=30_000,
            retry_backoff_ms=100,
            metadata_max_age_ms=60_000,
            connections_max_idle_ms=540_000,
        )
        self._listener.consumer = consumer
        consumer.subscribe(list(self._topics.inputs), listener=self._listener)
        try:
            async with within(self._deadlines.join_s, "joining the group"):
                await consumer.start()
        except BaseException:
            await closed(consumer.stop(), self._deadlines.connect_s)
            raise
        self._consumer = consumer
        self._heard_s = monotonic()

    async def _leave(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer:
            await closed(consumer.stop(), self._deadlines.connect_s)


class _Listener(ConsumerRebalanceListener):
    """Hands assignments on; only the newest counts."""

    def __init__(self) -> None:
        self.consumer: AIOKafkaConsumer | None = None
        self.partitions: frozenset[int] = frozenset()
        self._changed = asyncio.Event()
        self._error: LogError | None = None

    async def next(self) -> frozenset[int]:
        """The next assignment; raises what interrupts the wait for it."""
        await self._changed.wait()
        self._changed.clear()
        error, self._error = self._error, None
        if error:
            raise error
        return self.partitions

    def interrupt(self, error: LogError) -> None:
        """There will be no assignment: the membership is lost."""
        self._error = error
        self._changed.set()

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Nothing: whoever takes over claims, and the journal tells us."""

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        if self.consumer:
            self.consumer.pause(*assigned)
        self.partitions = frozenset(partition.partition for partition in assigned)
        self._changed.set()


async def check_topics(connection: Connection, topics: Topics, deadlines: Deadlines) -> int:
    """The partition count that all topics share.

    Raises `topic_missing`, `partition_counts_unequal`, `LogError`.
    """
    admin = AIOKafkaAdminClient(**connection, client_id="reconverge-check")
    try:
        async with within(deadlines.connect_s, "looking up the topics"):
            await admin.start()
            existing = await admin.describe_topics()  # of all: asking for one could create it
    finally:
        await closed(admin.close(), deadlines.connect_s)
    found = {topic["topic"]: len(topic["partitions"]) for topic in existing}
    counts = {topic: found.get(topic, 0) for topic in (*topics.inputs, *topics.outputs)}
    missing = sorted(topic for topic, count in counts.items() if not count)
    if missing:
        raise Refusal("topic_missing", ", ".join(missing))
    if len(set(counts.values())) > 1:
        raise Refusal("partition_counts_unequal", ", ".join(f"{t}: {n}" for t, n in counts.items()))
    return counts[topics.journal]
