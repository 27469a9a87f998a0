"""Resend requests of ours, the progress of their answers, and the rate of recovery (R8-R12)."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from reconverge.core.findings import SequenceKind
from reconverge.core.sequences.watermark import Watermark

_FIELDS: Final = ("from_seq", "to_seq", "begun_ns", "chunk_end", "deadline_ns", "cursor")


class Resend:
    """One request of ours.

    It bounds what its answer may prove (R11) until the next request takes its place.
    """

    __slots__ = _FIELDS

    def __init__(
        self,
        from_seq: int,
        to_seq: int | None,
        begun_ns: int,
        chunk_end: int | None,
        deadline_ns: int | None,
        cursor: int,
    ) -> None:
        self.from_seq = from_seq
        """First number requested. Fixed."""
        self.to_seq = to_seq
        """Last number requested, at least ``from_seq``; None: everything up to now. Fixed."""
        self.begun_ns = begun_ns
        """When it was requested. Fixed."""
        self.chunk_end = chunk_end
        """The last number that one answer of this venue can hold; None: no bound. Fixed."""
        self.deadline_ns = deadline_ns
        """When silence ends it; None: nothing more is awaited from it. Renewed by each message of
        the answer; once None, it stays None."""
        self.cursor = cursor
        """The number its answer should bring next. Starts at ``from_seq``, never falls."""

    def covers(self, seq: int) -> bool:
        """Whether the number was requested."""
        return seq >= self.from_seq and (self.to_seq is None or seq <= self.to_seq)

    def __str__(self) -> str:
        return f"{self.from_seq}-{'' if self.to_seq is None else self.to_seq}"

    def dump(self) -> list[Any]:
        """Its fields, in the order of the constructor."""
        return [getattr(self, name) for name in _FIELDS]


class Requests:
    """The resend requests of one numbering that still mean something, oldest first.

    Awaited ones are at most as many as the venue serves at a time (R8). One whose answer fell
    silent stays, because its end still bounds a late answer; the next request replaces it.
    """

    __slots__ = ("_tell", "items", "numbers")

    def __init__(self, numbers: Watermark, tell: Callable[[SequenceKind, str], None]) -> None:
        self.numbers = numbers
        """What is missing or lost: a request ends when nothing of it is."""
        self._tell = tell
        self.items: list[Resend] = []

    def __bool__(self) -> bool:
        return bool(self.items)

    def __iter__(self) -> Iterator[Resend]:
        return iter(self.items)

    @property
    def awaited(self) -> list[Resend]:
        """Those whose answer is under way."""
        return [resend for resend in self.items if resend.deadline_ns is not None]

    def covering(self, seq: int) -> list[Resend]:
        """Those that asked for a number."""
        return [resend for resend in self.items if resend.covers(seq)]

    def add(self, resend: Resend, in_flight_max: int) -> None:
        """One more; those in excess of what the venue serves make room for it (R8)."""
        self.items = self.awaited
        while len(self.items) >= in_flight_max:
            former = self.items.pop(0)
            self._tell("resend_replaced", f"{former} not complete when the next was requested")
        self.items.append(resend)

    def answered(self, from_seq: int, to_seq: int, deadline_ns: int) -> None:
        """Part of an answer came: its deadline is renewed, a hole before it is a gap (R10)."""
        for resend in self.covering(from_seq):
            if from_seq > resend.cursor and self.numbers.open.overlaps(resend.cursor, from_seq - 1):
                hole = f"{resend.cursor}-{from_seq - 1}"
                self._tell("gap_opened", f"{hole} missing inside the answer to {resend}")
            resend.cursor = max(resend.cursor, to_seq + 1)
            if resend.deadline_ns is not None:
                resend.deadline_ns = deadline_ns

    def said_complete(self) -> None:
        """The source calls its answers complete: what did not come is still missing (R17)."""
        for resend in self.items:
            whole = not self._unseen(resend)
            self._tell("resend_completed" if whole else "resend_incomplete", str(resend))
        self.items.clear()

    def refused(self, reason: str | None) -> Resend | None:
        """The venue refuses the oldest request awaited: released, not recovered (R12)."""
        refused = next(iter(self.awaited or self.items), None)
        self._tell("resend_rejected", f"{refused or 'none known'}: {reason or 'no reason given'}")
        if refused is not None:
            self.items.remove(refused)
        return refused

    def release(self, why: str) -> None:
        """Nothing more comes from any of them; their numbers stay missing (R12)."""
        for resend in self.awaited:
            self._tell("resend_released", f"{resend}: {why}")
        self.items.clear()

    def skipped(self) -> None:
        """A sequence reset answers those of whose numbers none can come any more (R3)."""
        for resend in [resend for resend in self.items if not self._may_come(resend)]:
            self.items.remove(resend)
            self._tell("resend_released", f"{resend}: answered by a sequence reset")

    def expire(self, now_ns: int) -> None:
        """Answers gone silent are awaited no longer (R12)."""
        for resend in self.items:
            if resend.deadline_ns is not None and resend.deadline_ns <= now_ns:
                resend.deadline_ns = None
                self._tell("resend_timed_out", str(resend))

    def settle(self) -> None:
        """Tell which are completed by what came, whole or as much as one answer can hold (R8)."""
        for resend in list(self.items):
            if not self._unseen(resend):
                self.items.remove(resend)
                self._tell("resend_completed", str(resend))
            elif (
                resend.deadline_ns is not None
                and resend.chunk_end is not None
                and resend.cursor > resend.chunk_end
                and not self.numbers.unseen(resend.from_seq, resend.chunk_end)
            ):
                resend.deadline_ns = None
                self._tell("resend_chunk_completed", f"{resend.from_seq}-{resend.chunk_end}")

    def last(self, resend: Resend) -> int:
        """The last number that a request can bring, as far as known."""
        return self.numbers.frontier - 1 if resend.to_seq is None else resend.to_seq

    def _unseen(self, resend: Resend) -> bool:
        """Whether any of a request is still missing or lost."""
        lost = self.numbers.lost
        return self._may_come(resend) or lost.overlaps(resend.from_seq, self.last(resend))

    def _may_come(self, resend: Resend) -> bool:
        """Whether any of a request is still missing."""
        if resend.to_seq is None and self.numbers.tail_ns is not None:
            return True
        return self.numbers.open.overlaps(resend.from_seq, self.last(resend))

    def check(self) -> None:
        """Raise AssertionError where an invariant of a request does not hold."""
        for resend in self.items:
            if resend.to_seq is not None and resend.to_seq < resend.from_seq:
                raise AssertionError(f"the request {resend} ends before it begins")
            if resend.cursor < resend.from_seq:
                raise AssertionError(f"the cursor of {resend} is at {resend.cursor}")
            if resend.deadline_ns is not None and resend.deadline_ns < resend.begun_ns:
                raise AssertionError(f"the deadline of {resend} is before its beginning")


class Recovery:
    """How fast missing numbers come back."""

    __slots__ = ("begun_ns", "count", "last_ns", "total")

    def __init__(
        self, total: int = 0, count: int = 0, begun_ns: int = -1, last_ns: int = 0
    ) -> None:
        self.total = total
        """Numbers recovered, ever; never falls."""
        self.count = count
        """Of these, since the last request: at most ``total``."""
        self.begun_ns = begun_ns
        """When the last request was sent, or the first number came; -1 before either."""
        self.last_ns = last_ns
        """When the last number came back, or the last request was sent."""

    def begin(self, now_ns: int) -> None:
        """A request was sent."""
        self.count = 0
        self.begun_ns = self.last_ns = now_ns

    def add(self, count: int, now_ns: int) -> None:
        """Numbers came back."""
        if self.begun_ns < 0:
            self.begun_ns = now_ns
        self.total += count
        self.count += count
        self.last_ns = now_ns

    @property
    def rate_per_s(self) -> float | None:
        """Numbers recovered per second since the last request; none while that has no length."""
        elapsed_ns = self.last_ns - self.begun_ns
        return self.count * 1e9 / elapsed_ns if self.count and elapsed_ns > 0 else None

    def drain_ms(self, outstanding: int) -> int | None:
        """Time to recover so many at this rate; none without a rate."""
        rate = self.rate_per_s
        if not outstanding:
            return 0
        return None if rate is None else round(outstanding / rate * 1_000)

    def dump(self) -> list[int]:
        """Its fields, in the order of the constructor."""
        return [self.total, self.count, self.begun_ns, self.last_ns]
