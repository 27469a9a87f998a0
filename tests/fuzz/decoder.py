"""Bytes that are no message, or nearly one: the decoder says so and raises nothing else.

Drawn by a plain generator rather than by Hypothesis, which is a hundred times slower and would
shrink to the same few bytes.
"""

from collections.abc import Callable
from random import Random
from typing import Final

import orjson

from reconverge.contract.examples import WRITTEN
from reconverge.contract.schemas import EVENTS
from reconverge.core.messages.decode import DETAIL_MAX, Undecodable, decode
from reconverge.core.messages.events import Event
from reconverge.core.messages.wire import encode

EXAMPLES: Final = [orjson.dumps(line) for kind, line in WRITTEN.items() if kind in EVENTS]
FRAGMENTS: Final = (
    b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"null", b"true", b"-", b"0", b"1e999",
    b"-0", b"9" * 400, b"0." + b"0" * 400 + b"1", b"\\u0000", b"\\ud800", b"\xff", b"\xed\xa0\x80",
    b"\xf0\x9f\x98\x80", b'"type":"fill"', b'"v":2', b'"v":1.0', b"[" * 501, b"{" * 1_001,
    b'"' + b"x" * 257 + b'"', b"9223372036854775808", b"18446744073709551616", b"NaN", b"Infinity",
)  # fmt: skip
"""What has been too much for one reader of JSON or another."""


def _cut(raw: bytearray, random: Random) -> None:
    start = random.randrange(len(raw) + 1)
    del raw[start : start + random.randint(1, 12)]


def _insert(raw: bytearray, random: Random) -> None:
    at = random.randrange(len(raw) + 1)
    raw[at:at] = random.choice(FRAGMENTS)


def _replace(raw: bytearray, random: Random) -> None:
    at = random.randrange(len(raw) + 1)
    raw[at : at + random.randint(1, 12)] = random.choice(FRAGMENTS)


def _flip(raw: bytearray, random: Random) -> None:
    if raw:
        raw[random.randrange(len(raw))] ^= 1 << random.randrange(8)


def _splice(raw: bytearray, random: Random) -> None:
    other = random.choice(EXAMPLES)
    raw[random.randrange(len(raw) + 1) :] = other[random.randrange(len(other)) :]


MUTATIONS: Final[tuple[Callable[[bytearray, Random], None], ...]] = (
    _cut, _insert, _replace, _flip, _splice,
)  # fmt: skip


def record(random: Random) -> bytes:
    """An example with one to three changes; now and then bytes at random."""
    if random.random() < 0.05:
        return random.randbytes(random.randrange(200))
    raw = bytearray(random.choice(EXAMPLES))
    for _ in range(random.randint(1, 3)):
        random.choice(MUTATIONS)(raw, random)
    return bytes(raw)


def read(raw: bytes) -> Event | None:
    """What the decoder makes of a record; None if it refuses it, briefly and in text.

    Raises AssertionError for an event that would not be read back as the same.
    """
    try:
        event = decode(raw)
    except Undecodable as refusal:
        length = len(refusal.detail.encode())
        assert 0 < length < 8 * DETAIL_MAX, refusal.detail  # noqa: PT017 - what it says matters
        return None
    assert decode(encode(event)) == event
    return event
