"""What the commands ask a cluster that is no stream of records: its topics and their settings."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    KafkaError,
    NoError,
    TopicAlreadyExistsError,
    for_code,
)

from reconverge.cli.reach import cause
from reconverge.config.connection import connection
from reconverge.config.settings import Settings

_REACH_S: Final = 10.0
"""A broker that has not answered by then is unreachable to a person waiting at a terminal."""
_LOOK_S: Final = 0.1
"""Brokers learn of a new topic one after another, within tenths of a second."""
_CLOSE_S: Final = 5.0


class Unreachable(Exception):
    """No broker answered, or none that would let us in."""


class NotCreated(Exception):
    """The cluster refused to create a topic."""


def quieten_client() -> None:
    """What goes wrong is told once, in our words, and not at every try in the client's."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


@asynccontextmanager
async def administration(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client, connected. Raises Unreachable, and SettingsRefused for unusable files."""
    quieten_client()
    admin = AIOKafkaAdminClient(**connection(settings), client_id="reconverge-admin")
    try:
        try:
            async with asyncio.timeout(_REACH_S):
                await admin.start()
        except (KafkaError, OSError, TimeoutError):
            raise Unreachable(await cause(connection(settings))) from None
        yield admin
    finally:
        await asyncio.wait([asyncio.ensure_future(admin.close())], timeout=_CLOSE_S)


async def partition_counts(admin: AIOKafkaAdminClient, names: Iterable[str]) -> dict[str, int]:
    """Partitions of each of these topics; 0 for one that does not exist."""
    # All topics, because asking for one that is missing may create it.
    found = {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}
    return {name: found.get(name, 0) for name in names}


async def existing_counts(admin: AIOKafkaAdminClient, names: Collection[str]) -> dict[str, int]:
    """The same for topics that were just made, once every one is known to the broker asked.

    Raises NotCreated if that takes too long.
    """
    try:
        async with asyncio.timeout(_REACH_S):
            while not all((counts := await partition_counts(admin, names)).values()):  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_S)
    except TimeoutError:
        raise NotCreated(f"some topics are not there {_REACH_S:g} s after their creation") from None
    return counts


async def create_topic(
    admin: AIOKafkaAdminClient, name: str, partitions: int, replicas: int, config: Mapping[str, str]
) -> bool:
    """Create one topic; ``replicas`` -1 takes the broker's default. False: it existed after all.

    Raises NotCreated.
    """
    # The client takes the broker's default only together with an (empty) assignment of replicas.
    by_hand: dict[int, list[int]] | None = {} if replicas == -1 else None
    topic = NewTopic(name, partitions, replicas, by_hand, topic_configs=dict(config))
    try:
        response = await admin.create_topics([topic])
    except KafkaError as error:
        raise NotCreated(f"{name}: {error}") from None
    for outcome in response.to_object()["topic_errors"]:
        kind = for_code(outcome["error_code"])
        if kind is TopicAlreadyExistsError:  # made meanwhile, or not yet known to every broker
            return False
        if kind is not NoError:
            told = outcome.get("error_message") or kind.description
            raise NotCreated(f"{name}: {kind.__name__}: {told}")
    return True


async def check_controller(admin: AIOKafkaAdminClient) -> None:
    """Somebody must be there to create topics. Raises NotCreated."""
    cluster = await admin.describe_cluster()
    if cluster["controller_id"] not in {broker["node_id"] for broker in cluster["brokers"]}:
        raise NotCreated(
            "the cluster has no controller, so nobody can create topics: wait until one is"
            " elected; an embedded or mock broker never has one"
        )


async def topic_configs(
    admin: AIOKafkaAdminClient, name: str, keys: Collection[str]
) -> dict[str, str]:
    """Some settings of a topic; those that the broker tells."""
    resource = ConfigResource(ConfigResourceType.TOPIC, name, configs=dict.fromkeys(keys, ""))
    answers = [answer.to_object() for answer in await admin.describe_configs([resource])]
    told = [described for answer in answers for described in answer["resources"]]
    return {e["config_names"]: str(e["config_value"]) for d in told for e in d["config_entries"]}
