"""Caps: ceilings, shape, the asymmetric ramp, and the limit on catching up (DOMAIN §10).

A ``Governor`` holds one cap over time, of a session or of one instrument in it: it falls at once
and rises only where the machine allows it, no faster than the ramp (S3, S4). The functions below it
are the convexity of repaying backlog.
"""

import math
from typing import Final, NamedTuple

from reconverge.core.control.machine import FROZEN, RISING
from reconverge.core.control.policy import CatchUp, Policy
from reconverge.core.messages.effects import State

CAP_STEPS: Final = 10_000
"""Caps are published in steps of one basis point of normal participation, rounded down:

Never above the ceiling.
"""
RISE_STEP: Final = 0.01
"""A rise is published in steps of this size:

Ten records a second and session at the default ramp, not one a batch.
"""


class CapLimit(NamedTuple):
    """What a cap may be, and what holds it there."""

    cap: float
    reason: str


def ceiling(
    state: State, confidence: float, binding: str | None, policy: Policy, *, safe_mode: bool
) -> CapLimit:
    """The highest cap now, before the ramp:

    ``ceiling[state] × c^shape`` (S3, S5), under the safe-mode latch.
    """
    rules = policy.cap
    top = rules.ceiling.of(state)
    target = max(rules.floor, top * confidence**rules.shape)
    reason = binding if binding is not None else "ceiling"
    if safe_mode and target > rules.safe_mode:
        return CapLimit(rules.safe_mode, "safe_mode")
    return CapLimit(target, reason)


class Governor:
    """One cap over time."""

    __slots__ = ("rising_ns", "value")

    def __init__(self, value: float = 0.0, rising_ns: int | None = None) -> None:
        self.value = value
        """The cap now, unrounded. A session starts at nothing and earns its cap along the ramp."""
        self.rising_ns = rising_ns
        """Up to when its rise is accounted for, None while it does not rise: time spent at a
        ceiling, or where no cap may rise, earns nothing. Nanoseconds, UTC."""

    def govern(self, bound: CapLimit, state: State, ramp_per_s: float, now_ns: int) -> CapLimit:
        """Move toward the bound: down at once, up by the ramp where the state allows it (S4)."""
        since_ns, self.rising_ns = self.rising_ns, None
        reason = bound.reason
        if bound.cap <= self.value:
            self.value = bound.cap
        elif state in RISING:
            elapsed_s = 0.0 if since_ns is None else max(0, now_ns - since_ns) / 1e9
            self.value = min(bound.cap, self.value + ramp_per_s * elapsed_s)
            if self.value < bound.cap:
                self.rising_ns = now_ns
                reason = "ramp"
        else:
            reason = "hold"
        return CapLimit(rounded(self.value), reason)


def rounded(cap: float) -> float:
    """A cap in whole basis points, rounded down.

    The tiny allowance undoes binary noise such as 0.28999999999999998.
    """
    return math.floor(cap * CAP_STEPS + 1e-6) / CAP_STEPS


def temporary_impact_bps(participation: float, sigma_bps: float, rules: CatchUp) -> float:
    """Temporary cost per share ``K(p) = η σ p^β`` (Almgren, Thum, Hauptmann and Li 2005).

    Basis points.
    """
    return rules.eta * sigma_bps * float(participation**rules.beta)


def uplift_bps(multiple: float, sigma_bps: float, rules: CatchUp) -> float:
    """Extra cost ``U(m) = η σ p0^β (m^β - 1)`` of trading at ``multiple`` times the normal rate.

    Basis points.
    """
    base = temporary_impact_bps(rules.participation_normal, sigma_bps, rules)
    return base * float(multiple**rules.beta - 1)


def catchup_multiple(state: State, sigma_bps: float, policy: Policy) -> float:
    """Highest multiple of the normal rate at which backlog may be repaid (DOMAIN §10), at least 1.

    The convexity limit ``m_max = (1 + U_max / (η σ p0^β))^(1/β)``, the absolute multiple, and the
    absolute participation all bound it; while expansion is frozen nothing is repaid faster than
    normal.
    """
    rules = policy.catch_up
    if state in FROZEN:
        return 1.0
    base = temporary_impact_bps(rules.participation_normal, sigma_bps, rules)
    convex = float((1 + rules.uplift_max_bps / base) ** (1 / rules.beta))
    absolute = rules.participation_max / rules.participation_normal
    return max(1.0, math.floor(min(convex, rules.multiple_max, absolute) * CAP_STEPS) / CAP_STEPS)


def shortfall_expected(backlog: int, normal_per_s: float, multiple: float, horizon_s: float) -> int:
    """Backlog that cannot be repaid by the horizon within the multiple; it is reported, the
    multiple never raised.

    ``backlog`` is in nanos, ``normal_per_s`` the scheduled rate in nanos per second; repayment runs
    at ``(multiple - 1) × normal`` on top of the schedule. Nanos.
    """
    repaid = int(max(0.0, (multiple - 1) * normal_per_s * horizon_s))
    return max(0, backlog - repaid)
