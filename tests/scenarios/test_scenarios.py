"""Every scenario says what the core does, and together they show every rule and every move."""

import re
from pathlib import Path

import pytest

from reconverge.core.control import TABLE
from tests.scenarios.transcript import HERE, Scenario

SCENARIOS = sorted(HERE.glob("*.txt"))
DOMAIN = HERE.parent.parent / "docs" / "domain.md"
RULES = set(re.findall(r"^- \*\*([RS]\d+)\*\*", DOMAIN.read_text(), re.MULTILINE))


def named(path: Path, what: str) -> list[str]:
    """What a scenario's header says it shows: ``rules`` or ``rows``."""
    found = re.search(rf"^# {what}: (.*)$", path.read_text(), re.MULTILINE)
    return found[1].split() if found else []


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_core_answers_as_the_scenario_says(path: Path) -> None:
    text = path.read_text()
    scenario = Scenario()
    assert scenario.play(text) == text
    taken = {f"{state}/{signal}" for state, signal in scenario.transitions}
    assert set(named(path, "rows")) <= taken
    assert set(named(path, "rules")) <= RULES
    assert named(path, "rules")


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_handover_after_every_line_changes_nothing(path: Path) -> None:
    text = path.read_text()
    assert Scenario(restarting=True).play(text) == text


def test_the_domain_numbers_its_rules_without_a_hole() -> None:
    orders_and_numbers = {f"R{n}" for n in range(1, 35) if n != 19}
    assert orders_and_numbers | {f"S{n}" for n in range(1, 9)} == RULES


def test_every_rule_has_a_scenario() -> None:
    shown = {rule for path in SCENARIOS for rule in named(path, "rules")}
    assert shown == RULES


def test_every_row_that_moves_has_a_scenario() -> None:
    shown = {row for path in SCENARIOS for row in named(path, "rows")}
    moving = {f"{state}/{signal}" for (state, signal), row in TABLE.items() if row.to is not None}
    assert shown == moving
