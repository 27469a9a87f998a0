"""How large functions and files may be. `python -m tests.test_sizes` prints what they are."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

import pytest

from tests.rooms import CORE, HOUSE, PACKAGE, ROOT, Room, module_name, parse, room_of, standing

FUNCTION_LINES_MAX = 70  # a screen
FUNCTION_LINES_MEDIAN = 8  # of a room; no function is split to meet it
FILE_LINES_MAX = 500  # one sitting
FOLDERS = ("service", "tests", "bench")
ROOMS = [*standing(HOUSE), *(room for room in standing(CORE) if room.is_folder)]


class Function(NamedTuple):
    """A function, methods and inner ones included, with its decorators left out."""

    name: str
    lines: int


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Function(node.name, (node.end_lineno or 0) - node.lineno + 1)


def lengths(room: Room) -> list[int]:
    """The lines of each function of a room."""
    floor = CORE if room in CORE else HOUSE
    inside = [path for path in files(PACKAGE) if room_of(module_name(path), floor) == room]
    return [function.lines for path in inside for function in functions(path)]


@pytest.mark.parametrize("folder", FOLDERS)
def test_functions_fit_a_screen(folder: str) -> None:
    assert [
        f"{path.relative_to(ROOT)}: {function.name} has {function.lines} lines"
        for path in files(ROOT / folder)
        for function in functions(path)
        if function.lines > FUNCTION_LINES_MAX
    ] == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_files_can_be_read_in_one_sitting(folder: str) -> None:
    sizes = {
        path.relative_to(ROOT): len(path.read_text().splitlines()) for path in files(ROOT / folder)
    }
    assert {str(name): size for name, size in sizes.items() if size > FILE_LINES_MAX} == {}


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_most_functions_of_a_room_are_short(room: Room) -> None:
    assert median(lengths(room) or [0]) <= FUNCTION_LINES_MEDIAN


def report() -> Iterator[str]:
    """A line for each room: functions, median and longest."""
    for room in ROOMS:
        found = lengths(room) or [0]
        longest = max(found)
        yield f"{room.name:16}{len(found):4} functions, median {median(found):g}, longest {longest}"


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in report())
