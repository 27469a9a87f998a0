"""Small logs of every version and engine, and the exact events they become."""

import pytest

from reconverge.core.messages.decode import decode
from reconverge.core.messages.wire import encode
from tests.tap.golden import CASES, LOGS, Case

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@every_case
def test_a_log_becomes_exactly_these_events(case: Case) -> None:
    assert case.lines() == case.expected.read_text().splitlines()


@every_case
def test_what_is_written_reads_back_as_it_was(case: Case) -> None:
    for line in case.expected.read_text().splitlines():
        if not line.startswith("#"):
            assert encode(decode(line.encode())).decode() == line


def test_every_golden_log_is_used() -> None:
    used = {name for case in CASES for name in case.files} | {c.expected.name for c in CASES}
    assert used == {path.name for path in LOGS.iterdir()}
