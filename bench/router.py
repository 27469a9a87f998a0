"""The router's side: a look-up, an acknowledgement, reading a cap, importing, starting."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from resource import RUSAGE_CHILDREN, getrusage
from time import perf_counter, process_time, process_time_ns, time_ns
from typing import Final

import msgspec
from confluent_kafka import Producer

from bench.report import Row, Target, interleaved
from reconverge.client import CapBook, CapSubscription
from reconverge.client.acknowledging import Acknowledger
from reconverge.contract.examples import EXAMPLES
from reconverge.core.messages.effects import Cap
from reconverge.core.messages.wire import encode
from tests.kafka.broker import KafkaCluster

_SESSIONS: Final = 1_000
_MINUTES: Final = 6
"""Of heartbeats in the topic, one a second and session."""
_PARTITIONS: Final = 4
_CALLS: Final = 200_000
_NS_PER_S: Final = 1_000_000_000


def measure() -> Iterator[Row]:
    """In the process, then on a real Kafka."""
    yield from _calls()
    yield _reading()
    yield _importing()
    with KafkaCluster() as kafka:
        yield _starting(kafka)


def _cap(session: int, sequence: int, published_ns: int) -> bytes:
    example = EXAMPLES["cap"]
    assert isinstance(example, Cap)
    said = msgspec.structs.replace(
        example,
        session=f"S{session}",
        sequence=sequence,
        publish_ns=published_ns,
        valid_until_ns=published_ns + 600 * _NS_PER_S,
    )
    return encode(said)


def _calls() -> Iterator[Row]:
    """What a router does for each order."""
    book = CapBook()
    for session in range(_SESSIONS):
        book.offer(_cap(session, 1, time_ns()))
    plain = {f"S{session}": session for session in range(_SESSIONS)}
    told = Acknowledger({"bootstrap_servers": ""}, "parents")
    view = book.cap("S7")
    costs = interleaved({
        "symbol": lambda: _each(lambda: book.cap("S7", "RCV.A")),
        "safe": lambda: _each(lambda: book.cap("never heard of")),
        "told": lambda: _each(lambda: told.take(view)),
        "plain": lambda: _each(lambda: plain["S7"]),
    })  # fmt: skip
    limit, plainly = Target("at most", 1_000), ("a dictionary's", costs["plain"])
    yield Row("look-up of a cap", "ns", costs["symbol"], *plainly, limit)
    yield Row("look-up, safe", "ns", costs["safe"], *plainly, limit)
    yield Row("acknowledging what was told", "ns", costs["told"], *plainly, limit)


def _each(call: Callable[[], object]) -> float:
    begin_ns = process_time_ns()
    for _ in range(_CALLS):
        call()
    return (process_time_ns() - begin_ns) / _CALLS


def _reading() -> Row:
    """A heartbeat into the book, beside decoding it as the service's own message."""
    beats = [_cap(n % _SESSIONS, 1 + n // _SESSIONS, time_ns()) for n in range(20 * _SESSIONS)]
    decoder = msgspec.json.Decoder(Cap)

    def read(take: Callable[[bytes], object]) -> float:
        begin_s = process_time()
        for beat in beats:
            take(beat)
        return (process_time() - begin_s) / len(beats) * 1e6

    costs = interleaved({
        "book": lambda: read(CapBook().offer),
        "decode": lambda: read(decoder.decode),
    })  # fmt: skip
    return Row("reading a cap", "µs", costs["book"], "decoding it", costs["decode"])


def _importing() -> Row:
    def load(modules: str) -> float:
        before = getrusage(RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", f"import {modules}"], check=True)
        after = getrusage(RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    bare = interleaved({
        "client": lambda: load("reconverge.client"),
        "needed": lambda: load("aiokafka, msgspec"),
        "nothing": lambda: load("sys"),
    })  # fmt: skip
    own = tuple(a - b for a, b in zip(bare["client"], bare["nothing"], strict=True))
    needed = tuple(a - b for a, b in zip(bare["needed"], bare["nothing"], strict=True))
    return Row("importing the client", "s", own, "aiokafka", needed, Target("at most", 0.15))


def _starting(kafka: KafkaCluster) -> Row:
    """From nothing to every cap of a thousand sessions, minutes of heartbeats being there."""
    kafka.create_topic("caps", partitions=_PARTITIONS)
    end_ns = time_ns()
    _fill(kafka.bootstrap, end_ns)
    spent = interleaved({
        "client": lambda: asyncio.run(_start(kafka.bootstrap, end_ns, 10.0)),
        "whole": lambda: asyncio.run(_start(kafka.bootstrap, end_ns, None)),
    })  # fmt: skip
    name = f"start, {_SESSIONS:,} sessions, {_MINUTES} minutes of heartbeats"
    limit = Target("at most", 0.5)
    return Row(name, "s", spent["client"], "from the beginning", spent["whole"], limit)


def _fill(bootstrap: str, end_ns: int) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 50})
    for second in range(-_MINUTES * 60, 0):
        for session in range(_SESSIONS):
            published_ns = end_ns + second * _NS_PER_S + session * (_NS_PER_S // _SESSIONS)
            value = _cap(session, second + _MINUTES * 60 + 1, published_ns)
            stamp_ms = published_ns // 1_000_000
            producer.produce("caps", value, f"S{session}".encode(), timestamp=stamp_ms)
        producer.flush()


async def _start(bootstrap: str, end_ns: int, lookback_s: float | None) -> float:
    caps = CapSubscription(bootstrap, lookback_s=lookback_s)
    caps.book.wall_ns = lambda: end_ns  # it is always the moment of the last heartbeat
    begin_s = perf_counter()
    async with caps:
        await caps.caught_up()
        spent_s = perf_counter() - begin_s
        valid = sum(not caps.cap(session).safe for session in caps.book.sessions())
        assert valid == _SESSIONS, f"{valid} sessions found"
    return spent_s
