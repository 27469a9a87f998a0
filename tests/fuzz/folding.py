"""Histories of messages at their bounds, through everything that a batch goes through.

Decoding, folding, settling, the output check, the dump as Kafka has it, and loading that again.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import orjson
from hypothesis import strategies as st

from reconverge.core.messages.wire import TIME_MAX_NS
from reconverge.stream.core_fold import CoreFolds
from reconverge.stream.folding import Ledger
from reconverge.stream.history.records import Position
from reconverge.stream.log import Record
from reconverge.stream.options import INPUTS, Topics
from tests.fuzz.documents import BASE_NS, messages

ROW_BYTES_MAX = 256 * 1024
"""What `folding.Row` promises."""
FOLDS = CoreFolds()


class Step(NamedTuple):
    """One batch."""

    elapsed_ns: int
    values: Sequence[bytes]


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from((0, 1, 100_000_000, 3_000_000_000, 86_400_000_000_000)),
        st.lists(messages().map(orjson.dumps), min_size=1, max_size=6),
    ),
    min_size=1,
    max_size=6,
)
STARTS_NS = st.sampled_from((0, 1, BASE_NS, TIME_MAX_NS - 10 * 86_400_000_000_000))


def fold(start_ns: int, steps: Sequence[Step]) -> Ledger:
    """Fold a history, each batch from the state that the one before it dumped."""
    ledger = Ledger(FOLDS, FOLDS.new(), Topics())
    ledger.positions = {topic: Position(0, 0) for topic in INPUTS}
    now_ns = start_ns
    for step in steps:
        now_ns += step.elapsed_ns
        stretches = {INPUTS[0]: _records(ledger, step.values)}
        ledger.advance(stretches, {}, now_ns, epoch=(1 << 63) - 1)
        rows = _as_kafka_has_it(ledger)
        assert max(map(_size, rows)) <= ROW_BYTES_MAX
        ledger.fold = FOLDS.load(rows)
        assert _as_kafka_has_it(ledger) == rows
    return ledger


def _records(ledger: Ledger, values: Sequence[bytes]) -> list[Record]:
    offset = ledger.positions[INPUTS[0]].offset
    return [Record(INPUTS[0], offset + n, 0, None, value, ()) for n, value in enumerate(values)]


def _as_kafka_has_it(ledger: Ledger) -> list[list[Any]]:
    rows: list[list[Any]] = msgspec.json.decode(msgspec.json.encode(list(ledger.fold.dump())))
    return rows


def _size(row: list[Any]) -> int:
    return len(msgspec.json.encode(row))
