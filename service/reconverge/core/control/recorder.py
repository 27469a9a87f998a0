"""The record of what a session went through: transitions, and the episode that they belong to."""

from typing import Any, Literal

from reconverge.core.control.cap import catchup_multiple, shortfall_expected
from reconverge.core.control.confidence import DIGITS, TruthReading
from reconverge.core.control.episode import BACKLOG_EVERY_NS, UPDATE_EVERY_NS, EpisodeLog
from reconverge.core.control.machine import Move
from reconverge.core.control.policy import Policy
from reconverge.core.control.signals import Signal
from reconverge.core.messages import effects
from reconverge.core.messages.effects import Effect, State
from reconverge.core.truth import Truth


class Recorder:
    """Transitions and episodes of one session, under one policy."""

    __slots__ = ("effects", "episode", "episodes", "policy", "transitions", "truth")

    def __init__(self, policy: Policy, truth: Truth, out: list[Effect]) -> None:
        self.policy = policy
        self.truth = truth
        self.effects = out
        """Where records go; shared with whoever hands them out."""
        self.episode: EpisodeLog | None = None
        """The episode under way; None while HEALTHY."""
        self.episodes = 0
        """Episodes ever opened: part of their ids."""
        self.transitions = 0
        """Transitions ever taken: part of their ids."""

    def moved(self, move: Move, detail: str, next_cap: int, now_ns: int) -> None:
        """Record a transition, and the episode it opens, continues or closes.

        ``next_cap``: number of the first cap in the state that was entered.
        """
        truth = self.truth
        episode = self.episode or self._open(move, detail, now_ns)
        episode.entered(move.to_state, move.signal.value, now_ns)
        if move.to_state is State.CONTROLLED_REENTRY:
            episode.reentry_cap_sequence = next_cap
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
                trigger_event_ns=truth.event_ns,
                policy=self.policy.ref,
            )
        )
        if len(episode.path) == 1 and not episode.revision:
            self._record(episode, "open", now_ns)
        elif move.to_state is State.HEALTHY:
            self._record(episode, "closed", now_ns)
            self.episode = None

    def _open(self, move: Move, detail: str, now_ns: int) -> EpisodeLog:
        self.episodes += 1
        episode_id = f"{self.truth.session}/e{self.episodes}"
        self.episode = EpisodeLog(episode_id, now_ns, move.signal.value, detail)
        return self.episode

    def follow(
        self, reading: TruthReading, confidence: float, *, doubted: bool, now_ns: int
    ) -> None:
        """A settling within an episode: its series, clocks and updates.

        ``confidence`` is that of the gates; ``doubted`` whether a doubt about orders counts.
        """
        episode, truth = self.episode, self.truth
        if episode is None:
            return
        gaps = reading.outstanding or reading.unrecoverable
        episode.diverging(bool(gaps or doubted), truth.diverged_since_ns(now_ns), now_ns)
        episode.confident(confidence >= self.policy.recovery.reentry_confidence, now_ns)
        episode.gaps.add([now_ns, reading.outstanding, reading.unrecoverable])
        raw = truth.orders.total.similarity
        ratios = (round(x, DIGITS) for x in (raw, reading.similarity, reading.quantity))
        episode.similarity.add([now_ns, *ratios])
        if truth.parents and now_ns - episode.backlog_ns >= BACKLOG_EVERY_NS:
            self._owe(episode, now_ns)
        if now_ns - episode.published_ns >= UPDATE_EVERY_NS:
            self._record(episode, "update", now_ns)

    def capped(self, sequence: int, cap: float) -> None:
        """A cap was published."""
        if self.episode is not None:
            policy = self.policy
            top = policy.cap.ceiling.healthy * policy.witness.factor
            self.episode.capped(sequence, normal=cap >= policy.recovery.normal_cap * top)

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
                venue=truth.venue,
                unresolved=tuple(truth.unresolved()) + episode.dropped(),
                policy=self.policy.ref,
                **episode.fields(truth.event_ns),
            )
        )

    def dump(self) -> list[Any]:
        """JSON-able content; ``restore`` takes it up."""
        episode = None if self.episode is None else self.episode.dump()
        return [self.episodes, self.transitions, episode]

    def restore(self, dumped: list[Any]) -> None:
        """Take up what was dumped."""
        self.episodes, self.transitions, episode = dumped
        self.episode = None if episode is None else EpisodeLog.load(episode)
