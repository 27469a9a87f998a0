"""The command `topics`: what topics there must be, and creating those that are missing."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Final, NamedTuple

import orjson
import typer
from rich.console import Console
from rich.table import Table

from reconverge.cli import inputs
from reconverge.cli.exits import Exit, leave
from reconverge.cli.kafka import (
    NotCreated,
    Unreachable,
    administration,
    check_controller,
    create_topic,
    existing_counts,
    partition_counts,
)
from reconverge.config.settings import Settings, SettingsRefused
from reconverge.config.topics import TOPICS

PARTITIONS_DEFAULT: Final = 6
"""Enough for a handful of processes. It bounds how far the service can spread, and cannot change
later without moving sessions to other partitions."""
_DURABLE: Final = {"min.insync.replicas": "2"}
"""With three replicas: an acknowledged record survives the loss of any one broker."""


class Wanted(NamedTuple):
    """A topic as it should be."""

    name: str
    role: str
    summary: str
    config: Mapping[str, str]
    own_partitions: int | None
    """Its own count; None for those that must have the same."""


class Outcome(NamedTuple):
    """What `--create` did."""

    created: list[str]
    partitions: dict[str, int]
    """Partitions of every topic, as they are now."""

    alike: frozenset[str]
    """Topics that must have the same count."""

    @property
    def unequal(self) -> bool:
        """Whether sessions would fall into different partitions of different topics."""
        return len({self.partitions[name] for name in self.alike}) > 1


def wanted(settings: Settings, replicas: int) -> list[Wanted]:
    """Every topic, by its Kafka name, with the settings it needs."""
    durable = _DURABLE if replicas >= 3 else {}
    return [
        Wanted(
            settings.topic(topic.name),
            topic.role,
            topic.summary,
            topic.config | durable,
            topic.partitions,
        )
        for topic in TOPICS
    ]


async def create(settings: Settings, partitions: int | None, replicas: int) -> Outcome:
    """Create the missing topics, with the partition count of those that exist where there are any.

    Raises Unreachable and NotCreated.
    """
    topics = wanted(settings, replicas)
    async with administration(settings) as admin:
        found = await partition_counts(admin, [topic.name for topic in topics])
        alike = frozenset(topic.name for topic in topics if topic.own_partitions is None)
        existing = max(found[name] for name in alike)
        count = partitions or existing or PARTITIONS_DEFAULT
        if existing not in (0, count):
            raise NotCreated(f"{count} partitions were asked for, existing topics have {existing}")
        if not all(found.values()):
            await check_controller(admin)
        created = [
            topic.name
            for topic in topics
            if not found[topic.name]
            and await create_topic(
                admin, topic.name, topic.own_partitions or count, replicas, topic.config
            )
        ]
        return Outcome(created, await existing_counts(admin, found), alike)


def topics(
    *,
    make: Annotated[
        bool, typer.Option("--create", help="Create the topics that do not exist.")
    ] = False,
    partitions: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=10_000,
            show_default=False,
            help="Partitions of the topics keyed by session; as existing ones have, else"
            f" {PARTITIONS_DEFAULT}. The most processes that can share the work, for good.",
        ),
    ] = None,
    replicas: Annotated[
        int,
        typer.Option(
            metavar="N", min=-1, help="Replicas of every topic; -1 takes the broker's default."
        ),
    ] = -1,
    bootstrap_servers: Annotated[
        str | None, typer.Option(metavar="HOST:PORT,...", help="Kafka brokers.")
    ] = None,
    topic_prefix: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Put before every topic's name.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for machines.")] = False,
) -> None:
    """Print the topics that the service needs, with settings; or create those that are missing.

    All topics keyed by session must have the same partition count, because what concerns a session
    must lie in the same partition of each. `marks`, keyed by symbol, has its own. Exit code 1 if
    existing topics disagree.

        reconverge topics

        reconverge topics --create --partitions 12 --replicas 3
    """
    settings = inputs.settings(bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix)
    outcome = _create_or_end(settings, partitions, replicas) if make else None
    plan = wanted(settings, replicas)
    if as_json:
        typer.echo(orjson.dumps(_as_json(plan, outcome)))
    else:
        Console().print(_table(plan, outcome))
    if outcome and outcome.unequal:
        leave(
            Exit.FOUND, ["the topics differ in their partition counts: `reconverge doctor` helps"]
        )


def _create_or_end(settings: Settings, partitions: int | None, replicas: int) -> Outcome:
    try:
        return asyncio.run(create(settings, partitions, replicas))
    except SettingsRefused as refused:
        leave(Exit.USAGE, refused.problems)
    except (Unreachable, NotCreated) as error:
        leave(Exit.ENVIRONMENT, [f"Kafka: {error}"])


def _as_json(plan: list[Wanted], outcome: Outcome | None) -> dict[str, Any]:
    rows = [topic._asdict() for topic in plan]
    for row in rows:
        del row["own_partitions"]
    if outcome is None:
        return {"topics": rows}
    for row in rows:
        row["partitions"] = outcome.partitions[row["name"]]
        row["created"] = row["name"] in outcome.created
    return {"topics": rows, "equal": not outcome.unequal}


def _table(plan: list[Wanted], outcome: Outcome | None) -> Table:
    table = Table("topic", "", "settings", "carries", box=None, pad_edge=False)
    for topic in plan:
        settings = " ".join(f"{key}={value}" for key, value in topic.config.items())
        role: str = topic.role
        if outcome:
            made = "created" if topic.name in outcome.created else "existed"
            role = f"{made}, {outcome.partitions[topic.name]} partitions"
        table.add_row(topic.name, role, settings, topic.summary)
    return table
