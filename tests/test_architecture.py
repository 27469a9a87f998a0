"""The house rules that a machine can check: who may import whom, and what the core may touch.

Who may import whom is the table of `rooms.py`; sizes are held by `test_sizes.py`.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rooms import (
    CORE,
    HOUSE,
    MODULES,
    ROOMS,
    ROOT,
    STREAM,
    Room,
    arrows,
    crossings,
    imports,
    parse,
    room_of,
    standing,
    within,
)

FLOORS = {"house": HOUSE, "core": CORE, "stream": STREAM}
CORE_ROOMS_MAX, CORE_ARROWS_MAX = 8, 21  # what a newcomer has to hold in mind at once

# Where a result could come to depend on the machine, the moment or the hash seed.
IMPURE_MODULES = (
    {"asyncio", "concurrent", "multiprocessing", "selectors", "signal", "subprocess", "threading"}
    | {"io", "locale", "os", "pathlib", "platform", "socket", "ssl", "sys", "tempfile"}
    | {"random", "secrets", "time", "uuid"}
    | {"aiohttp", "aiokafka", "confluent_kafka", "logging", "prometheus_client", "structlog"}
)
IMPURE_CALLS = {"breakpoint", "hash", "id", "input", "open", "print"}

# What only this machine or this network could know.
LOCAL = re.compile(
    r"(?<![\w.~])/(?:work|root|home|Users|tmp/\w)[/\w]"
    r"|--(?:extra-)?index-url|--find-links"
    r"|pypi\.org|pythonhosted\.org|registry\.npmjs|repo1?\.maven|deb\.debian\.org|proxy\.golang"
)


def committed() -> list[Path]:
    """Every file of the repository, those not yet added included."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [path for name in names.splitlines() if (path := ROOT / name).is_file()]


def allows(room: Room, other: Room) -> bool:
    """Whether the table lets one room import another."""
    return any(
        name == "*" or within(other.name, name) or within(name, other.name) for name in room.imports
    )


@pytest.mark.parametrize("module", [name for name in MODULES if name != "reconverge"])
def test_every_module_lives_in_a_room(module: str) -> None:
    floor = next((rooms for name, rooms in FLOORS.items() if f".{name}." in module), HOUSE)
    assert room_of(module, floor), "give it a row in tests/rooms.py"


@pytest.mark.parametrize("floor", FLOORS.values(), ids=FLOORS)
def test_a_room_imports_what_the_table_says(floor: tuple[Room, ...]) -> None:
    assert [
        f"{module} imports {imported}"
        for module, imported, home, other in crossings(floor)
        if not allows(home, other)
    ] == []


@pytest.mark.parametrize("floor", FLOORS.values(), ids=FLOORS)
def test_the_table_allows_nothing_that_no_room_does(floor: tuple[Room, ...]) -> None:
    """So the page says what is, and a new arrow is a decision."""
    done = arrows(floor)
    known = {room.name for room in standing(floor)}
    allowed = {(r.name, name) for r in standing(floor) for name in r.imports if name in known}
    assert allowed - done == set()


def test_every_name_in_the_table_is_a_room() -> None:
    names = {room.name for room in ROOMS}
    assert {name for room in ROOMS for name in room.imports} - names == {"*"}
    assert len(names) == len(ROOMS)


@pytest.mark.parametrize("floor", FLOORS.values(), ids=FLOORS)
def test_the_table_counts_upwards(floor: tuple[Room, ...]) -> None:
    """What stands above imports what stands below, so there is no circle."""
    order = [room.name for room in floor]
    assert [
        f"{room} imports {other}"
        for room, other in sorted(arrows(floor))
        if order.index(other) > order.index(room)
    ] == []


def test_rooms_of_the_shell_use_the_core_and_no_other_room() -> None:
    ours = {
        imported
        for name in MODULES
        if within(name, "reconverge.stream")
        for imported in imports(MODULES[name])
        if within(imported, "reconverge")
    }
    outside = {name for name in ours if not within(name, "reconverge.stream")}
    assert {name for name in outside if not within(name, "reconverge.core")} == set()


@pytest.mark.parametrize("floor", FLOORS.values(), ids=FLOORS)
def test_rooms_are_entered_by_their_front_doors(floor: tuple[Room, ...]) -> None:
    """Only the command line, which composes, may name a module inside a room that has a front."""
    entered = [
        f"{module} imports {imported}"
        for module, path in MODULES.items()
        for imported in imports(path)
        if (room := room_of(imported, floor))
        and room.front
        and room_of(module, floor) != room
        and imported not in room.modules
        and not (floor == HOUSE and within(module, "reconverge.cli"))
    ]
    assert entered == []


def test_the_rooms_of_the_core_can_be_held_in_mind() -> None:
    assert len(standing(CORE)) <= CORE_ROOMS_MAX
    assert len(arrows(CORE)) <= CORE_ARROWS_MAX


@pytest.mark.parametrize("module", [m for m in MODULES if within(m, "reconverge.core")])
def test_the_core_touches_no_clock_chance_environment_or_network(module: str) -> None:
    path = MODULES[module]
    assert {name.split(".")[0] for name in imports(path)} & IMPURE_MODULES == set()
    nodes = list(ast.walk(parse(path)))
    calls = {n.func.id for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    assert calls & IMPURE_CALLS == set()
    waits = (ast.Await, ast.AsyncFor, ast.AsyncFunctionDef, ast.AsyncWith)
    assert not [node.lineno for node in nodes if isinstance(node, waits)]


def test_importing_the_core_loads_no_client_of_anything() -> None:
    script = "import sys, reconverge.core.partition; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    clients = {"aiohttp", "aiokafka", "prometheus_client", "structlog"}
    assert set(done.stdout.split()) & clients == set()


def test_every_module_says_what_may_be_in_it() -> None:
    files = [path for path in committed() if path.suffix == ".py" and path.stat().st_size]
    assert [str(path) for path in files if not ast.get_docstring(parse(path))] == []


def test_no_package_is_empty() -> None:
    fronts = [path for path in MODULES.values() if path.name == "__init__.py"]
    assert [front for front in fronts if len(list(front.parent.rglob("*.py"))) < 2] == []


def test_no_machine_path_or_registry_is_committed() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in committed()
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if LOCAL.search(line)
    ]
    assert found == []
