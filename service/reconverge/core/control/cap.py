"""Caps: ceilings, shape, the asymmetric ramp, and the limit on catching up (DOMAIN §10).

A ``Governor`` holds one cap over time, of a session or of one instrument in it: it falls at once
and rises only where the machine allows it, no faster than the ramp (S3, S4). The functions below it
are the convexity of repaying backlog.
"""

import math
from typing import Final, NamedTuple

from reconverge.core.control.machine import FROZEN
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


class Standing(NamedTuple):
    """What binds every cap of a session, besides how much of its truth is trusted."""

    state: State
    may_rise: bool
    """The machine's state, or the progress of its recovery, allows a rise (S4)."""
    parked: bool
    closed: bool
    cold_start: bool
    safe_mode: bool


def limit(standing: Standing, confidence: float, binding: str | None, policy: Policy) -> CapLimit:
    """The highest cap now, before the ramp:

    ``ceiling[state] × c^shape`` (S3, S5), under the cold start's ceiling (R40) and the latch.
    """
    rules = policy.cap
    if standing.parked:
        return CapLimit(rules.floor, "parked")
    if standing.closed:
        return CapLimit(rules.floor, "closed")
    top = rules.ceiling.of(standing.state) * policy.witness.factor
    cap = min(top, max(rules.floor, top * confidence**rules.shape))
    reason = binding if binding is not None else "ceiling"
    if standing.cold_start and cap > rules.cold_start:
        cap, reason = rules.cold_start, "cold_start"
    if standing.safe_mode and cap > rules.safe_mode:
        cap, reason = rules.safe_mode, "safe_mode"
    return CapLimit(cap, reason)


class Governor:
    """One cap over time."""

    __slots__ = ("rising_ns", "target", "told", "value")

    def __init__(
        self,
        value: float = 0.0,
        rising_ns: int | None = None,
        told: float = 0.0,
        target: float = 0.0,
    ) -> None:
        self.value = value
        """The cap now, unrounded. A session starts at nothing and earns its cap along the ramp."""
        self.rising_ns = rising_ns
        """Up to when its rise is accounted for, None while it does not rise: time spent at a
        ceiling, or where no cap may rise, earns nothing. Nanoseconds, UTC."""
        self.told = told
        """The cap last published. ``value`` is above it only by a rise too small to publish."""
        self.target = target
        """Where it moves to."""

    def govern(
        self, bound: CapLimit, ramp_per_s: float, now_ns: int, *, may_rise: bool
    ) -> CapLimit:
        """Move toward the limit: down at once, up by the ramp where a rise is allowed (S4)."""
        since_ns, self.rising_ns, self.target = self.rising_ns, None, bound.cap
        reason = bound.reason
        if not may_rise and rounded(self.value) > self.told:
            self.value = self.told  # a rise that was not published yet was never given
        if bound.cap <= self.value:
            self.value = bound.cap
        elif may_rise:
            elapsed_s = 0.0 if since_ns is None else max(0, now_ns - since_ns) / 1e9
            self.value = min(bound.cap, self.value + ramp_per_s * elapsed_s)
            if self.value < bound.cap:
                self.rising_ns = now_ns
                reason = "ramp"
        else:
            reason = "hold"
        return CapLimit(rounded(self.value), reason)

    def clamp(self, cap: float, now_ns: int, *, may_rise: bool) -> None:
        """Fall at once to no more than another cap, and go on rising from there."""
        if cap < self.value:
            self.value = cap
            self.rising_ns = now_ns if may_rise and cap < self.target else None

    @property
    def rising(self) -> bool:
        """It moves with time."""
        return self.rising_ns is not None

    def is_news(self) -> bool:
        """The cap differs enough from the one published: any fall, a step of a rise, or its end."""
        cap = rounded(self.value)
        return (
            cap < self.told
            or cap >= rounded(self.told + RISE_STEP)
            or (cap > self.told and self.value >= self.target)
        )

    def dump(self) -> list[float | int | None]:
        """JSON-able content; the constructor's arguments."""
        return [self.value, self.rising_ns, self.told, self.target]


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
