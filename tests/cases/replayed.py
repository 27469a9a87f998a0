"""Plays a file of events through the whole core, and reads what came out by time.

As ``reconverge replay FILE --at-end ...`` does it: time comes from the events, deadlines that pass
in between fire at their own time, and then time runs on. Seconds are counted from the second of the
first event.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson
from msgspec.structs import replace

from reconverge.core.control import Policy
from reconverge.core.messages.decode import Undecodable, decode
from reconverge.core.messages.effects import Alert, Cap, Effect, Episode, Transition
from reconverge.core.messages.events import Event, Logon
from reconverge.core.messages.wire import encode
from reconverge.core.partition import Partition, Rejected
from reconverge.core.venue import Venue

HERE: Final = Path(__file__).resolve().parent
SECOND_NS: Final = 1_000_000_000
_EFFECTS: Final = msgspec.json.Decoder(Effect)


class Replayed:
    """One file, played to its end and so many seconds in all."""

    def __init__(
        self,
        path: Path,
        end_s: float,
        policy: Policy | None = None,
        venue: Venue | None = None,
        changed: Callable[[Event], Event] | None = None,
    ) -> None:
        """``venue``: a profile that every logon names; ``changed``: what else to make of events."""
        self.refused: list[str] = []
        """Why lines were set aside: unreadable, or rejected."""
        self.effects: list[Effect] = []
        venues = {} if venue is None else {venue.id: venue}
        self.partition = Partition([policy or Policy()], venues)
        events = self._events(path)
        if venue is not None:
            events = [replace(e, venue=venue.id) if isinstance(e, Logon) else e for e in events]
        if changed is not None:
            events = list(map(changed, events))
        self.start_ns = events[0].ingest_ns // SECOND_NS * SECOND_NS if events else 0
        now_ns = 0
        for event in events:
            now_ns = max(now_ns, event.ingest_ns)
            self._pass(now_ns)
            try:
                self.partition.apply(event, now_ns)
            except Rejected as refused:
                self.refused.append(str(refused))
            self._settle(now_ns)
        end_ns = self.start_ns + round(end_s * SECOND_NS)
        self._pass(end_ns)
        if end_ns > now_ns:
            self._settle(end_ns)

    def _events(self, path: Path) -> list[Event]:
        found = []
        for raw in path.read_bytes().splitlines():
            try:
                found.append(decode(raw))
            except Undecodable as fault:
                self.refused.append(str(fault))
        return found

    def _pass(self, to_ns: int) -> None:
        while (due_ns := self.partition.next_deadline_ns) is not None and due_ns < to_ns:
            self._settle(due_ns)

    def _settle(self, now_ns: int) -> None:
        for effect in self.partition.settle(now_ns):
            assert _EFFECTS.decode(encode(effect)) == effect, "the contract cannot hold it"
            self.effects.append(effect)

    def handed_over(self) -> Partition:
        """The partition as another worker takes it up."""
        rows: list[Any] = orjson.loads(orjson.dumps(list(self.partition.dump())))
        return Partition.load(rows, self.partition.venues)

    # -- what came out --------------------------------------------------------------------------

    def second(self, effect: Effect) -> float:
        """When an effect was decided."""
        return (effect.event_ns - self.start_ns) / SECOND_NS

    @property
    def caps(self) -> list[Cap]:
        """Every cap, in order."""
        return [effect for effect in self.effects if isinstance(effect, Cap)]

    def cap(self, at_s: float) -> Cap:
        """The cap in force at a moment."""
        return [cap for cap in self.caps if self.second(cap) <= at_s][-1]

    def between(self, from_s: float, to_s: float) -> list[Cap]:
        """The cap in force at a moment, and those published from then to another."""
        later = [cap for cap in self.caps if from_s < self.second(cap) <= to_s]
        return [self.cap(from_s), *later]

    @property
    def moves(self) -> list[Transition]:
        """Every transition, in order."""
        return [effect for effect in self.effects if isinstance(effect, Transition)]

    @property
    def states(self) -> list[str]:
        """The states entered, in order."""
        return [move.to_state.value for move in self.moves]

    @property
    def signals(self) -> list[str]:
        """The signals that moved it, in order."""
        return [move.signal for move in self.moves]

    def alerts(self, name: str) -> list[Alert]:
        """The alerts of a name, in order."""
        return [e for e in self.effects if isinstance(e, Alert) and e.name == name]

    @property
    def episodes(self) -> list[Episode]:
        """The latest record of each episode."""
        latest = {e.episode_id: e for e in self.effects if isinstance(e, Episode)}
        return list(latest.values())
