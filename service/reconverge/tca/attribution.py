"""Which part of a parent's shortfall came from what: the four costs of a failover (T20-T34).

    IS = base + C_divergence + C_queue_reset + C_throttle + C_catchup + ε

Each share of the parent has three terms (T25)

    s(P - m0) = [s(m_u0 - m0) + κ0]  +  s(m_v - m_u0)  +  [s(P - m_v) - κ0]
                 base                   delay             excess

where ``u0 = min(due + ℓ0, T)`` is when it would usually have filled and ``v`` when it did. `PLAN`
says for each slice of shares which bucket a term belongs to. ε is the rows that nobody claims.
"""

import math
from dataclasses import dataclass

import numpy as np

from reconverge.tca import ledger as ledger_
from reconverge.tca import lots as lots_
from reconverge.tca import rows as r
from reconverge.tca.arrays import floats
from reconverge.tca.delays import NO_RESTRICTION, Delays, Restrictions, delays
from reconverge.tca.figures import Basis, Figure, known, unknown, weakest
from reconverge.tca.ledger import Ledger
from reconverge.tca.lots import Fate, Placed
from reconverge.tca.marks import Mids
from reconverge.tca.rows import Rows
from reconverge.tca.runs import Run, runs
from reconverge.tca.shares import shares
from reconverge.tca.shortfall import Parent, in_bps, shortfall
from reconverge.tca.unintended import ACCOUNTED, DETECTORS
from reconverge.tca.usual import Usual


@dataclass(frozen=True, slots=True)
class Attribution:
    """What one parent's shortfall consists of."""

    rows: Rows
    shortfall: Figure
    """IS in bps of the notional."""
    buckets: dict[str, Figure]
    """In bps; an unknown bucket's rows are in ε."""
    epsilon_may_hold: tuple[str, ...]
    """The buckets whose rows ε holds, since they could not be told apart (T8)."""
    runs: tuple[Run, ...]
    placed: Placed
    deferred: dict[str, float]
    """Share-seconds deferred by (state, reason), units × seconds: no price noise is in them."""
    alerts: tuple[str, ...]


def attribute(
    parent: Parent,
    usual: Usual,
    mids: Mids,
    restrictions: Restrictions = NO_RESTRICTION,
    fate: Fate = lots_.NOTHING_KNOWN,
) -> Attribution:
    """Attribute the shortfall of one parent; about a millisecond.

    The shortfall is unknown without an arrival mid, or without the mid at the end where shares are
    left or too many; then there are no rows, but share-seconds still. Raises AssertionError if the
    rows do not sum to IS (T30), ValueError for contradictory input.
    """
    lag_ns = 0 if math.isnan(usual.lag_ns.value) else round(usual.lag_ns.value)
    placed = lots_.place(parent, lots_.split(parent, fate, lag_ns))
    found = runs(parent, placed.within, lag_ns, restrictions.begins())
    pieces = shares(parent, placed.within, usual, mids)
    late = delays(pieces, found, restrictions, mids)
    ledger = Ledger(parent)
    reason = _unknown_shortfall(parent, placed)
    if reason is None:
        ledger_.write(ledger, pieces, late, usual)
        _undone(ledger, placed)
        _fees(ledger, fate, placed)
        if restrictions.label:
            _unknown_runs(ledger, usual)
        r.check_identity(ledger.total, shortfall(parent).total, parent.notional)
    return _result(parent, ledger, placed, (found, late, fate), reason)


def _unknown_shortfall(parent: Parent, placed: Placed) -> str | None:
    """Why IS is unknown, if it is (T8)."""
    base = parent.notional
    if math.isnan(base):
        return "The mid at arrival is unknown."
    if not base:
        return "Nothing of the parent was left to trade: it has no notional."
    at_end = placed.within.qty.sum() < parent.quantity or placed.beyond.qty.size
    if math.isnan(parent.end_mid) and (at_end or placed.unwound_too_much[1].size):
        return "The mid at the end is unknown, and not exactly the parent's quantity was executed."
    return None


def _unknown_runs(ledger: Ledger, usual: Usual) -> None:
    """Without a schedule, or the usual lag, nobody can say who was behind it (T20, T23)."""
    if not ledger.parent.schedule.qty.size:
        reason = "The parent has no schedule, so that nobody can say what was late."
    elif math.isnan(usual.lag_ns.value):
        reason = f"The usual lag is {usual.source}."
    else:
        return
    for bucket in (r.BASE, r.THROTTLE, r.CATCHUP):
        ledger.cannot_tell(bucket, reason)


def _undone(ledger: Ledger, placed: Placed) -> None:
    """Unwound pairs, shares beyond the quantity, unwinds of too much (T29, T43)."""
    fills, end_mid, side = ledger.parent.fills, ledger.parent.end_mid, ledger.parent.side
    pairs, beyond = placed.unwound, placed.beyond
    lost = side * floats(fills.price[pairs.fill] - fills.price[pairs.unwind])
    ledger.write("unwound", r.UNWOUND, lost, pairs.qty, pairs.fill)
    over = side * floats(fills.price[beyond.fill] - end_mid)
    ledger.write("beyond", r.BEYOND, over, beyond.qty, beyond.fill)
    fill, qty = placed.unwound_too_much
    short = side * floats(end_mid - fills.price[fill])
    ledger.write("unwound_too_much", r.BEYOND, short, qty, fill)
    if qty.size:
        ledger.alerts.append("unwind_exceeds")


def _fees(ledger: Ledger, fate: Fate, placed: Placed) -> None:
    """Fees of unintended fills and of their unwinds lie in C_divergence, all others in base."""
    fills = ledger.parent.fills
    bad = np.zeros(fills.qty.size, np.int64)
    np.add.at(bad, fate.unintended.fill, fate.unintended.qty)
    accounted = placed.beyond.where(placed.beyond.kind == lots_.INTENDED)
    np.add.at(bad, accounted.fill, accounted.qty)
    np.add.at(bad, placed.unwound.unwind, placed.unwound.qty)
    share = np.minimum(bad, fills.qty) / np.maximum(fills.qty, 1)
    every = np.arange(fills.qty.size)
    ledger.write_money("fees", fills.fee * (1 - share), fills.qty - bad, every)
    ledger.write_money("fees_of_unintended", fills.fee * share, bad, every)


def _result(
    parent: Parent,
    ledger: Ledger,
    placed: Placed,
    timing: tuple[list[Run], Delays, Fate],
    reason: str | None,
) -> Attribution:
    found, late, fate = timing
    rows = ledger.rows()
    incidents = len({run.episode for run in found})
    bases = _bases(found, fate, placed)
    if reason is not None:
        whole = unknown(reason)
        figures = dict.fromkeys(r.BUCKETS, whole)
    else:
        whole = known(in_bps(rows.total, parent), n=1, incidents=incidents)
        amounts, counts = rows.by_bucket().tolist(), np.bincount(rows.bucket, minlength=6).tolist()
        figures = {
            name: unknown(ledger.unknown[i], bases[i])
            if i in ledger.unknown
            else known(in_bps(amounts[i], parent), bases[i], counts[i], incidents)
            for i, name in enumerate(r.BUCKETS)
        }
    held = tuple(r.BUCKETS[bucket] for bucket in sorted(ledger.unknown) if bucket != r.EPSILON)
    return Attribution(
        rows, whole, figures, held, tuple(found), placed, late.share_seconds, tuple(ledger.alerts)
    )


def _bases(found: list[Run], fate: Fate, placed: Placed) -> list[Basis]:
    """What each bucket rests on. What lies beyond the quantity was found by counting."""
    detectors = [DETECTORS[i] for i in fate.unintended.detector.tolist()]
    if placed.beyond.qty.size:
        detectors.append(DETECTORS[ACCOUNTED])
    bases: list[Basis] = ["derived"] * len(r.BUCKETS)
    bases[r.THROTTLE] = bases[r.CATCHUP] = weakest(run.basis for run in found)
    bases[r.DIVERGENCE] = weakest(detectors)
    bases[r.QUEUE_RESET] = fate.reset_basis
    return bases
