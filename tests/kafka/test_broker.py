"""The cluster that other tests stand on does what it says."""

from collections.abc import Iterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

from tests.kafka.broker import KafkaCluster, Mechanism

pytestmark = pytest.mark.kafka


async def round_trip(kafka: KafkaCluster, topic: str, mechanism: Mechanism = "PLAIN") -> None:
    sent = [b"%d" % number for number in range(10)]
    async with AIOKafkaProducer(**kafka.client(mechanism), acks="all") as producer:
        for value in sent:
            await producer.send_and_wait(topic, value)
    consumer = AIOKafkaConsumer(topic, **kafka.client(mechanism), auto_offset_reset="earliest")
    async with consumer:
        assert [(await consumer.getone()).value for _ in sent] == sent


async def test_plain_cluster_carries_records(kafka: KafkaCluster) -> None:
    kafka.create_topic("plain", partitions=1)
    await round_trip(kafka, "plain")


@pytest.fixture(scope="module")
def secure_kafka() -> Iterator[KafkaCluster]:
    with KafkaCluster(secure=True) as cluster:
        yield cluster


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512", "OAUTHBEARER"])
async def test_secure_cluster_carries_records(
    secure_kafka: KafkaCluster, mechanism: Mechanism
) -> None:
    topic = f"secure-{mechanism}"
    secure_kafka.create_topic(topic)
    await round_trip(secure_kafka, topic, mechanism)


async def test_secure_cluster_refuses_a_wrong_password(secure_kafka: KafkaCluster) -> None:
    client = secure_kafka.client() | {"sasl_plain_password": "wrong"}
    producer = AIOKafkaProducer(**client)
    with pytest.raises(KafkaError):
        await producer.start()
    await producer.stop()


async def test_a_killed_broker_of_three_loses_nothing_and_comes_back() -> None:
    with KafkaCluster(3) as kafka:
        kafka.create_topic("journal")
        victim = kafka.leader("journal", 0)
        kafka.kill(victim)
        await round_trip(kafka, "journal")
        assert kafka.leader("journal", 0) != victim
        kafka.start(victim)
        kafka.wait_in_sync()
