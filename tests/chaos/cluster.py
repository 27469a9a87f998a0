"""Three brokers that the services reach by links alone, and that can run out of disk.

Everyone else (the load, the router, the audit) takes the brokers' own listener: what they see must
not depend on the links.
"""

import asyncio
import resource
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any, Self

from confluent_kafka import KafkaException

from tests.chaos.links import Link
from tests.kafka.broker import HOST, STOP_S_MAX, KafkaCluster

_QUESTIONS_MAX = 10


class LinkedCluster(KafkaCluster):
    """A cluster whose CLIENT listeners are advertised at the far end of a link each.

    A context manager for asyncio code; leave the plain one alone.
    """

    def __init__(self, nodes: int = 3) -> None:
        super().__init__(nodes)
        self.links = {node: Link(self._ports[node][0]) for node in self.nodes}
        self._links_open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for link in self.links.values():
            await self._links_open.enter_async_context(link)
        await asyncio.to_thread(self.__enter__)
        return self

    async def __aexit__(self, *error: object) -> None:
        await asyncio.to_thread(self.__exit__, *error)
        await self._links_open.aclose()

    @property
    def bootstrap(self) -> str:
        """Addresses of the links: for the services."""
        return ",".join(f"{HOST}:{link.port}" for link in self.links.values())

    @property
    def direct(self) -> str:
        """Addresses without links: for whoever judges the services."""
        return ",".join(f"{HOST}:{ports[1]}" for ports in self._ports.values())

    def connection(self) -> Mapping[str, Any]:
        """Arguments that connect an aiokafka client without links."""
        return {"bootstrap_servers": self.direct}

    def fill_disk(self, node: int) -> None:
        """From now on no file of this broker can grow; returns when it has given up.

        A limit on file sizes stands for the disk: a write fails as on a full one, only with EFBIG.
        Kafka then takes the log folder out of service, and a broker with no other ends.
        """
        process = self._processes[node]
        _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, hard))
        process.wait(STOP_S_MAX)
        del self._processes[node]

    def _properties(self, node: int) -> dict[str, str]:
        properties = super()._properties(node)
        own, link = self._ports[node][0], self.links[node].port
        advertised = properties["advertised.listeners"]
        properties["advertised.listeners"] = advertised.replace(
            f"CLIENT://{HOST}:{own}", f"CLIENT://{HOST}:{link}"
        )
        return properties


async def off(work: Callable[..., Any], *arguments: object) -> Any:
    """Run a blocking call beside the event loop; a question no broker answered is asked again."""
    for _ in range(_QUESTIONS_MAX - 1):
        try:
            return await asyncio.to_thread(work, *arguments)
        except KafkaException:
            continue
    return await asyncio.to_thread(work, *arguments)
