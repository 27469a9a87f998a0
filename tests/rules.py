"""The rules of docs/domain.md, who cites them, and which are written down ahead of the code."""

import re
from collections.abc import Iterable
from pathlib import Path

import reconverge

ROOT = Path(__file__).parents[1]
DOMAIN = ROOT / "docs" / "domain.md"
SCENARIOS = ROOT / "tests" / "scenarios"

RULES = set(re.findall(r"^- \*\*([RS]\d+)\*\*", DOMAIN.read_text(), re.MULTILINE))
ORDERED = sorted(RULES, key=lambda rule: (rule[0], int(rule[1:])))

AHEAD = {"R43", "S9"}
"""No scenario can show these: scenarios are made of messages that fit. The fuzzers show them."""

_CITED = re.compile(r"\b([RS])(\d{1,3})(?:(?:-| to )\1(\d{1,3}))?\b")


def cited(text: str) -> set[str]:
    """The rules that a text cites; `R23-R25` cites three."""
    return {
        f"{letter}{number}"
        for letter, first, last in _CITED.findall(text)
        for number in range(int(first), int(last or first) + 1)
    }


def headed(path: Path, what: str) -> list[str]:
    """What a scenario's header says it shows: `rules` or `rows`."""
    found = re.search(rf"^# {what}: (.*)$", path.read_text(), re.MULTILINE)
    return found[1].split() if found else []


def shown() -> set[str]:
    """The rules that a scenario shows."""
    return {rule for path in SCENARIOS.glob("*.txt") for rule in headed(path, "rules")}


def in_code() -> set[str]:
    """The rules that the service's code or its venue profiles cite."""
    package = Path(reconverge.__file__).parent
    files = [path for path in package.rglob("*") if path.suffix in {".py", ".toml"}]
    return set().union(*(cited(path.read_text()) for path in files))


def ahead() -> str:
    """For docs/domain.md: the exceptions to its claim that each rule has a scenario."""
    if not AHEAD:
        return ""
    return f"Shown by fuzzers instead of scenarios: {_listed(AHEAD)}."


def _listed(rules: Iterable[str]) -> str:
    return ", ".join(rule for rule in ORDERED if rule in set(rules))
