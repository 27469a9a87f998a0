"""Resend requests of one numbering that are not yet answered, and the budget of attempts (R8, R10, R12, R18)."""

from collections import deque
from typing import Final

ATTEMPTS_KEPT_MAX: Final = 1_024
"""Attempts remembered: far above any venue's limit, so forgetting the oldest can hide no alert."""


class Resend:
    """One request of ours and how far its answer has come."""

    __slots__ = ("begun_ns", "chunk_end", "cursor", "deadline_ns", "from_seq", "to_seq")

    def __init__(self, from_seq: int, to_seq: int | None, begun_ns: int) -> None:
        self.from_seq = from_seq
        self.to_seq = to_seq  # None: everything up to now
        self.begun_ns = begun_ns
        self.cursor = from_seq  # the number that the answer should bring next
        self.chunk_end: int | None = None  # the last number that one answer of this venue can hold
        self.deadline_ns: int | None = None  # None: its chunk is complete, nothing more is awaited

    def covers(self, seq: int) -> bool:
        """Whether the number was requested."""
        return seq >= self.from_seq and (self.to_seq is None or seq <= self.to_seq)

    def text(self) -> str:
        """The range as people write it."""
        return f"{self.from_seq}-{'' if self.to_seq is None else self.to_seq}"

    def dump(self) -> list[int | None]:
        """Its state; ``load`` restores it."""
        return [
            self.from_seq, self.to_seq, self.begun_ns, self.cursor, self.chunk_end, self.deadline_ns
        ]  # fmt: skip

    @classmethod
    def load(cls, row: list[int | None]) -> "Resend":
        """Inverse of ``dump``."""
        from_seq, to_seq, begun_ns, cursor, chunk_end, deadline_ns = row
        resend = cls(from_seq or 0, to_seq, begun_ns or 0)
        resend.cursor, resend.chunk_end, resend.deadline_ns = cursor or 0, chunk_end, deadline_ns
        return resend


class Attempts:
    """Logons and resend requests of a session within a sliding window (R18)."""

    __slots__ = ("at_ns", "warned")

    def __init__(self) -> None:
        self.at_ns: deque[int] = deque(maxlen=ATTEMPTS_KEPT_MAX)
        self.warned = False

    def count(self, now_ns: int, window_ns: int) -> int:
        """Attempts younger than the window."""
        while self.at_ns and self.at_ns[0] <= now_ns - window_ns:
            self.at_ns.popleft()
        return len(self.at_ns)

    def add(self, now_ns: int, window_ns: int, attempts_max: int) -> bool:
        """Count one. True when the alert is due: once each time the window fills up to the limit."""
        if self.count(now_ns, window_ns) < attempts_max:
            self.warned = False
        self.at_ns.append(now_ns)
        if len(self.at_ns) < attempts_max or self.warned:
            return False
        self.warned = True
        return True
