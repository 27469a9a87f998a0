"""The embedded broker: librdkafka's mock cluster, a Kafka in this process for as long as a demo.

It keeps about 5 MB a partition, knows neither compaction nor a second member of a group, and
forgets everything at the end: right for a demo, never for a deployment.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from confluent_kafka import Producer

_REPLY_S = 10.0
"""The cluster lives in this process: an answer later than this is none."""


@contextmanager
def broker(topics: Iterable[str]) -> Iterator[str]:
    """A broker on loopback with these topics; its address."""
    # It lives as long as this producer, whose own bootstrap address is never used.
    cluster = Producer(
        {"bootstrap.servers": "embedded", "test.mock.num.brokers": 1, "log_level": 4}
    )
    for topic in topics:
        cluster.list_topics(topic, timeout=_REPLY_S)  # asking for a topic makes it
    first = next(iter(cluster.list_topics(timeout=_REPLY_S).brokers.values()))
    yield f"{first.host}:{first.port}"
    cluster.flush(0)
