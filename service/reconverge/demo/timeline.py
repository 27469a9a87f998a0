"""Time in the demo: the recording's own clock, the clock it is played on, and the way between them.

Played at speed N, a second of the recording takes 1/N of a second. A policy that waits for seconds
must then wait for 1/N of them too, or it would judge another incident: ``quicker`` divides every
duration of a policy. Figures are told in the recording's seconds.
"""

from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from reconverge.core.control import Policy, parse
from reconverge.core.messages.events import Event, Logon, NewOrder, ParentOrder

SPEED_MAX: Final = 20
"""At which the policy's heartbeat of a second reaches the shortest one that a policy may have."""


class Timeline(NamedTuple):
    """Lays the recording's time onto another clock. Nanoseconds, UTC."""

    recorded_ns: int
    """A moment of the recording,"""
    played_ns: int
    """and when it is played."""
    speed: float = 1.0

    def played(self, recorded_ns: int) -> int:
        """When a moment of the recording is played."""
        return self.played_ns + round((recorded_ns - self.recorded_ns) / self.speed)

    def recorded(self, played_ns: int) -> int:
        """The recording's time at a moment of the playing."""
        return self.recorded_ns + round((played_ns - self.played_ns) * self.speed)

    def recorded_s(self, played_ms: float) -> float:
        """A played duration as the recording's. Milliseconds in, seconds out."""
        return played_ms * self.speed / 1_000

    def event(self, event: Event) -> Event:
        """An event of the recording as it is played: nothing but its times is another."""
        changed: dict[str, Any] = {
            "event_ns": self.played(event.event_ns),
            "ingest_ns": self.played(event.ingest_ns),
        }
        match event:
            case Logon(heartbeat_ms=int(heartbeat_ms)):
                changed["heartbeat_ms"] = round(heartbeat_ms / self.speed)
            case NewOrder(decision_ns=int(decision_ns)):
                changed["decision_ns"] = self.played(decision_ns)
            case ParentOrder():
                changed["schedule"] = tuple(
                    replace(point, at_ns=self.played(point.at_ns)) for point in event.schedule
                )
        return replace(event, **changed)


def quicker(policy: Policy, speed: float) -> Policy:
    """The policy with every duration divided by ``speed``.

    Raises PolicyRefused beyond ``SPEED_MAX``.
    """
    document = policy.model_dump(mode="json")
    for section in ("similarity", "replay", "freshness", "recovery", "cap"):
        for name, value in document[section].items():
            if name.endswith("_ms"):
                document[section][name] = round(value / speed)
    document["cap"]["ramp_per_s"] *= speed
    return parse(document)
