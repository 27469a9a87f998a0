"""Every scenario says what the core does, and together they show every rule and every move."""

import re
from pathlib import Path

import pytest

from tests.scenarios.transcript import HERE, Scenario

SCENARIOS = sorted(HERE.glob("*.txt"))
RULES = {f"R{n}" for n in range(1, 35)} | {f"S{n}" for n in range(1, 9)}
"""The numbered rules of docs/domain.md."""


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
