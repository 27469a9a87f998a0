"""Confidence: what control reads from truth, and the product it makes of it (DOMAIN §8).

``TruthReading`` is all that control reads of truth: a second policy reads the same truth through
another one. Every component lies in [0, 1], 1 meaning nothing is wrong with it; the confidence is
the product of the components, each to its weight, so any zero is a zero and the confidence is
monotone in each.
"""

from typing import Final, NamedTuple

from reconverge.core.control.policy import Policy
from reconverge.core.messages.effects import Component, Components

DIGITS = 6
"""Published ratios have this many decimals: finer than any threshold, equal on every machine."""


class TruthReading(NamedTuple):
    """One session's truth at one moment, as a policy with its graces sees it."""

    similarity: float
    """Settled live-set similarity, 0 to 1."""
    quantity: float
    """Settled quantity-weighted similarity, 0 to 1."""
    outstanding: int
    """Numbers missing in open gaps, all sources."""
    outstanding_peak: int
    """The most that were missing since there was last no gap."""
    gap_age_ms: float
    """Age of the oldest open gap; 0 without one."""
    unrecoverable: int
    """Numbers that no replay can bring back and nothing has proven harmless."""
    ambiguous: float
    """Ambiguous notional over open notional, 0 to 1; nothing younger than the grace counts."""
    lag_ms: float
    """Lag of the least fresh source beyond its heartbeat interval; infinite without drop copy."""


_FAULTLESS: Final = (1.0, 1.0, 0, 0, 0.0, 0, 0.0)
"""A reading without its lag, when nothing else is wrong."""


class Confidence(NamedTuple):
    """The product, its parts, and the part that binds."""

    value: float
    components: Components
    binding: Component | None
    """The lowest component, the first of them in case of a tie; null when all are 1."""


CERTAIN: Final = Confidence(
    1.0, Components(similarity=1, quantity=1, replay=1, freshness=1, in_flight=1), None
)
"""What a reading with nothing wrong in it comes to, under any policy."""


def confidence(reading: TruthReading, policy: Policy) -> Confidence:
    """Confidence in a reading under a policy: ``c = Π component^weight`` (DOMAIN §8)."""
    if reading[:7] == _FAULTLESS and reading.lag_ms <= policy.freshness.lag_soft_ms:
        return CERTAIN  # as nearly always
    parts: dict[Component, float] = {
        "similarity": _between(
            reading.similarity, policy.similarity.floor, policy.similarity.target
        ),
        "quantity": _between(reading.quantity, policy.similarity.floor, policy.similarity.target),
        "replay": _replay(reading, policy),
        "freshness": 1
        - _between(reading.lag_ms, policy.freshness.lag_soft_ms, policy.freshness.lag_hard_ms),
        "in_flight": 1 - min(1.0, reading.ambiguous),
    }
    value = 1.0
    for name, part in parts.items():
        weight = getattr(policy.weights, name)
        value *= part**weight
    lowest = min(parts, key=parts.__getitem__)
    rounded = {name: round(part, DIGITS) for name, part in parts.items()}
    components = Components(**rounded)
    return Confidence(round(value, DIGITS), components, lowest if parts[lowest] < 1 else None)


def _between(value: float, low: float, high: float) -> float:
    """0 at or below ``low``, 1 at or above ``high``, linear in between."""
    if value <= low:
        return 0.0
    return 1.0 if value >= high else (value - low) / (high - low)


def _replay(reading: TruthReading, policy: Policy) -> float:
    """Share of the missing numbers recovered.

    A gap younger than its grace is only messages in flight.
    """
    if reading.unrecoverable:
        return 0.0
    if not reading.outstanding or reading.gap_age_ms < policy.replay.gap_grace_ms:
        return 1.0
    return 1 - reading.outstanding / max(reading.outstanding_peak, reading.outstanding)
