"""Which numbers of a source were seen, are missing, are lost, or are excused: the state, without
the protocol.

Every number from ``base`` to ``frontier - 1`` is in exactly one of four states. *Missing*
(``open``): it may still come. *Lost*: nothing can replay it. *Excused*: unseen, but someone vouched
that its loss does no harm. *Seen*, or proven to carry nothing: the rest. So three sets of ranges
hold everything. ``numbering`` moves numbers between them.
"""

from collections.abc import Iterator
from itertools import combinations
from typing import Any, Final

from reconverge.core.sequences.gaps import Range, Ranges, Span

COLD: Final = -1
"""Frontier of a source that has shown no number yet."""
EPOCHS_MAX: Final = 16
"""Earlier epochs whose losses are kept apart: numbers restart once a day or once a week.

Older ones are pooled.
"""

_SETS: Final = ("open", "lost", "excused")
_SCALARS: Final = ("epoch", "base", "frontier", "tail_ns", "last_event_ns", "cold", "refused")


class Watermark:
    """The numbers of one source in its present epoch, and what earlier epochs left lost (R14)."""

    __slots__ = ("excused", "lost", "open", "past", *_SCALARS)

    def __init__(self) -> None:
        self.epoch = 0
        """How often the numbers have restarted; never falls."""
        self.base = 0
        """The lowest number known of: at most the frontier. Falls when a request or report names a
        lower one, is 1 after a restart."""
        self.frontier = COLD
        """One above the highest number known of; COLD until there is one. Never falls within an
        epoch."""
        self.tail_ns: int | None = None
        """Since when numbers from the frontier on are known to be missing, of which the last is not
        known; None when there are none such."""
        self.open = Ranges()
        """Missing: may still come. Within base to frontier - 1, like the next two; the three sets
        have no number in common. Opening times never fall along it, nor along ``lost``."""
        self.lost = Ranges()
        """Nothing can replay them. A number leaves when it comes after all, or is excused."""
        self.excused = Ranges()
        """Unseen, vouched to do no harm. A number leaves when it comes after all."""
        self.past: dict[int, Ranges] = {}
        """Lost in earlier epochs, none of the sets empty. At most ``EPOCHS_MAX``."""
        self.last_event_ns = 0
        """Event time of the newest message in number order; 0 before the first."""
        self.cold = False
        """First heard in the middle: what it said before is unknown, not nothing (R40). Until all
        of it is asked for, a snapshot or an operator tells, or numbers restart where the venue
        purges its orders daily."""
        self.refused = 0
        """Messages whose content was refused for their number, ever; never falls (R36)."""

    def check(self) -> None:
        """Raise AssertionError where an invariant does not hold (``-O`` does not strip it)."""
        sets = [getattr(self, name) for name in _SETS]
        for ranges in (*sets, *self.past.values()):
            ranges.check()
        if self.frontier == COLD and any(sets):
            raise AssertionError("numbers are missing of a source that showed none")
        for ranges in sets:
            if ranges and not self.base <= ranges.starts[0] <= ranges.ends[-1] < self.frontier:
                raise AssertionError(f"{list(ranges)} is not within {self.base} to {self.frontier}")
        for ranges in (self.open, self.lost):
            opened_ns = [span.opened_ns for span in ranges.spans]
            if opened_ns != sorted(opened_ns):
                raise AssertionError(f"opening times fall: {list(ranges)}")
        if any(_share(one, other) for one, other in combinations(sets, 2)):
            raise AssertionError("a number is in two states")
        if len(self.past) > EPOCHS_MAX or not all(self.past.values()):
            raise AssertionError(f"losses of {len(self.past)} epochs are kept, one may be empty")

    # -- moves ---------------------------------------------------------------------------------

    def begin(self, seq: int) -> None:
        """The first number known of: what came before it is not ours to miss."""
        self.base = self.frontier = seq
        self.cold = seq > 1

    def miss(self, upto: int, now_ns: int) -> None:
        """The frontier moves up to ``upto``; the numbers that it passes are missing."""
        opened_ns = now_ns if self.tail_ns is None else self.tail_ns
        self.open.add(self.frontier, upto - 1, Span(opened_ns, now_ns, self.last_event_ns))
        self.frontier = upto

    def miss_below(self, from_seq: int, to_seq: int, now_ns: int) -> None:
        """The base moves down to ``from_seq``: missing up to ``to_seq``, not asked for above."""
        opened_ns = now_ns if self.tail_ns is None else self.tail_ns
        span = Span(opened_ns, now_ns, 0)
        self.open.add(from_seq, to_seq, span)
        if to_seq < self.base - 1:
            self.excused.add(to_seq + 1, self.base - 1, span)
        elif from_seq <= 1:
            self.cold = False  # all that came before is asked for
        self.base = from_seq

    def prove(self, from_seq: int, to_seq: int) -> int:
        """The numbers carried nothing. How many of them were missing or lost."""
        before = self.open.total + self.lost.total
        for ranges in (self.open, self.lost, self.excused):
            ranges.cut(from_seq, to_seq)
        return before - self.open.total - self.lost.total

    def lose(self, from_seq: int, to_seq: int, now_ns: int) -> int:
        """The missing numbers of the range can never come. How many they were."""
        pieces = self.open.cut(from_seq, to_seq)
        for first, last, span in pieces:
            self.lost.add(first, last, Span(span.opened_ns, now_ns, span.before_ns))
        return _count(pieces)

    def excuse(self, from_seq: int, to_seq: int, now_ns: int) -> int:
        """The unseen numbers of the range do no harm, in whatever epoch they were.

        How many they were.
        """
        if self.tail_ns is not None and from_seq <= self.frontier <= to_seq:
            self.miss(to_seq + 1, now_ns)
            self.tail_ns = None
        pieces = self.open.cut(from_seq, to_seq) + self.lost.cut(from_seq, to_seq)
        for piece in pieces:
            self.excused.add(*piece)
        for epoch, ranges in list(self.past.items()):
            pieces += ranges.cut(from_seq, to_seq)
            if not ranges:
                del self.past[epoch]
        return _count(pieces)

    def excuse_before(self, since_ns: int, *, missing_too: bool) -> int:
        """What was lost (and missing) before a time does no harm. How many numbers that were."""
        stale = [piece for piece in self.lost if piece.span.latest_ns < since_ns]
        if missing_too:
            stale += [piece for piece in self.open if piece.span.latest_ns < since_ns]
            if self.tail_ns is not None and self.tail_ns < since_ns:
                self.tail_ns = None
        for from_seq, to_seq, span in stale:
            self.open.cut(from_seq, to_seq)
            self.lost.cut(from_seq, to_seq)
            self.excused.add(from_seq, to_seq, span)
        for epoch, ranges in list(self.past.items()):
            if all(piece.span.latest_ns < since_ns for piece in ranges):
                stale += ranges
                del self.past[epoch]
        return _count(stale)

    def next_epoch(self, now_ns: int) -> int:
        """Numbers restart at one: what is missing in this epoch is lost with it.

        How many that were.
        """
        if self.tail_ns is not None:  # a gap of unknown end holds one number at least
            self.miss(self.frontier + 1, now_ns)
            self.tail_ns = None
        missing = self.lose(self.base, self.frontier, now_ns)
        if self.lost and len(self.past) < EPOCHS_MAX:
            self.past[self.epoch] = self.lost
        elif self.lost:
            pool = next(iter(self.past.values()))
            for piece in self.lost:
                pool.add(*piece)
        self.open, self.lost, self.excused = Ranges(), Ranges(), Ranges()
        self.epoch += 1
        self.begin(1)
        return missing

    # -- readings ------------------------------------------------------------------------------

    @property
    def next_expected(self) -> int:
        """The lowest number that may still come, 0 while none is known.

        Lost numbers are not awaited (R3).
        """
        return self.open.starts[0] if self.open.starts else max(self.frontier, 0)

    @property
    def is_whole(self) -> bool:
        """Whether no number of this epoch is missing or lost."""
        return not self.open.starts and not self.lost.starts and self.tail_ns is None

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
        """When the oldest gap was noticed; none without one."""
        return self.open.spans[0].opened_ns if self.open.spans else self.tail_ns

    @property
    def complete_up_to_ns(self) -> int:
        """Event time up to which nothing is missing or lost: of the last message before the first
        hole.

        While a hole is being replayed this does not move: the event times of resent messages are
        not trusted.
        """
        spans = [ranges.spans[0].before_ns for ranges in (self.open, self.lost) if ranges.spans]
        return min(spans, default=self.last_event_ns)

    @property
    def gaps_full(self) -> bool:
        """Whether a bound was reached, so that numbers may count as missing or lost that are not.

        Of the excused no one is misled: at worst a seen message is processed again, and its
        business ids show that.
        """
        if self.open.full or self.lost.full:
            return True
        return any(ranges.full for ranges in self.past.values())

    @property
    def open_gap_count(self) -> int:
        """Missing ranges; one of unknown end may continue the last."""
        if self.tail_ns is None or (self.open.ends and self.open.ends[-1] == self.frontier - 1):
            return len(self.open)
        return len(self.open) + 1

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

    def unseen(self, from_seq: int, to_seq: int) -> bool:
        """Whether any number of the range is missing or lost."""
        return self.open.overlaps(from_seq, to_seq) or self.lost.overlaps(from_seq, to_seq)

    # -- handover ------------------------------------------------------------------------------

    def dump(self) -> Iterator[list[Any]]:
        """The whole state as rows of JSON values, the kind of each first."""
        yield ["watermark", *(getattr(self, name) for name in _SCALARS)]
        for name in _SETS:
            yield from ([name, *row] for row in getattr(self, name).dump())
        for epoch, ranges in self.past.items():
            yield from (["past", epoch, *row] for row in ranges.dump())

    def load_row(self, kind: str, row: list[Any]) -> None:
        """Restore one row of ``dump``."""
        if kind == "watermark":
            for name, value in zip(_SCALARS, row, strict=True):
                setattr(self, name, value)
        elif kind == "past":
            self.past.setdefault(row[0], Ranges()).load_row(row[1:])
        else:
            getattr(self, kind).load_row(row)


def _count(pieces: list[Range]) -> int:
    return sum(piece.to_seq - piece.from_seq + 1 for piece in pieces)


def _share(one: Ranges, other: Ranges) -> bool:
    """Whether two sets have a number in common; not asked at the bound, where ranges swallow what
    lies between them.
    """
    whole = not one.full and not other.full
    return whole and any(other.overlaps(piece.from_seq, piece.to_seq) for piece in one)
