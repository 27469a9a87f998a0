"""A little of what `python -m tests.fuzz` does for long."""

from collections.abc import Sequence
from random import Random

from hypothesis import given, settings

from tests.fuzz.decoder import read, record
from tests.fuzz.folding import STARTS_NS, STEPS, Step, fold


def test_no_record_gets_past_the_decoder_but_as_an_event_or_refused() -> None:
    random = Random(1)
    read_well = sum(read(record(random)) is not None for _ in range(20_000))
    assert 1_000 < read_well < 19_000, "records that are all alike prove little"


@settings(max_examples=150, deadline=None)
@given(STARTS_NS, STEPS)
def test_no_history_that_the_schemas_admit_stops_the_fold(
    start_ns: int, steps: Sequence[Step]
) -> None:
    fold(start_ns, steps)
