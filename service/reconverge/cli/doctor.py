"""The command `doctor`: what must be right before the service can work, and what to do about it."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple

import orjson
import typer
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from reconverge.cli import inputs
from reconverge.cli.exits import Exit, leave
from reconverge.cli.kafka import Unreachable, administration, partition_counts, topic_configs
from reconverge.config.connection import connection
from reconverge.config.settings import Settings, SettingsRefused
from reconverge.config.topics import INPUTS, TOPICS
from reconverge.core.control import PolicyRefused

Verdict = Literal["ok", "warning", "failed", "skipped"]

CLOCK_TOLERANCE_S: Final = 1.0
"""Half the margin between a cap's heartbeat and its validity: a clock further off makes routers
take fresh caps for expired ones."""
_HOUR_MS: Final = 3_600_000
OUTAGE_MS: Final = 72 * _HOUR_MS
"""The longest outage to be ready for: from Friday evening until somebody is there on Monday."""
_IN_SYNC_MIN: Final = 2
_READ_S: Final = 10.0
"""Longest wait for the newest record of an input."""

_MARKS: Final = {
    "ok": "[green]ok[/]",
    "warning": "[yellow]look[/]",
    "failed": "[red]WRONG[/]",
    "skipped": "[dim]-[/]",
}


class Check(NamedTuple):
    """One thing looked at."""

    name: str
    verdict: Verdict
    found: str
    remedy: str = ""
    """What to do about it; empty when there is nothing to do."""


def check_policy(settings: Settings) -> Check:
    """The policy to start with holds together."""
    if settings.policy_file is None:
        return Check("policy", "ok", "none given: the default policy")
    try:
        ref = inputs.policy(settings.policy_file).ref
    except PolicyRefused as refused:
        found = "; ".join(f"{key}: {detail}" for key, detail in refused.problems)
        return Check("policy", "failed", f"{settings.policy_file}: {found}", "mend these keys")
    return Check("policy", "ok", f"{ref.id} version {ref.version} ({ref.hash})")


async def check_cluster(settings: Settings) -> AsyncIterator[Check]:
    """The broker answers, and its topics are as they must be."""
    try:
        async with administration(settings) as admin:
            yield Check("broker", "ok", f"{settings.bootstrap_servers} answers")
            counts = await partition_counts(admin, [settings.topic(t.name) for t in TOPICS])
            yield check_existence(counts)
            alike = {settings.topic(t.name) for t in TOPICS if t.partitions is None}
            yield check_partitions({name: n for name, n in counts.items() if name in alike})
            if counts[settings.topic("caps")]:
                yield await check_compaction(admin, settings)
            for check in await check_durability(admin, settings, counts):
                yield check
    except Unreachable as error:
        remedy = "mend that, or RECONVERGE_BOOTSTRAP_SERVERS, then look again"
        yield Check("broker", "failed", str(error), remedy)
        return
    yield await check_clocks(settings, counts)


def check_existence(counts: dict[str, int]) -> Check:
    """Every topic exists."""
    missing = [name for name, partitions in counts.items() if not partitions]
    if missing:
        found = f"missing: {', '.join(missing)}"
        return Check("topics", "failed", found, "reconverge topics --create")
    return Check("topics", "ok", f"all {len(counts)} exist")


def check_partitions(counts: dict[str, int]) -> Check:
    """Every topic has as many partitions as the others: a session's is the same in each."""
    existing = {name: count for name, count in counts.items() if count}
    if not existing:
        return Check("partitions", "skipped", "no topics yet")
    if len(set(existing.values())) == 1:
        return Check(
            "partitions", "ok", f"{next(iter(existing.values()))} in every topic keyed by session"
        )
    found = ", ".join(f"{name} {count}" for name, count in existing.items())
    remedy = (
        "make the counts equal: delete and create again those that hold nothing yet; to grow a"
        " topic in use moves sessions to other partitions"
    )
    return Check("partitions", "failed", found, remedy)


async def check_compaction(admin: AIOKafkaAdminClient, settings: Settings) -> Check:
    """A router that starts must find every session's newest cap."""
    name = settings.topic("caps")
    try:
        found = await topic_configs(admin, name, ("cleanup.policy",))
        policy = found.get("cleanup.policy")
    except KafkaError as error:
        return Check("compaction", "skipped", f"the broker does not tell: {error}")
    if policy is None:
        return Check("compaction", "skipped", "the broker does not tell")
    if "compact" in policy:
        return Check("compaction", "ok", f"{name} is compacted")
    remedy = f"kafka-configs --alter --topic {name} --add-config cleanup.policy=compact"
    return Check("compaction", "warning", f"{name} has cleanup.policy={policy}", remedy)


async def check_durability(
    admin: AIOKafkaAdminClient, settings: Settings, counts: dict[str, int]
) -> list[Check]:
    """What was acknowledged survives the loss of a broker, and lasts over an outage."""
    names = [settings.topic(topic.name) for topic in TOPICS]
    existing = [name for name in names if counts[name]]
    described = {topic["topic"]: topic for topic in await admin.describe_topics()}
    replicas = {
        name: min(len(part["replicas"]) for part in described[name]["partitions"])
        for name in existing
    }
    try:
        configs = {
            name: await topic_configs(admin, name, ("min.insync.replicas", "retention.ms"))
            for name in existing
        }
    except KafkaError as error:
        told = f"the broker does not tell: {error}"
        return [Check("replication", "skipped", told), Check("retention", "skipped", told)]
    minimum = {name: int(config.get("min.insync.replicas", 0)) for name, config in configs.items()}
    kept_ms = {name: int(config.get("retention.ms", -1)) for name, config in configs.items()}
    return [check_replication(replicas, minimum), check_retention(settings, kept_ms)]


def check_replication(replicas: dict[str, int], minimum: dict[str, int]) -> Check:
    """Two in-sync replicas have each acknowledged record, and one broker may be lost."""
    if not any(minimum.values()):
        return Check("replication", "skipped", "no topics yet, or the broker does not tell")
    for name, count in replicas.items():
        if count < minimum[name]:
            found = f"{name} has {count} replicas and min.insync.replicas={minimum[name]}"
            remedy = f"nothing can be written: lower min.insync.replicas of {name}"
            return Check("replication", "failed", found, remedy)
    single = [name for name, count in replicas.items() if count == 1]
    if single:
        found = f"one replica alone: {', '.join(single)}"
        remedy = "fine on a laptop; else reconverge topics --create --replicas 3 on a new prefix"
        return Check("replication", "warning", found, remedy)
    weak = [name for name, count in minimum.items() if count < _IN_SYNC_MIN]
    if weak:
        found = f"min.insync.replicas is 1: {', '.join(weak)}"
        remedy = f"kafka-configs --alter --topic {weak[0]} --add-config min.insync.replicas=2"
        return Check("replication", "warning", found, f"{remedy} (each of them)")
    stuck = [name for name, count in replicas.items() if count == minimum[name]]
    if stuck:
        found = f"as many replicas as min.insync.replicas: {', '.join(stuck)}"
        return Check("replication", "warning", found, "one broker down stops them: add a replica")
    fewest = min(replicas.values())
    return Check("replication", "ok", f"at least {fewest} replicas, and 2 of them acknowledge")


def check_retention(settings: Settings, kept_ms: dict[str, int]) -> Check:
    """What comes in while the service is down is there when it is back, after a long weekend."""
    inputs_ms = {name: kept_ms.get(name, -1) for name in map(settings.topic, INPUTS)}
    journal, journal_ms = settings.topic("journal"), kept_ms.get(settings.topic("journal"), -1)
    short = [name for name, ms in inputs_ms.items() if 0 <= ms < OUTAGE_MS]
    if short:
        found = f"less than {OUTAGE_MS // _HOUR_MS} h, the longest outage: {', '.join(short)}"
        remedy = f"kafka-configs --alter --topic {short[0]} --add-config retention.ms=604800000"
        return Check("retention", "warning", found, f"{remedy} (each of them)")
    longest_ms = max(inputs_ms.values())
    if 0 <= journal_ms <= longest_ms:
        found = f"{journal} is kept {journal_ms // _HOUR_MS} h, no longer than its inputs"
        remedy = (
            f"kafka-configs --alter --topic {journal} --add-config retention.ms={2 * longest_ms}"
        )
        return Check("retention", "warning", found, remedy)
    shortest_ms = min((ms for ms in inputs_ms.values() if ms >= 0), default=None)
    if shortest_ms is None:
        return Check("retention", "ok", "the inputs are kept for ever, or not there yet")
    return Check("retention", "ok", f"the inputs are kept {shortest_ms // _HOUR_MS} h")


async def check_clocks(settings: Settings, counts: dict[str, int]) -> Check:
    """No record in the inputs is from the future, by this machine's clock."""
    partitions = [
        TopicPartition(name, number)
        for name in map(settings.topic, INPUTS)
        for number in range(counts[name])
    ]
    if not partitions:
        return Check("clocks", "skipped", "no inputs yet")
    try:
        newest_ms = await asyncio.wait_for(newest_record_ms(settings, partitions), _READ_S)
    except (KafkaError, TimeoutError) as error:
        return Check("clocks", "skipped", f"the inputs cannot be read: {str(error) or 'no answer'}")
    if newest_ms is None:
        return Check("clocks", "skipped", "the inputs are empty: nothing to compare with yet")
    ahead_s = newest_ms / 1_000 - time.time()
    if ahead_s <= CLOCK_TOLERANCE_S:
        return Check("clocks", "ok", f"the newest input record is {-ahead_s:.1f} s old")
    found = f"the newest input record is {ahead_s:.1f} s in the future"
    remedy = "compare this machine's clock and its producers' with NTP (chronyc tracking)"
    return Check("clocks", "failed", found, remedy)


async def newest_record_ms(settings: Settings, partitions: list[TopicPartition]) -> int | None:
    """Timestamp of the newest record; none when all are empty. Milliseconds, UTC."""
    consumer = AIOKafkaConsumer(**connection(settings), client_id="reconverge-doctor")
    await consumer.start()
    try:
        consumer.assign(partitions)
        starts = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
        newest_ms = None
        for partition in partitions:
            if ends[partition] > starts[partition]:
                consumer.seek(partition, ends[partition] - 1)
                record = await consumer.getone(partition)
                newest_ms = max(newest_ms or 0, record.timestamp)
        return newest_ms
    finally:
        await consumer.stop()


async def examine(settings: Settings) -> list[Check]:
    """Every check that can be made."""
    return [check_policy(settings), *[check async for check in check_cluster(settings)]]


def doctor(
    *,
    bootstrap_servers: Annotated[
        str | None, typer.Option(metavar="HOST:PORT,...", help="Kafka brokers.")
    ] = None,
    policy_file: Annotated[
        Path | None, typer.Option("--policy", metavar="FILE", help="Policy (TOML) to check.")
    ] = None,
    topic_prefix: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Put before every topic's name.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for machines.")] = False,
) -> None:
    """Look for what keeps the service from working, and say what to do about it.

    Is the policy valid, does the broker answer and let us in, do all topics exist with equal
    partition counts, are caps compacted, does every record survive a broker and an outage, are the
    clocks sane? Reads only. Exit code 1 if anything is wrong.

        reconverge doctor --bootstrap-servers kafka:9092
    """
    settings = inputs.settings(
        bootstrap_servers=bootstrap_servers, policy_file=policy_file, topic_prefix=topic_prefix
    )
    try:
        checks = asyncio.run(examine(settings))
    except SettingsRefused as refused:
        leave(Exit.USAGE, refused.problems)
    if as_json:
        typer.echo(orjson.dumps({"checks": [check._asdict() for check in checks]}))
    else:
        _show(checks)
    raise typer.Exit(Exit.FOUND if any(c.verdict == "failed" for c in checks) else Exit.DONE)


def _show(checks: list[Check]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    for check in checks:
        table.add_row(_MARKS[check.verdict], check.name, escape(check.found))
        if check.remedy:
            table.add_row("", "", f"[bold]what to do:[/] {escape(check.remedy)}")
    Console().print(table)
