"""Alarms: what falls the cap without moving a state, told once, when it begins to hold (DOMAIN §8).

Levels, weighed at every settling: a source that fell silent, a cold start, a weak witness, executed
quantities that differ. What truth notices by itself is told by ``notices``.
"""

from collections.abc import Iterator
from typing import Any, Final, Literal, NamedTuple

from reconverge.core.control.policy import MS_NS, Policy
from reconverge.core.orders import Watch
from reconverge.core.source import SourceReading
from reconverge.core.sources import SourceSummary

AlarmName = Literal["source_silent", "cold_start", "witness_weak", "executed_differs"]
FRESH_NS: Final = 5_000_000_000
"""A source that was silent must be fresh for so long before its next silence is told."""
ORDERS_TOLD: Final = 20
"""Orders named in one alarm: enough to act on."""
EXECUTED_EVERY_NS: Final = 10_000_000_000
"""Least time between two alarms of executed quantities: a feed that loses fills loses many."""

ALARMS: Final[dict[AlarmName, str]] = {
    "source_silent": (
        "A source that this session needs has fallen silent or disconnected, and the cap falls with"
        " its freshness. Restore the feed. A drop-copy channel that is gone for good is retired by"
        " its logout, or by an attestation that names it: `reconverge attest --channel NAME`."
    ),
    "cold_start": (
        "A source was first heard in the middle of its numbers: earlier orders are unknown, not"
        " absent (R40), and the cap stays at `cap.cold_start`. Request a mass status, or attest."
    ),
    "witness_weak": (
        "The policy in force does without an independent drop copy: every ceiling is lower, and"
        " nothing but snapshots (or numbers alone) shows what the venue has. It stands while"
        " `witness.mode` is not `drop_copy`; every cap says so."
    ),
    "executed_differs": (
        "The two views differ on what orders with nothing open have executed: one of them lost"
        " fills. Compare with the venue's records; a snapshot that states executed quantities, or"
        " an attestation, ends the doubt."
    ),
}
"""What each means to the person on call, and what to do."""


class Alarm(NamedTuple):
    """One alarm, and what it is about."""

    name: AlarmName
    detail: str


_PLAIN: Final = (
    "begun_ns", "cold", "executed", "executed_count", "executed_ns", "silent", "weak",
)  # fmt: skip
"""All that is kept: JSON can carry it as it is."""


class Alarms:
    """What holds of one session, as far as it was told."""

    __slots__ = (*_PLAIN,)

    def __init__(self) -> None:
        self.begun_ns: int | None = None
        """When it was first looked: a source that was never heard is silent since then."""
        self.silent: dict[str, int | None] = {}
        """Sources that were told to be silent: since when they are fresh again, None while not."""
        self.cold = False
        """The cold start was told."""
        self.weak = ""
        """The weak witness that was told."""
        self.executed_ns: int | None = None
        """When executed quantities were last told to differ."""
        self.executed: list[str] = []
        """The first orders of which that is still to be told; at most ``ORDERS_TOLD``."""
        self.executed_count = 0
        """How many they are in all."""

    def look(
        self, summary: SourceSummary, watch: Watch, policy: Policy, now_ns: int
    ) -> Iterator[Alarm]:
        """What begins to hold at this settling."""
        if self.begun_ns is None:
            self.begun_ns = now_ns
        for source in summary.required:
            lag_ns = source.lag_ns if source.heard_ns >= 0 else now_ns - self.begun_ns
            yield from self._source(source, lag_ns, policy, now_ns)
        if self.silent:
            known = {_name(source) for source in summary.required}
            self.silent = {name: since for name, since in self.silent.items() if name in known}
        if summary.cold_start and not self.cold:
            yield Alarm("cold_start", "earlier orders are unknown until a snapshot or attestation")
        self.cold = summary.cold_start
        mode = policy.witness.mode
        if mode not in {"drop_copy", self.weak}:
            yield Alarm("witness_weak", f"{mode}: every ceiling times {policy.witness.factor:g}")
        self.weak = "" if mode == "drop_copy" else mode
        if watch.executed_found:
            room = ORDERS_TOLD - len(self.executed)
            self.executed += [order.name for order in watch.executed_found[:room]]
            self.executed_count += len(watch.executed_found)
            watch.executed_found.clear()
        if self.executed_count:
            yield from self._executed(now_ns)

    def _executed(self, now_ns: int) -> Iterator[Alarm]:
        told_ns, count = self.executed_ns, self.executed_count
        if told_ns is not None and now_ns - told_ns < EXECUTED_EVERY_NS:
            return
        names = " ".join(self.executed)
        more = f" and {count - ORDERS_TOLD} more" if count > ORDERS_TOLD else ""
        self.executed_ns, self.executed, self.executed_count = now_ns, [], 0
        yield Alarm("executed_differs", names + more)

    def _source(
        self, source: SourceReading, lag_ns: float, policy: Policy, now_ns: int
    ) -> Iterator[Alarm]:
        name, rules = _name(source), policy.freshness
        if source.channel is None and source.down:
            return  # the path says itself that it is down, and the machine acts on it
        gone = source.down
        if gone or lag_ns >= rules.lag_hard_ms * MS_NS:
            if name not in self.silent:
                yield Alarm("source_silent", f"{name}: {'disconnected' if gone else 'silent'}")
            self.silent[name] = None
        elif name in self.silent:
            since_ns = self.silent[name]
            if lag_ns > rules.lag_soft_ms * MS_NS:
                self.silent[name] = None
            elif since_ns is None:
                self.silent[name] = now_ns
            elif now_ns - since_ns >= FRESH_NS:
                del self.silent[name]

    def dump(self) -> list[Any]:
        """JSON-able content; ``load`` restores it."""
        return [getattr(self, name) for name in _PLAIN]

    @classmethod
    def load(cls, dumped: list[Any]) -> "Alarms":
        """The alarms that were dumped."""
        alarms = cls()
        for name, value in zip(_PLAIN, dumped, strict=True):
            setattr(alarms, name, value)
        return alarms


def _name(source: SourceReading) -> str:
    return source.channel or "entry"
