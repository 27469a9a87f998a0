"""Resend requests, their answers' progress (R8-R12), and the budget of attempts (R18)."""

from collections import deque
from typing import Any, Final

ATTEMPTS_KEPT_MAX: Final = 1_024
"""Attempts remembered: far above any venue's limit, so that forgetting the oldest hides no alert.
"""


class Resend:
    """One request of ours.

    It bounds what its answer may prove (R11) until the next request takes its place.
    """

    __slots__ = ("begun_ns", "chunk_end", "cursor", "deadline_ns", "from_seq", "to_seq")

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
        self.to_seq = to_seq  # None: everything up to now
        self.begun_ns = begun_ns
        self.chunk_end = (
            chunk_end  # the last number one answer of this venue can hold; None: no bound
        )
        self.deadline_ns = deadline_ns  # None: nothing more is awaited from it
        self.cursor = cursor  # the number its answer should bring next

    def covers(self, seq: int) -> bool:
        """Whether the number was requested."""
        return seq >= self.from_seq and (self.to_seq is None or seq <= self.to_seq)

    def __str__(self) -> str:
        return f"{self.from_seq}-{'' if self.to_seq is None else self.to_seq}"

    def dump(self) -> list[Any]:
        """Its fields, in the order of the constructor."""
        return [
            self.from_seq, self.to_seq, self.begun_ns,
            self.chunk_end, self.deadline_ns, self.cursor,
        ]  # fmt: skip


class Recovery:
    """How fast missing numbers come back."""

    __slots__ = ("begun_ns", "count", "last_ns", "total")

    def __init__(
        self, total: int = 0, count: int = 0, begun_ns: int = -1, last_ns: int = 0
    ) -> None:
        self.total = total  # numbers recovered, ever
        self.count = count  # of these, since the last request
        self.begun_ns = begun_ns  # of the last request, or of the first number; -1 before
        self.last_ns = last_ns

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


class Attempts:
    """Logons and resend requests of a session within a sliding window (R18)."""

    __slots__ = ("_at_ns", "_warned")

    def __init__(self) -> None:
        self._at_ns: deque[int] = deque(maxlen=ATTEMPTS_KEPT_MAX)
        self._warned = False

    def count(self, now_ns: int, window_ns: int) -> int:
        """Attempts younger than the window."""
        while self._at_ns and self._at_ns[0] <= now_ns - window_ns:
            self._at_ns.popleft()
        return len(self._at_ns)

    def add(self, now_ns: int, window_ns: int, attempts_max: int) -> bool:
        """Count one.

        True when the alert is due: once each time the window fills up to the limit.
        """
        if self.count(now_ns, window_ns) < attempts_max:
            self._warned = False
        self._at_ns.append(now_ns)
        if len(self._at_ns) < attempts_max or self._warned:
            return False
        self._warned = True
        return True

    def dump(self) -> list[Any]:
        """Its state; ``load`` restores it."""
        return [self._warned, *self._at_ns]

    def load(self, row: list[Any]) -> None:
        """Inverse of ``dump``."""
        self._warned, *at_ns = row
        self._at_ns.extend(at_ns)
