"""Time a settling, by how many instruments a session trades and how many of them are in doubt."""

from collections.abc import Callable, Iterator
from functools import partial
from time import process_time
from typing import Any, Final

from bench.report import Row, Target, interleaved
from reconverge.core.control import Policy
from reconverge.core.messages.events import ExecutionReport, Heartbeat, Logon, NewOrder
from reconverge.core.partition import Partition

_FEW, _MANY, _MOST = 10, 1_000, 10_000
_DOUBTED: Final = 300
"""Instruments in doubt at once: every one that a desk trades, say."""
_MEASURED: Final = 500
"""Settlings a round."""
_MS_NS: Final = 1_000_000
_STEP_NS: Final = 20 * _MS_NS
_LATE_NS: Final = 3_000 * _MS_NS
"""From then on a request without an answer counts everywhere."""


def measure() -> Iterator[Row]:
    """Time a settling with one lasting doubt among few, many and most; with 300 in doubt."""
    lasting = {count: _Desk(count, doubted=1) for count in (_FEW, _MANY, _MOST)}
    work: dict[str, Callable[[], float]] = {
        str(count): partial(desk.settle, _MEASURED) for count, desk in lasting.items()
    }
    work["doubted"] = partial(_Desk(_MANY, doubted=_DOUBTED).churn, _MEASURED)
    found = interleaved(work)
    few = found[str(_FEW)]
    for count in (_MANY, _MOST):
        yield Row(
            f"one lasting doubt among {count:,} instruments", "µs a settling", found[str(count)],
            f"{_FEW}:", few, Target("at most", 1.2, of="ratio"),
        )  # fmt: skip
    yield Row(
        f"{_DOUBTED} instruments in doubt", "µs a settling", found["doubted"],
        target=Target("at most", 1_000),
    )  # fmt: skip


class _Desk:
    """A session with an order in each instrument, a request unanswered in some of them."""

    def __init__(self, instruments: int, doubted: int) -> None:
        self.partition = Partition([Policy()])
        self.now_ns = 1_700_000_000_000_000_000
        self._seq = {None: 0, "DC": 0}
        self._doubted = doubted
        for channel in (None, "DC"):
            self._apply(Logon, channel, heartbeat_ms=30_000)
        for i in range(instruments):
            self._order(f"O{i}", f"S{i}", "100000")
            for channel in (None, "DC"):
                self._report(f"O{i}", f"S{i}", channel)
        for i in range(doubted):
            self._order(f"N{i}", f"S{i}", "100")
        self.partition.settle(self.now_ns)
        self.now_ns += _LATE_NS
        self.partition.settle(self.now_ns)

    def settle(self, amount: int) -> float:
        """Settle so often, with a heartbeat each time. Microseconds of the process a settling."""
        return self._timed(amount, lambda _: self._apply(Heartbeat, None))

    def churn(self, amount: int) -> float:
        """The same with an order in an instrument in doubt each time: its share changes."""
        return self._timed(amount, self._trade)

    def _trade(self, number: int) -> None:
        name, symbol = f"T{self.now_ns}", f"S{number % self._doubted}"
        self._order(name, symbol, "100")
        for channel in (None, "DC"):
            self._report(name, symbol, channel)

    def _timed(self, amount: int, happen: Callable[[int], None]) -> float:
        seconds = 0.0
        for number in range(amount):
            self.now_ns += _STEP_NS
            happen(number)
            self._apply(Heartbeat, "DC")
            started = process_time()
            self.partition.settle(self.now_ns)
            seconds += process_time() - started
        return seconds / amount * 1e6

    def _order(self, name: str, symbol: str, qty: str) -> None:
        event = NewOrder(
            session="S", cl_ord_id=name, symbol=symbol, side="buy", qty=qty, price="10",
            outbound=True, event_ns=self.now_ns, ingest_ns=self.now_ns,
        )  # fmt: skip
        self.partition.apply(event, self.now_ns)

    def _report(self, name: str, symbol: str, channel: str | None) -> None:
        self._apply(
            ExecutionReport, channel, cl_ord_id=name, order_id=f"V{name}", symbol=symbol,
            exec_type="new", ord_status="new", order_qty="100", cum_qty="0", leaves_qty="100",
        )  # fmt: skip

    def _apply(self, kind: Any, channel: str | None, **fields: Any) -> None:
        self._seq[channel] += 1
        event = kind(
            session="S", channel=channel, seq=self._seq[channel], event_ns=self.now_ns,
            ingest_ns=self.now_ns, **fields,
        )  # fmt: skip
        self.partition.apply(event, self.now_ns)
