"""Publishing caps: the session's and its instruments', on change and as a heartbeat."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from reconverge.core.control.cap import Governor, Standing, catchup_multiple, limit, rounded
from reconverge.core.control.confidence import Confidence
from reconverge.core.control.instruments import Instruments
from reconverge.core.control.machine import FROZEN
from reconverge.core.control.policy import MS_NS, Policy
from reconverge.core.messages.effects import Cap, Link, ShadowCap

RISE_TICK_NS: Final = 100_000_000
"""While a cap rises it is looked at this often: one RISE_STEP at the default ramp."""
CONFIDENCE_STEP: Final = 0.01
"""A confidence is published when it moves this far, though the cap stays."""


class Published(NamedTuple):
    """The last cap published, as far as publishing again depends on it."""

    confidence: float
    identity: list[Any]
    """State, latch, parking, link, policy, reason for closing: a change of any is published."""
    symbols: list[str]
    at_ns: int
    cap: float


class Occasion(NamedTuple):
    """What a cap says besides the cap."""

    session: str
    link: Link
    sigma_bps: float
    episode_id: str | None
    cycle: int | None


class CapPublisher:
    """The caps of one session under one policy, over time."""

    __slots__ = ("_published", "governor", "instruments", "policy", "sequence", "shadow")

    def __init__(self, policy: Policy, named: Mapping[str, Policy], *, shadow: bool) -> None:
        self.policy = policy
        self.shadow = shadow
        self.governor = Governor()
        """The session's cap."""
        self.instruments = Instruments(policy, named)
        self.sequence = 0
        """Number of the last cap. Strictly increasing within a session."""
        self._published: Published | None = None

    def adopt(self, policy: Policy, named: Mapping[str, Policy]) -> None:
        """Another policy applies: caps go on from where they are."""
        self.policy = policy
        self.instruments.adopt(policy, named)

    @property
    def cap(self) -> float:
        """The last cap published; 0 before the first."""
        return self._published.cap if self._published else 0.0

    def settle(
        self,
        standing: Standing,
        trust: Confidence,
        occasion: Occasion,
        now_ns: int,
        *,
        moved: bool,
    ) -> Cap | ShadowCap | None:
        """Move the caps; what is to be published, None where the last record still says it.

        ``moved``: the agreement of an instrument is another than before.
        """
        bound = limit(standing, trust.value, trust.binding, self.policy)
        governed = self.governor.govern(
            bound, self.policy.cap.ramp_per_s, now_ns, may_rise=standing.may_rise
        )
        self.instruments.govern(standing, trust.sourced, self.governor, now_ns, moved=moved)
        identity = [*standing, occasion.link, self.policy.ref.hash]
        identity[1] = False  # whether it may rise is no news
        cause = self._cause(trust.value, identity, closed=standing.closed, now_ns=now_ns)
        if cause is None:
            return None
        self.sequence += 1
        record = self._record(cause, standing, governed.reason, trust, occasion, now_ns)
        self.governor.told = governed.cap
        self.instruments.published()
        self._published = Published(
            trust.value, identity, list(record.symbols), now_ns, governed.cap
        )
        return record

    def _cause(self, trust: float, identity: list[Any], *, closed: bool, now_ns: int) -> str | None:
        """Why a cap is to be published now; None when the last one still says it."""
        last = self._published
        if last is None or identity != last.identity:
            return "change"
        if closed:
            return None  # one last cap, then silence
        if self.governor.is_news() or self.instruments.is_news(last.symbols):
            return "change"
        moved = abs(trust - last.confidence)
        if moved >= CONFIDENCE_STEP or (moved and trust in (0, 1)):
            return "change"
        if now_ns - last.at_ns >= self.policy.cap.heartbeat_ms * MS_NS:
            return "heartbeat"
        return None

    def _record(
        self,
        cause: str,
        standing: Standing,
        reason: str,
        trust: Confidence,
        occasion: Occasion,
        now_ns: int,
    ) -> Cap | ShadowCap:
        policy, state, instruments = self.policy, standing.state, self.instruments
        kind = ShadowCap if self.shadow else Cap
        return kind(
            session=occasion.session,
            event_ns=now_ns,
            sequence=self.sequence,
            state=state,
            cap=rounded(self.governor.value),
            instrument_cap=rounded(instruments.common.value),
            confidence=trust.value,
            components=trust.components,
            reason=reason,
            symbols=instruments.listed,
            freeze_expansion=state in FROZEN,
            catchup_multiple_max=catchup_multiple(state, occasion.sigma_bps, policy),
            participation_max=policy.catch_up.participation_max,
            safe_mode=standing.safe_mode,
            link=occasion.link,
            witness=policy.witness.mode,
            policy=policy.ref,
            cause=cause,
            episode_id=occasion.episode_id,
            cycle=occasion.cycle,
            valid_until_ns=now_ns + policy.cap.validity_ms * MS_NS,
        )

    # -- time and persistence ---------------------------------------------------------------------

    def next_deadline_ns(self, now_ns: int) -> int:
        """When a cap moves or is to be published again with nothing coming in."""
        last = self._published
        due_ns = (last.at_ns if last else now_ns) + self.policy.cap.heartbeat_ms * MS_NS
        if self.governor.rising or self.instruments.rises:
            due_ns = min(due_ns, now_ns + RISE_TICK_NS)
        return due_ns

    def dump(self) -> dict[str, Any]:
        """JSON-able content; ``restore`` takes it up."""
        return {
            "sequence": self.sequence,
            "governor": self.governor.dump(),
            "instruments": self.instruments.dump(),
            "published": self._published and list(self._published),
        }

    def restore(self, dumped: dict[str, Any]) -> None:
        """Take up what was dumped."""
        self.sequence = dumped["sequence"]
        self.governor = Governor(*dumped["governor"])
        self.instruments.restore(dumped["instruments"])
        if dumped["published"] is not None:
            self._published = Published(*dumped["published"])
