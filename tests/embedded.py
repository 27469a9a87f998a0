"""An embedded Kafka: librdkafka's in-process mock cluster, for tests that need a broker at once.

Four partitions a topic, made when first touched; one member a group; no compaction, no
administration; about 5 MB kept a partition. What depends on those runs on real Kafka.
"""

from typing import Any

from confluent_kafka import Producer


class Embedded:
    """A cluster of one broker, alive as long as the object."""

    def __init__(self) -> None:
        config: dict[str, Any] = {
            "bootstrap.servers": "unused",
            "test.mock.num.brokers": 1,
            "log_level": 0,
            "partitioner": "murmur2_random",  # the Java client's, which the product's commands use
        }
        self.producer = Producer(config)
        broker = next(iter(self.producer.list_topics(timeout=10).brokers.values()))
        self.address = f"{broker.host}:{broker.port}"

    def touch(self, *topics: str) -> None:
        """Make topics."""
        for topic in topics:
            self.producer.list_topics(topic, timeout=10)

    def send(self, topic: str, value: bytes, key: bytes = b"DESK-A", timestamp_ms: int = 0) -> None:
        """Publish one record; it is there on return. A timestamp of 0 is now."""
        self.producer.produce(topic, value, key, timestamp=timestamp_ms)
        assert self.producer.flush(10) == 0
