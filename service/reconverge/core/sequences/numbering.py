"""The protocol of one numbering: what each kind of message proves about its numbers (R1-R12, R15,
R17).

``watermark`` holds the numbers and ``resend`` the requests under way; here are the rules that move
numbers, and the gap fills that wait for their turn. What the session must know goes to the shared
list of findings.

A distance between two numbers is no count of events (R7): administrative messages use up numbers
and are gap-filled with nothing in them, and some failovers jump by thousands. So no rule here turns
missing numbers into missing orders; the readings give numbers and times side by side.
"""

from collections.abc import Iterator
from typing import Any, Final

from reconverge.core.findings import Finding, SequenceKind
from reconverge.core.messages.events import StreamEvent
from reconverge.core.sequences.resend import Recovery, Requests, Resend
from reconverge.core.sequences.watermark import COLD, Watermark
from reconverge.core.venue import Limits, Venue

PARKED_MAX: Final = 64
"""Gap fills kept until their number is the expected one.

An answer of 2,500 numbers rarely holds as many above a hole; one too many is dropped, and its
numbers stay missing.
"""


class Numbering(Watermark):
    """One source's numbers, by channel, segment and epoch (R14), under the rules of its venue."""

    __slots__ = (
        "channel", "findings", "full_told", "limits", "parked", "recovery", "requests", "segment",
        "venue",
    )  # fmt: skip

    def __init__(
        self,
        key: tuple[str | None, str | None],
        venue: Venue,
        limits: Limits,
        findings: list[Finding],
    ) -> None:
        super().__init__()
        self.channel, self.segment = key
        self.venue = venue
        self.limits = limits
        self.findings = findings
        """What the session must know, in order; shared by all its numberings, drained by it."""
        self.parked: dict[int, int] = {}
        """Gap fills that wait for their own number to be the expected one: own number to new number
        (R2). Each own number is above the expected one, each new number above its own. At most
        ``PARKED_MAX``."""
        self.requests = Requests(self, self.note)
        self.recovery = Recovery()
        self.full_told = False
        """The bound of gaps is reached and that was told; cleared once it is reached no more."""

    def note(self, kind: SequenceKind, detail: str) -> None:
        """Tell the session."""
        where = "" if self.segment is None else f" (segment {self.segment})"
        self.findings.append(Finding(kind, self.channel, detail + where))

    # -- numbered messages ---------------------------------------------------------------------

    def number(self, event: StreamEvent, seq: int, now_ns: int) -> bool:
        """Account for a numbered message, whether or not it is the next one.

        True: process its content.
        """
        if seq == 0:  # R15: a backup that has not spoken yet says zero, which is no number
            return True
        if self.frontier == COLD:
            self.begin(seq)
        if seq >= self.frontier:
            self._ahead(event, seq, now_ns)
            return True
        if self.open.discard(seq):
            self._answer(seq, seq, now_ns)
            self.recovery.add(1, now_ns)
            self._settle(now_ns, was_whole=False)
            return True
        return self._not_missing(event, seq, now_ns)

    def _ahead(self, event: StreamEvent, seq: int, now_ns: int) -> None:
        """A number from the frontier on: what it skips is missing, its content is truth (R34)."""
        was_whole = self.is_whole
        replayed = event.poss_dup and self.tail_ns is not None
        if seq > self.frontier:
            self._miss(seq, now_ns)
        self.frontier = seq + 1
        if replayed:  # part of an answer whose end is unknown
            self._answer(seq, seq, now_ns)
            self.recovery.add(1, now_ns)
        else:
            self.tail_ns = None
            self.last_event_ns = event.event_ns
        self._settle(now_ns, was_whole=was_whole)

    def _miss(self, upto: int, now_ns: int) -> None:
        first = self.frontier
        self.miss(upto, now_ns)
        if self.tail_ns is None and not self.awaiting:  # R9: a resend under way continues the gap
            self.note("gap_opened", f"{first}-{upto - 1} missing")

    def _not_missing(self, event: StreamEvent, seq: int, now_ns: int) -> bool:
        """A number below the frontier that is seen, lost, excused, or older than the base (R4)."""
        if not event.poss_dup and seq < self.next_expected:
            self._refuse(f"{seq} came, {self.next_expected} expected")
            return False
        self._answer(seq, seq, now_ns)
        was_whole = self.is_whole
        recovered = self.lost.discard(seq) or self.excused.discard(seq)
        if recovered:
            self.recovery.add(1, now_ns)
        self._settle(now_ns, was_whole=was_whole)  # it may be the last one of an answer's chunk
        return recovered or seq < self.base

    def _refuse(self, detail: str) -> None:
        """R4: its content is not used. That is counted, so that it is never silent (R36)."""
        self.refused += 1
        self.note("sequence_violation", detail)

    # -- gap fills -----------------------------------------------------------------------------

    def fill(self, event: StreamEvent, seq: int, new_seq: int, now_ns: int) -> bool:
        """A gap fill (R1, R2, R11). True when it was applied."""
        if new_seq <= seq:
            self.note("reset_refused", f"gap fill {seq} says the next is {new_seq}")
            return False
        if self.frontier == COLD:
            self.begin(seq)
        expected = self.next_expected
        if seq == expected or self._answers_next(seq):
            was_whole = self.is_whole
            self._apply(event.event_ns, seq, new_seq, now_ns)
            self._settle(now_ns, was_whole=was_whole)
            return True
        if seq > expected:
            self._park(event, seq, new_seq, now_ns)
        elif not event.poss_dup:
            self._refuse(f"gap fill {seq} came, {expected} expected")
        return False

    def _answers_next(self, seq: int) -> bool:
        """Whether a fill's own number is what an answer to a request should bring next."""
        return self.unseen(seq, seq) and any(
            not self.unseen(resend.from_seq, seq - 1) for resend in self.requests.covering(seq)
        )

    def _park(self, event: StreamEvent, seq: int, new_seq: int, now_ns: int) -> None:
        """R2: not applied; opens a gap up to its own number and waits for its turn."""
        if seq > self.frontier:
            self._miss(seq, now_ns)
        elif seq < self.frontier and seq not in self.open:
            return  # the number came before, with another content
        if event.poss_dup:
            self._answer(seq, seq - 1, now_ns)
        if seq == self.frontier:
            self._end_tail(seq)
        if seq in self.parked or len(self.parked) < PARKED_MAX:
            self.parked[seq] = new_seq
        self._settle(now_ns, was_whole=False)

    def _apply(self, event_ns: int, seq: int, new_seq: int, now_ns: int) -> None:
        """Numbers ``seq`` to ``new_seq - 1`` carry nothing, as far as it is believed (R11)."""
        last = new_seq - 1
        believed = self._believed(seq, last)
        self._answer(seq, believed, now_ns)
        proven = self.prove(seq, believed)
        if proven:
            self.recovery.add(proven, now_ns)
        if believed >= self.frontier:
            self.frontier = believed + 1
            self.last_event_ns = event_ns
            self._end_tail(seq)
        if last >= self.frontier:
            self._miss(new_seq, now_ns)
        if self.unseen(believed + 1, last):
            self.note("gap_fill_beyond_request", f"{seq}-{last} filled, believed up to {believed}")

    def _believed(self, seq: int, last: int) -> int:
        """The last number that a fill can prove empty."""
        if self.venue.gap_fill_scope == "unbounded":
            return last
        requests = self.requests.covering(seq)
        ends = [last if resend.to_seq is None else resend.to_seq for resend in requests]
        return min(last, max(ends, default=last))

    def _end_tail(self, seq: int) -> None:
        """A number that no request covers is live: it ends a gap of unknown end."""
        if not self.requests.covering(seq):
            self.tail_ns = None

    # -- resets --------------------------------------------------------------------------------

    def reset(self, new_seq: int, now_ns: int, *, poss_dup: bool) -> bool:
        """A sequence reset in reset mode (R3). True when it was applied."""
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
            self.miss(new_seq, now_ns)
        if new_seq == self.frontier:
            self.tail_ns = None
        self._lose(expected, new_seq - 1, now_ns, "skipped by a sequence reset")
        self.requests.skipped()
        self._settle(now_ns, was_whole=was_whole)
        return True

    def restart(self, now_ns: int, *, said: bool = True) -> None:
        """Numbers begin again at one, in the next epoch (R14).

        ``said``: with ResetSeqNumFlag; else both sides simply logged on with number one (R36).
        Orders may survive a restart, so a cold start ends only where the venue purges them (R40).
        """
        if self.frontier == COLD:
            self.begin(1)
            return
        self.release("numbers restarted")
        self.parked.clear()
        detail = f"epoch {self.epoch} ended at {self.frontier - 1}"
        detail = detail if said else f"{detail}; the logon did not say so"
        cold = self.cold and not self.venue.purges_daily
        missing = self.next_epoch(now_ns)
        self.cold = cold
        if missing:
            self.note("unrecoverable", f"{missing} missing when {detail}")
        self.note("numbers_restarted", detail)
        self._tell_full()

    # -- what can never come, and what need not ------------------------------------------------

    def _lose(self, from_seq: int, to_seq: int, now_ns: int, why: str) -> None:
        count = self.lose(from_seq, to_seq, now_ns)
        if count:
            self.note("unrecoverable", f"{count} of {from_seq}-{to_seq} {why}")

    def vouch(self, from_seq: int, to_seq: int, now_ns: int) -> None:
        """Someone attests that the unseen numbers of a range do no harm (R17)."""
        was_whole = self.is_whole
        count = self.excuse(from_seq, to_seq, now_ns)
        if from_seq <= 1 and to_seq >= self.base - 1:
            self.cold = False
        if count:
            self.note("range_excused", f"{count} of {from_seq}-{to_seq} vouched for")
        self._settle(now_ns, was_whole=was_whole)

    def snapshot(self, since_ns: int, now_ns: int) -> None:
        """A complete snapshot begun at ``since_ns`` reflects what was unseen by then (R17).

        Missing numbers that are being resent stay missing: they will bring the executions a
        snapshot sums up.
        """
        was_whole = self.is_whole
        self.cold = False
        count = self.excuse_before(since_ns, missing_too=not self.awaiting)
        if count:
            self.note("range_excused", f"{count} reflected in a snapshot")
        self._settle(now_ns, was_whole=was_whole)

    # -- resends -------------------------------------------------------------------------------

    def request(self, from_seq: int, to_seq: int | None, now_ns: int, why: str) -> None:
        """A range is to be resent: what of it we have not seen is missing."""
        was_whole = self.is_whole
        to_seq = None if to_seq is None else max(from_seq, to_seq)
        self._declare_missing(from_seq, to_seq, now_ns)
        range_max = self.venue.replay_range_max
        resend = Resend(
            from_seq,
            to_seq,
            begun_ns=now_ns,
            chunk_end=None if range_max is None else from_seq + range_max - 1,
            deadline_ns=now_ns + self.limits.resend_timeout_ns,
            cursor=from_seq,
        )
        self.requests.add(resend, self.venue.in_flight_max)
        self.recovery.begin(now_ns)
        self.note("resend_begun", f"{resend} {why}")
        retained_max = self.venue.retained_max
        if retained_max is not None:  # R17: the venue keeps only its newest numbers
            oldest = self.frontier - retained_max
            self._lose(from_seq, oldest - 1, now_ns, "no longer kept by the venue")
        self._settle(now_ns, was_whole=was_whole)

    def gap_reported(self, from_seq: int, to_seq: int | None, now_ns: int) -> None:
        """Our side says that a range is missing."""
        was_whole = self.is_whole
        to_seq = None if to_seq is None else max(from_seq, to_seq)
        self._declare_missing(from_seq, to_seq, now_ns)
        self._settle(now_ns, was_whole=was_whole)

    def _declare_missing(self, from_seq: int, to_seq: int | None, now_ns: int) -> None:
        """True of those numbers that we have not seen ourselves."""
        if self.frontier == COLD:
            self.begin(from_seq)
        if from_seq < self.base:
            last = self.base - 1 if to_seq is None else min(to_seq, self.base - 1)
            self.miss_below(from_seq, last, now_ns)
            self.note("gap_opened", f"{from_seq}-{last} missing")
        if to_seq is not None and to_seq >= self.frontier:
            self._miss(to_seq + 1, now_ns)
        elif to_seq is None and from_seq >= self.frontier:
            if self.tail_ns is None:
                self.tail_ns = now_ns
                self.note("gap_opened", f"{self.frontier}- missing")
            if from_seq > self.frontier:
                self.miss(from_seq, now_ns)

    @property
    def awaiting(self) -> bool:
        """Whether an answer is under way."""
        return bool(self.requests.awaited)

    def _answer(self, from_seq: int, to_seq: int, now_ns: int) -> None:
        """Numbers came that an answer to a request of ours may have brought."""
        if self.requests:
            self.requests.answered(from_seq, to_seq, now_ns + self.limits.resend_timeout_ns)

    def answer_complete(self, now_ns: int) -> None:
        """The answer is said to be complete: what did not come is still missing (R17)."""
        was_whole = self.is_whole
        self.tail_ns = None
        self.requests.said_complete()
        self._settle(now_ns, was_whole=was_whole)

    def reject(self, reason: str | None, now_ns: int, *, unrecoverable: bool) -> None:
        """The venue refuses the oldest request: its range is released, not recovered (R12)."""
        was_whole = self.is_whole
        refused = self.requests.refused(reason)
        if refused is not None and unrecoverable:
            last = self.requests.last(refused)
            self._lose(refused.from_seq, last, now_ns, "refused by the venue for good")
        self._settle(now_ns, was_whole=was_whole)

    def release(self, why: str) -> None:
        """Nothing more comes from the requests under way; their numbers stay missing (R12)."""
        self.requests.release(why)

    def expire(self, now_ns: int) -> None:
        """Answers gone silent (R12), and gaps older than the venue replays (R8)."""
        self.requests.expire(now_ns)
        window_ns = self.venue.window_ns
        if window_ns is None:
            return
        while self.open.spans and self.open.spans[0].opened_ns + window_ns <= now_ns:
            first, last = self.open.starts[0], self.open.ends[0]
            self._lose(first, last, now_ns, "older than the venue replays")
            self._settle(now_ns, was_whole=False)

    # -- after every change --------------------------------------------------------------------

    def _settle(self, now_ns: int, *, was_whole: bool) -> None:
        """Apply what waited for this change, and tell what it completed."""
        while self.parked:
            expected = self.next_expected
            new_seq = self.parked.pop(expected, None)
            if new_seq is None:
                break
            self._apply(self.last_event_ns, expected, new_seq, now_ns)
        if self.parked:
            expected = self.next_expected
            self.parked = {seq: new for seq, new in self.parked.items() if seq > expected}
        if self.requests:
            self.requests.settle()
        if not was_whole and self.is_whole:
            self.note("gap_closed", f"complete up to {self.frontier - 1}")
        self._tell_full()

    def _tell_full(self) -> None:
        full = self.gaps_full
        if full and not self.full_told:
            self.note("gaps_full", "too many gaps to keep apart: seen numbers count as missing")
        self.full_told = full

    # -- readings ------------------------------------------------------------------------------

    @property
    def outstanding_resends(self) -> list[tuple[int, int | None]]:
        """Ranges requested and awaited."""
        return [(resend.from_seq, resend.to_seq) for resend in self.requests.awaited]

    @property
    def drain_ms(self) -> int | None:
        """Time to recover what is missing at the present rate; none without a rate."""
        return self.recovery.drain_ms(self.outstanding)

    @property
    def next_deadline_ns(self) -> int | None:
        """When ``expire`` has something to do."""
        deadlines = [resend.deadline_ns or 0 for resend in self.requests.awaited]
        if self.open.spans and self.venue.window_ns is not None:
            deadlines.append(self.open.spans[0].opened_ns + self.venue.window_ns)
        return min(deadlines, default=None)

    def check(self) -> None:
        """Raise AssertionError where an invariant does not hold (``-O`` does not strip it)."""
        super().check()
        self.requests.check()
        if len(self.parked) > PARKED_MAX:
            raise AssertionError(f"{len(self.parked)} gap fills are parked")
        for seq, new_seq in self.parked.items():
            if new_seq <= seq or seq <= self.next_expected:
                raise AssertionError(f"the gap fill {seq} to {new_seq} waits for nothing")

    # -- handover ------------------------------------------------------------------------------

    def dump(self) -> Iterator[list[Any]]:
        """As ``Watermark.dump``, with the requests under way and the fills that wait."""
        yield from super().dump()
        parked = [list(item) for item in self.parked.items()]
        resends = [resend.dump() for resend in self.requests]
        yield ["numbering", parked, resends, self.recovery.dump(), self.full_told]

    def load_row(self, kind: str, row: list[Any]) -> None:
        """Restore one row of ``dump``."""
        if kind != "numbering":
            super().load_row(kind, row)
            return
        parked, resends, recovery, self.full_told = row
        self.parked = dict(parked)
        self.requests.items = [Resend(*fields) for fields in resends]
        self.recovery = Recovery(*recovery)
