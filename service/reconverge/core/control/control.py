"""Control: one policy's reading of one session's truth, and everything it decides from it.

A ``Control`` owns what depends on a policy: the doubts that count, the machine, the caps, the
episode. It never changes truth, so any number of them can read the same truth: the one in force,
and shadows that act on nothing.
"""

import math
from typing import Any, Final, Literal, NamedTuple

from reconverge.core.control.cap import (
    RISE_STEP,
    CapLimit,
    Governor,
    catchup_multiple,
    ceiling,
    rounded,
    shortfall_expected,
)
from reconverge.core.control.confidence import DIGITS, Confidence, TruthReading, confidence
from reconverge.core.control.episode import BACKLOG_EVERY_NS, UPDATE_EVERY_NS, EpisodeLog
from reconverge.core.control.machine import FROZEN, RISING, Machine, MachineInputs, Move, Signal
from reconverge.core.control.notices import CONSEQUENCES
from reconverge.core.control.policy import Policy, PolicyBook, parse
from reconverge.core.findings import SessionNotice
from reconverge.core.messages import effects
from reconverge.core.messages.effects import Cap, Effect, ShadowCap, State, SymbolCap
from reconverge.core.orders import Watch
from reconverge.core.sources import SourceSummary
from reconverge.core.truth import Truth

MOVES_MAX: Final = 2 * len(State)
"""Moves in one settling. A way there and back is the longest that the facts of one moment allow;
more would be a loop in the table, which is our bug."""
RISE_TICK_NS: Final = 100_000_000
"""While a cap rises it is looked at this often: one RISE_STEP at the default ramp."""
CONFIDENCE_STEP: Final = 0.01
"""A confidence is published when it moves this far, though the cap stays."""
SYMBOLS_MAX: Final = 256
"""Instruments with a cap of their own in one record: 20 kB; the others have the session's cap."""
_MS: Final = 1_000_000


class Published(NamedTuple):
    """The last cap published, as far as publishing again depends on it."""

    cap: float
    confidence: float
    identity: list[Any]
    """State, latch, parking, policy and the caps of instruments: a change of any is published."""
    at_ns: int


class Control:
    """One policy applied to one session."""

    __slots__ = (
        "_failures_at_entry", "_gap_ns", "_peak", "_published", "_recoveries_at_doubt", "_target",
        "effects", "episode", "episodes", "failure_ns", "governor",
        "in_flight_at_failure", "machine", "policy", "sequence", "shadow", "symbol_governors",
        "transitions", "truth", "watch",
    )  # fmt: skip

    def __init__(self, policy: Policy, truth: Truth, *, shadow: bool = False) -> None:
        self.policy = policy
        self.truth = truth
        self.shadow = shadow
        self.watch = self._watch(policy)
        self.machine = Machine()
        self.governor = Governor()
        self.symbol_governors: dict[str, Governor] = {}
        self.episode: EpisodeLog | None = None
        self.effects: list[Effect] = []
        """Decided and not yet handed out, in order."""
        self.episodes = 0
        """Episodes ever opened: part of their ids."""
        self.transitions = 0
        """Transitions ever taken: part of their ids."""
        self.sequence = 0
        """Number of the last cap. Strictly increasing within a session."""
        self.failure_ns = 0
        """When what opened the cycle was noticed: drop copy must be complete past it."""
        self.in_flight_at_failure = False
        """Requests were unanswered when the cycle opened."""
        self._recoveries_at_doubt = 0
        self._failures_at_entry = 0
        self._peak = 0
        self._target = 0.0
        self._gap_ns: int | None = None
        self._published: Published | None = None

    def adopt(self, policy: Policy) -> None:
        """Put another policy in force: state, clocks and cap go on from where they are."""
        self.watch = self._watch(policy)
        self.policy = policy

    def _watch(self, policy: Policy) -> Watch:
        grace_ms, hard_ms = policy.similarity.in_flight_grace_ms, policy.freshness.lag_hard_ms
        return self.truth.orders.watch(round(grace_ms * _MS), round(hard_ms * _MS))

    # -- what cannot wait for the settling ------------------------------------------------------

    def react(self, notice: SessionNotice, now_ns: int) -> None:
        """React to what truth noticed, at once and in order."""
        episode = self.episode
        reaction = CONSEQUENCES[notice.kind].reaction
        if reaction == "failure":
            self._fail(notice, now_ns)
        elif reaction == "in_flight":
            self.in_flight_at_failure |= self.truth.orders.in_flight_total > 0
        elif episode is None:
            return
        elif reaction == "link_down":
            episode.link_down(notice.event_ns)
        elif reaction == "link_up":
            episode.link_up(notice.event_ns)
        elif reaction == "attested":
            episode.attested(notice.detail)

    def _fail(self, notice: SessionNotice, now_ns: int) -> None:
        truth = self.truth
        move = self.machine.fail(now_ns)
        self.failure_ns = now_ns
        self.in_flight_at_failure = truth.orders.in_flight_total > 0
        self._recoveries_at_doubt = self._recoveries
        self._moved(move, notice.detail, now_ns)
        if self.episode is not None:
            self.episode.failed(notice.event_ns, now_ns)
            if truth.path.up is not True:
                self.episode.link_down(notice.event_ns)

    def acknowledged(self, cap_sequence: int, now_ns: int) -> None:
        """The router acknowledged the cap it applies."""
        if self.episode is not None:
            self.episode.acknowledged(cap_sequence, now_ns)

    def decided(self, at_ns: int, child: str, parent: str | None, acted_on: int | None) -> None:
        """The router decided on a child order."""
        if self.episode is not None:
            self.episode.decided([at_ns, child, parent, acted_on, self.cap])

    @property
    def cap(self) -> float:
        """The last cap published; 0 before the first."""
        return self._published.cap if self._published else 0.0

    # -- the settling ---------------------------------------------------------------------------

    def settle(self, now_ns: int, book: PolicyBook | None) -> None:
        """Weigh truth as it stands: move the machine, set the cap, keep the episode."""
        summary = self.truth.summary(now_ns, self.failure_ns)
        self.watch.settle(now_ns, summary.covered_ns)
        reading = self._read(summary, now_ns)
        trust = confidence(reading, self.policy)
        for _ in range(MOVES_MAX):
            move = self.machine.step(self._facts(summary, reading, trust.value, now_ns))
            if move is None:
                break
            self._left(move, now_ns)
            self._moved(move, _figures(reading, trust.value), now_ns)
            summary = self.truth.summary(now_ns, self.failure_ns)
        else:
            raise AssertionError(f"the machine does not come to rest: {reading}")
        self._gap_ns = summary.oldest_gap_ns
        self._cap(reading, trust, now_ns, book)
        if self.episode is not None:
            self._follow(self.episode, reading, trust.value, now_ns)

    def read(self, now_ns: int) -> TruthReading:
        """Truth as this policy sees it."""
        return self._read(self.truth.summary(now_ns, self.failure_ns), now_ns)

    def _read(self, summary: SourceSummary, now_ns: int) -> TruthReading:
        agreed, outstanding = self.watch.agreement(), summary.outstanding
        self._peak = max(self._peak, outstanding) if outstanding else 0
        opened = summary.oldest_gap_ns
        return TruthReading(
            similarity=agreed.similarity,
            quantity=agreed.quantity,
            outstanding=outstanding,
            outstanding_peak=self._peak,
            gap_age_ms=0.0 if opened is None else (now_ns - opened) / _MS,
            unrecoverable=summary.unrecoverable,
            ambiguous=agreed.ambiguous,
            lag_ms=summary.lag_ns / _MS,
        )

    def _facts(
        self, summary: SourceSummary, reading: TruthReading, trust: float, now_ns: int
    ) -> MachineInputs:
        truth = self.truth
        replaying = self._recoveries > self._recoveries_at_doubt or truth.sequences.awaiting
        return MachineInputs(
            now_ns=now_ns,
            path_up=truth.path.up is True,
            venue_seen=summary.witnessed,
            in_flight_at_failure=self.in_flight_at_failure,
            complete_past_failure=summary.complete,
            recovery_begun=replaying,
            recovery_failed=truth.recovery_failures > self._failures_at_entry,
            snapshot_under_way=truth.orders.snapshot_under_way,
            confidence=trust,
            reading=reading,
            policy=self.policy,
        )

    @property
    def _recoveries(self) -> int:
        """Signs of a recovery so far, a number replayed among them: our request may be unseen."""
        return self.truth.recoveries + self.truth.sequences.replayed_total

    def _left(self, move: Move, now_ns: int) -> None:
        """What a move on a level means for the cycle, before it is recorded."""
        if move.to_state is State.STATE_DIVERGED and move.signal not in _DATED:
            # A doubt without a failure dates itself: evidence from before it does not count.
            self._recoveries_at_doubt = self._recoveries
            self.failure_ns = now_ns

    def _moved(self, move: Move, detail: str, now_ns: int) -> None:
        """Record a transition: the effect, and the episode it opens, continues or closes."""
        truth = self.truth
        self._failures_at_entry = truth.recovery_failures
        if self.shadow:
            return
        episode = self.episode or self._open(move, detail, now_ns)
        episode.entered(move.to_state, move.signal.value, truth.event_ns, now_ns)
        if move.to_state is State.CONTROLLED_REENTRY:
            episode.reentry_cap_sequence = self.sequence + 1
        self.transitions += 1
        self.effects.append(
            effects.Transition(
                session=truth.session,
                event_ns=now_ns,
                id=f"{truth.session}/t{self.transitions}",
                from_state=move.from_state,
                to_state=move.to_state,
                signal=move.signal.value,
                detail=detail,
                episode_id=episode.episode_id,
                cycle=episode.cycles + (move.signal is Signal.HARD_FAILURE),
                policy=self.policy.ref,
            )
        )
        if len(episode.path) == 1:
            self._record(episode, "open", now_ns)
        elif move.to_state is State.HEALTHY:
            self._record(episode, "closed", now_ns)
            self.episode = None

    def _open(self, move: Move, detail: str, now_ns: int) -> EpisodeLog:
        self.episodes += 1
        episode_id = f"{self.truth.session}/e{self.episodes}"
        self.episode = EpisodeLog(episode_id, now_ns, move.signal.value, detail)
        return self.episode

    # -- the cap --------------------------------------------------------------------------------

    def _cap(
        self, reading: TruthReading, trust: Confidence, now_ns: int, book: PolicyBook | None
    ) -> None:
        policy, state = self.policy, self.machine.state
        if state not in RISING and self.governor.value > self.cap:
            self.governor.value = self.cap  # a rise that was not published yet was never given
        before = self.governor.value, self.governor.rising_ns
        bound = self._bound(trust.value, trust.binding, policy)
        self._target = bound.cap
        governed = self.governor.govern(bound, state, policy.cap.ramp_per_s, now_ns)
        symbols = self._symbols(reading, before, governed, now_ns, book)
        own = {symbol: [own.cap, own.confidence] for symbol, own in symbols.items()}
        identity = [state.value, self.truth.safe_mode, self.truth.parked, policy.ref.hash, own]
        cause = self._cause(governed.cap, trust.value, identity, bound.cap, now_ns)
        if cause is not None:
            self._publish(cause, governed, trust, symbols, now_ns)
            self._published = Published(governed.cap, trust.value, identity, now_ns)

    def _bound(self, trust: float, binding: str | None, policy: Policy) -> CapLimit:
        if self.truth.parked:
            return CapLimit(policy.cap.floor, "parked")
        safe_mode = self.truth.safe_mode
        return ceiling(self.machine.state, trust, binding, policy, safe_mode=safe_mode)

    def _symbols(
        self,
        reading: TruthReading,
        before: tuple[float, int | None],
        session: CapLimit,
        now_ns: int,
        book: PolicyBook | None,
    ) -> dict[str, SymbolCap]:
        """Caps of the instruments whose own truth, or own policy, calls for another cap."""
        if not self.watch.disagreeing and not self.symbol_governors and book is None:
            return {}
        caps: dict[str, SymbolCap] = {}
        governors: dict[str, Governor] = {}
        for symbol in self.truth.orders.symbols():
            if len(caps) >= SYMBOLS_MAX:
                break
            policy = (
                self.policy
                if book is None
                else book.resolve(self.truth.session, self.truth.venue, symbol)
            )
            own = self.watch.symbol(symbol)
            trust = confidence(
                reading._replace(
                    similarity=own.similarity, quantity=own.quantity, ambiguous=own.ambiguous
                ),
                policy,
            )
            governor = self.symbol_governors.get(symbol) or Governor(*before)
            bound = self._bound(trust.value, trust.binding, policy)
            cap = governor.govern(bound, self.machine.state, policy.cap.ramp_per_s, now_ns).cap
            if cap != session.cap:
                caps[symbol] = SymbolCap(cap=cap, confidence=trust.value)
                governors[symbol] = governor
        self.symbol_governors = governors
        return caps

    def _cause(
        self, cap: float, trust: float, identity: list[Any], target: float, now_ns: int
    ) -> str | None:
        """Why a cap is to be published now; None when the last one still says it."""
        last = self._published
        if last is None or identity != last.identity:
            return "change"
        if (
            cap < last.cap
            or cap >= rounded(last.cap + RISE_STEP)
            or (cap > last.cap and self.governor.value >= target)
        ):
            return "change"
        moved = abs(trust - last.confidence)
        if moved >= CONFIDENCE_STEP or (moved and trust in (0, 1)):
            return "change"
        if now_ns - last.at_ns >= self.policy.cap.heartbeat_ms * _MS:
            return "heartbeat"
        return None

    def _publish(
        self,
        cause: str,
        governed: CapLimit,
        trust: Confidence,
        symbols: dict[str, SymbolCap],
        now_ns: int,
    ) -> None:
        policy, truth, state = self.policy, self.truth, self.machine.state
        self.sequence += 1
        kind = ShadowCap if self.shadow else Cap
        self.effects.append(
            kind(
                session=truth.session,
                event_ns=now_ns,
                sequence=self.sequence,
                state=state,
                cap=governed.cap,
                confidence=trust.value,
                components=trust.components,
                reason=governed.reason,
                symbols=symbols,
                freeze_expansion=state in FROZEN,
                catchup_multiple_max=catchup_multiple(
                    state, truth.parents.sigma_bps(policy.catch_up.sigma_bps), policy
                ),
                participation_max=policy.catch_up.participation_max,
                safe_mode=truth.safe_mode,
                policy=policy.ref,
                cause=cause,
                episode_id=self.episode.episode_id if self.episode else None,
                cycle=self.episode.cycles if self.episode else None,
                valid_until_ns=now_ns + policy.cap.validity_ms * _MS,
            )
        )

    # -- the episode ----------------------------------------------------------------------------

    def _follow(
        self, episode: EpisodeLog, reading: TruthReading, trust: float, now_ns: int
    ) -> None:
        truth, watch = self.truth, self.watch
        gaps = reading.outstanding or reading.unrecoverable
        episode.diverging(bool(gaps or watch.disagreeing), truth.diverged_since_ns(now_ns), now_ns)
        episode.confident(trust >= self.policy.recovery.reentry_confidence, now_ns)
        episode.gaps.add([now_ns, reading.outstanding, reading.unrecoverable])
        raw = truth.orders.total.similarity
        ratios = (round(x, DIGITS) for x in (raw, reading.similarity, reading.quantity))
        episode.similarity.add([now_ns, *ratios])
        if truth.parents and now_ns - episode.backlog_ns >= BACKLOG_EVERY_NS:
            self._owe(episode, now_ns)
        if now_ns - episode.published_ns >= UPDATE_EVERY_NS:
            self._record(episode, "update", now_ns)

    def _owe(self, episode: EpisodeLog, now_ns: int) -> None:
        """Note each parent's backlog, and what of it the catch-up limit will not repay in time."""
        episode.backlog_ns = now_ns
        sigma_bps = self.truth.parents.sigma_bps(self.policy.catch_up.sigma_bps)
        multiple = catchup_multiple(State.HEALTHY, sigma_bps, self.policy)
        for owed in self.truth.backlogs(now_ns):
            late = shortfall_expected(owed.qty, owed.normal_per_s, multiple, owed.horizon_s)
            episode.owing(owed.parent_id, [now_ns, owed.qty, late])

    def _record(
        self, episode: EpisodeLog, status: Literal["open", "update", "closed"], now_ns: int
    ) -> None:
        episode.revision += 1
        episode.published_ns = now_ns
        truth = self.truth
        self.effects.append(
            effects.Episode(
                session=truth.session,
                event_ns=now_ns,
                id=f"{episode.episode_id}/{episode.revision}",
                status=status,
                end_ns=now_ns if status == "closed" else None,
                unresolved=tuple(truth.unresolved()) + episode.dropped(),
                policy=self.policy.ref,
                **episode.fields(truth.event_ns),
            )
        )

    # -- time and persistence -------------------------------------------------------------------

    def next_deadline_ns(self, now_ns: int) -> int:
        """The earliest time at which passing time alone may change what is decided here."""
        policy, last = self.policy, self._published
        rising = self.machine.state in RISING and self.governor.value < self._target
        heartbeat_ns = (last.at_ns if last else now_ns) + policy.cap.heartbeat_ms * _MS
        others = (
            self.machine.next_deadline_ns(policy),
            self.watch.next_deadline_ns,
            now_ns + RISE_TICK_NS if rising else None,
            self._gap_ns and self._gap_ns + policy.replay.gap_grace_ms * _MS,
        )
        return min([heartbeat_ns, *(at for at in others if at is not None and at > now_ns)])

    def dump(self) -> dict[str, Any]:
        """JSON-able content; ``load`` restores it over the truth it read."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        governors = {symbol: [g.value, g.rising_ns] for symbol, g in self.symbol_governors.items()}
        return plain | {
            "policy": self.policy.model_dump(mode="json"),
            "machine": self.machine.dump(),
            "governor": [self.governor.value, self.governor.rising_ns],
            "symbol_governors": governors,
            "episode": None if self.episode is None else self.episode.dump(),
            "published": self._published and list(self._published),
        }

    @classmethod
    def load(cls, dumped: dict[str, Any], truth: Truth, *, shadow: bool = False) -> "Control":
        """The control that was dumped."""
        control = cls(parse(dumped["policy"]), truth, shadow=shadow)
        for name in _PLAIN:
            setattr(control, name, dumped[name])
        control.machine = Machine.load(dumped["machine"])
        control.governor = Governor(*dumped["governor"])
        for symbol, governor in dumped["symbol_governors"].items():
            control.symbol_governors[symbol] = Governor(*governor)
        if dumped["episode"] is not None:
            control.episode = EpisodeLog.load(dumped["episode"])
        if dumped["published"] is not None:
            control._published = Published(*dumped["published"])
        return control


_DATED: Final = frozenset({Signal.AMBIGUITY, Signal.PARITY_UNPROVEN})
"""Signals of a doubt that a hard failure began."""

_PLAIN: Final = (
    "episodes", "transitions", "sequence", "failure_ns", "in_flight_at_failure",
    "_failures_at_entry", "_gap_ns", "_peak", "_recoveries_at_doubt", "_target",
)  # fmt: skip


def _figures(reading: TruthReading, trust: float) -> str:
    """A reading in words, for a transition's detail."""
    parts = [
        f"confidence {trust:.3f}",
        f"LSS {reading.similarity:.4f}",
        f"quantity {reading.quantity:.4f}",
        f"outstanding {reading.outstanding}",
    ]
    if reading.unrecoverable:
        parts.append(f"unrecoverable {reading.unrecoverable}")
    lag = "never heard" if math.isinf(reading.lag_ms) else f"{reading.lag_ms:.0f} ms"
    return ", ".join([*parts, f"lag {lag}"])
