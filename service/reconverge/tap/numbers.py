"""Which numbers of one sender have come, to tell a message that was merely delivered twice.

A queue before us may hold a message twice, as it was (its producer was restarted, say). FIX would
have marked a message that was *sent* twice; without the mark the core takes a number that comes
again for a broken session (R4). A copy has a number that has come and a time that is past.
"""

from typing import Any, Final

from reconverge.tap import tags
from reconverge.tap.wire import FixMessage

MISSING_MAX: Final = 64
"""Ranges of numbers remembered as not come; of more the oldest are forgotten, and late copies of
what they hold would be taken for the first."""
_LOGON, _SEQUENCE_RESET = "A", "4"


class Seen:
    """The numbers of one sender. ``is_copy`` takes each of its messages in, in order."""

    __slots__ = (
        "began_sum", "former_highest", "former_ns", "highest", "last_ns", "missing", "newest_ns",
        "newest_sum",
    )  # fmt: skip

    def __init__(self) -> None:
        self.highest = 0
        self.missing: list[list[int]] = []  # first and last, ascending, below the highest
        self.newest_ns = 0  # SendingTime of the newest message
        self.newest_sum = 0  # of its bytes
        self.began_sum = 0  # of the bytes of the logon with which the numbers began anew
        self.last_ns = 0  # SendingTime of the last message that was no copy
        self.former_highest = 0  # of the numbers before they last began anew
        self.former_ns = 0  # and the time of the last message then

    def dump(self) -> list[Any]:
        """Its state as JSON values; ``load`` restores it."""
        return [getattr(self, name) for name in self.__slots__]

    def load(self, state: list[Any]) -> None:
        """Inverse of ``dump``."""
        for name, value in zip(self.__slots__, state, strict=True):
            setattr(self, name, value)

    def is_copy(self, m: FixMessage, text_sum: int) -> bool:
        """Whether a message has come before; ``text_sum`` is a checksum of all of its bytes."""
        seq, sent_ns = m.integer(tags.MSG_SEQ_NUM), m.time_ns(tags.SENDING_TIME)
        if seq is None or sent_ns is None:
            return False
        if m.flag(tags.POSS_DUP_FLAG):  # FIX's own mark: the core knows what to do
            self._come(seq, self._last(m, seq))
            return False
        is_logon = m.get(tags.MSG_TYPE) == _LOGON
        if (is_logon and text_sum == self.began_sum) or (
            (sent_ns, text_sum) == (self.newest_ns, self.newest_sum)
        ):
            return True
        if sent_ns <= self.former_ns and seq <= self.former_highest:
            return True
        restarts = self._restarts(m, seq, sent_ns)
        if sent_ns <= self.newest_ns and self._has_come(seq) and not restarts:
            return True
        if restarts:
            self.former_highest = max(self.former_highest, self.highest)
            self.former_ns = self.last_ns
            self.highest, self.missing, self.began_sum = seq - 1, [], text_sum
        self._come(seq, self._last(m, seq))
        self.last_ns = sent_ns
        if sent_ns >= self.newest_ns:
            self.newest_ns, self.newest_sum = sent_ns, text_sum
        return False

    def _restarts(self, m: FixMessage, seq: int, sent_ns: int) -> bool:
        """Whether numbers begin anew: said by a logon, or by its number (R36)."""
        if m.get(tags.MSG_TYPE) != _LOGON or sent_ns < self.newest_ns:
            return False
        return m.flag(tags.RESET_SEQ_NUM_FLAG) or (seq == 1 and sent_ns > self.newest_ns)

    def _last(self, m: FixMessage, seq: int) -> int:
        """The last number a message stands for: of a sequence reset the one before the next."""
        if m.get(tags.MSG_TYPE) != _SEQUENCE_RESET:
            return seq
        return max(seq, (m.integer(tags.NEW_SEQ_NO) or 1) - 1)

    def _has_come(self, seq: int) -> bool:
        return seq <= self.highest and not any(a <= seq <= b for a, b in self.missing)

    def _come(self, first: int, last: int) -> None:
        if self.highest and first > self.highest + 1:
            self.missing.append([self.highest + 1, first - 1])
        if self.missing:
            self.missing = [part for a, b in self.missing for part in _without(a, b, first, last)]
            del self.missing[:-MISSING_MAX]
        self.highest = max(self.highest, last)


def _without(a: int, b: int, first: int, last: int) -> list[list[int]]:
    """What a range keeps when another is taken out of it."""
    parts = [[a, min(b, first - 1)], [max(a, last + 1), b]]
    return [part for part in parts if part[0] <= part[1]]
