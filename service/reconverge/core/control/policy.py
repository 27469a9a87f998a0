"""Policies: the thresholds that control reads truth with, their cross-checks, versions and content
hash.

Only data and its checks live here. A policy is a frozen model, written as TOML, and refused as a
whole with every contradiction named at once. Each setting says which direction is tighter, so that
two versions can be compared in words. Defaults are those of DOMAIN §13; venues and desks override
all of them.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Annotated, Any, Final, Literal, NamedTuple

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reconverge.core.messages.effects import PolicyRef, State, Witness
from reconverge.core.messages.wire import NAME_LENGTH_MAX
from reconverge.core.venue import Limits

Milliseconds = Annotated[int, Field(ge=0, le=86_400_000)]
Ratio = Annotated[float, Field(ge=0, le=1)]
Text = Annotated[str, Field(min_length=1, max_length=NAME_LENGTH_MAX)]
Tighter = Literal["up", "down"]
MS_NS: Final = 1_000_000
"""Nanoseconds of a millisecond."""


class Section(BaseModel):
    """A table of a policy file. An unknown key is an error: a misspelt threshold must not pass."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def setting(default: Any, description: str, tighter: Tighter | None, **constraints: Any) -> Any:
    """A field with its default, meaning, and the direction in which it becomes more cautious."""
    return Field(
        default=default,
        description=description,
        json_schema_extra={"tighter": tighter},
        **constraints,
    )


class Scope(Section):
    """What a policy applies to. An empty scope applies everywhere."""

    session: Text | None = setting(None, "Only this session.", None)
    venue: Text | None = setting(None, "Only sessions that follow this venue profile.", None)
    symbols: tuple[Text, ...] = setting(
        (), "Only these instruments (a symbol group): their own caps.", None
    )


class Similarity(Section):
    """Thresholds on agreement of the two views."""

    floor: Ratio = setting(0.80, "Agreement at which the component is 0.", "up")
    target: Ratio = setting(
        0.995, "Agreement at which the component is 1, and which re-entry needs.", "up"
    )
    alarm: Ratio = setting(
        0.90, "Settled LSS or quantity agreement below which a session has silently diverged.", "up"
    )
    alarm_dwell_ms: Milliseconds = setting(
        1_000, "How long below the alarm before it counts.", "down"
    )
    in_flight_grace_ms: Milliseconds = setting(
        500, "Younger disagreements are only in flight.", "down"
    )
    request_grace_ms: Milliseconds = setting(
        2_000, "Age at which an unanswered request delays STABLE and HEALTHY.", "down"
    )
    orders_min: int = setting(
        10,
        "Orders below which one in doubt weighs as one of so many, for the cap alone.",
        "down",
        ge=1,
        le=1_000_000,
    )


class Replay(Section):
    """Patience with gaps and resends."""

    gap_grace_ms: Milliseconds = setting(
        1_000, "Age at which a gap is divergence, with the link up.", "down"
    )
    resend_timeout_ms: Milliseconds = setting(
        30_000, "An unanswered resend request is released after it.", "down"
    )
    attempts_max: int = setting(
        4, "Logon or resend attempts in the window before the alert.", "down", ge=1
    )
    attempts_window_ms: Milliseconds = setting(60_000, "Window of the attempts.", "up")


class Freshness(Section):
    """Patience with silence, counted beyond a source's own heartbeat interval."""

    lag_soft_ms: Milliseconds = setting(500, "Lag up to which the component is 1.", "down")
    lag_hard_ms: Milliseconds = setting(5_000, "Lag from which the component is 0.", "down")
    channels: tuple[Text, ...] = setting(
        (), "Drop-copy channels that must be heard; none: those heard since they logged on.", None
    )
    heartbeat_tolerance: float = setting(
        1.2, "Silence allowed, in heartbeat intervals.", "down", ge=1, le=10
    )
    heartbeat_default_ms: Milliseconds = setting(
        30_000, "Heartbeat interval where neither logon nor venue profile states one.", "down"
    )
    event_clip_ms: Milliseconds = setting(
        1_000, "An event time further ahead of its arrival is taken as the arrival.", "down"
    )


class Witnesses(Section):
    """What the proof of parity rests on. Anything but drop copy is said by a standing alert."""

    mode: Witness = setting(
        "drop_copy", "`drop_copy`, `snapshot` (mass status), or `entry` (numbers alone).", None
    )
    snapshot_ceiling: Ratio = setting(0.6, "Factor on every ceiling with `snapshot`.", "down")
    entry_ceiling: Ratio = setting(0.3, "Factor on every ceiling with `entry`.", "down")

    @property
    def factor(self) -> float:
        """The factor on every ceiling."""
        factors = {"snapshot": self.snapshot_ceiling, "entry": self.entry_ceiling}
        return factors.get(self.mode, 1.0)


class Recovery(Section):
    """Thresholds of the machine's way back."""

    parity_grace_ms: Milliseconds = setting(
        1_000, "In FAILOVER_DETECTED, time allowed to prove parity.", "down"
    )
    reentry_confidence: Ratio = setting(0.90, "Confidence that re-entry needs.", "up")
    reentry_dwell_ms: Milliseconds = setting(
        2_000, "How long everything re-entry needs must hold.", "up"
    )
    stable_confidence: Ratio = setting(0.98, "Confidence that STABLE needs.", "up")
    stable_dwell_ms: Milliseconds = setting(10_000, "How long it must hold (the SLA).", "up")
    exit_confidence: Ratio = setting(
        0.80, "Confidence under which a recovering session has diverged again.", "up"
    )
    probation_ms: Milliseconds = setting(60_000, "Time in STABLE before the episode closes.", "up")
    progress_window_ms: Milliseconds = setting(
        1_000, "In REPLAY_SYNCING a cap rises for so long after recovery made progress.", "down"
    )
    normal_cap: Ratio = setting(
        0.98, "Share of HEALTHY's ceiling that is normal participation again: it ends SDL.", "up"
    )


class Ceilings(Section):
    """Highest cap in each state."""

    healthy: Ratio = setting(1.0, "In HEALTHY.", "down")
    stable: Ratio = setting(1.0, "In STABLE.", "down")
    controlled_reentry: Ratio = setting(0.90, "In CONTROLLED_REENTRY.", "down")
    replay_syncing: Ratio = setting(0.50, "In REPLAY_SYNCING.", "down")
    failover_detected: Ratio = setting(0.30, "In FAILOVER_DETECTED.", "down")
    state_diverged: Ratio = setting(0.20, "In STATE_DIVERGED.", "down")

    def of(self, state: State) -> float:
        """The ceiling of one state."""
        return float(getattr(self, state.value.lower()))


class CapRules(Section):
    """How confidence becomes a cap."""

    ceiling: Ceilings = Field(default_factory=Ceilings, description="Highest cap in each state.")
    floor: Ratio = setting(0.0, "Lowest cap, and the cap of a parked session.", "down")
    safe_mode: Ratio = setting(0.05, "Highest cap while the safe-mode latch is set.", "down")
    cold_start: Ratio = setting(0.20, "Highest cap while earlier orders are unknown (R40).", "down")
    shape: float = setting(1.0, "Exponent on the confidence.", "up", gt=0, le=10)
    ramp_per_s: float = setting(0.10, "How fast a cap may rise, per second.", "down", gt=0, le=10)
    heartbeat_ms: int = setting(
        1_000, "A cap is published at least this often.", "down", ge=50, le=60_000
    )
    validity_ms: int = setting(3_000, "A cap says nothing after this.", "down", ge=100, le=600_000)


class CatchUp(Section):
    """Convexity-aware repayment of backlog (DOMAIN §10; Almgren, Thum, Hauptmann and Li 2005).

    The bounds are far beyond any market, and keep every product and power of them finite (R43).
    """

    participation_normal: float = setting(0.10, "Normal participation p0.", None, ge=1e-6, le=1)
    participation_max: Ratio = setting(0.20, "Absolute participation never to be exceeded.", "down")
    uplift_max_bps: float = setting(
        2.0, "Allowed extra cost of repaying faster.", "down", ge=0, le=1e4
    )
    multiple_max: float = setting(
        2.0, "Absolute limit of the catch-up multiple.", "down", ge=1, le=1e3
    )
    eta: float = setting(0.142, "Coefficient of temporary impact.", None, ge=1e-6, le=1e3)
    beta: float = setting(0.6, "Exponent of temporary impact.", None, ge=0.1, le=2)
    sigma_bps: float = setting(
        157.0, "Daily volatility where the parent states none.", None, ge=0.01, le=1e6
    )


class Weights(Section):
    """Exponents of the components in the confidence."""

    similarity: float = setting(1.0, "Weight of similarity.", "up", ge=0, le=10)
    quantity: float = setting(1.0, "Weight of quantity agreement.", "up", ge=0, le=10)
    replay: float = setting(1.0, "Weight of replay progress.", "up", ge=0, le=10)
    freshness: float = setting(1.0, "Weight of freshness.", "up", ge=0, le=10)
    in_flight: float = setting(1.0, "Weight of in-flight ambiguity.", "up", ge=0, le=10)


class Guardrails(Section):
    """Limits on the measured cost of recovery, for the lower bound of its interval.

    Not yet acted on.
    """

    fetl_bps: float = setting(
        5.0, "FETL, failover episode tail lift (shortfall's 95th percentile).", "down", gt=0
    )
    bcu_bps: float = setting(
        3.0, "BCU, backlog catch-up cost: extra cost per unit of backlog cleared.", "down", gt=0
    )
    bcu_multiple: float = setting(
        1.6, "BCU's limit is at least so many times what the model gives.", "down", ge=1
    )
    bcu_hard_multiple: float = setting(
        4.0, "Within one episode, BCU's limit is so many times that.", "down", ge=1
    )
    horizon: Literal["trading_day"] = setting(
        "trading_day", "When an incident's parents are counted at the latest.", None
    )


class Policy(Section):
    """A named, versioned set of thresholds; every output carries its id, version and hash."""

    id: Text = setting("default", "Name of the policy.", None)
    version: int = setting(1, "Version, rising.", None, ge=1, le=(1 << 63) - 1)
    scope: Scope = Field(default_factory=Scope, description="What it applies to.")
    similarity: Similarity = Field(
        default_factory=Similarity, description="Agreement of the two views."
    )
    replay: Replay = Field(default_factory=Replay, description="Gaps and resends.")
    freshness: Freshness = Field(default_factory=Freshness, description="Silence of the sources.")
    witness: Witnesses = Field(
        default_factory=Witnesses, description="What the proof of parity rests on."
    )
    recovery: Recovery = Field(default_factory=Recovery, description="The machine's way back.")
    cap: CapRules = Field(default_factory=CapRules, description="How confidence becomes a cap.")
    catch_up: CatchUp = Field(default_factory=CatchUp, description="Repayment of backlog.")
    weights: Weights = Field(default_factory=Weights, description="Exponents of the components.")
    guardrails: Guardrails = Field(
        default_factory=Guardrails, description="Limits on the cost of recovery."
    )

    @cached_property
    def ref(self) -> PolicyRef:
        """Id, version and hash of the canonical content: sorted keys, every default spelt out."""
        content = orjson.dumps(self.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
        return PolicyRef(
            id=self.id, version=self.version, hash=hashlib.sha256(content).hexdigest()[:16]
        )

    @property
    def limits(self) -> Limits:
        """What of it bounds truth, which knows no policy: patience with resends and with silence,
        the budget of attempts (R12, R18, DOMAIN §8).
        """
        replay, freshness = self.replay, self.freshness
        return Limits(
            resend_timeout_ns=replay.resend_timeout_ms * MS_NS,
            attempts_max=replay.attempts_max,
            attempts_window_ns=replay.attempts_window_ms * MS_NS,
            channels=freshness.channels,
            heartbeat_tolerance=freshness.heartbeat_tolerance,
            heartbeat_default_ns=freshness.heartbeat_default_ms * MS_NS,
            event_clip_ns=freshness.event_clip_ms * MS_NS,
            lag_hard_ns=freshness.lag_hard_ms * MS_NS,
        )


class Problem(NamedTuple):
    """One thing wrong with a policy."""

    key: str
    detail: str


class PolicyRefused(ValueError):
    """A policy contradicts itself or does not parse.

    ``problems`` names everything wrong with it at once.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{key}: {detail}" for key, detail in self.problems))


def parse(document: Mapping[str, Any]) -> Policy:
    """A checked policy from a decoded TOML or JSON document.

    Raises PolicyRefused naming every unknown key, every wrong value and every contradiction
    between those that are right in themselves.
    """
    try:
        # Through JSON, so that lists become tuples and nothing but the contract's types can come
        # in.
        raw = orjson.dumps(document)
    except TypeError as error:
        raise PolicyRefused([Problem("(document)", str(error))]) from None
    try:
        policy = Policy.model_validate_json(raw)
    except ValidationError as error:
        raise PolicyRefused(_faults(error, raw)) from None
    problems = list(contradictions(policy))
    if problems:
        raise PolicyRefused(problems)
    return policy


def _faults(error: ValidationError, raw: bytes) -> Iterable[Problem]:
    document = orjson.loads(raw)
    wrong = set()
    for fault in error.errors():
        unknown = fault["type"] == "extra_forbidden"
        detail = "there is no such setting" if unknown else fault["msg"]
        key = ".".join(map(str, fault["loc"]))
        wrong.add(key)
        _drop(document, fault["loc"])
        yield Problem(key, detail)
    with suppress(ValidationError):  # a value that is missing cannot be dropped
        yield from contradictions(_read(document), wrong)


def _read(document: Any) -> Policy:
    return Policy.model_validate_json(orjson.dumps(document), extra="ignore")


def _drop(document: Any, place: tuple[int | str, ...]) -> None:
    """Take a wrong value out of a document, or the innermost table or list that it is in."""
    if not place:  # the document is no table
        return
    *path, last = place
    for name in path:
        inner = document.get(name)
        if not isinstance(inner, dict):
            last = name
            break
        document = inner
    document.pop(last, None)


def contradictions(policy: Policy, wrong: Collection[str] = ()) -> Iterable[Problem]:
    """Every pair of settings that cannot both be meant, but for those ``wrong`` in themselves."""
    for lower, upper, strict in _ORDERED:
        low, high = read(policy, lower), read(policy, upper)
        if (low > high or (strict and low == high)) and not {lower, upper} & set(wrong):
            relation = "below" if strict else "at most"
            yield Problem(lower, f"{low:g} must be {relation} {upper} = {high:g}")
    validity, heartbeat = policy.cap.validity_ms, policy.cap.heartbeat_ms
    if validity <= 2 * heartbeat and not {"cap.validity_ms", "cap.heartbeat_ms"} & set(wrong):
        # A reader must survive one lost heartbeat.
        detail = f"{validity} must be above twice cap.heartbeat_ms = {heartbeat}"
        yield Problem("cap.validity_ms", detail)


_ORDERED = (
    # lower setting                     upper setting                       strictly below?
    ("recovery.exit_confidence",        "recovery.reentry_confidence",      True),
    ("recovery.reentry_confidence",     "recovery.stable_confidence",       False),
    ("similarity.floor",                "similarity.target",                True),
    ("similarity.alarm",                "similarity.target",                False),
    ("freshness.lag_soft_ms",           "freshness.lag_hard_ms",            True),
    ("freshness.event_clip_ms",         "recovery.reentry_dwell_ms",        True),
    ("witness.entry_ceiling",           "witness.snapshot_ceiling",         False),
    ("cap.ceiling.state_diverged",      "cap.ceiling.failover_detected",    False),
    ("cap.ceiling.failover_detected",   "cap.ceiling.replay_syncing",       False),
    ("cap.ceiling.replay_syncing",      "cap.ceiling.controlled_reentry",   False),
    ("cap.ceiling.controlled_reentry",  "cap.ceiling.stable",               False),
    ("cap.ceiling.stable",              "cap.ceiling.healthy",              False),
    ("cap.floor",                       "cap.ceiling.state_diverged",       False),
    ("cap.floor",                       "cap.safe_mode",                    False),
    ("cap.floor",                       "cap.cold_start",                   False),
    ("catch_up.participation_normal",   "catch_up.participation_max",       False),
    ("guardrails.bcu_multiple",         "guardrails.bcu_hard_multiple",     False),
)  # fmt: skip


def read(policy: Policy, key: str) -> float:
    """The value of a dotted key that names a number."""
    value: Any = policy
    for name in key.split("."):
        value = getattr(value, name)
    return float(value)


class Difference(NamedTuple):
    """One setting in which two policies differ."""

    key: str
    description: str
    before: Any
    after: Any
    direction: Literal["tighter", "looser", "changed"]


def differences(before: Policy, after: Policy) -> list[Difference]:
    """Every setting in which ``after`` differs from ``before``, in file order, and whether it
    became tighter.
    """
    return list(_differences("", before, after))


def _differences(prefix: str, before: BaseModel, after: BaseModel) -> Iterable[Difference]:
    for name, field in type(before).model_fields.items():
        old, new = getattr(before, name), getattr(after, name)
        if old == new:
            continue
        if isinstance(old, BaseModel):
            yield from _differences(f"{prefix}{name}.", old, new)
            continue
        extra = field.json_schema_extra
        tighter = extra.get("tighter") if isinstance(extra, dict) else None
        direction: Literal["tighter", "looser", "changed"] = "changed"
        if tighter is not None:
            direction = "tighter" if (new > old) == (tighter == "up") else "looser"
        yield Difference(f"{prefix}{name}", field.description or "", old, new, direction)
