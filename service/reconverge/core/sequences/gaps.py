"""Sets of sequence numbers as disjoint ranges: the one data structure of the numberings, and
nothing else.

A source that lost every other message of a day has as many gaps as messages, so a set is two sorted
lists that ``bisect`` searches: O(log gaps) to find a number, one move of a list's tail to split a
range.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final, NamedTuple

GAPS_MAX: Final = 16_384
"""Ranges kept in one set.

A chunk of 2,500 resent numbers can hold 1,250 gaps; this is a dozen of those, costs about 3 MB and
splits in a few microseconds. A source with more is not being recovered, it is being misread.
"""


ROWS_MAX: Final = 1_000
"""Ranges in one row of a dump: at most 130 KB of JSON."""


class Span(NamedTuple):
    """When a range was opened. The parts of a split range inherit it; merged ranges widen it."""

    opened_ns: int
    """When its first number was noticed."""
    latest_ns: int
    """When its last number was noticed: a snapshot begun later already reflects all of it."""
    before_ns: int
    """Event time of the last message before it; 0 when there was none."""


class Range(NamedTuple):
    """Numbers ``from_seq`` to ``to_seq``, both included."""

    from_seq: int
    to_seq: int
    span: Span


class Ranges:
    """A set of numbers, at most ``GAPS_MAX`` ranges of them.

    At that bound it errs on one side only: a number may stay in the set although it was taken out;
    no number leaves that was not.
    """

    __slots__ = ("ends", "full", "spans", "starts", "total")

    def __init__(self) -> None:
        self.starts: list[int] = []
        """First number of each range. The three lists are of one length, at most ``GAPS_MAX``."""
        self.ends: list[int] = []
        """Last number of each range: at least its start, below the next start less one, so that
        neighbours are merged."""
        self.spans: list[Span] = []
        """When each range was opened."""
        self.total = 0
        """Numbers in the set: the sum over its ranges."""
        self.full = False
        """The bound was reached since the set was last empty: a number may be in it that was taken
        out."""

    def check(self) -> None:
        """Raise AssertionError where an invariant does not hold (``-O`` does not strip it)."""
        ranges = list(self)
        if not len(self.starts) == len(self.ends) == len(self.spans) <= GAPS_MAX:
            raise AssertionError("the lists of ranges differ in length or are too long")
        if self.total != sum(piece.to_seq - piece.from_seq + 1 for piece in ranges):
            raise AssertionError(f"{self.total} numbers are counted in {ranges}")
        if any(piece.from_seq > piece.to_seq for piece in ranges):
            raise AssertionError(f"a range is empty: {ranges}")
        for former, later in pairwise(ranges):
            if former.to_seq + 1 >= later.from_seq:
                raise AssertionError(f"ranges overlap or touch: {former}, {later}")
        if self.full and not ranges:
            raise AssertionError("an empty set is full")

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[Range]:
        return map(Range, self.starts, self.ends, self.spans)

    def __contains__(self, seq: int) -> bool:
        i = bisect_right(self.starts, seq) - 1
        return i >= 0 and self.ends[i] >= seq

    def overlaps(self, from_seq: int, to_seq: int) -> bool:
        """Whether any number of the range is in the set."""
        i = bisect_left(self.ends, from_seq)
        return i < len(self.starts) and self.starts[i] <= to_seq and from_seq <= to_seq

    def discard(self, seq: int) -> bool:
        """Take one number out. True when it was in."""
        starts = self.starts
        i = bisect_right(starts, seq) - 1
        if i < 0:
            return False
        end = self.ends[i]
        if end < seq:
            return False
        if starts[i] == seq:
            self.total -= 1
            if end == seq:
                self._delete(i)
            else:
                starts[i] = seq + 1
        elif end == seq:
            self.total -= 1
            self.ends[i] = seq - 1
        else:
            self._split(i, seq, seq)
        return True

    def _delete(self, i: int) -> None:
        del self.starts[i], self.ends[i], self.spans[i]
        if not self.starts:
            self.full = False

    def _split(self, i: int, from_seq: int, to_seq: int) -> bool:
        """Cut a hole strictly inside range ``i``. False, and nothing changed, at the bound."""
        if len(self.starts) >= GAPS_MAX:
            self.full = True
            return False
        self.starts.insert(i + 1, to_seq + 1)
        self.ends.insert(i, from_seq - 1)
        self.spans.insert(i, self.spans[i])
        self.total -= to_seq - from_seq + 1
        return True

    def cut(self, from_seq: int, to_seq: int) -> list[Range]:
        """Take a range of numbers out; what was in, in order."""
        i = bisect_left(self.ends, from_seq)
        j = bisect_right(self.starts, to_seq)
        if i >= j or from_seq > to_seq:
            return []
        if i == j - 1 and self.starts[i] < from_seq and to_seq < self.ends[i]:
            span = self.spans[i]
            return [Range(from_seq, to_seq, span)] if self._split(i, from_seq, to_seq) else []
        taken = [
            Range(max(start, from_seq), min(end, to_seq), span)
            for start, end, span in zip(
                self.starts[i:j], self.ends[i:j], self.spans[i:j], strict=True
            )
        ]
        self.total -= sum(piece.to_seq - piece.from_seq + 1 for piece in taken)
        if self.starts[i] < from_seq:  # the first range keeps its head
            self.ends[i] = from_seq - 1
            i += 1
        if self.ends[j - 1] > to_seq:  # the last range keeps its tail
            self.starts[j - 1] = to_seq + 1
            j -= 1
        del self.starts[i:j], self.ends[i:j], self.spans[i:j]
        if not self.starts:
            self.full = False
        return taken

    def add(self, from_seq: int, to_seq: int, span: Span) -> None:
        """Put a range of numbers in, merged with what it touches.

        Numbers below an open range were missed no later than it, so the opening time never falls
        along the set.
        """
        i = bisect_left(self.ends, from_seq - 1)
        j = bisect_right(self.starts, to_seq + 1)
        if i == j and len(self.starts) >= GAPS_MAX:  # no room: swallow what lies between
            self.full = True
            i, j = (i - 1, j) if i else (i, j + 1)
        if i == j:
            self._insert(i, from_seq, to_seq, span)
            return
        touched = self.spans[i:j]
        held = sum(self.ends[k] - self.starts[k] + 1 for k in range(i, j))
        start, end = min(from_seq, self.starts[i]), max(to_seq, self.ends[j - 1])
        self.starts[i:j], self.ends[i:j] = [start], [end]
        self.spans[i:j] = [
            Span(
                min(span.opened_ns, touched[0].opened_ns),
                max(span.latest_ns, *(old.latest_ns for old in touched)),
                min(span.before_ns, touched[0].before_ns),
            )
        ]
        self.total += end - start + 1 - held

    def _insert(self, i: int, from_seq: int, to_seq: int, span: Span) -> None:
        if i < len(self.starts) and self.spans[i].opened_ns < span.opened_ns:
            span = span._replace(opened_ns=self.spans[i].opened_ns)
        self.starts.insert(i, from_seq)
        self.ends.insert(i, to_seq)
        self.spans.insert(i, span)
        self.total += to_seq - from_seq + 1

    # -- handover ------------------------------------------------------------------------------

    def dump(self) -> Iterator[list[Any]]:
        """Rows of JSON values, at most ``ROWS_MAX`` ranges each; none for an empty set."""
        for i in range(0, len(self.starts), ROWS_MAX):
            part = slice(i, i + ROWS_MAX)
            yield [self.full, self.starts[part], self.ends[part], list(map(list, self.spans[part]))]

    def load_row(self, row: list[Any]) -> None:
        """Append one row of ``dump``."""
        self.full, starts, ends, spans = row
        self.starts += starts
        self.ends += ends
        self.spans += map(Span._make, spans)
        self.total += sum(ends) - sum(starts) + len(starts)
