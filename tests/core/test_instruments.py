"""Caps of instruments (DOMAIN §10): those in no doubt trade on, and none is left out unsafely."""

import pytest

from reconverge.core.control import instruments
from reconverge.core.messages.effects import Cap
from tests.scenarios.transcript import Scenario

BOTH = "+0 entry+DC1< logon\n+12 tick\n"


def played(script: str) -> Scenario:
    scenario = Scenario()
    scenario.play(script)
    return scenario


def caps(script: str) -> list[Cap]:
    return [effect for effect in played(script).effects if isinstance(effect, Cap)]


def traded(*symbols: str, size: int = 100) -> str:
    """An order in each instrument, known to both views."""
    return "".join(
        f"+0 entry> new O{s} {size} sym={s}\n+0 entry+DC1< new O{s} 0/{size}\n" for s in symbols
    )


def doubted(*symbols: str) -> str:
    """A new order in each instrument that is not answered."""
    return "".join(f"+0 entry> new N{s} sym={s}\n" for s in symbols)


def test_one_instrument_in_doubt_leaves_the_others_and_those_never_traded_alone() -> None:
    last = caps(BOTH + traded("A", "B", "C") + "+1 tick\n" + doubted("B") + "+1 tick")[-1]
    assert set(last.symbols) == {"B"}
    assert last.symbols["B"].cap < last.cap < last.instrument_cap == 1.0  # type: ignore[operator]


def test_those_in_doubt_are_listed_worst_first() -> None:
    script = BOTH + traded("A", size=300) + traded("B") + doubted("A", "B", "C") + "+1 tick"
    listed = caps(script)[-1].symbols
    assert list(listed) == ["C", "B", "A"]
    assert [own.cap for own in listed.values()] == sorted(own.cap for own in listed.values())


def test_an_instrument_comes_back_by_its_own_ramp_and_is_listed_until_it_is_there() -> None:
    mended = "+0 entry+DC1< new NB 0/100\n"
    script = BOTH + traded("A", "B", "C") + doubted("B") + "+2 tick\n" + mended + "+9 tick\n"
    found = caps(script)
    at_ns = max(cap.event_ns for cap in found) - 9 * 10**9
    for cap in found:
        if cap.event_ns > at_ns and "B" in cap.symbols:
            own = cap.symbols["B"]
            assert own.cap <= 0.5 + (cap.event_ns - at_ns) / 1e10 + 1e-9
            assert own.confidence == 1.0
    assert found[-1].symbols == {}


def test_the_states_ceiling_binds_every_instrument() -> None:
    high = "policy cap.ramp_per_s = 10\n"
    named = "+0 control policy id=wide scope.symbols='[\"W\"]' cap.ceiling.state_diverged=0.3\n"
    last = caps(high + BOTH + named + "+0 DC1< new X 0/900 sym=X\n+4 tick")[-1]
    assert last.state.value == "STATE_DIVERGED"
    assert last.instrument_cap == last.symbols["W"].cap == 0.2


@pytest.mark.source
def test_with_more_in_doubt_than_a_record_holds_nobody_has_more_than_the_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(instruments, "SYMBOLS_MAX", 2)
    agreed = BOTH + traded(*"ABCDEFGH")
    two = caps(agreed + doubted("A", "B") + "+1 tick")[-1]
    assert set(two.symbols) == {"A", "B"}
    assert two.instrument_cap == 1.0
    three = caps(agreed + doubted("A", "B", "C") + "+1 tick")[-1]
    assert len(three.symbols) == 2
    assert three.instrument_cap == three.cap


@pytest.mark.source
def test_what_a_policy_names_is_not_left_out_unsafely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instruments, "SYMBOLS_MAX", 1)
    named = (
        '+0 control policy id=low scope.symbols=\'["L", "M"]\''
        " cap.ceiling.healthy=0.3 cap.ceiling.stable=0.3 cap.ceiling.controlled_reentry=0.3"
        " cap.ceiling.replay_syncing=0.3\n"
    )
    last = caps(BOTH + named + "+1 tick")[-1]
    assert set(last.symbols) == {"L"}
    assert last.instrument_cap == 0.3
    assert last.cap == 1.0


def test_a_doubt_whose_instrument_is_unknown_may_be_of_any() -> None:
    """R37."""
    last = caps(BOTH + traded("A", "B") + "+0 entry> mass-cancel M\n+1 tick")[-1]
    assert last.cap < 1.0
    assert last.instrument_cap == last.cap


def test_a_named_instrument_has_its_policy_before_its_first_order_and_as_long_as_it_holds() -> None:
    named = (
        "+0 control policy id=group scope.symbols='[\"XYZ\"]' cap.ceiling.healthy=0.4"
        " cap.ceiling.stable=0.4 cap.ceiling.controlled_reentry=0.4"
        " cap.ceiling.replay_syncing=0.4\n"
    )
    elsewhere = named.replace("scope.symbols", "scope.venue=other scope.symbols")
    assert caps(BOTH + named + "+1 tick")[-1].symbols["XYZ"].cap == 0.4
    found = caps(BOTH + named + "+1 tick\n" + elsewhere + "+1 tick\n+7 tick")
    rising = [cap.symbols["XYZ"].cap for cap in found if "XYZ" in cap.symbols]
    assert rising[-1] > 0.4
    assert found[-1].symbols == {}


def test_nothing_is_weighed_while_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lasting doubt costs nothing at a settling, whatever the number of instruments."""
    scenario = played(BOTH + traded("A", "B", "C") + doubted("B") + "+9 tick\n")
    control = scenario.partition.sessions["S"].control
    weighed = list(control.watch.changed_symbols())
    assert weighed == []
    listed = control.publisher.instruments.listed
    scenario.partition.sessions["S"].settle(scenario.now_ns + 1)
    assert control.publisher.instruments.listed is listed
