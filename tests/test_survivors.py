"""The explained survivors name places that exist, and say why."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.survivors import Explanation, explanations, place

FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
PACKAGE = Path(__file__).parents[1] / "service/reconverge"
ROOMS = {"": PACKAGE / "core", "stream.": PACKAGE / "stream"}
"""What is changed, by what its places begin with."""


def functions() -> Iterator[str]:
    """Every function there is to change, as `room.module.function` or `module.Class.method`."""
    for prefix, folder in ROOMS.items():
        for path in sorted(folder.rglob("*.py")):
            module = prefix + ".".join(path.relative_to(folder).with_suffix("").parts)
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, FUNCTION):
                    yield f"{module}.{node.name}"
                elif isinstance(node, ast.ClassDef):
                    for method in node.body:
                        if isinstance(method, FUNCTION):
                            yield f"{module}.{node.name}.{method.name}"


@pytest.mark.parametrize(
    ("mutant", "where"),
    [
        ("reconverge.core.orders.view.x__book__mutmut_43", "orders.view._book"),
        ("reconverge.core.control.cap.x_rounded__mutmut_1", "control.cap.rounded"),
        ("reconverge.stream.worker.xǁWorkerǁ_turn__mutmut_1", "stream.worker.Worker._turn"),
        ("reconverge.core.path.xǁPathǁ_fall__mutmut_2", "path.Path._fall"),
    ],
)
def test_a_mutant_is_placed_by_its_name(mutant: str, where: str) -> None:
    assert place(mutant) == where
    assert where in set(functions())


@pytest.mark.parametrize("explanation", explanations(), ids=lambda e: e.place.pattern)
def test_what_is_explained_still_exists(explanation: Explanation) -> None:
    assert any(explanation.place.fullmatch(name) for name in functions())
