"""aiokafka's own consumer and producer, which the references of the end-to-end figures use.

They ask of Kafka what the service asks (`stream/kafka/tail.py`, `stream/kafka/producer.py`).
"""

from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from reconverge.config.connection import connection
from reconverge.config.settings import Settings


async def consumer(settings: Settings, topics: Sequence[str], fetch_s: float) -> AIOKafkaConsumer:
    """One that reads partition 0 of the topics, from their beginning."""
    made = AIOKafkaConsumer(
        **connection(settings),
        client_id="bench",
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
        check_crcs=True,
        fetch_min_bytes=1,
        fetch_max_wait_ms=int(fetch_s * 1_000),
        fetch_max_bytes=16 * 1024 * 1024,
        max_partition_fetch_bytes=1024 * 1024,
        request_timeout_ms=30_000,
    )
    await made.start()
    partitions = [TopicPartition(topic, 0) for topic in topics]
    made.assign(partitions)
    await made.seek_to_beginning(*partitions)
    return made


async def producer(settings: Settings, delivery_s: float) -> AIOKafkaProducer:
    """One that waits for every replica, and for no company."""
    made = AIOKafkaProducer(
        **connection(settings),
        client_id="bench",
        acks="all",
        enable_idempotence=True,
        linger_ms=0,
        max_batch_size=256 * 1024,
        request_timeout_ms=int(delivery_s * 1_000),
    )
    await made.start()
    return made
