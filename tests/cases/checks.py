"""What may be asked of a replayed file: bounds on the cap over time, states, alerts."""

from collections.abc import Callable

from reconverge.core.messages.effects import Cap
from tests.cases.replayed import Replayed

Check = Callable[[Replayed], None]
END_S = 60.0


def at_most(cap: float, from_s: float, to_s: float = END_S) -> Check:
    """The cap in force is so low from one second to another."""

    def check(played: Replayed) -> None:
        highest = max(played.between(from_s, to_s), key=lambda each: each.cap)
        assert highest.cap <= cap, f"{highest.cap} at {played.second(highest):.3f} s"

    return check


def at_least(cap: float, from_s: float, to_s: float = END_S) -> Check:
    """The cap in force is so high from one second to another."""

    def check(played: Replayed) -> None:
        lowest = min(played.between(from_s, to_s), key=lambda each: each.cap)
        assert lowest.cap >= cap, f"{lowest.cap} at {played.second(lowest):.3f} s"

    return check


def instruments_at_least(cap: float, from_s: float, to_s: float, *but: str) -> Check:
    """Instruments in no doubt, and all that are listed but some, keep so high a cap."""

    def check(played: Replayed) -> None:
        for each in played.between(from_s, to_s):
            assert (each.instrument_cap or 0.0) >= cap, played.second(each)
            others = {symbol: own.cap for symbol, own in each.symbols.items() if symbol not in but}
            assert all(own >= cap for own in others.values()), (played.second(each), others)

    return check


def never_rises(from_s: float, to_s: float = END_S) -> Check:
    """No cap in force is above the one before, of the session or of an instrument in no doubt."""

    def check(played: Replayed) -> None:
        found = played.between(from_s, to_s)
        for caps in ([cap.cap for cap in found], [cap.instrument_cap or 0.0 for cap in found]):
            assert caps == sorted(caps, reverse=True)

    return check


def never_in(*states: str) -> Check:
    """None of these states is entered."""

    def check(played: Replayed) -> None:
        assert not set(states) & set(played.states), played.states

    return check


def enters(*states: str) -> Check:
    """These states are entered, in this order, whatever is in between."""

    def check(played: Replayed) -> None:
        entered = iter(played.states)
        assert all(state in entered for state in states), played.states

    return check


def alerts(name: str, count: int = 1, about: str = "") -> Check:
    """An alert is raised so often, and names what it is about."""

    def check(played: Replayed) -> None:
        found = [alert.detail for alert in played.alerts(name)]
        assert len(found) == count, found
        assert all(about in detail for detail in found), found

    return check


def no_alert(name: str) -> Check:
    """An alert is never raised."""
    return alerts(name, 0)


def holds(what: str, test: Callable[[Replayed], bool]) -> Check:
    """Something else holds of what was played."""

    def check(played: Replayed) -> None:
        assert test(played), what

    return check


def every_cap(what: str, test: Callable[[Cap], bool], from_s: float, to_s: float) -> Check:
    """Something holds of every cap in force from one second to another."""

    def check(played: Replayed) -> None:
        for cap in played.between(from_s, to_s):
            assert test(cap), f"{what}: {cap.cap} at {played.second(cap):.3f} s"

    return check
