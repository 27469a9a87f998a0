"""Random parents for property tests: overfills, unwinds, amendments, holes in the marks."""

from typing import Final, NamedTuple

import numpy as np
from hypothesis import strategies as st

from reconverge.tca.arrays import Ints
from reconverge.tca.delays import Restrictions
from reconverge.tca.fifo import Steps
from reconverge.tca.lots import Fate
from reconverge.tca.marks import Mids, of_quotes
from reconverge.tca.reset import NOTHING as NO_RESET
from reconverge.tca.reset import Reset
from reconverge.tca.shortfall import INTENTS, Fills, Parent, Tranche
from reconverge.tca.unintended import NOTHING as NO_UNINTENDED
from reconverge.tca.unintended import Unintended
from reconverge.tca.usual import Mean, Usual

NANOS: Final = 1_000_000_000
END_S: Final = 120
M0: Final = 100 * NANOS
TICK: Final = NANOS // 100


class Inputs(NamedTuple):
    parent: Parent
    usual: Usual
    mids: Mids
    restrictions: Restrictions
    fate: Fate


def array(values: list[int]) -> Ints:
    return np.array(values, np.int64)


def price() -> st.SearchStrategy[int]:
    return st.integers(-300, 300).map(lambda ticks: M0 + ticks * TICK)


@st.composite
def markets(draw: st.DrawFn, *, holes: bool = True) -> Mids:
    """A quote a second; some crossed, if there may be holes."""
    chance = np.random.default_rng(draw(st.integers(0, 99)))
    ticks = chance.integers(-300, 300, END_S + 9)
    mid = M0 + ticks * TICK
    half = np.full(mid.size, TICK)
    if holes:
        half[array(draw(st.lists(st.integers(0, END_S), max_size=3)))] *= -1
    return of_quotes(np.arange(mid.size) * NANOS - 2 * NANOS, mid - half, mid + half)


@st.composite
def fills(draw: st.DrawFn, mids: Mids, *, plain: bool) -> Fills:
    times = sorted(draw(st.lists(st.integers(1, END_S), max_size=14)))
    number, at_ns = len(times), array(times) * NANOS

    def each(values: st.SearchStrategy[int]) -> Ints:
        return array([draw(values) for _ in range(number)])

    sign = np.ones(number, np.int64) if plain else each(st.sampled_from([1, 1, 1, -1]))
    intent = np.zeros(number, np.int64) if plain else each(st.integers(0, len(INTENTS) - 1))
    fee = each(st.integers(0, 9)) / 4
    heard_ns = at_ns + each(st.integers(0, 30)) * NANOS
    qty = each(st.integers(1, 40)) * NANOS
    return Fills(at_ns, heard_ns, sign, qty, each(price()), mids.before(at_ns), fee, intent)


@st.composite
def schedules(draw: st.DrawFn) -> Steps:
    times = sorted(draw(st.lists(st.integers(0, END_S + 20), max_size=8)))
    size = len(times)
    qty = draw(st.lists(st.integers(1, 50), min_size=size, max_size=size))
    return Steps(array(times) * NANOS, array(qty) * NANOS)


@st.composite
def fates(draw: st.DrawFn, fill: Fills) -> Fate:
    """Parts of fills on the parent's side, unintended or reset."""
    own = np.nonzero(fill.sign > 0)[0].tolist()
    if not own:
        return Fate()
    bad, lost = NO_UNINTENDED, NO_RESET
    chosen = draw(st.lists(st.sampled_from(own), max_size=3, unique=True))
    if chosen:
        index = array(chosen)
        parts = array([draw(st.integers(1, int(fill.qty[i]) // NANOS)) for i in chosen]) * NANOS
        bad = Unintended(index, parts, fill.heard_ns[index], np.zeros(index.size, np.int64))
    rest = sorted(set(own) - set(chosen))
    if draw(st.booleans()) and rest:
        index = array([draw(st.sampled_from(rest))])
        would_ns = np.maximum(0, fill.at_ns[index] - 5 * NANOS)
        lost = Reset(index, fill.qty[index], would_ns, array([draw(price())]))
    return Fate(bad, lost)


@st.composite
def restrictions(draw: st.DrawFn) -> Restrictions:
    count = draw(st.sampled_from([0, 2, 4]))
    size = 2 * count
    inside: list[int] = draw(
        st.lists(st.integers(5, END_S), min_size=size, max_size=size, unique=True)
    )
    times = array(sorted(inside)) * NANOS
    labels = tuple(f"STATE/{i % 3}" for i in range(count))
    return Restrictions(times[::2], times[1::2], np.arange(count) // 2, labels)


@st.composite
def inputs(draw: st.DrawFn, *, plain: bool = False, cost_bps: float | None = None) -> Inputs:
    """Everything that an attribution takes.

    `plain` ones have no unwinds, intents, amendments, fate or holes; `cost_bps` sets κ0.
    """
    mids = draw(markets(holes=not plain))
    filled = draw(fills(mids, plain=plain))
    tranches = [Tranche(0, draw(st.integers(1, 200)) * NANOS, float(M0))]
    if not plain:
        for at_s in sorted(draw(st.lists(st.integers(1, END_S), max_size=2))):
            change = draw(st.integers(-60, 60).filter(bool)) * NANOS
            tranches.append(Tranche(at_s * NANOS, change, float(draw(price()))))
    known = plain or draw(st.integers(0, 4)) > 0
    end_ns = (END_S + 1) * NANOS
    end_mid = float(draw(price())) if known else float("nan")
    side = draw(st.sampled_from([1, -1]))
    schedule = draw(schedules())
    parent = Parent(side, tuple(tranches), schedule, filled, end_ns, end_mid)
    lag = Mean(float(draw(st.sampled_from([0, 2 * NANOS, 7 * NANOS]))), 0.0, 30)
    kappa = draw(st.sampled_from([0.0, 1.5, float("nan")])) if cost_bps is None else cost_bps
    usual = Usual(Mean(kappa, 0.1, 30), lag, "own" if kappa >= 0 else "unknown: no fills")
    return Inputs(
        parent, usual, mids, draw(restrictions()), Fate() if plain else draw(fates(filled))
    )
