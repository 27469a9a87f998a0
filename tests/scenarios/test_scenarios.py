"""Every scenario says what the core does, and together they show every rule and every move."""

from pathlib import Path

import pytest

from reconverge.core.control import TABLE
from tests.rules import AHEAD, RULES, headed, in_code, shown
from tests.scenarios.transcript import HERE, Scenario

SCENARIOS = sorted(HERE.glob("*.txt"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_core_answers_as_the_scenario_says(path: Path) -> None:
    text = path.read_text()
    scenario = Scenario()
    assert scenario.play(text) == text
    taken = {f"{state}/{signal}" for state, signal in scenario.transitions}
    assert set(headed(path, "rows")) <= taken
    assert set(headed(path, "rules")) <= RULES
    assert headed(path, "rules")


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_handover_after_every_line_changes_nothing(path: Path) -> None:
    text = path.read_text()
    assert Scenario(restarting=True).play(text) == text


def test_the_domain_numbers_its_rules_without_a_hole() -> None:
    of_truth, of_safety = ({f"R{n}" for n in range(1, 44)}, {f"S{n}" for n in range(1, 10)})
    assert of_truth | of_safety == RULES


def test_every_rule_has_a_scenario() -> None:
    assert RULES - shown() - AHEAD == set()
    assert shown() - RULES == set()


def test_every_rule_is_named_where_it_is_obeyed() -> None:
    assert RULES - in_code() - AHEAD == set()


def test_every_row_that_moves_has_a_scenario() -> None:
    told = {row for path in SCENARIOS for row in headed(path, "rows")}
    moving = {f"{state}/{signal}" for (state, signal), row in TABLE.items() if row.to is not None}
    assert told == moving
