"""What any test may ask for."""

from collections.abc import Iterator

import pytest

from tests.kafka.broker import KafkaCluster


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaCluster]:
    """One plain Apache Kafka for the whole run; take topics of your own."""
    with KafkaCluster() as cluster:
        yield cluster
