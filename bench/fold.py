"""Decoding and folding the recorded incident, beside plain decoding of the same bytes; a shadow.

A pass works batch by batch, as the service does under load: each event is decoded, folded and let
go of. What that takes beyond decoding alone is the fold. Of each batch the quickest of a few passes
counts, in time of the process: the machine's other work then hardly does.
"""

import gc
from collections.abc import Iterator
from time import process_time
from typing import Final, NamedTuple

from bench.plain_decoding import plain_decode
from bench.report import Row, Target, interleaved
from bench.traffic import BEGIN_NS, Record, recorded, records
from reconverge.core.control import Policy
from reconverge.core.messages.decode import decode
from reconverge.core.messages.desk import PolicyChange
from reconverge.core.messages.wire import BROADCAST
from reconverge.core.partition import Partition
from reconverge.stream.options import Limits

_EVENTS: Final = 30_000
_PASSES: Final = 4
"""Of which the quickest counts, batch by batch."""
_BATCH: Final = Limits().batch_records


class Batch(NamedTuple):
    """Records that are folded at one moment."""

    now_ns: int
    values: list[bytes]


class Cost(NamedTuple):
    """Of a batch, or of all. Seconds of the process."""

    plain: float
    decode: float
    fold: float


def measure() -> Iterator[Row]:
    """Decode, fold, and the same with a shadow policy. Microseconds an event."""
    batches = _batches(records(recorded(), _EVENTS))
    gc.collect()
    gc.freeze()  # what is measured on is not the service's garbage
    costs = interleaved({
        "alone": lambda: _best(batches, shadow=False),
        "shadow": lambda: _best(batches, shadow=True),
    })  # fmt: skip
    gc.unfreeze()
    alone, shadow = (tuple(_micros(c.fold) for c in costs[name]) for name in ("alone", "shadow"))
    plain = tuple(_micros(cost.plain) for cost in costs["alone"])
    decode = tuple(_micros(cost.decode) for cost in costs["alone"])
    yield Row("decode", "µs an event", decode, "pydantic", plain)
    yield Row("core fold", "µs an event", alone, "pydantic", plain, Target("at most", 4))
    limit = Target("at most", 1.15, of="ratio")
    yield Row("with a shadow policy", "µs an event", shadow, "without", alone, limit)


def _batches(stream: list[Record]) -> list[Batch]:
    """The stream cut up, each batch at the time of its last event: no event is from the future."""
    parts = [stream[start : start + _BATCH] for start in range(0, len(stream), _BATCH)]
    return [Batch(decode(p[-1].value).ingest_ns, [record.value for record in p]) for p in parts]


def _micros(seconds: float) -> float:
    return seconds / _EVENTS * 1e6


def _best(batches: list[Batch], *, shadow: bool) -> Cost:
    passes = [_pass(batches, shadow=shadow) for _ in range(_PASSES)]
    best = [map(min, zip(*same_batch, strict=True)) for same_batch in zip(*passes, strict=True)]
    return Cost(*map(sum, zip(*best, strict=True)))


def _pass(batches: list[Batch], *, shadow: bool) -> list[Cost]:
    partition = Partition([Policy()])
    now_ns = BEGIN_NS
    if shadow:
        partition.apply(_shadow(now_ns), now_ns)
    costs = []
    for now_ns, batch in batches:
        started = process_time()
        for value in batch:
            plain_decode(value)
        read = process_time()
        for value in batch:
            decode(value)
        decoded = process_time()
        for value in batch:
            partition.apply(decode(value), now_ns)
        partition.settle(now_ns)
        both = process_time() - decoded
        costs.append(Cost(read - started, decoded - read, both - (decoded - read)))
    return costs


def _shadow(now_ns: int) -> PolicyChange:
    """Other thresholds, grace included, so that nothing of its reading is shared."""
    policy = Policy().model_dump(mode="json") | {"id": "shadow"}
    policy["similarity"]["in_flight_grace_ms"] *= 2
    return PolicyChange(
        session=BROADCAST,
        event_ns=now_ns,
        ingest_ns=now_ns,
        policy=policy,
        shadow=True,
        actor="bench",
    )
