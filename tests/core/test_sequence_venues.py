"""Venue profiles: every file parses, every number has a source, every mistake is named at once."""

import tomllib
from importlib.resources import files
from typing import Any

import pytest
from pydantic import ValidationError

from reconverge.core.venue import Limits, Venue, parse_venue

PROFILES = {
    entry.name.removesuffix(".toml"): tomllib.loads(entry.read_text(encoding="utf-8"))
    for entry in files("reconverge").joinpath("venues").iterdir()
    if entry.name.endswith(".toml")
}
SETTINGS = set(Venue.model_fields) - {"id", "title", "notes", "sources"}


def test_the_venues_of_the_field_are_there() -> None:
    expected = {
        "cme-ilink3", "cme-drop-copy", "eurex-t7", "nasdaq-ouch", "ice-boe", "fix",
        "lse-fix", "deribit-fix", "coinbase-exchange", "coinbase-intx", "binance-spot",
        "kraken-fix",
    }  # fmt: skip
    assert expected <= PROFILES.keys()


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_a_profile_states_every_setting_with_its_source(name: str) -> None:
    venue = parse_venue(PROFILES[name])
    assert venue.id == name
    assert set(venue.sources) == SETTINGS
    for setting, table in PROFILES[name]["settings"].items():
        stated = "value" in table or table.get("unbounded", False)
        assert stated != (getattr(venue, setting) == Venue.model_fields[setting].default) or (
            stated
        ), f"{name}: {setting}"


def test_cme_bounds_are_those_it_publishes() -> None:
    """R8, R18."""
    drop_copy = parse_venue(PROFILES["cme-drop-copy"])
    assert drop_copy.replay_range_max == 2_500
    assert drop_copy.window_ns == 48 * 3_600 * 1_000_000_000
    assert drop_copy.tightened(Limits(attempts_max=9)) == Limits(
        resend_timeout_ns=30_000_000_000, attempts_max=4, attempts_window_ns=60_000_000_000
    )


@pytest.mark.parametrize("name", ["coinbase-exchange", "coinbase-intx", "binance-spot"])
def test_a_venue_that_resends_nothing_has_lost_what_is_missing(name: str) -> None:
    """R17: only a snapshot tells what was missed."""
    assert parse_venue(PROFILES[name]).retained_max == 1


def test_krakens_day_begins_at_ten_in_the_evening() -> None:
    """R36."""
    assert parse_venue(PROFILES["kraken-fix"]).daily_start_s == 22 * 3_600


def test_without_a_value_the_default_holds_and_unbounded_is_said_aloud() -> None:
    def head(**settings: Any) -> dict[str, Any]:
        return {"id": "x", "title": "X", "settings": settings}

    why = {"source": "here"}
    assert parse_venue(head(replay_range_max=why)).replay_range_max == 2_500
    unbounded = parse_venue(head(replay_range_max={"unbounded": True, **why}))
    assert unbounded.replay_range_max is None


def test_every_mistake_is_named_at_once() -> None:
    document = {
        "id": "x",
        "title": "X",
        "settings": {
            "replay_range_max": {"value": 0, "source": "a"},
            "gap_fill_scope": {"value": "hopeful", "source": "a"},
            "retries": {"value": 1, "source": "a"},
        },
    }
    with pytest.raises(ValidationError) as caught:
        parse_venue(document)
    assert {error["loc"][0] for error in caught.value.errors()} == {
        "replay_range_max",
        "gap_fill_scope",
        "retries",
    }


def test_a_number_without_a_source_is_refused() -> None:
    with pytest.raises(ValidationError, match="source"):
        parse_venue({"id": "x", "title": "X", "settings": {"in_flight_max": {"value": 1}}})
