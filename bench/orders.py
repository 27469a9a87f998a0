"""Time an event and memory, by how many orders work."""

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from time import process_time
from typing import Final

from bench.report import Row, Target, interleaved
from bench.traffic import Desk, traded, trading
from reconverge.core.control import Policy
from reconverge.core.partition import Partition
from reconverge.demo.recording import Input
from reconverge.stream.options import Limits

_FEW, _MANY, _MOST = 100, 10_000, 1_000_000
_MEASURED: Final = 30_000
"""Events a round."""
_WEIGHED: Final = 100_000
"""Orders whose memory is weighed."""
_BATCH: Final = Limits().batch_records


def measure() -> Iterator[Row]:
    """Time an event with few, many and most orders working; bytes of one."""
    yield _weight()
    sessions = {working: _Session(working) for working in (_FEW, _MANY, _MOST)}
    work: dict[str, Callable[[], float]] = {
        str(working): partial(session.trade, _MEASURED) for working, session in sessions.items()
    }
    found = interleaved(work)
    few = found[str(_FEW)]
    for working in (_MANY, _MOST):
        yield Row(
            f"fold with {working:,} orders working", "µs an event", found[str(working)],
            f"{_FEW}:", few, Target("at most", 1.2, of="ratio"),
        )  # fmt: skip


class _Session:
    """A session with orders working, and the stream that goes on from there."""

    def __init__(self, working: int) -> None:
        self.partition = Partition([Policy()])
        self._desk = Desk("DESK-0")
        head = 3 + 3 * working  # logons, then a request and two reports each
        stream = trading(self._desk, working)
        while batch := list(islice(stream, min(_BATCH, head))):
            head -= len(batch)
            self._fold(batch)
        self._stream = traded(self._desk, working)

    def trade(self, amount: int) -> float:
        """Fold so many events of trading. Microseconds of the process an event."""
        seconds = 0.0
        for _ in range(0, amount, _BATCH):
            seconds += self._fold(list(islice(self._stream, _BATCH)))
        return seconds / amount * 1e6

    def _fold(self, batch: list[Input]) -> float:
        now_ns = self._desk.now_ns
        started = process_time()
        for _, event in batch:
            self.partition.apply(event, now_ns)
        self.partition.settle(now_ns)
        return process_time() - started


def _weight() -> Row:
    """What tracemalloc finds per working order, ids of twelve characters included."""
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        session = _Session(_WEIGHED)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert session.partition.sessions["DESK-0"].truth.orders.total.union == _WEIGHED
    return Row(
        "working order", "bytes", ((after - before) / _WEIGHED,), target=Target("at most", 700)
    )
