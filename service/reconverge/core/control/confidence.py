"""Confidence: what control reads of truth, and how much of it is trusted (DOMAIN §8).

``TruthReading`` is all that control reads of truth: a second policy reads the same truth through
another one. Three kinds of doubt multiply: do the views agree, is anything missing, is everybody
heard. Within agreement the worst view of the same fact counts once. Every component lies in [0, 1],
1 meaning that nothing is wrong with it; any zero is a zero, and the confidence is monotone in each.

The cap and the machine read differently. For the cap, similarity and quantity are softened while
orders are few, so that one of four does not end trading. The machine's gates take them as they are,
and count an unanswered request only from the policy's request grace on.
"""

from typing import Final, NamedTuple

from reconverge.core.control.policy import Policy
from reconverge.core.messages.effects import Component, Components
from reconverge.core.orders import Agreement

DIGITS: Final = 6
"""Published ratios have this many decimals: finer than any threshold, equal on every machine."""


class TruthReading(NamedTuple):
    """One session's truth at one moment, as a policy with its graces sees it."""

    agreement: Agreement
    """For the cap."""
    gate: Agreement
    """For the machine: unanswered requests count from the request grace on."""
    outstanding: int
    """Numbers missing in open gaps, all sources."""
    outstanding_peak: int
    """The most that were missing since there was last no gap."""
    gap_age_ms: float
    """Age of the oldest open gap; 0 without one."""
    unrecoverable: int
    """Numbers that no replay can bring back and nothing has proven harmless."""
    lag_ms: float
    """Lag of the least fresh source that is required; infinite without a witness."""

    @property
    def similarity(self) -> float:
        """Settled live-set similarity."""
        return self.agreement.similarity

    @property
    def quantity(self) -> float:
        """Settled quantity-weighted similarity."""
        return self.agreement.quantity


class Confidence(NamedTuple):
    """The product, its parts, and the part that binds."""

    value: float
    components: Components
    binding: Component | None
    """The part that takes most away, the first of them in case of a tie; None when none does."""
    sourced: float
    """Replay × freshness, each to its weight: what does not depend on any order."""


CERTAIN: Final = Confidence(
    1.0, Components(similarity=1, quantity=1, replay=1, freshness=1, in_flight=1), None, 1.0
)
"""What a reading with nothing wrong in it comes to, under any policy."""


def confidence(reading: TruthReading, policy: Policy) -> Confidence:
    """Confidence for the cap: ``c = agreement × replay^w × freshness^w`` (DOMAIN §8)."""
    if _is_faultless(reading, policy):
        return CERTAIN  # as nearly always
    similarity, quantity, in_flight = softened(reading.agreement, policy)
    replay, freshness = _replay(reading, policy), _freshness(reading, policy)
    weights = policy.weights
    agreed: dict[Component, float] = {
        "similarity": similarity**weights.similarity,
        "quantity": quantity**weights.quantity,
        "in_flight": in_flight**weights.in_flight,
    }
    worst = min(agreed, key=agreed.__getitem__)
    factors: dict[Component, float] = {
        worst: agreed[worst],
        "replay": replay**weights.replay,
        "freshness": freshness**weights.freshness,
    }
    value = 1.0
    for factor in factors.values():
        value *= factor
    lowest = min(factors, key=factors.__getitem__)
    components = Components(
        similarity=round(similarity, DIGITS),
        quantity=round(quantity, DIGITS),
        replay=round(replay, DIGITS),
        freshness=round(freshness, DIGITS),
        in_flight=round(in_flight, DIGITS),
    )
    binding = lowest if factors[lowest] < 1 else None
    common = factors["replay"] * factors["freshness"]
    return Confidence(round(value, DIGITS), components, binding, common)


def agreement(of: Agreement, policy: Policy) -> float:
    """The agreement of one instrument, for its cap: the worst of its three parts."""
    similarity, quantity, in_flight = softened(of, policy)
    weights = policy.weights
    parts = (
        similarity**weights.similarity,
        quantity**weights.quantity,
        in_flight**weights.in_flight,
    )
    return float(min(parts))


def gated(reading: TruthReading, policy: Policy, sourced: float) -> float:
    """Confidence for the machine's gates: agreement as it is, without softening.

    ``sourced`` is replay × freshness, as ``confidence`` has it.
    """
    of = reading.gate
    if of.similarity == of.quantity == sourced == 1.0 and not of.ambiguous_orders:
        return 1.0  # as nearly always
    rules, weights = policy.similarity, policy.weights
    share = of.ambiguous_orders / of.orders if of.orders else 0.0
    agreed = min(
        _between(of.similarity, rules.floor, rules.target) ** weights.similarity,
        _between(of.quantity, rules.floor, rules.target) ** weights.quantity,
        (1 - min(1.0, max(of.ambiguous, share))) ** weights.in_flight,
    )
    return float(round(agreed * sourced, DIGITS))


def softened(of: Agreement, policy: Policy) -> tuple[float, float, float]:
    """Similarity, quantity and in-flight components, for the cap.

    With ``n`` orders, ``x' = 1 - (1 - x) n / max(n, orders_min)`` softens similarity and quantity
    before they are scaled: one order of four in doubt weighs as one of ten.
    """
    rules = policy.similarity
    few = of.working / max(of.working, rules.orders_min)
    share = of.ambiguous_orders / max(of.orders, rules.orders_min)
    return (
        _between(1 - (1 - of.similarity) * few, rules.floor, rules.target),
        _between(1 - (1 - of.quantity) * few, rules.floor, rules.target),
        1 - min(1.0, max(of.ambiguous, share)),
    )


def _is_faultless(reading: TruthReading, policy: Policy) -> bool:
    of = reading.agreement
    return (
        of.similarity == 1.0
        and of.quantity == 1.0
        and not of.ambiguous_orders
        and not of.ambiguous
        and not reading.outstanding
        and not reading.unrecoverable
        and reading.lag_ms <= policy.freshness.lag_soft_ms
    )


def _between(value: float, low: float, high: float) -> float:
    """0 at or below ``low``, 1 at or above ``high``, linear in between."""
    if value <= low:
        return 0.0
    return 1.0 if value >= high else (value - low) / (high - low)


def _freshness(reading: TruthReading, policy: Policy) -> float:
    rules = policy.freshness
    return 1 - _between(reading.lag_ms, rules.lag_soft_ms, rules.lag_hard_ms)


def _replay(reading: TruthReading, policy: Policy) -> float:
    """Share of the missing numbers recovered.

    A gap younger than its grace is only messages in flight.
    """
    if reading.unrecoverable:
        return 0.0
    if not reading.outstanding or reading.gap_age_ms < policy.replay.gap_grace_ms:
        return 1.0
    return 1 - reading.outstanding / max(reading.outstanding_peak, reading.outstanding)
