"""What holds for every parent: the identity, the mirror, and what must not matter (T108, T109)."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from reconverge.tca import rows as r
from reconverge.tca.arrays import Floats, Ints, money
from reconverge.tca.attribution import Attribution, attribute
from reconverge.tca.fifo import Steps
from reconverge.tca.marks import Mids
from reconverge.tca.shortfall import Fills, Parent, shortfall
from tests.tca.random_parents import M0, Inputs, inputs

EXAMPLES = settings(
    max_examples=100, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate)
)


def by_bucket(found: Attribution) -> Floats:
    return found.rows.by_bucket()


@EXAMPLES
@given(inputs())
def test_rows_sum_to_the_shortfall_and_every_figure_is_told_or_explained(given_: Inputs) -> None:
    found = attribute(*given_)
    if found.shortfall.value is None:
        assert found.shortfall.unknown
        assert not len(found.rows)
        return
    whole = shortfall(given_.parent).total
    assert abs(found.rows.total - whole) / given_.parent.notional * 1e4 < r.IDENTITY_BPS
    for name, figure in found.buckets.items():
        assert (figure.value is None) == (name in found.epsilon_may_hold)
        empty = not found.rows.by_bucket()[r.BUCKETS.index(name)]
        assert figure.value is not None or empty  # an unknown bucket has no rows: ε has them


def mirrored(given_: Inputs) -> Inputs:
    """The other side in the market seen in a mirror: p becomes 2·m0 - p."""
    parent, fills = given_.parent, given_.parent.fills
    filled = replace(fills, price=2 * M0 - fills.price, mid=2 * M0 - fills.mid)
    tranches = tuple(replace(t, mid=2 * M0 - t.mid) for t in parent.tranches)
    other = replace(
        parent, side=-parent.side, tranches=tranches, fills=filled, end_mid=2 * M0 - parent.end_mid
    )
    mids = replace(given_.mids, mid=2 * M0 - given_.mids.mid)
    lost = given_.fate.reset._replace(limit=2 * M0 - given_.fate.reset.limit)
    return given_._replace(parent=other, mids=mids, fate=replace(given_.fate, reset=lost))


@EXAMPLES
@given(inputs(cost_bps=0.0))
def test_a_sell_in_the_mirrored_market_costs_what_the_buy_costs(given_: Inputs) -> None:
    """Bucket by bucket, to the last bit. (κ0 is in bps of a mid, and a mirror changes mids.)"""
    assume(len(given_.parent.tranches) == 1)  # notionals of other tranches' mids differ
    one, two = attribute(*given_), attribute(*mirrored(given_))
    assert by_bucket(one).tolist() == by_bucket(two).tolist()


def with_fills(given_: Inputs, fills: Fills) -> Inputs:
    return given_._replace(parent=replace(given_.parent, fills=fills))


def chosen(fills: Fills, index: Ints) -> Fills:
    names = ("at_ns", "heard_ns", "sign", "qty", "price", "mid", "fee", "intent")
    return Fills(*(getattr(fills, name)[index] for name in names))


def same(one: Attribution, two: Attribution) -> None:
    assert by_bucket(one) == pytest.approx(by_bucket(two), rel=1e-9, abs=1e-9)
    assert one.runs == two.runs
    assert one.deferred == pytest.approx(two.deferred)


@EXAMPLES
@given(inputs(plain=True), st.data())
def test_it_does_not_matter_how_a_fill_is_cut(given_: Inputs, data: st.DataObject) -> None:
    fills = given_.parent.fills
    assume(fills.qty.size)
    place = data.draw(st.integers(0, fills.qty.size - 1))
    part = data.draw(st.integers(1, int(fills.qty[place]) - 1))
    twice = chosen(fills, np.sort(np.append(np.arange(fills.qty.size), place)))
    qty, fee = twice.qty.copy(), twice.fee.copy()
    share = part / int(qty[place])
    fee[place], fee[place + 1] = fee[place] * share, fee[place] * (1 - share)
    qty[place], qty[place + 1] = part, qty[place] - part
    same(attribute(*given_), attribute(*with_fills(given_, replace(twice, qty=qty, fee=fee))))


@EXAMPLES
@given(inputs(plain=True), st.data())
def test_it_does_not_matter_how_a_step_is_cut(given_: Inputs, data: st.DataObject) -> None:
    due_ns, qty = given_.parent.schedule
    assume(qty.size)
    place = data.draw(st.integers(0, qty.size - 1))
    part = data.draw(st.integers(1, int(qty[place]) - 1))
    twice = np.insert(qty, place, part)
    twice[place + 1] -= part
    steps = Steps(np.insert(due_ns, place, due_ns[place]), twice)
    same(
        attribute(*given_),
        attribute(*given_._replace(parent=replace(given_.parent, schedule=steps))),
    )


@EXAMPLES
@given(inputs(plain=True), st.randoms(use_true_random=False))
def test_the_order_of_fills_of_one_instant_does_not_matter(given_: Inputs, chance: object) -> None:
    """As far as they fit into the parent: which ones are beyond it depends on their order."""
    fills = given_.parent.fills
    assume(fills.qty.sum() <= given_.parent.quantity)
    coarse_ns = fills.at_ns // 30_000_000_000 * 30_000_000_000
    at_once = replace(fills, at_ns=coarse_ns, mid=given_.mids.before(coarse_ns))
    shuffled = np.lexsort((np.random.default_rng(7).permutation(coarse_ns.size), coarse_ns))
    same(
        attribute(*with_fills(given_, at_once)),
        attribute(*with_fills(given_, chosen(at_once, shuffled))),
    )


@EXAMPLES
@given(inputs(plain=True), st.sampled_from([2, 7]))
def test_basis_points_do_not_depend_on_the_unit_of_price(given_: Inputs, factor: int) -> None:
    parent, fills = given_.parent, given_.parent.fills
    free = replace(fills, fee=np.zeros(fills.fee.size))
    dear = replace(free, price=fills.price * factor, mid=fills.mid * factor)
    tranches = tuple(replace(t, mid=t.mid * factor) for t in parent.tranches)
    other = replace(parent, tranches=tranches, fills=dear, end_mid=parent.end_mid * factor)
    mids = Mids(given_.mids.at_ns, given_.mids.mid * factor, given_.mids.until_ns)
    one = attribute(*with_fills(given_, free))
    two = attribute(*given_._replace(parent=other, mids=mids))
    assert in_bps(one) == pytest.approx(in_bps(two), rel=1e-9, abs=1e-9, nan_ok=True)


@EXAMPLES
@given(inputs(plain=True), st.sampled_from([2, 7]))
def test_basis_points_do_not_depend_on_the_unit_of_quantity(given_: Inputs, factor: int) -> None:
    parent, fills = given_.parent, given_.parent.fills
    free = replace(fills, fee=np.zeros(fills.fee.size))
    many = replace(free, qty=fills.qty * factor)
    tranches = tuple(replace(t, qty=t.qty * factor) for t in parent.tranches)
    steps = Steps(parent.schedule.due_ns, parent.schedule.qty * factor)
    other = Parent(parent.side, tranches, steps, many, parent.end_ns, parent.end_mid)
    one = attribute(*with_fills(given_, free))
    two = attribute(*given_._replace(parent=other))
    assert in_bps(one) == pytest.approx(in_bps(two), rel=1e-9, abs=1e-9, nan_ok=True)


def in_bps(found: Attribution) -> Floats:
    return np.array([figure.value for figure in found.buckets.values()], np.float64)


@EXAMPLES
@given(inputs(plain=True, cost_bps=2.0))
def test_where_all_that_was_due_was_filled_the_matching_does_not_matter(given_: Inputs) -> None:
    """T109: the sum of the delays is Σ x m_v - Σ x m_u0, whatever share is whose."""
    fills, lag_ns = given_.parent.fills, round(given_.usual.lag_ns.value)
    assume(fills.qty.size)
    # The parent as it would be if exactly what was filled had been scheduled, evenly.
    steps = Steps(fills.at_ns[::-1].copy() // 3, fills.qty)
    order = np.argsort(steps.due_ns, kind="stable")
    steps = Steps(steps.due_ns[order], steps.qty[order])
    tranche = replace(given_.parent.tranches[0], qty=int(fills.qty.sum()))
    parent = replace(given_.parent, schedule=steps, tranches=(tranche,))
    found = attribute(*given_._replace(parent=parent))
    due_ns = np.minimum(steps.due_ns + lag_ns, parent.end_ns)
    due_mid = np.where(due_ns == parent.end_ns, parent.end_mid, given_.mids.at(due_ns))
    moved = money(fills.qty, fills.mid).sum() - money(steps.qty, due_mid).sum()
    delays = found.rows.money[found.rows.term == r.DELAY].sum()
    assert math.isclose(delays, parent.side * moved, rel_tol=1e-9, abs_tol=1e-6)


def test_an_identity_that_does_not_hold_is_a_fault_of_ours() -> None:
    r.check_identity(1.0, 1.0 + 0.9e-9, 1e4)
    for wrong in (1.0 + 1.1e-9, math.nan):
        with pytest.raises(AssertionError, match="fault of the attribution"):
            r.check_identity(1.0, wrong, 1e4)
