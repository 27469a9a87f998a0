"""One numbering: which numbers of a source were seen, are missing, are lost, and what is being resent.

Every number from the baseline to the frontier is in exactly one state: seen (or proven empty), missing (``open``),
``lost`` (nothing can replay it) or ``excused`` (someone vouched that its loss does no harm). The last three are sets of
ranges; the first is what remains. Rules R1-R12 live here, the session's side of them in ``core.sequence``.
"""

from collections.abc import Iterator
from typing import Any, Final, Literal, NamedTuple

from reconverge.core.events import StreamEvent
from reconverge.core.gaps import Range, Ranges, Span
from reconverge.core.resend import Resend
from reconverge.core.venue import Limits, Venue

PARKED_MAX: Final = 64
"""Gap fills kept until their number is the expected one. An answer of 2,500 numbers rarely holds as many fills above a
hole; one too many is dropped, and its numbers stay missing."""
COLD: Final = -1
"""Frontier of a source that has not shown a number yet."""
EPOCHS_MAX: Final = 16
"""Earlier epochs whose losses are kept apart. Restarts are rare (once a day); older losses are pooled, never dropped."""

SETS: Final = ("open", "lost", "excused")
SCALARS: Final = (
    "epoch", "base", "frontier", "tail_ns", "replayed", "recovered", "recovery_begun_ns",
    "recovery_last_ns", "last_event_ns", "last_heard_ns", "heartbeat_ms", "full_told",
)  # fmt: skip

Kind = Literal[
    "sequence_violation", "gap_opened", "gap_closed", "resend_begun", "resend_chunk_completed",
    "resend_completed", "resend_incomplete", "resend_replaced", "resend_rejected",
    "resend_timed_out", "resend_released", "unrecoverable", "gap_fill_beyond_request",
    "reset_refused", "numbers_restarted", "attempts_near_limit", "gaps_full",
    "failover_during_resend", "peer_gap", "peer_ahead", "range_excused",
]  # fmt: skip


class Finding(NamedTuple):
    """Something the session should know of its numbers. ``kind`` is stable; ``detail`` is for people."""

    kind: Kind
    channel: str | None
    detail: str


class Numbering:
    """One source's numbers: (channel, segment) in its present epoch (R14)."""

    __slots__ = (
        "base", "channel", "epoch", "excused", "findings", "frontier", "full_told", "heartbeat_ms",
        "last_event_ns", "last_heard_ns", "limits", "lost", "open", "parked", "past",
        "recovered", "recovery_begun_ns", "recovery_last_ns", "replayed", "resends", "segment",
        "tail_ns", "venue",
    )  # fmt: skip

    def __init__(
        self,
        channel: str | None,
        segment: str | None,
        venue: Venue,
        limits: Limits,
        findings: list[Finding],
    ) -> None:
        self.channel = channel
        self.segment = segment
        self.venue = venue
        self.limits = limits
        self.findings = findings
        self.epoch = 0
        self.base = 0  # the lowest number known of
        self.frontier = COLD  # one above the highest
        self.tail_ns: int | None = None  # since when numbers from the frontier on are missing
        self.open = Ranges()
        self.lost = Ranges()
        self.excused = Ranges()
        self.past: dict[int, Ranges] = {}  # lost in earlier epochs, by epoch
        self.parked: dict[int, int] = {}  # gap fills above the expected number: own to new number
        self.resends: list[Resend] = []  # oldest first, at most the venue's in_flight_max
        self.replayed = 0  # numbers recovered by replay, ever
        self.recovered = 0  # of these, by the present recovery
        self.recovery_begun_ns = 0
        self.recovery_last_ns = 0
        self.last_event_ns = 0  # event time of the newest message in number order
        self.last_heard_ns = 0
        self.heartbeat_ms: int | None = None
        self.full_told = False

    # -- findings ------------------------------------------------------------------------------

    def note(self, kind: Kind, detail: str) -> None:
        """Tell the session."""
        where = f" in segment {self.segment}" if self.segment is not None else ""
        self.findings.append(Finding(kind, self.channel, detail + where))

    # -- numbers -------------------------------------------------------------------------------

    @property
    def next_expected(self) -> int:
        """The lowest number that may still come; 0 while none is known. Lost numbers are not awaited (R3)."""
        return self.open.starts[0] if self.open.starts else max(self.frontier, 0)

    def begin(self, seq: int) -> None:
        """The first number ever known of: what came before it is not ours to miss."""
        self.base = self.frontier = seq

    def number(self, event: StreamEvent, seq: int, now_ns: int) -> bool:
        """Account for a numbered message that is not simply the next one. True: process its content."""
        if seq == 0:  # R15: a backup that has not spoken yet says zero, which is no number
            return True
        if self.frontier == COLD:
            self.begin(seq)
        if seq >= self.frontier:
            self._ahead(event, seq, now_ns)
            return True
        if event.poss_dup:
            self._answered(seq, seq, now_ns)
        if self.open.discard(seq):
            self._recover(1, now_ns)
            self._settle(now_ns, was_whole=False)
            return True
        return self._seen_before(event, seq, now_ns)

    def _ahead(self, event: StreamEvent, seq: int, now_ns: int) -> None:
        """A number at or above the frontier: the numbers it skips are missing, its own content is truth (R34)."""
        was_whole = self.is_whole
        replay = event.poss_dup and self.tail_ns is not None
        if replay:
            self._answered(seq, seq, now_ns)
            self._recover(1, now_ns)
        if seq > self.frontier:
            self._miss(seq, now_ns)
        self.frontier = seq + 1
        if not replay:
            self.tail_ns = None
            self.last_event_ns = event.event_ns
        self._settle(now_ns, was_whole=was_whole)

    def _miss(self, upto: int, now_ns: int) -> None:
        """The frontier moves to ``upto``; what it passes is missing."""
        first, last = self.frontier, upto - 1
        opened_ns = now_ns if self.tail_ns is None else self.tail_ns
        self.open.add(first, last, Span(opened_ns, now_ns, self.last_event_ns))
        self.frontier = upto
        if self.tail_ns is None and not self.awaiting:  # R9: a resend under way continues the gap
            self.note("gap_opened", f"{first}-{last} missing")

    def _seen_before(self, event: StreamEvent, seq: int, now_ns: int) -> bool:
        """A number below the frontier that is not missing: R4."""
        low = seq < self.next_expected
        if low and not event.poss_dup:
            self.note("sequence_violation", f"{seq} came, {self.next_expected} expected")
            return False
        if self.lost.discard(seq) or self.excused.discard(seq):
            self._recover(1, now_ns)
            self._settle(now_ns, was_whole=False)
            return True
        return seq < self.base  # older than anything we know: not seen by us

    def _recover(self, count: int, now_ns: int) -> None:
        if self.recovered == 0:
            self.recovery_begun_ns = self.resends[-1].begun_ns if self.resends else now_ns
        self.replayed += count
        self.recovered += count
        self.recovery_last_ns = now_ns

    # -- gap fills and resets ------------------------------------------------------------------

    def fill(self, event: StreamEvent, seq: int, new_seq: int, now_ns: int) -> bool:
        """A gap fill: R1, R2, R11. True when it was applied."""
        if new_seq <= seq:
            self.note("reset_refused", f"gap fill {seq} says next is {new_seq}")
            return False
        if self.frontier == COLD:
            self.begin(seq)
        expected = self.next_expected
        if seq == expected or self._answers_next(seq):
            was_whole = self.is_whole
            self._apply_fill(event.event_ns, seq, new_seq, now_ns)
            self._settle(now_ns, was_whole=was_whole)
            return True
        if seq > expected:
            self._park(seq, new_seq, now_ns)
            self._end_tail(seq)
        elif not event.poss_dup:
            self.note("sequence_violation", f"gap fill {seq} came, {expected} expected")
        return False

    def _end_tail(self, seq: int) -> None:
        """A number that no request of ours covers is live: it shows where a gap of unknown end ended."""
        if not any(resend.covers(seq) for resend in self.resends):
            self.tail_ns = None

    def _answers_next(self, seq: int) -> bool:
        """Whether a fill's own number is the one that the answer to a request of ours should bring next."""
        return any(
            resend.covers(seq)
            and self._unseen(seq, seq)
            and not self._unseen(resend.from_seq, seq - 1)
            for resend in self.resends
        )

    def _unseen(self, from_seq: int, to_seq: int) -> bool:
        return self.open.overlaps(from_seq, to_seq) or self.lost.overlaps(from_seq, to_seq)

    def _park(self, seq: int, new_seq: int, now_ns: int) -> None:
        """R2: not applied; opens a gap up to its own number, and waits until that is the expected one."""
        if seq > self.frontier:
            self._miss(seq, now_ns)
        elif seq < self.frontier and seq not in self.open:
            return  # the number was seen with another content
        if seq in self.parked or len(self.parked) < PARKED_MAX:
            self.parked[seq] = new_seq
        self._tell_full()

    def _apply_fill(self, event_ns: int, seq: int, new_seq: int, now_ns: int) -> None:
        """Numbers ``seq`` to ``new_seq - 1`` carry nothing, as far as we believe it (R11)."""
        last = new_seq - 1
        believed = self._fill_bound(seq, last)
        self._answered(seq, believed, now_ns)
        proven = self._prove(seq, believed)
        if proven:
            self._recover(proven, now_ns)
        if believed >= self.frontier:
            self.frontier = believed + 1
            self.last_event_ns = event_ns
        if last > believed:
            if last >= self.frontier:
                self._miss(new_seq, now_ns)
            if self._unseen(believed + 1, last):
                self.note("gap_fill_beyond_request", f"{seq}-{last} filled, believed to {believed}")
        if last >= self.frontier - 1:
            self._end_tail(seq)

    def _fill_bound(self, seq: int, last: int) -> int:
        """The last number that a fill can prove empty."""
        if self.venue.gap_fill_scope == "unbounded":
            return last
        ends = [
            last if resend.to_seq is None else resend.to_seq
            for resend in self.resends
            if resend.covers(seq)
        ]
        return min(last, max(ends)) if ends else last

    def _prove(self, from_seq: int, to_seq: int) -> int:
        """Take numbers out of every set of unseen ones; how many of them were missing or lost."""
        before = self.open.total + self.lost.total
        self.open.cut(from_seq, to_seq)
        self.lost.cut(from_seq, to_seq)
        self.excused.cut(from_seq, to_seq)
        return before - self.open.total - self.lost.total

    def reset(self, new_seq: int, *, poss_dup: bool, now_ns: int) -> bool:
        """A sequence reset in reset mode: R3. True when it was applied."""
        if self.frontier == COLD:
            self.begin(max(new_seq, 1))
            return True
        expected = self.next_expected
        if new_seq < expected:
            if not poss_dup:
                self.note("reset_refused", f"reset to {new_seq}, {expected} expected")
            return False
        was_whole = self.is_whole
        if new_seq > self.frontier:
            self.open.add(self.frontier, new_seq - 1, Span(now_ns, now_ns, self.last_event_ns))
            self.frontier = new_seq
        if new_seq >= self.frontier:
            self.tail_ns = None
        self.lose(expected, new_seq - 1, now_ns, "skipped by a sequence reset")
        self._settle(now_ns, was_whole=was_whole)
        return True

    def restart(self, now_ns: int) -> None:
        """ResetSeqNumFlag: the next epoch begins at one; what was missing in this one is lost for good (R14)."""
        if self.frontier == COLD:
            self.begin(1)
            return
        missing = self.open.total + (self.tail_ns is not None)
        for from_seq, to_seq, _ in self.open.cut(0, self.frontier):
            self.lost.add(from_seq, to_seq, Span(now_ns, now_ns, 0))
        if self.tail_ns is not None:
            self.lost.add(self.frontier, self.frontier, Span(now_ns, now_ns, 0))
        if missing:
            self.note("unrecoverable", f"{missing} missing when numbers restarted")
        self._file_losses()
        self.release("resend_released", "numbers restarted")
        self.note("numbers_restarted", f"epoch {self.epoch} ended at {max(self.frontier, 0)}")
        self.open, self.lost, self.excused = Ranges(), Ranges(), Ranges()
        self.parked.clear()
        self.tail_ns = None
        self.epoch += 1
        self.base = self.frontier = 1

    def _file_losses(self) -> None:
        """Keep this epoch's losses visible after it ended."""
        if not self.lost:
            return
        if len(self.past) < EPOCHS_MAX:
            self.past[self.epoch] = self.lost
            return
        pool = next(iter(self.past.values()))
        for from_seq, to_seq, span in self.lost:
            pool.add(from_seq, to_seq, span)

    # -- what can never come, and what need not ------------------------------------------------

    def lose(self, from_seq: int, to_seq: int, now_ns: int, why: str) -> None:
        """Missing numbers of a range become unrecoverable: lost, never closed (R3, R8, R17)."""
        pieces = self.open.cut(from_seq, to_seq)
        for first, last, span in pieces:
            self.lost.add(first, last, Span(span.opened_ns, now_ns, span.before_ns))
        if pieces:
            count = sum(last - first + 1 for first, last, _ in pieces)
            first, last = pieces[0].from_seq, pieces[-1].to_seq
            self.note("unrecoverable", f"{count} of {first}-{last} {why}")
        self._tell_full()

    def excuse(self, from_seq: int, to_seq: int, now_ns: int) -> None:
        """Someone vouches that the unseen numbers of a range do no harm, in whatever epoch they were (R17)."""
        was_whole = self.is_whole
        if self.tail_ns is not None and from_seq <= self.frontier <= to_seq:
            self.open.add(self.frontier, to_seq, Span(now_ns, now_ns, self.last_event_ns))
            self.frontier = to_seq + 1
            self.tail_ns = None
        pieces = self._excuse(from_seq, to_seq)
        for epoch, ranges in list(self.past.items()):
            pieces += ranges.cut(from_seq, to_seq)
            if not ranges:
                del self.past[epoch]
        if pieces:
            count = sum(piece.to_seq - piece.from_seq + 1 for piece in pieces)
            self.note("range_excused", f"{count} of {from_seq}-{to_seq}")
        self._settle(now_ns, was_whole=was_whole)

    def _excuse(self, from_seq: int, to_seq: int) -> list[Range]:
        pieces = self.open.cut(from_seq, to_seq) + self.lost.cut(from_seq, to_seq)
        for piece in pieces:
            self.excused.add(*piece)
        return pieces

    def excuse_before(self, since_ns: int, now_ns: int) -> None:
        """A complete snapshot begun at ``since_ns`` reflects what was missing by then, unless it is being resent."""
        was_whole = self.is_whole
        stale = [piece for piece in self.lost if piece.span.latest_ns < since_ns]
        if not self.awaiting:
            stale += [piece for piece in self.open if piece.span.latest_ns < since_ns]
            if self.tail_ns is not None and self.tail_ns < since_ns:
                self.tail_ns = None
        for piece in stale:
            self._excuse(piece.from_seq, piece.to_seq)
        for epoch, ranges in list(self.past.items()):
            if all(piece.span.latest_ns < since_ns for piece in ranges):
                stale += ranges
                del self.past[epoch]
        if stale:
            count = sum(piece.to_seq - piece.from_seq + 1 for piece in stale)
            self.note("range_excused", f"{count} reflected in a snapshot")
        self._settle(now_ns, was_whole=was_whole)

    # -- resends -------------------------------------------------------------------------------

    def request(self, from_seq: int, to_seq: int | None, now_ns: int) -> None:
        """We asked for a range: what we ask for and have not seen is missing."""
        from_seq = max(from_seq, 1)
        was_whole = self.is_whole
        self.declare_missing(from_seq, to_seq, now_ns)
        self.resends = [resend for resend in self.resends if resend.deadline_ns is not None]
        while len(self.resends) >= self.venue.in_flight_max:
            former = self.resends.pop(0)
            self.note(
                "resend_replaced", f"{former.text()} not complete when the next was requested"
            )
        resend = Resend(from_seq, to_seq, now_ns)
        if self.venue.replay_range_max is not None:
            resend.chunk_end = from_seq + self.venue.replay_range_max - 1
        resend.deadline_ns = now_ns + self.limits.resend_timeout_ns
        self.resends.append(resend)
        self.recovered = 0
        self.note("resend_begun", f"{resend.text()} requested")
        if self.venue.retained_max is not None:  # R17: only the last N are kept
            kept_from = self.frontier - self.venue.retained_max
            self.lose(from_seq, kept_from - 1, now_ns, "no longer kept by the venue")
        self._settle(now_ns, was_whole=was_whole)

    def declare_missing(self, from_seq: int, to_seq: int | None, now_ns: int) -> None:
        """Our side says that a range is missing: true of its numbers that we have not seen."""
        if self.frontier == COLD:
            self.begin(from_seq)
        span = Span(now_ns, now_ns, 0)
        if from_seq < self.base:
            last = self.base - 1 if to_seq is None else min(to_seq, self.base - 1)
            self.open.add(from_seq, last, span)
            if last < self.base - 1:  # neither asked for nor seen
                self.excused.add(last + 1, self.base - 1, span)
            self.base = from_seq
            self.note("gap_opened", f"{from_seq}-{last} missing")
        if to_seq is not None and to_seq >= self.frontier:
            self._miss(to_seq + 1, now_ns)
        elif to_seq is None and from_seq >= self.frontier:
            if from_seq > self.frontier:
                self._miss(from_seq, now_ns)
            if self.tail_ns is None:
                self.tail_ns = now_ns
                self.note("gap_opened", f"{self.frontier}- missing")
        self._tell_full()

    @property
    def awaiting(self) -> bool:
        """Whether an answer is under way."""
        return any(resend.deadline_ns is not None for resend in self.resends)

    def _answered(self, from_seq: int, to_seq: int, now_ns: int) -> None:
        """A part of an answer came: it renews the deadline; a hole before it is a gap inside the answer (R10)."""
        for resend in self.resends:
            if not resend.covers(from_seq):
                continue
            if from_seq > resend.cursor and self.open.overlaps(resend.cursor, from_seq - 1):
                self.note("gap_opened", f"{resend.cursor}-{from_seq - 1} missing in the answer")
            resend.cursor = max(resend.cursor, to_seq + 1)
            if resend.deadline_ns is not None:
                resend.deadline_ns = now_ns + self.limits.resend_timeout_ns

    def answer_complete(self, now_ns: int) -> None:
        """The source says its answer is complete: whatever did not come is still missing, not recovered (R17)."""
        was_whole = self.is_whole
        self.tail_ns = None
        for resend in self.resends:
            if self._pending(resend.from_seq, resend.to_seq):
                self.note("resend_incomplete", f"{resend.text()} answered, numbers still missing")
            else:
                self.note("resend_completed", resend.text())
        self.resends.clear()
        self._settle(now_ns, was_whole=was_whole)

    def reject(self, now_ns: int, *, unrecoverable: bool, reason: str | None) -> None:
        """The venue refuses the oldest request under way: R12."""
        was_whole = self.is_whole
        self.note("resend_rejected", reason or "no reason given")
        if self.resends:
            resend = self.resends.pop(0)
            if unrecoverable:
                last = self.frontier if resend.to_seq is None else resend.to_seq
                self.lose(resend.from_seq, last, now_ns, "refused by the venue for good")
        self._settle(now_ns, was_whole=was_whole)

    def release(self, kind: Kind, why: str) -> None:
        """Nothing more is awaited from the requests under way; their numbers stay missing (R12)."""
        for resend in self.resends:
            if resend.deadline_ns is not None:
                self.note(kind, f"{resend.text()}: {why}")
        self.resends.clear()

    def expire(self, now_ns: int) -> None:
        """Deadlines: silent answers (R12), and gaps older than the venue's window (R8)."""
        for resend in self.resends:
            if resend.deadline_ns is not None and resend.deadline_ns <= now_ns:
                self.note("resend_timed_out", resend.text())
                resend.deadline_ns = None
        window_ns = self.venue.window_ns
        if window_ns is not None and self.open:
            oldest_ns = now_ns - window_ns
            old = [piece for piece in self.open if piece.span.opened_ns <= oldest_ns]
            for piece in old:
                self.lose(piece.from_seq, piece.to_seq, now_ns, "older than the venue's window")
            if old:
                self._settle(now_ns, was_whole=False)

    # -- after every change --------------------------------------------------------------------

    @property
    def is_whole(self) -> bool:
        """Whether no number is missing or lost."""
        return not self.open.starts and not self.lost.starts and self.tail_ns is None

    def _pending(self, from_seq: int, to_seq: int | None) -> bool:
        """Whether numbers of a requested range are still unseen."""
        last = self.frontier - 1 if to_seq is None else to_seq
        return self._unseen(from_seq, last) or (to_seq is None and self.tail_ns is not None)

    def _settle(self, now_ns: int, *, was_whole: bool) -> None:
        """Apply what waited for this change, and tell what it completed."""
        while self.parked:
            seq = self.next_expected
            for passed in [own for own in self.parked if own < seq]:
                del self.parked[passed]
            new_seq = self.parked.pop(seq, None)
            if new_seq is None:
                break
            self._apply_fill(self.last_event_ns, seq, new_seq, now_ns)
        if self.resends:
            self._settle_resends()
        if not was_whole and self.is_whole:
            self.note("gap_closed", f"complete up to {self.frontier - 1}")
        self._tell_full()

    def _settle_resends(self) -> None:
        for resend in list(self.resends):
            if not self._pending(resend.from_seq, resend.to_seq):
                self.resends.remove(resend)
                self.note("resend_completed", resend.text())
            elif (
                resend.deadline_ns is not None
                and resend.chunk_end is not None
                and resend.cursor > resend.chunk_end
                and not self._unseen(resend.from_seq, resend.chunk_end)
            ):
                resend.deadline_ns = None
                self.note("resend_chunk_completed", f"{resend.from_seq}-{resend.chunk_end}")

    def _tell_full(self) -> None:
        full = self.gaps_full
        if full and not self.full_told:
            self.note(
                "gaps_full", "too many gaps to keep apart: some recovered numbers count as missing"
            )
        self.full_told = full

    # -- readings ------------------------------------------------------------------------------

    @property
    def gaps_full(self) -> bool:
        """Whether a bound was reached: numbers may count as missing that are not."""
        return self.open.full or self.lost.full or self.excused.full

    @property
    def outstanding(self) -> int:
        """Numbers missing; a gap of unknown end counts one."""
        return self.open.total + (self.tail_ns is not None)

    @property
    def unrecoverable(self) -> int:
        """Numbers lost, in this epoch and earlier ones."""
        return self.lost.total + sum(ranges.total for ranges in self.past.values())

    @property
    def oldest_gap_ns(self) -> int | None:
        """When the oldest gap was noticed."""
        return self.open.spans[0].opened_ns if self.open.spans else self.tail_ns

    @property
    def complete_up_to_ns(self) -> int:
        """Event time up to which nothing is missing: of the last message before the first hole."""
        spans = [ranges.spans[0].before_ns for ranges in (self.open, self.lost) if ranges.spans]
        return min(spans, default=self.last_event_ns)

    @property
    def open_gap_count(self) -> int:
        """Missing ranges."""
        return len(self.open_gaps()) if self.tail_ns is not None else len(self.open)

    def open_gaps(self) -> list[tuple[int, int | None]]:
        """Missing ranges, both ends included; no end while it is unknown."""
        gaps: list[tuple[int, int | None]] = list(
            zip(self.open.starts, self.open.ends, strict=True)
        )
        if self.tail_ns is not None:
            first = self.frontier
            if gaps and gaps[-1][1] == first - 1:
                first = gaps.pop()[0]
            gaps.append((first, None))
        return gaps

    @property
    def replay_rate_per_s(self) -> float | None:
        """Numbers recovered per second since the present recovery began; none while it has no length."""
        elapsed_ns = self.recovery_last_ns - self.recovery_begun_ns
        if not self.recovered or elapsed_ns <= 0:
            return None
        return self.recovered * 1e9 / elapsed_ns

    @property
    def drain_ms(self) -> int | None:
        """Estimated time to recover what is missing at the present rate; 0 with nothing missing."""
        if not self.outstanding:
            return 0
        rate = self.replay_rate_per_s
        return None if rate is None else round(self.outstanding / rate * 1_000)

    @property
    def next_deadline_ns(self) -> int | None:
        """When ``expire`` has something to do."""
        deadlines = [r.deadline_ns for r in self.resends if r.deadline_ns is not None]
        if self.open.spans and self.venue.window_ns is not None:
            deadlines.append(self.open.spans[0].opened_ns + self.venue.window_ns)
        return min(deadlines, default=None)

    # -- handover ------------------------------------------------------------------------------

    def dump(self) -> Iterator[list[Any]]:
        """The whole state as rows of JSON values, the kind of each first; ``load_row`` restores them one by one."""
        yield ["numbering", *(getattr(self, name) for name in SCALARS)]
        yield ["parked", list(self.parked.items())]
        for resend in self.resends:
            yield ["resend", resend.dump()]
        for name in SETS:
            yield from ([name, *row] for row in getattr(self, name).dump())
        for epoch, ranges in self.past.items():
            yield from (["past", epoch, *row] for row in ranges.dump())

    def load_row(self, kind: str, row: list[Any]) -> None:
        """Restore one row of ``dump``."""
        if kind == "numbering":
            for name, value in zip(SCALARS, row, strict=True):
                setattr(self, name, value)
        elif kind == "parked":
            self.parked = dict(row[0])
        elif kind == "resend":
            self.resends.append(Resend.load(row[0]))
        elif kind == "past":
            self.past.setdefault(row[0], Ranges()).load_row(row[1:])
        else:
            getattr(self, kind).load_row(row)
