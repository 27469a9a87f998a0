"""Parents with planted costs: what an attribution must find, and how much of it.

A parent of 24,000 shares in 240 child orders, one each 15 seconds, filled some seconds later. A
failover gates it to a fifth of the normal rate for one to three minutes, the market drifts against
it, and the backlog is repaid at 1.66 times the normal rate. Temporary impact is η σ p^β (X13). Four
of five parents have a duplicate of a child order, which is absorbed, unwound or overfilled; one of
three has a repost. All chance comes from one seed; buys and sells alternate.

The planted costs compare the shares that were traded with those that would have been, lot by lot:
no schedule is cut, no run is looked for, nothing is inferred.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from reconverge.tca import reset, unintended
from reconverge.tca.arrays import Floats, Ints
from reconverge.tca.delays import Restrictions
from reconverge.tca.fifo import Steps
from reconverge.tca.lots import Fate
from reconverge.tca.marks import Mids, of_quotes
from reconverge.tca.shortfall import INTENTS, Fills, Parent, Tranche

NANOS: Final = 1_000_000_000
CHILDREN, LOT, EVERY_S = 240, 100, 15.0
QUANTITY: Final = CHILDREN * LOT
MID0: Final = 100.0
SIGMA_BPS, DAY_S = 157.0, 23_400.0
HALF_SPREAD_BPS, NOISE_BPS = 1.0, 1.0
LAG_S: Final = 4.0
CAP, MULTIPLE = 0.2, 1.66
DRIFT_BPS_PER_MINUTE, DRIFT_ON_S = 6.0, 180.0
ETA, BETA, P0 = 0.142, 0.6, 0.1
SCHEDULED, CATCH_UP, UNWIND = (INTENTS.index(name) for name in ("scheduled", "catch_up", "unwind"))


def impact_bps(rate: Floats) -> Floats:
    """K(p) = η σ p^β at a multiple of the normal participation."""
    return np.asarray(ETA * SIGMA_BPS * (P0 * rate) ** BETA)


NORMAL_BPS: Final = float(impact_bps(np.array(1.0)))
USUAL_BPS: Final = HALF_SPREAD_BPS + NORMAL_BPS
UPLIFT_BPS: Final = float(impact_bps(np.array(MULTIPLE))) - NORMAL_BPS


def nanos(values: Floats | float) -> Ints:
    return np.asarray(np.rint(np.asarray(values) * NANOS), np.int64)


class Market:
    """A quote a second: a random walk that drifts from the failure on. Prices in whole units."""

    def __init__(self, rng: np.random.Generator, side: int, gate_s: tuple[float, float]) -> None:
        times_s = np.arange(0.0, CHILDREN * EVERY_S + 1200.0)
        moves = rng.normal(0.0, SIGMA_BPS / np.sqrt(DAY_S), times_s.size)
        drifts = (times_s >= gate_s[0]) & (times_s < gate_s[1] + DRIFT_ON_S)
        moves += drifts * side * DRIFT_BPS_PER_MINUTE / 60
        mid = nanos(MID0 * (1 + np.cumsum(moves) * 1e-4))
        half = nanos(MID0 * HALF_SPREAD_BPS * 1e-4)
        self.mids: Mids = of_quotes(nanos(times_s), mid - half, mid + half)

    def before(self, at_s: Floats) -> Floats:
        return self.mids.before(nanos(at_s)) / NANOS


class Fill(NamedTuple):
    at_s: float
    heard_s: float
    sign: int
    shares: int
    price: float
    intent: int


@dataclass
class Case:
    """One simulated parent: what an attribution reads, and what it must find."""

    parent: Parent
    mids: Mids
    restrictions: Restrictions
    fate: Fate
    early: Fate
    """The same, as if each unintended fill had been learnt of when it happened."""
    failed_ns: int
    normal_ns: int
    """When the cap was normal again."""
    cleared_notional: float
    planted: dict[str, float]
    """By bucket, in bps of the parent's notional."""


class Scene:
    """One parent under way."""

    def __init__(self, rng: np.random.Generator, number: int, stated: bool) -> None:
        self.rng, self.side, self.stated = rng, 1 if number % 2 else -1, stated
        failed_s = rng.uniform(900.0, 1800.0)
        self.gate_s = failed_s, failed_s + rng.uniform(60.0, 180.0)
        self.heard_s = self.gate_s[1] - 5.0
        self.market = Market(rng, self.side, self.gate_s)
        self.due_s = EVERY_S * np.arange(1.0, CHILDREN + 1)
        self.at_s = self.due_s + rng.gamma(4.0, LAG_S / 4.0, CHILDREN)
        self.end_s = float(self.at_s.max()) + 10.0
        self.duplicate = ("absorbed", "unwound", "absorbed", "overfilled", "")[number // 2 % 5]
        self.reposted = number // 2 % 3 == 0
        self.fills: list[Fill] = []
        self.planted = dict.fromkeys(
            ("C_divergence", "C_queue_reset", "C_throttle", "C_catchup"), 0.0
        )
        self.cleared_notional = 0.0
        self.fate = self.early = Fate()

    def play(self) -> Case:
        self.trade()
        if self.duplicate:
            self.send_again()
        if self.reposted:
            self.repost()
        return self.case()

    def price(self, at_s: float, bps: float, sign: int = 1) -> float:
        mid = float(self.market.before(np.array([at_s]))[0])
        noise = self.rng.normal(0.0, NOISE_BPS)
        return round(mid * (1 + self.side * sign * (bps + noise) * 1e-4), 6)

    def trade(self) -> None:
        """The child orders: gated, catching up, normal."""
        child, rate = np.full(CHILDREN, LOT), np.ones(CHILDREN)
        gated = (self.due_s > self.gate_s[0]) & (self.due_s <= self.gate_s[1])
        child[gated], rate[gated] = int(LOT * CAP), CAP
        debt = QUANTITY - int(child.sum()) - (LOT if self.duplicate == "absorbed" else 0)
        for j in np.nonzero(self.due_s > self.gate_s[1])[0]:
            extra = min(debt, round(LOT * (MULTIPLE - 1)))
            child[j] += extra
            rate[j] += extra / LOT
            debt -= extra
        mids = self.market.before(self.at_s)
        bps = HALF_SPREAD_BPS + impact_bps(rate) + self.rng.normal(0.0, NOISE_BPS, CHILDREN)
        prices = np.round(mids * (1 + self.side * bps * 1e-4), 6).tolist()
        intents = np.where(rate > 1, CATCH_UP, SCHEDULED) * self.stated
        rows = zip(self.at_s.tolist(), child.tolist(), prices, intents.tolist(), strict=True)
        self.fills = [Fill(at_s, at_s, 1, qty, price, intent) for at_s, qty, price, intent in rows]
        changed = child * mids * (impact_bps(rate) - NORMAL_BPS) * 1e-4
        self.planted["C_catchup"] = float(changed[rate > 1].sum())
        moved = self.side * ((child - LOT) * mids).sum()
        self.planted["C_throttle"] = float(moved + changed[rate < 1].sum())
        self.cleared_notional = float(((child - LOT) * mids)[rate > 1].sum())

    def send_again(self) -> None:
        """A child order filled unseen and was sent again: the second fill is unintended."""
        at_s = self.gate_s[0] + self.rng.uniform(5.0, 30.0)
        learnt_s = self.end_s if self.duplicate == "overfilled" else self.heard_s
        price = self.price(at_s, USUAL_BPS)
        fill = Fill(at_s, learnt_s, 1, LOT, price, SCHEDULED if self.stated else 0)
        self.fills.append(fill)
        if self.duplicate == "unwound":
            back_s = learnt_s + LAG_S
            back = self.price(back_s, USUAL_BPS, sign=-1)
            self.fills.append(Fill(back_s, back_s, -1, LOT, back, UNWIND if self.stated else 0))
            self.planted["C_divergence"] = self.side * LOT * (price - back)
        elif self.duplicate == "overfilled":
            end = float(self.market.mids.at(nanos(np.array([self.end_s])))[0]) / NANOS
            self.planted["C_divergence"] = self.side * LOT * (price - end)
        else:
            self.absorb(fill)

    def absorb(self, fill: Fill) -> None:
        """It took the place of the lots whose turn it was when it was learnt of."""
        done = sum(f.shares for f in self.fills[:CHILDREN] if f.at_s < fill.heard_s + LAG_S)
        mid = float(self.market.before(np.array([fill.at_s]))[0])
        usual = USUAL_BPS * 1e-4 * mid
        for slot, shares in ((done // LOT, LOT - done % LOT), (done // LOT + 1, done % LOT)):
            slot_mid = float(self.market.before(self.at_s[slot : slot + 1])[0])
            at = slot_mid if self.at_s[slot] >= fill.at_s else mid
            self.planted["C_divergence"] += shares * (self.side * (fill.price - at) - usual)
            # Of the lots that it stood for, an overdue one was late until its fill.
            self.planted["C_throttle"] += self.side * shares * at

    def repost(self) -> None:
        """A lot's order was cancelled and sent again; the market traded through the old limit."""
        index = int(np.nonzero(self.at_s < self.gate_s[0] - 60.0)[0][-1])
        fill = self.fills[index]
        limit = round(fill.price * (1 - self.side * self.rng.uniform(0.0, 6.0) * 1e-4), 6)
        would_s = fill.at_s - self.rng.uniform(1.0, 10.0)
        self.planted["C_queue_reset"] = self.side * LOT * (fill.price - limit)
        self.reset_rows = index, would_s, limit

    def case(self) -> Case:
        order = sorted(range(len(self.fills)), key=lambda i: (self.fills[i].at_s, i))
        fills = [self.fills[i] for i in order]
        at_s, heard_s, sign, shares, price, intent = np.array(fills).T
        at_ns, end_ns = nanos(at_s), nanos(np.array([self.end_s]))
        mid, fee = self.market.mids.before(at_ns), np.zeros(len(fills))
        exact = sign.astype(np.int64), nanos(shares), nanos(price)
        parent = Parent(
            self.side,
            (Tranche(0, QUANTITY * NANOS, MID0 * NANOS),),
            Steps(nanos(self.due_s), nanos(np.full(CHILDREN, float(LOT)))),
            Fills(at_ns, nanos(heard_s), *exact, mid, fee, intent.astype(np.int64)),
            int(end_ns[0]),
            float(self.market.mids.at(end_ns)[0]),
        )
        return Case(
            parent,
            self.market.mids,
            self.restrictions(),
            self.found(order, late=True),
            self.found(order, late=False),
            int(nanos(self.gate_s[0])),
            int(nanos(self.gate_s[1])),
            self.cleared_notional,
            {bucket: money / (QUANTITY * MID0) * 1e4 for bucket, money in self.planted.items()},
        )

    def restrictions(self) -> Restrictions:
        times = nanos(np.array([self.gate_s[0], self.gate_s[0] + 20.0, self.gate_s[1]]))
        labels = ("FAILOVER_DETECTED/ceiling", "STATE_DIVERGED/similarity")
        return Restrictions(times[:2], times[1:], np.zeros(2, np.int64), labels)

    def found(self, order: list[int], late: bool) -> Fate:
        """The duplicate and the repost, by the places of their fills."""
        again, lost, one_lot = unintended.NOTHING, reset.NOTHING, np.array([LOT * NANOS])
        if self.duplicate:
            fill = self.fills[CHILDREN]
            learnt_ns = nanos(np.array([fill.heard_s if late else fill.at_s - LAG_S]))
            place = np.array([order.index(CHILDREN)])
            again = unintended.Unintended(place, one_lot, learnt_ns, np.array([0]))
        if self.reposted:
            index, would_s, limit = self.reset_rows
            place = np.array([order.index(index)])
            lost = reset.Reset(place, one_lot, nanos(np.array([would_s])), nanos(np.array([limit])))
        return Fate(again, lost)


def simulate(seed: int, count: int, *, stated: bool) -> Iterator[Case]:
    """Some parents, the same for the same seed, whatever their intents say."""
    for number in range(count):
        yield Scene(np.random.default_rng([seed, number]), number, stated).play()
