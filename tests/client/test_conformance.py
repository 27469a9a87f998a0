"""The conformance vectors: passed by the Python client, and by a second reading of the page."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from reconverge.client import CapBook, SafeCap
from tests.client.second_reading import SecondReading
from tests.client.vectors import (
    FOLDER,
    SAFE_CAP,
    SAFE_PARTICIPATION,
    Step,
    speaks,
    steps,
    value,
    vectors,
)

VECTORS = vectors()
CLAUSES = {f"C{number}" for number in range(1, 9)}
VIEW = {"cap", "participation_max", "catchup_multiple_max", "freeze_expansion", "state"} | {
    "epoch",
    "sequence",
    "why",
}

View = Callable[[str, str | None], dict[str, Any]]


def client(conducted: list[Step]) -> list[list[dict[str, Any]]]:
    """What the Python client answers to the expectations of each step."""
    now = {"wall_ns": 0, "monotonic_ns": 0}
    book = CapBook(
        SafeCap(SAFE_CAP, SAFE_PARTICIPATION), lambda: now["wall_ns"], lambda: now["monotonic_ns"]
    )
    answers = []
    for step in conducted:
        now = step
        book.connected = step.get("connected", book.connected)
        if speaks(step):
            key = step.get("key")
            book.offer(value(step), None if key is None else key.encode())
        asked = [(e["session"], e.get("symbol")) for e in step["expect"]]
        answers.append([book.cap(*names)._asdict() for names in asked])
    return answers


def second_reading(conducted: list[Step]) -> list[list[dict[str, Any]]]:
    """What the page says, read literally."""
    reading = SecondReading(SAFE_CAP, SAFE_PARTICIPATION)
    answers = []
    for step in conducted:
        reading.connected = step.get("connected", reading.connected)
        if speaks(step):
            reading.offer(step.get("key"), value(step), step["wall_ns"], step["monotonic_ns"])
        asked = [(e["session"], e.get("symbol")) for e in step["expect"]]
        answers.append([reading.view(*names, step["monotonic_ns"]) for names in asked])
    return answers


@pytest.mark.parametrize("router", [client, second_reading])
@pytest.mark.parametrize("name", VECTORS)
def test_the_vector_holds(
    name: str, router: Callable[[list[Step]], list[list[dict[str, Any]]]]
) -> None:
    conducted = VECTORS[name]
    for number, (step, answers) in enumerate(zip(conducted, router(conducted), strict=True), 1):
        for expected, answer in zip(step["expect"], answers, strict=True):
            wanted = {field: expected[field] for field in expected.keys() & VIEW}
            assert {field: answer[field] for field in wanted} == wanted, f"step {number}"


def test_there_are_vectors_for_every_clause() -> None:
    count = Counter(conducted[0]["clause"] for conducted in VECTORS.values())
    assert set(count) == CLAUSES
    assert count.total() >= 60


def test_a_vector_stands_in_one_place_and_says_what_it_shows() -> None:
    lines = [step for file in FOLDER.glob("*.jsonl") for step in steps(file)]
    assert sum(map(len, VECTORS.values())) == len(lines)  # no name begins a second time
    assert [step["vector"] for step in lines if "says" in step] == [
        conducted[0]["vector"] for conducted in vectors_in_file_order()
    ]


def vectors_in_file_order() -> list[list[Step]]:
    order = [file.stem for file in FOLDER.glob("*.jsonl")]
    return [VECTORS[name] for stem in order for name in VECTORS if name.split("/")[0] == stem]


def test_a_line_holds_nothing_that_the_page_does_not_name() -> None:
    named = {"vector", "clause", "says", "wall_ns", "monotonic_ns", "connected", "key"} | {
        "record",
        "raw",
        "raw_base64",
        "expect",
    }
    for conducted in VECTORS.values():
        for step in conducted:
            assert step.keys() <= named
            assert len(step.keys() & {"record", "raw", "raw_base64"}) <= 1
            assert all(e.keys() <= VIEW | {"session", "symbol"} for e in step["expect"])
            assert all(e.keys() >= {"session", "cap", "why"} for e in step["expect"])
