"""The locks say exactly what is installed, and say what pyproject.toml asks for."""

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT, GROUPS = PYPROJECT["project"], PYPROJECT["dependency-groups"]
EXTRAS = PROJECT["optional-dependencies"]
SERVICE = [*PROJECT["dependencies"], *EXTRAS["service"]]
ASKED = {
    "build": GROUPS["build"],
    "service": SERVICE,
    "demo": [*SERVICE, *EXTRAS["analytics"], *EXTRAS["demo"]],
    "dev": [*SERVICE, *EXTRAS["analytics"], *EXTRAS["demo"], *GROUPS["build"], *GROUPS["dev"]],
}


def entries(lock: str) -> list[str]:
    """One logical line a requirement, hashes included."""
    text = (ROOT / "requirements" / f"{lock}.txt").read_text().replace("\\\n", "")
    return [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]


def versions(lock: str) -> dict[str, set[str]]:
    """Locked versions by package; several where they depend on the platform or Python."""
    found: dict[str, set[str]] = {}
    for entry in entries(lock):
        name, version = entry.split()[0].split("==")
        found.setdefault(canonicalize_name(name), set()).add(version)
    return found


def outside(asked: Iterable[str]) -> Iterable[Requirement]:
    """Requirements on others; `reconverge[extra]` is our own."""
    return (r for r in map(Requirement, asked) if r.name != PROJECT["name"])


@pytest.mark.parametrize("lock", ASKED)
def test_every_requirement_is_exact_and_hashed(lock: str) -> None:
    exact = re.compile(r"[\w.-]+==\S+ (; .+? )?( *--hash=sha256:[0-9a-f]{64})+ *")
    assert [entry[:60] for entry in entries(lock) if not exact.fullmatch(entry)] == []


@pytest.mark.parametrize("lock", ASKED)
def test_lock_satisfies_what_pyproject_asks_for(lock: str) -> None:
    locked = versions(lock)
    for requirement in outside(ASKED[lock]):
        chosen = locked.get(canonicalize_name(requirement.name), set())
        assert chosen, f"{requirement} is not locked: run make lock"
        assert all(requirement.specifier.contains(version) for version in chosen)


@pytest.mark.parametrize("lock", ["build", "service", "demo"])
def test_locks_agree_on_versions(lock: str) -> None:
    tested = versions("dev")
    assert {
        name: found for name, found in versions(lock).items() if not found <= tested[name]
    } == {}
