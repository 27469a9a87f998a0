"""The core's fold of the recorded incident, beside the decoding of the same bytes; and a shadow.

Time is the process's own, so that the machine's other work does not count. Batches are those of the
service under load. The core runs on decoded events as it does there: each batch is decoded just
before.
"""

import gc
from collections.abc import Iterator
from time import process_time
from typing import Final, NamedTuple

from bench.report import Row, Target, interleaved
from bench.traffic import BEGIN_NS, Record, recorded, records
from reconverge.core.desk import PolicyChange
from reconverge.core.events import EVENTS
from reconverge.core.partition import Partition
from reconverge.core.policy import Policy
from reconverge.core.wire import BROADCAST
from reconverge.stream.options import Limits

_EVENTS: Final = 60_000
_BATCH: Final = Limits().batch_records
_BATCH_NS: Final = 10_000_000
"""How far the service's clock moves from one full batch to the next."""


class Cost(NamedTuple):
    """Of one pass. Microseconds of the process an event."""

    decode: float
    fold: float


def measure() -> Iterator[Row]:
    """Fold, decode, and the same with a shadow policy."""
    batches = _batches(records(recorded(), _EVENTS))
    _pass(batches[:10], shadow=True)  # warm
    gc.collect()
    gc.freeze()  # what is measured on is not the service's garbage
    costs = interleaved({
        "alone": lambda: _pass(batches, shadow=False),
        "shadow": lambda: _pass(batches, shadow=True),
    })  # fmt: skip
    gc.unfreeze()
    alone = tuple(cost.fold for cost in costs["alone"])
    shadow = tuple(cost.fold for cost in costs["shadow"])
    decode = tuple(cost.decode for cost in costs["alone"])
    yield Row("core fold", "µs an event", alone, "decode", decode, Target("at most", 4))
    yield Row(
        "with a shadow policy", "µs an event", shadow, "without", alone,
        Target("at most", 1.15, of="ratio"),
    )  # fmt: skip


def _batches(stream: list[Record]) -> list[list[bytes]]:
    return [
        [record.value for record in stream[start : start + _BATCH]]
        for start in range(0, len(stream), _BATCH)
    ]


def _pass(batches: list[list[bytes]], *, shadow: bool) -> Cost:
    partition = Partition([Policy()])
    now_ns = BEGIN_NS
    if shadow:
        partition.apply(_shadow(now_ns), now_ns)
    decode_s = fold_s = 0.0
    for batch in batches:
        now_ns += _BATCH_NS
        started = process_time()
        events = [EVENTS.validate_json(value) for value in batch]
        decoded = process_time()
        for event in events:
            partition.apply(event, now_ns)
        partition.settle(now_ns)
        fold_s += process_time() - decoded
        decode_s += decoded - started
    total = sum(map(len, batches)) / 1e6
    return Cost(decode_s / total, fold_s / total)


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
