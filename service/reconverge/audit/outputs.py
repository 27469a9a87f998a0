"""What the output topics hold of one session: each record's identity, digest and place.

Digests stand for the bytes, so that weeks of a session fit in memory; the few records that turn
out to differ are read again by their place.
"""

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import orjson

from reconverge.stream import Log, Options, Record, stretch

_SLACK_NS: Final = 60_000_000_000
"""Outputs lie in order of time, but for events sent again by a restore, seconds later at most."""


class Found(NamedTuple):
    """One record of the session in an output topic."""

    digest: bytes
    offset: int
    event_ns: int


class Held:
    """The records of a session in one output topic, within some span of time."""

    def __init__(self) -> None:
        self.records: dict[str, list[Found]] = {}
        """By identity; several when sent again, or tampered with."""
        self.newest_ns = -1
        """Time of the session's newest record in the topic, be it beyond the span."""
        self.begin_ns: int | None = None
        """Time of the oldest record the topic holds, when older ones are out of retention."""


def digest(value: bytes) -> bytes:
    """What stands for the bytes of an output."""
    return blake2b(value, digest_size=16).digest()


def identity(value: bytes | None) -> str:
    """What makes an output this one and no other: its id, or a cap's epoch and sequence."""
    fields = parsed(value)
    if "id" in fields:
        return str(fields["id"])
    return f"{fields.get('epoch')}/{fields.get('sequence')}"


def parsed(value: bytes | None) -> Mapping[str, Any]:
    """The fields of an output; none when it is no JSON object."""
    try:
        fields = orjson.loads(value or b"{}")
    except orjson.JSONDecodeError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _time_ns(record: Record) -> int:
    at_ns = parsed(record.value).get("event_ns")
    return at_ns if isinstance(at_ns, int) else record.timestamp * 1_000_000


async def held(
    log: Log, options: Options, topic: str, session: str, span_ns: tuple[int, int]
) -> Held:
    """What a topic holds of a session, from the first to the last time, both included.

    Raises `LogError`.
    """
    wait_s, key = options.deadlines.read_s, session.encode()
    from_ns, to_ns = span_ns
    found = Held()
    start, end = await log.span(topic)
    offset = await _offset_at(log, topic, from_ns - _SLACK_NS, wait_s)
    if 0 < start == offset < end:
        found.begin_ns = from_ns
    async for record in stretch(log, topic, offset, end, wait_s):
        at_ns = _time_ns(record)
        if found.begin_ns is not None and record.offset == start:
            found.begin_ns = at_ns
        if record.key != key:
            continue
        found.newest_ns = max(found.newest_ns, at_ns)
        if from_ns <= at_ns <= to_ns:
            value = record.value or b""
            one = Found(digest(value), record.offset, at_ns)
            found.records.setdefault(identity(value), []).append(one)
    return found


async def _offset_at(log: Log, topic: str, at_ns: int, wait_s: float) -> int:
    """The first offset whose record is of this time or later, by bisection."""
    low, high = await log.span(topic)
    if low == high:
        return low
    tail = await log.follow({topic: low})
    try:
        while low < high:
            middle = (low + high) // 2
            tail.seek(topic, middle)
            polled = await tail.poll([topic], wait_s)
            first = next((r for r in polled.get(topic, ()) if r.offset >= middle), None)
            if first is None or _time_ns(first) >= at_ns:
                high = middle
            else:
                low = first.offset + 1
    finally:
        await tail.close()
    return min(low, high)


def leftovers(held: Mapping[str, Held]) -> Iterator[tuple[str, str, Found]]:
    """Topic, identity and place of every record nobody accounted for."""
    for topic, found in held.items():
        for name, records in found.records.items():
            for record in records:
                yield topic, name, record
