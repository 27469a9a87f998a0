"""Caps of instruments: one ambiguous instrument need not throttle the others (DOMAIN §10).

Most instruments are in no doubt. They share one cap, the *instrument cap*: replay and freshness are
the session's, agreement is 1. Only those in doubt, those whose own cap still rises to it, and those
that a policy names have a cap of their own. Where that is not safe (more in doubt than a record
holds, or a doubt whose instrument is unknown, R37) the instrument cap falls to the session's cap.

Work is O(instruments whose orders changed or whose cap rises), whatever the number of instruments.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from reconverge.core.control.cap import CapLimit, Governor, Standing, limit, rounded
from reconverge.core.control.confidence import agreement
from reconverge.core.control.policy import Policy
from reconverge.core.messages.effects import SymbolCap
from reconverge.core.orders import Watch

SYMBOLS_MAX: Final = 64
"""Instruments with a cap of their own in one record: 5 kB of it."""


class Instruments:
    """The caps of one session's instruments, under one policy and those of instruments."""

    __slots__ = (
        "_agreed", "_doubts", "_listed", "_seen", "common", "governors", "named", "policy",
    )  # fmt: skip

    def __init__(self, policy: Policy, named: Mapping[str, Policy]) -> None:
        self.policy = policy
        self.named = named
        """Policies of the instruments that a policy names."""
        self.common = Governor()
        """The instrument cap."""
        self.governors: dict[str, Governor] = {}
        """Caps of instruments' own; none is kept for one that just has the instrument cap."""
        self._agreed: dict[str, float] = {}
        """Agreement of each instrument in doubt, below 1."""
        self._doubts: list[tuple[float, str]] = []
        """The same, worst first."""
        self._seen: tuple[Standing, float, float] | None = None
        """What the caps were last governed by: standing, replay × freshness, session's cap."""
        self._listed: dict[str, SymbolCap] = {}

    def adopt(self, policy: Policy, named: Mapping[str, Policy]) -> None:
        """Another policy applies; every instrument is to be weighed anew."""
        self.policy, self.named, self._seen = policy, named, None
        self._agreed.clear()
        self._doubts.clear()

    # -- who is in doubt --------------------------------------------------------------------------

    def weigh(self, watch: Watch, changed: Iterable[str]) -> bool:
        """Weigh the instruments that changed; whether the agreement of any did."""
        moved = False
        for symbol in changed:
            was = self._agreed.pop(symbol, 1.0)
            agreed = agreement(watch.symbol(symbol), self.named.get(symbol, self.policy))
            if was < 1:
                del self._doubts[bisect_left(self._doubts, (was, symbol))]
            if agreed < 1:
                self._agreed[symbol] = agreed
                insort(self._doubts, (agreed, symbol))
            moved = moved or agreed != was
        return moved

    @property
    def known(self) -> Iterable[str]:
        """Instruments that were in doubt when last weighed."""
        return self._agreed

    @property
    def in_doubt(self) -> list[str]:
        """Instruments in doubt that are known, worst first; as many as a record holds."""
        return [symbol for _, symbol in self._doubts[: SYMBOLS_MAX + 1] if symbol][:SYMBOLS_MAX]

    @property
    def overflows(self) -> bool:
        """A doubt may be of an instrument that has no cap of its own."""
        return "" in self._agreed or len(self._doubts) > SYMBOLS_MAX

    # -- caps -------------------------------------------------------------------------------------

    def govern(
        self, standing: Standing, sourced: float, session: Governor, now_ns: int, *, moved: bool
    ) -> None:
        """Move every cap that is to move.

        ``sourced`` is replay × freshness, ``moved`` whether the agreement of any instrument is
        another than before.
        """
        seen = standing, sourced, session.value
        if not moved and seen == self._seen and not self.rises:
            return
        self._seen = seen
        before = self.common.value, self.common.rising_ns, self.common.told
        bound = limit(standing, sourced, None, self.policy)
        self._move(self.common, bound, standing, self.policy, now_ns)
        if self.overflows:
            self.common.clamp(session.value, now_ns, may_rise=standing.may_rise)
        elif self.common.value < session.value:  # which had begun to rise a moment earlier
            self.common.value = session.value
        caps = {
            symbol: self._own(symbol, standing, sourced, before, now_ns)
            for symbol in {**dict.fromkeys(self.in_doubt), **self.governors, **self.named}
        }
        self._list(caps, session, standing, now_ns)

    @property
    def rises(self) -> bool:
        """A cap moves with time."""
        return self.common.rising or any(own.rising for own in self.governors.values())

    def _own(
        self,
        symbol: str,
        standing: Standing,
        sourced: float,
        before: tuple[float, int | None, float],
        now_ns: int,
    ) -> float:
        policy = self.named.get(symbol, self.policy)
        governor = self.governors.get(symbol)
        if governor is None:
            governor = self.governors[symbol] = Governor(*before)
        bound = limit(standing, self._agreed.get(symbol, 1.0) * sourced, None, policy)
        top = limit(standing, 1.0, None, self.policy)  # the session's ceilings bind them all (S3)
        self._move(governor, min(bound, top), standing, policy, now_ns)
        return governor.value

    @staticmethod
    def _move(
        governor: Governor, bound: CapLimit, standing: Standing, policy: Policy, now_ns: int
    ) -> None:
        governor.govern(bound, policy.cap.ramp_per_s, now_ns, may_rise=standing.may_rise)

    def _list(
        self, caps: Mapping[str, float], session: Governor, standing: Standing, now_ns: int
    ) -> None:
        """Choose whose cap is listed: in doubt, worst first; then still rising; then named."""
        doubted = dict.fromkeys(self.in_doubt)
        rising = [s for s in caps if s not in doubted and caps[s] < self.common.value]
        named = [s for s in self.named if s not in doubted and s not in rising]
        wanted = [*doubted, *sorted(rising, key=lambda s: (caps[s], s)), *sorted(named)]
        left_out = wanted[SYMBOLS_MAX:]
        if left_out:  # none is left out unsafely
            lowest = min(session.value, *(caps[s] for s in left_out if s in self.named), 1.0)
            self.common.clamp(lowest, now_ns, may_rise=standing.may_rise)
        kept = wanted[:SYMBOLS_MAX]
        self.governors = {symbol: self.governors[symbol] for symbol in kept}
        self._listed = {
            symbol: SymbolCap(
                cap=rounded(caps[symbol]), confidence=round(self._agreed.get(symbol, 1.0), 6)
            )
            for symbol in kept
        }

    # -- publishing -------------------------------------------------------------------------------

    @property
    def listed(self) -> dict[str, SymbolCap]:
        """Instruments with a cap of their own, in the order of a record."""
        return self._listed

    def is_news(self, told: Sequence[str]) -> bool:
        """Another cap is to be published; ``told`` are the instruments listed last."""
        if self.common.is_news():
            return True
        if not self._listed:
            return bool(told)
        if set(told) != set(self._listed):
            return True
        return any(own.is_news() for own in self.governors.values())

    def published(self) -> None:
        """The caps as they stand were published."""
        for governor in (self.common, *self.governors.values()):
            governor.told = rounded(governor.value)

    # -- persistence ------------------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        """JSON-able content; ``restore`` takes it up. Doubts are weighed anew."""
        own = {symbol: governor.dump() for symbol, governor in self.governors.items()}
        return {"common": self.common.dump(), "own": own}

    def restore(self, dumped: dict[str, Any]) -> None:
        """Take up the caps that were dumped."""
        self.common = Governor(*dumped["common"])
        self.governors = {symbol: Governor(*own) for symbol, own in dumped["own"].items()}
