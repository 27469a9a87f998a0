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


async def test_compressed_records_of_other_producers_are_read(kafka: KafkaCluster) -> None:
    for codec in ("gzip", "lz4", "snappy", "zstd"):
        kafka.create_topic(f"compressed-{codec}", config={"compression.type": codec})
        await round_trip(kafka, f"compressed-{codec}")


@pytest.mark.slow
async def test_nodes_of_three_come_and_go_without_loss() -> None:
    with KafkaCluster(3) as kafka:
        kafka.create_topic("journal")
        killed = kafka.leader("journal", 0)
        kafka.kill(killed)
        await round_trip(kafka, "journal")
        kafka.start(killed)
        kafka.wait_in_sync()

        frozen = kafka.leader("journal", 0)
        kafka.pause(frozen)
        kafka.until(lambda: kafka.leader("journal", 0) not in {frozen, -1}, "another leader")
        kafka.resume(frozen)
        kafka.wait_in_sync()

        kafka.stop(kafka.leader("journal", 0))
        await round_trip(kafka, "journal")


async def test_coordinator_of_a_group_is_a_node(kafka: KafkaCluster) -> None:
    kafka.create_topic("grouped")
    consumer = AIOKafkaConsumer("grouped", group_id="readers", **kafka.client())
    async with consumer:
        assert kafka.coordinator("readers") in kafka.nodes
