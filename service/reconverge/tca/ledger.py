"""Writing the rows of an attribution, share by share and term by term (T25, T29)."""

from typing import Final

import numpy as np

from reconverge.tca import rows as r
from reconverge.tca.arrays import BPS, Bools, Floats, Ints, money
from reconverge.tca.delays import Delays, Periods
from reconverge.tca.fifo import NONE
from reconverge.tca.lots import RESET, UNINTENDED
from reconverge.tca.rows import Rows
from reconverge.tca.shares import Shares
from reconverge.tca.shortfall import Parent
from reconverge.tca.usual import Usual

SLICE: Final = {name: index for index, name in enumerate(r.SLICES)}

NO_MID: Final = "Quotes are missing, stale or crossed at some of its fills, and none was stamped."
NO_DUE_MID: Final = (
    "Quotes are missing, stale or crossed at times at which shares were usually filled."
)


class Ledger:
    """Rows being written, and what could not be told."""

    def __init__(self, parent: Parent) -> None:
        self.parent = parent
        self.unknown: dict[int, str] = {}
        """Bucket → why it is unknown."""
        self.alerts: list[str] = []
        self._parts: list[Rows] = []

    def cannot_tell(self, bucket: int, reason: str) -> None:
        """A bucket is unknown; the first reason stands. ε is what is left: it is always known."""
        if bucket != r.EPSILON:
            self.unknown.setdefault(bucket, reason)

    def write(self, slice_: str, term: int, price: Floats, qty: Ints, fill: Ints) -> None:
        """Rows of one slice and term: a price difference a share, for shares of fills."""
        if qty.size:
            self._fill_rows(slice_, term, money(qty, price), qty, fill)

    def write_money(self, slice_: str, amount: Floats, qty: Ints, fill: Ints) -> None:
        """Rows of fees."""
        if amount.any():
            self._fill_rows(slice_, r.FEE, amount, qty, fill)

    def _fill_rows(self, slice_: str, term: int, amount: Floats, qty: Ints, fill: Ints) -> None:
        at_ns = self.parent.fills.at_ns[fill]
        place = SLICE[slice_]
        bucket = int(r.PLANNED[place, r.COLUMN[term]])
        self.add(amount, place, term, bucket, qty, fill, 0, at_ns, at_ns, NONE, NONE, NONE)

    def add(self, amount: Floats, *columns: Ints | int) -> None:
        """Rows, with the other columns in the order of `Rows`; one value stands for all rows."""
        slice_, term, bucket, *others = (_full(column, amount.size) for column in columns)
        self._parts.append(Rows(slice_, term, bucket, amount, *others))

    @property
    def total(self) -> float:
        """The sum of all rows. Quote currency."""
        return float(sum(part.money.sum() for part in self._parts))

    def rows(self) -> Rows:
        """All rows; those of unknown buckets are in ε (T8)."""
        if not self._parts:
            none = np.empty(0, np.int64)
            return Rows(none, none, none, np.empty(0), *(none for _ in range(8)))
        rows = r.joined(self._parts)
        if self.unknown:
            rows.bucket[np.isin(rows.bucket, list(self.unknown))] = r.EPSILON
        return rows


def _full(column: Ints | int, size: int) -> Ints:
    return np.full(size, column, np.int64) if isinstance(column, int) else column


def write(ledger: Ledger, shares: Shares, late: Delays, usual: Usual) -> None:
    """Write the rows of all shares within the quantity in force."""
    side = ledger.parent.side
    lost = shares.where(shares.kind == RESET)
    ledger.write("reset", r.COUNTERFACTUAL, side * (lost.limit - lost.arrival), lost.qty, lost.fill)
    ledger.write("reset", r.RESET, side * (lost.price - lost.limit), lost.qty, lost.fill)
    _Terms(ledger, shares, late, usual).write()


class _Terms:
    """The terms of ordinary shares: neither reset nor out of the FIFO."""

    def __init__(self, ledger: Ledger, shares: Shares, late: Delays, usual: Usual) -> None:
        self._ledger, self._shares, self._late = ledger, shares, late
        self._slice = slices(shares, late.periods)
        kappa = usual.cost_bps.value
        not_due = self._slice == SLICE["not_due"]
        # A share that was not due did not trade: nothing is usual about it.
        self._usual = np.where(not_due, 0.0, kappa * shares.mid / BPS)
        ordinary = shares.kind != RESET
        mid = ~np.isnan(shares.mid)
        moves = ~np.isnan(shares.due_mid) & ~np.isnan(late.from_mid)
        cost = ~np.isnan(self._usual)
        self._no_mid = ordinary & ~mid
        self._no_move = ordinary & mid & ~moves
        self._no_cost = ordinary & mid & ~cost
        self._move, self._cost = ordinary & mid & moves, ordinary & mid & cost
        self._source = usual.source

    def write(self) -> None:
        shares, late = self._shares, self._late
        self._whole(self._no_mid, shares.price - shares.arrival, NO_MID, (0, 1, 2, 3))
        self._whole(self._no_move, shares.mid - shares.arrival, NO_DUE_MID, (0, 1, 2))
        reason = f"The usual cost is {self._source}."
        self._whole(self._no_cost, shares.price - shares.mid, reason, (0, 3))
        self._add(self._move, r.BENCHMARK, self._signed(shares.due_mid - shares.arrival))
        self._add(self._cost, r.USUAL, self._usual)
        self._add(self._move, r.DELAY, self._signed(late.from_mid - shares.due_mid))
        self._stretches()
        self._add(self._cost, r.EXCESS, self._signed(shares.price - shares.mid) - self._usual)

    def _signed(self, price: Floats) -> Floats:
        return self._ledger.parent.side * price

    def _add(self, chosen: Bools, term: int, price: Floats, bucket: int | None = None) -> None:
        """Rows of one term at the price a share; nothing for terms of a price of 0."""
        (which,) = np.nonzero(chosen & (price != 0))
        shares, periods, slice_ = self._shares, self._late.periods, self._slice[which]
        at_ns = shares.at_ns[which]
        due_ns = shares.due_ns[which]
        from_ns = due_ns if term == r.DELAY else at_ns
        to_ns = self._late.from_ns[which] if term == r.DELAY else at_ns
        run = periods.trading(at_ns) if term == r.EXCESS else np.full(which.size, NONE)
        self._ledger.add(
            money(shares.qty[which], price[which]),
            slice_,
            term,
            r.PLANNED[slice_, r.COLUMN[term]] if bucket is None else bucket,
            shares.qty[which],
            shares.fill[which],
            due_ns,
            from_ns,
            to_ns,
            periods.episode[run],
            NONE,
            periods.phase(run, at_ns),
        )

    def _stretches(self) -> None:
        """Rows of the delay in runs, by restriction and phase (T32)."""
        late, shares, periods = self._late, self._shares, self._late.periods
        which = self._move[late.share]
        share, begin_ns = late.share[which], late.begin_ns[which]
        slice_, qty, run = self._slice[share], shares.qty[share], periods.begun(begin_ns)
        self._ledger.add(
            money(qty, self._signed(late.moved[which])),
            slice_,
            r.DELAY,
            r.PLANNED[slice_, 1],
            qty,
            shares.fill[share],
            shares.due_ns[share],
            begin_ns,
            late.end_ns[which],
            periods.episode[run],
            late.span[which],
            periods.phase(run, begin_ns),
        )

    def _whole(self, chosen: Bools, price: Floats, reason: str, columns: tuple[int, ...]) -> None:
        """Terms that cannot be told apart lie in ε; the buckets that they are of are unknown."""
        if not chosen.any():
            return
        self._add(chosen, r.WHOLE, self._signed(price), r.EPSILON)
        late = self._late.run != NONE
        for column in columns:
            concerned = chosen & late if column == 1 else chosen
            for bucket in np.unique(r.PLANNED[self._slice[concerned], column]).tolist():
                self._ledger.cannot_tell(bucket, reason)


def slices(shares: Shares, periods: Periods) -> Ints:
    """Which slice of T29 each share lies in, as an index into `SLICES`."""
    run, at_ns = periods.trading(shares.at_ns), shares.at_ns
    early = at_ns <= periods.peak_ns[run]
    stated = periods.stated[periods.begun(at_ns)]
    after = np.where(stated, shares.catch_up, (run != NONE) & ~early)
    overdue = shares.due_ns < at_ns
    in_run = periods.late(shares) != NONE
    filled, intended = shares.filled, shares.kind != UNINTENDED
    at_end = shares.due_ns >= at_ns
    # The first that holds.
    return np.select(
        [
            ~filled & at_end,
            ~filled & in_run,
            ~filled,
            ~intended & overdue,
            ~intended,
            after,
            (run != NONE) & early,
        ],
        [
            SLICE[name]
            for name in (
                "not_due", "unfilled_in_run", "unfilled", "absorbed_overdue", "absorbed_ahead",
                "after_peak", "before_peak",
            )
        ],
        SLICE["elsewhere"],
    )  # fmt: skip
