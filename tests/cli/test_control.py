"""The operator's commands: what they publish, where, and that the core takes it as meant."""

import json
import time
from typing import Any

import msgspec
import pytest
from confluent_kafka import Consumer, TopicPartition

from reconverge.core.messages.decode import decode
from reconverge.core.messages.effects import Cap, Effect, ShadowCap
from reconverge.core.messages.events import Event, Logon
from reconverge.core.partition import Partition
from tests.cli.conftest import Run
from tests.embedded import Embedded

PARTITIONS = 4
STRICT = 'id = "strict"\n[cap.ceiling]\nhealthy = 0.8\nstable = 0.8\ncontrolled_reentry = 0.6\n'
WHO = ("--actor", "j.doe")
WHY = (*WHO, "--reason", "drill")
ALONE = "--no-wait"
"""No service answers."""
BLIND = (ALONE, "--unknown")
"""Nor has one ever published the cap of a session."""


@pytest.fixture
def broker(embedded: Embedded) -> Embedded:
    embedded.touch("controls")
    return embedded


def published(broker: Embedded) -> dict[int, list[Event]]:
    """What each partition of `controls` holds."""
    config = {"bootstrap.servers": broker.address, "group.id": "test", "enable.partition.eof": True}
    consumer = Consumer(config)
    consumer.assign([TopicPartition("controls", number, 0) for number in range(PARTITIONS)])
    found: dict[int, list[Event]] = {number: [] for number in range(PARTITIONS)}
    ended: set[int] = set()
    while len(ended) < PARTITIONS:
        message = consumer.poll(10)
        assert message is not None
        partition, value = message.partition(), message.value()
        assert partition is not None
        if message.error():
            ended.add(partition)
        else:
            assert value is not None
            found[partition].append(decode(value))
    consumer.close()
    return found


def everywhere(broker: Embedded) -> list[Event]:
    """The events that each partition holds alike."""
    first, *others = published(broker).values()
    assert all(other == first for other in others)
    return first


def fold(partition: Partition, *events: Event) -> list[Effect]:
    """Fold events of now, a second apart."""
    effects: list[Effect] = []
    for event in events:
        now_ns = max(partition.now_ns + 1_000_000_000, event.ingest_ns)
        partition.apply(event, now_ns)
        effects += partition.settle(now_ns)
    return effects


def logon(session: str = "EQ-1") -> Logon:
    at_ns = time.time_ns()  # a day later, the session would be forgotten
    return Logon(session=session, seq=1, event_ns=at_ns, ingest_ns=at_ns)


def test_a_policy_reaches_every_partition_and_takes_effect(
    run: Run, broker: Embedded, tmp_path: Any
) -> None:
    (tmp_path / "strict.toml").write_text(STRICT)
    server = {"RECONVERGE_BOOTSTRAP_SERVERS": broker.address}
    done = run("policy", "apply", "strict.toml", "--json", ALONE, *WHO, **server)
    assert [each["partition"] for each in json.loads(done.stdout)["results"]] == [0, 1, 2, 3]
    [change] = everywhere(broker)
    caps = [e for e in fold(Partition(), logon(), change) if isinstance(e, Cap)]
    assert caps[-1].policy.id == "strict"


def test_a_shadow_is_set_then_promoted_in_one_event(
    run: Run, broker: Embedded, tmp_path: Any
) -> None:
    (tmp_path / "strict.toml").write_text(STRICT)
    server = {"RECONVERGE_BOOTSTRAP_SERVERS": broker.address}
    apply = ("policy", "apply", "strict.toml", ALONE, *WHO)
    assert "in the shadow" in run(*apply, "--shadow", **server).stdout
    assert "shadow strict retired" in run(*apply, "--retire-shadow", "strict", **server).stdout
    shadowing, promoting = everywhere(broker)
    partition = Partition()
    shown = fold(partition, logon(), shadowing)
    assert [e.policy.id for e in shown if isinstance(e, ShadowCap)] == ["strict"]
    shown = fold(partition, promoting)
    assert not any(isinstance(e, ShadowCap) for e in shown)
    assert [e.policy.id for e in shown if isinstance(e, Cap)] == ["strict"]
    assert not partition.sessions["EQ-1"].shadows


def test_a_shadow_is_retired_alone(run: Run, broker: Embedded) -> None:
    done = run(
        "policy", "apply", "--retire-shadow", "strict", ALONE, *WHO,
        RECONVERGE_BOOTSTRAP_SERVERS=broker.address,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(everywhere(broker)) == 1


def test_a_policy_that_contradicts_itself_is_not_published(
    run: Run, broker: Embedded, tmp_path: Any
) -> None:
    bad = "[recovery]\nexit_confidence = 0.95\n[cap]\nvalidity_ms = 2000\n"
    (tmp_path / "bad.toml").write_text(bad)
    done = run("policy", "apply", "bad.toml", *WHO, RECONVERGE_BOOTSTRAP_SERVERS=broker.address)
    assert done.returncode == 2
    assert "recovery.exit_confidence" in done.stderr
    assert "cap.validity_ms" in done.stderr
    assert everywhere(broker) == []


def test_safe_mode_for_every_session_latches_and_releases(run: Run, broker: Embedded) -> None:
    server = ("--bootstrap-servers", broker.address)
    for latch in ("on", "off"):
        done = run("safe-mode", latch, "--session", "*", ALONE, *WHY, *server)
        assert done.returncode == 0, done.stderr
        assert "every session" in done.stdout
    on, off = everywhere(broker)
    caps = [e for e in fold(Partition(), logon(), on, off) if isinstance(e, Cap)]
    assert [cap.safe_mode for cap in caps] == [False, True, False]


def test_safe_mode_and_attestation_go_where_the_session_is(run: Run, broker: Embedded) -> None:
    server = ("--bootstrap-servers", broker.address)
    done = run("safe-mode", "on", "--session", "EQ-1", *BLIND, *WHY, *server, "--json")
    [where] = [each["partition"] for each in json.loads(done.stdout)["results"]]
    run("attest", "--session", "EQ-1", *BLIND, *WHY, *server)
    by_partition = published(broker)
    assert [event.type for event in by_partition[where]] == ["safe_mode", "attestation"]
    assert sum(map(len, by_partition.values())) == 2


def test_an_attested_range_and_order_are_settled(run: Run, broker: Embedded) -> None:
    """R17: numbers that a reset skipped are vouched for, and an order works no longer."""
    args = ("--from-seq", 2, "--to-seq", 9, "--order", "V1", "--retire-channel", "DC9")
    done = run(
        "attest", "--session", "EQ-1", *BLIND, *WHY, *args, "--bootstrap-servers", broker.address
    )
    assert "entry 2 to 9 and V1 not working and DC9 retired vouched for by j.doe" in done.stdout
    [attestation] = [event for events in published(broker).values() for event in events]
    partition = Partition()
    at = {"session": "EQ-1", "event_ns": 0, "ingest_ns": 0}
    report = {"exec_type": "new", "ord_status": "new", "order_qty": "5", "leaves_qty": "5"}
    lost = [
        {"type": "execution_report", "seq": 1, "order_id": "V1", "cum_qty": "0", **report, **at},
        {"type": "sequence_reset", "new_seq": 10, **at},
        {"type": "heartbeat", "channel": "DC9", **at},
    ]
    fold(partition, *(msgspec.convert(event, Event) for event in lost))
    truth = partition.sessions["EQ-1"].truth
    assert (truth.sequences.unrecoverable, truth.orders.working(venue=False)) == (8, ["V1"])
    assert len(truth.summary(0, 0).required) == 2
    fold(partition, attestation)
    assert len(truth.summary(0, 0).required) == 1
    assert (truth.sequences.unrecoverable, truth.orders.working(venue=False)) == (0, [])


@pytest.mark.parametrize(
    "args",
    [
        "policy apply --actor me",
        "policy apply --shadow --retire-shadow x --actor me",
        "safe-mode up --session S --actor me --reason drill",
        "safe-mode on --session S --actor me",
        "attest --session * --actor me --reason drill",
        "attest --session S --actor me --reason drill --from-seq 3",
        "attest --session S --actor me --reason drill --channel DC",
        "attest --session S --actor me --reason drill --from-seq 3 --to-seq 2",
        "session retire * --actor me --reason drill",
        f"attest --session {'S' * 257} --actor me --reason drill",
    ],
)
def test_what_makes_no_sense_is_refused_before_a_broker_is_asked(run: Run, args: str) -> None:
    done = run(*args.split(), RECONVERGE_BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert done.returncode == 2
    assert done.stderr


def test_without_topic_or_broker_nothing_is_claimed(run: Run, embedded: Embedded) -> None:
    args = ("safe-mode", "on", "--session", "S", *BLIND, *WHY, "--bootstrap-servers")
    done = run(*args, embedded.address)
    assert done.returncode == 3
    assert "reconverge topics --create" in done.stderr
    assert run(*args, "127.0.0.1:1").returncode == 3
