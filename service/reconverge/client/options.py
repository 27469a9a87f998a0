"""What the caller gives is looked at when it is given: an error then, which says what to do."""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

Connection = str | Mapping[str, Any]
"""``"kafka:9092"``, or aiokafka's own arguments: bootstrap servers, security."""

_OURS: Final = {
    "auto_offset_reset",
    "client_id",
    "enable_auto_commit",
    "group_id",
    "key_deserializer",
    "loop",
    "topics",
    "value_deserializer",
}
"""What a subscription decides itself: there is no group, so that every router sees every cap."""
_CONSUMER: Final = frozenset(inspect.signature(AIOKafkaConsumer).parameters) - _OURS
_PRODUCER: Final = frozenset(inspect.signature(AIOKafkaProducer).parameters)
_PORT_MAX: Final = 65_535


def checked(given: Connection) -> dict[str, Any]:
    """The arguments for aiokafka. Raises TypeError or ValueError, which say what to do."""
    if not isinstance(given, str | Mapping):
        raise TypeError(
            f"connection is a {type(given).__name__}. Give 'host:port', or a dict of aiokafka's"
            " arguments: {'bootstrap_servers': 'host:port', 'security_protocol': ...}"
        )
    options = {"bootstrap_servers": given} if isinstance(given, str) else dict(given)
    for name in options:
        _check_name(name)
    if "bootstrap_servers" not in options:
        raise ValueError("connection: bootstrap_servers is missing. Give 'host:port,host:port'")
    for server in _servers(options["bootstrap_servers"]):
        _check_server(server)
    return options


def for_producer(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those arguments that a producer knows too."""
    return {name: value for name, value in options.items() if name in _PRODUCER}


def checked_topic(topic: object) -> str:
    """The topic's name. Raises ValueError if it is none."""
    if not isinstance(topic, str) or not topic:
        raise ValueError(f"topic={topic!r} is no name. Leave it out for 'caps'")
    return topic


def checked_lookback(lookback_s: float | None) -> float | None:
    """The lookback. Raises ValueError if it is none."""
    number = isinstance(lookback_s, int | float) and not isinstance(lookback_s, bool)
    if lookback_s is not None and not (number and 0 < lookback_s < float("inf")):
        raise ValueError(
            f"lookback_s={lookback_s!r}: give the seconds to look back at the start, above 0;"
            " or None, to read the topic from its beginning"
        )
    return lookback_s


def _check_name(name: str) -> None:
    if name in _OURS:
        raise ValueError(f"connection: {name} is the subscription's to set; leave it out")
    if name not in _CONSUMER:
        raise ValueError(f"connection: aiokafka knows no argument {name!r}")


def _servers(given: object) -> Iterable[str]:
    servers = given.split(",") if isinstance(given, str) else given
    if not isinstance(servers, list | tuple) or not servers:
        raise ValueError(
            f"bootstrap_servers={given!r}: give 'host:port,host:port' or a list of 'host:port'"
        )
    return servers


def _check_server(server: object) -> None:
    if not isinstance(server, str) or "://" in server:
        raise ValueError(f"bootstrap_servers: {server!r} is no host:port. Write kafka:9092")
    host, colon, port = server.strip().rpartition(":")
    if server.strip().endswith("]") or not colon:  # an address of IPv6 alone, a name alone
        host, port = server.strip(), "9092"
    if not host or not port.isdecimal() or not 0 < int(port) <= _PORT_MAX:
        raise ValueError(f"bootstrap_servers: {server!r} is no host:port. Write kafka:9092")
