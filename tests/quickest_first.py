"""Loaded by pytest while it tries mutants (tools/mutants): the tests go quickest first.

mutmut hands the tests over in no order, and most mutants fall to the first dozen.
"""

import json
from pathlib import Path

import pytest

MEASURED = Path("mutmut-stats.json")  # written by mutmut's run of the unchanged core


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if MEASURED.exists():
        seconds = json.loads(MEASURED.read_text())["duration_by_test"]
        items.sort(key=lambda item: seconds.get(item.nodeid, 0.0))
