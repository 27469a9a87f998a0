"""Control: one policy's reading of one session's truth, and everything it decides from it.

A ``Control`` owns what depends on a policy: the doubts that count, the machine, the caps, the
episode. It never changes truth, so any number of them can read the same truth: the one in force,
and shadows that act on nothing.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

from reconverge.core.control.alarms import Alarm, Alarms
from reconverge.core.control.cap import Standing
from reconverge.core.control.confidence import Confidence, TruthReading, confidence, gated
from reconverge.core.control.episode import EpisodeLog
from reconverge.core.control.machine import RISING, Machine, Move
from reconverge.core.control.notices import CONSEQUENCES
from reconverge.core.control.policy import MS_NS, Policy, parse
from reconverge.core.control.progress import Progress
from reconverge.core.control.publishing import CapPublisher, Occasion
from reconverge.core.control.recorder import Recorder
from reconverge.core.control.signals import MachineInputs, Signal
from reconverge.core.findings import SessionNotice
from reconverge.core.messages.effects import Effect, State
from reconverge.core.messages.wire import INT64_MAX
from reconverge.core.orders import Watch
from reconverge.core.sources import SourceSummary
from reconverge.core.truth import Truth

MOVES_MAX: Final = 2 * len(State)
"""Moves in one settling. A way there and back is the longest that the facts of one moment allow;
more would be a loop in the table, which is our bug."""


class Control:
    """One policy applied to one session."""

    __slots__ = (
        "_failures_at_entry", "_gap_ns", "_peak", "_recoveries_at_doubt", "_weigh_all",
        "acknowledged_epoch", "alarms", "effects", "failure_ns", "found", "idle_at_failure",
        "in_flight_at_failure", "late", "machine", "policy", "progress", "publisher", "recorder",
        "shadow", "truth", "watch",
    )  # fmt: skip

    def __init__(
        self, policy: Policy, truth: Truth, named: Mapping[str, Policy], *, shadow: bool = False
    ) -> None:
        self.policy = policy
        self.truth = truth
        self.shadow = shadow
        self.effects: list[Effect] = []
        """Decided and not yet handed out, in order."""
        self.found: list[Alarm] = []
        """Alarms not yet handed out, in order."""
        self.watch, self.late = self._watches(policy)
        """Doubts that count for the cap; requests that count for STABLE and HEALTHY."""
        self.machine = Machine()
        self.publisher = CapPublisher(policy, named, shadow=shadow)
        self.recorder = Recorder(policy, truth, self.effects)
        self.alarms = Alarms()
        self.progress = Progress()
        self.failure_ns = 0
        """When what opened the cycle was noticed: drop copy must be complete past it. The core's
        clock, because event times of two sources are never compared. Nanoseconds, UTC."""
        self.in_flight_at_failure = False
        """Requests were unanswered when the cycle opened, or at a later sign of its failure."""
        self.idle_at_failure = False
        """There was nothing to prove when the cycle opened, and nothing has turned up since."""
        self.acknowledged_epoch = 0
        """Highest epoch of an acknowledged cap: a lower one is of a zombie's cap."""
        self._recoveries_at_doubt = 0
        self._failures_at_entry = 0
        self._peak = 0
        self._gap_ns: int | None = None
        self._weigh_all = True
        """Instruments are weighed anew, whether or not they changed."""

    def adopt(self, policy: Policy, named: Mapping[str, Policy]) -> None:
        """Put another policy in force: state, clocks and cap go on from where they are."""
        self.watch, self.late = self._watches(policy)
        self.policy = self.recorder.policy = policy
        self.publisher.adopt(policy, named)
        self._weigh_all = True

    def _watches(self, policy: Policy) -> tuple[Watch, Watch]:
        grace_ms, hard_ns = (
            policy.similarity.in_flight_grace_ms,
            policy.freshness.lag_hard_ms * MS_NS,
        )
        late_ms = max(grace_ms, policy.similarity.request_grace_ms)
        orders = self.truth.orders
        return orders.watch(grace_ms * MS_NS, hard_ns), orders.watch(late_ms * MS_NS, hard_ns)

    @property
    def cap(self) -> float:
        """The last cap published; 0 before the first."""
        return self.publisher.cap

    @property
    def episode(self) -> EpisodeLog | None:
        """The episode under way."""
        return self.recorder.episode

    @property
    def numbers(self) -> list[int]:
        """How many episodes, transitions and caps there were: what their ids go on from."""
        return [self.recorder.episodes, self.recorder.transitions, self.publisher.sequence]

    def go_on_from(self, numbers: list[int]) -> None:
        """Count on from another control of the same session and policy."""
        self.recorder.episodes, self.recorder.transitions, self.publisher.sequence = numbers

    # -- what cannot wait for the settling ------------------------------------------------------

    def react(self, notice: SessionNotice, arrived_ns: int, now_ns: int) -> None:
        """React to what truth noticed, at once and in order.

        ``arrived_ns``: when our adapter had the message that showed it. Nanoseconds, UTC.
        """
        reaction, episode = CONSEQUENCES[notice.kind].reaction, self.episode
        if reaction == "failure":
            self._fail(notice, arrived_ns, now_ns)
        elif reaction == "in_flight":
            self.in_flight_at_failure |= self.truth.orders.in_flight_total > 0
        elif reaction == "witness":
            self._violated(notice, now_ns)
        elif episode is None:
            return
        elif reaction == "link_down":
            episode.link_down(notice.event_ns)
        elif reaction == "link_up":
            episode.link_up(notice.event_ns)
        elif reaction == "attested":
            episode.attested(notice.detail)

    def _fail(self, notice: SessionNotice, arrived_ns: int, now_ns: int) -> None:
        truth = self.truth
        orders = truth.orders
        summary = self._summary(now_ns)
        self.failure_ns = now_ns
        self.in_flight_at_failure = orders.in_flight_total > 0
        verified = self.machine.state in RISING or self.idle_at_failure
        idle = not orders.total.in_play and not orders.total.disagreeing
        self.idle_at_failure = verified and idle and not summary.cold_start
        self._recoveries_at_doubt = self._recoveries
        move = self.machine.take(Signal.HARD_FAILURE, now_ns)
        if move is None:
            raise AssertionError("a hard failure moves every state")
        self._moved(move, notice.detail, now_ns)
        if self.episode is not None:
            self.episode.failed(notice.event_ns, arrived_ns, self._alive_ns, now_ns)
            if truth.path.up is not True:
                self.episode.link_down(notice.event_ns)

    @property
    def _alive_ns(self) -> int | None:
        """When order entry last showed that it is alive; None if it never did."""
        entry = self.truth.sources.by_channel.get(None)
        return None if entry is None or entry.heard_ns < 0 else entry.heard_ns

    def _violated(self, notice: SessionNotice, now_ns: int) -> None:
        """The witness is broken: what it said before proves nothing."""
        self.failure_ns = now_ns
        self.idle_at_failure = False
        move = self.machine.take(Signal.WITNESS_VIOLATED, now_ns)
        if move is not None:
            self._recoveries_at_doubt = self._recoveries
            self._moved(move, notice.detail, now_ns)

    def acknowledged(self, cap_epoch: int, cap_sequence: int, now_ns: int) -> None:
        """The router acknowledged the cap it applies; that of a zombie, or of none, is nothing."""
        if cap_epoch < self.acknowledged_epoch or cap_sequence > self.publisher.sequence:
            return
        self.acknowledged_epoch = cap_epoch
        if self.episode is not None:
            self.episode.acknowledged(cap_sequence, now_ns)

    def decided(self, at_ns: int, child: str, parent: str | None, acted_on: int | None) -> None:
        """The router decided on a child order."""
        if self.episode is not None:
            self.episode.decided([at_ns, child, parent, acted_on, self.cap])

    # -- the settling ---------------------------------------------------------------------------

    def settle(self, now_ns: int) -> None:
        """Weigh truth as it stands: move the machine, set the caps, keep the episode."""
        summary, reading = self._weigh(now_ns)
        trust = confidence(reading, self.policy)
        trusted = gated(reading, self.policy, trust.sourced)
        closed = self.truth.closed
        if not closed:
            if not self.shadow:
                self.found += self.alarms.look(summary, self.watch, self.policy, now_ns)
            summary = self._step(summary, reading, trust.sourced, trusted, now_ns)
        self._gap_ns = summary.oldest_gap_ns
        self._publish(summary, trust, closed=closed, now_ns=now_ns)
        if not self.shadow and not closed:
            doubted = bool(self.watch.disagreeing)
            self.recorder.follow(reading, trusted, doubted=doubted, now_ns=now_ns)

    def _step(
        self,
        summary: SourceSummary,
        reading: TruthReading,
        sourced: float,
        trusted: float,
        now_ns: int,
    ) -> SourceSummary:
        """Move the machine until it rests; the summary as it is then."""
        for _ in range(MOVES_MAX):
            inputs = self._inputs(summary, reading, sourced, trusted, now_ns)
            move = self.machine.step(inputs)
            if move is None:
                self.progress.look(reading.outstanding, self.watch.disagreeing, now_ns)
                return summary
            self._left(move, now_ns)
            self._moved(move, _figures(reading, trusted), now_ns)
            summary = self._summary(now_ns)
        raise AssertionError(f"the machine does not come to rest: {reading}")

    @property
    def _copied(self) -> bool:
        """The policy wants an independent drop copy."""
        return self.policy.witness.mode == "drop_copy"

    def _summary(self, now_ns: int) -> SourceSummary:
        return self.truth.summary(now_ns, self.failure_ns)

    def read(self, now_ns: int) -> TruthReading:
        """Truth as this policy sees it, doubts as they counted at the last settling."""
        return self._read(self._summary(now_ns), now_ns)

    def weigh(self, now_ns: int) -> TruthReading:
        """The same with doubts as they count now; nothing is decided."""
        return self._weigh(now_ns)[1]

    def _weigh(self, now_ns: int) -> tuple[SourceSummary, TruthReading]:
        summary = self._summary(now_ns)
        covered_ns = summary.covered_ns if self._copied else None
        self.watch.settle(now_ns, covered_ns)
        self.late.settle(now_ns, covered_ns)
        return summary, self._read(summary, now_ns)

    def _read(self, summary: SourceSummary, now_ns: int) -> TruthReading:
        agreed = gate = self.watch.agreement()
        if agreed.ambiguous_orders:
            late = self.late.agreement()
            gate = agreed._replace(ambiguous=late.ambiguous, ambiguous_orders=late.ambiguous_orders)
        outstanding = min(summary.outstanding, INT64_MAX)
        self._peak = max(self._peak, outstanding) if outstanding else 0
        opened_ns = summary.oldest_gap_ns
        lag_ns = summary.lag_ns if self._copied else summary.entry_lag_ns
        return TruthReading(
            agreement=agreed,
            gate=gate,
            outstanding=outstanding,
            outstanding_peak=self._peak,
            gap_age_ms=0.0 if opened_ns is None else (now_ns - opened_ns) / MS_NS,
            unrecoverable=min(summary.unrecoverable, INT64_MAX),
            lag_ms=lag_ns / MS_NS,
        )

    def _inputs(
        self,
        summary: SourceSummary,
        reading: TruthReading,
        sourced: float,
        trusted: float,
        now_ns: int,
    ) -> MachineInputs:
        truth, policy, copied = self.truth, self.policy, self._copied
        replaying = self._recoveries > self._recoveries_at_doubt or truth.sequences.awaiting
        hard_ns = policy.freshness.lag_hard_ms * MS_NS
        return MachineInputs(
            now_ns=now_ns,
            path_up=truth.path.up is True,
            witnessed=summary.witnessed or not copied,
            witness_lost=copied and summary.witnessed and summary.best_witness_lag_ns >= hard_ns,
            in_flight_at_failure=self.in_flight_at_failure,
            unanswered_of_failure=truth.orders.unanswered_of_failure > 0,
            complete=self._is_complete(summary, reading),
            replay_begun=replaying,
            replay_failed=truth.recovery_failures > self._failures_at_entry,
            snapshot_under_way=truth.orders.snapshot_under_way,
            parity_held=self.machine.parity_held,
            confidence=trusted,
            sourced=sourced,
            reading=reading,
            policy=policy,
        )

    def _is_complete(self, summary: SourceSummary, reading: TruthReading) -> bool:
        """All there was up to past the failure has been told, or there was nothing to prove.

        Nothing to prove: no order worked and none was in flight at the failure, the session is no
        cold start, and since then no gap appeared and drop copy owes no word. Freshness is enough
        then; it never stands in for a witness (DOMAIN §9).
        """
        if self.policy.witness.mode == "entry":
            return True
        if self.policy.witness.mode == "snapshot":
            return summary.snapshot_past
        if self.idle_at_failure:
            owed = self.truth.orders.oldest_owed_ns is not None
            self.idle_at_failure = not (owed or reading.outstanding or reading.unrecoverable)
        idle = self.idle_at_failure and not math.isinf(summary.witness_lag_ns)
        return idle or summary.complete

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
            self.idle_at_failure = False

    def _moved(self, move: Move, detail: str, now_ns: int) -> None:
        self._failures_at_entry = self.truth.recovery_failures
        self.progress.begin()
        if not self.shadow:
            self.recorder.moved(move, detail, self.publisher.sequence + 1, now_ns)

    # -- the caps -------------------------------------------------------------------------------

    def _publish(
        self, summary: SourceSummary, trust: Confidence, *, closed: bool, now_ns: int
    ) -> None:
        truth, policy, episode = self.truth, self.policy, self.episode
        standing = Standing(
            self.machine.state,
            may_rise=self._may_rise(summary, now_ns),
            parked=truth.parked is not None,
            closed=closed,
            cold_start=summary.cold_start,
            safe_mode=truth.safe_mode,
        )
        occasion = Occasion(
            session=truth.session,
            link=truth.path.link.value,
            sigma_bps=truth.parents.sigma_bps(policy.catch_up.sigma_bps),
            episode_id=episode.episode_id if episode else None,
            cycle=episode.cycles if episode else None,
        )
        moved = self.publisher.instruments.weigh(self.watch, self._changed())
        record = self.publisher.settle(standing, trust, occasion, now_ns, moved=moved)
        if record is not None:
            self.effects.append(record)
            self.recorder.capped(record.sequence, record.cap)

    def _may_rise(self, summary: SourceSummary, now_ns: int) -> bool:
        """S4: where re-entry was granted; before, while recovery makes progress or all that
        re-entry waits for holds.
        """
        state = self.machine.state
        if state is not State.REPLAY_SYNCING:
            return state in RISING
        return self.machine.proving or self.progress.is_made(summary, self.policy, now_ns)

    def _changed(self) -> Iterable[str]:
        """Instruments to weigh. A shadow may share its watch with the policy in force, which is the
        one that hears of changes.
        """
        if self._weigh_all or self.shadow:
            self._weigh_all = False
            known = self.publisher.instruments.known
            changed = [] if self.shadow else self.watch.changed_symbols()
            return dict.fromkeys([*known, *self.watch.symbols(), *changed])
        return self.watch.changed_symbols()

    # -- time and persistence -------------------------------------------------------------------

    def next_deadline_ns(self, now_ns: int) -> int | None:
        """The earliest time at which passing time alone may change what is decided here."""
        if self.truth.closed:
            return None
        policy = self.policy
        others = (
            self.machine.next_deadline_ns(policy),
            self.progress.next_deadline_ns(policy),
            self.watch.next_deadline_ns,
            self.late.next_deadline_ns,
            self._gap_ns and self._gap_ns + policy.replay.gap_grace_ms * MS_NS,
        )
        due_ns = self.publisher.next_deadline_ns(now_ns)
        return min([due_ns, *(at for at in others if at is not None and at > now_ns)])

    def dump(self) -> dict[str, Any]:
        """JSON-able content; ``load`` restores it over the truth it read."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        return plain | {
            "policy": self.policy.model_dump(mode="json"),
            "machine": self.machine.dump(),
            "publisher": self.publisher.dump(),
            "recorder": self.recorder.dump(),
            "alarms": self.alarms.dump(),
            "progress": self.progress.dump(),
        }

    @classmethod
    def load(
        cls,
        dumped: dict[str, Any],
        truth: Truth,
        named: Mapping[str, Policy],
        *,
        shadow: bool = False,
    ) -> "Control":
        """The control that was dumped."""
        control = cls(parse(dumped["policy"]), truth, named, shadow=shadow)
        for name in _PLAIN:
            setattr(control, name, dumped[name])
        control.machine = Machine.load(dumped["machine"])
        control.publisher.restore(dumped["publisher"])
        control.recorder.restore(dumped["recorder"])
        control.alarms = Alarms.load(dumped["alarms"])
        control.progress = Progress.load(dumped["progress"])
        return control


_DATED: Final = frozenset({Signal.AMBIGUITY, Signal.PARITY_UNPROVEN})
"""Signals of a doubt that a hard failure began."""

_PLAIN: Final = (
    "acknowledged_epoch", "failure_ns", "idle_at_failure", "in_flight_at_failure",
    "_failures_at_entry", "_gap_ns", "_peak", "_recoveries_at_doubt",
)  # fmt: skip


def _figures(reading: TruthReading, trusted: float) -> str:
    """A reading in words, for a transition's detail."""
    parts = [
        f"confidence {trusted:.3f}",
        f"LSS {reading.similarity:.4f}",
        f"quantity {reading.quantity:.4f}",
        f"outstanding {reading.outstanding}",
    ]
    if reading.unrecoverable:
        parts.append(f"unrecoverable {reading.unrecoverable}")
    lag = "never heard" if math.isinf(reading.lag_ms) else f"{reading.lag_ms:.0f} ms"
    return ", ".join([*parts, f"lag {lag}"])
