"""What a batch takes: records merged by time, each offset once, no topic too far ahead."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from reconverge.stream.intake import Intake
from reconverge.stream.log import Record
from reconverge.stream.merge import merge


def _records(topic: str, timestamps: Sequence[int], first: int = 0) -> list[Record]:
    return [Record(topic, first + i, at, None, None, ()) for i, at in enumerate(timestamps)]


TIMES = st.lists(st.integers(0, 20), max_size=12)


@given(st.lists(TIMES, min_size=1, max_size=4))
def test_merging_keeps_every_topic_s_own_order_and_loses_nothing(times: list[list[int]]) -> None:
    stretches = [_records(str(n), at) for n, at in enumerate(times)]
    merged = merge(stretches)
    for topic, stretch in enumerate(stretches):
        assert [record for record in merged if record.topic == str(topic)] == stretch


@given(st.lists(TIMES.map(sorted), min_size=1, max_size=4))
def test_merging_orders_by_time_and_ties_by_topic(times: list[list[int]]) -> None:
    merged = merge([_records(str(n), at) for n, at in enumerate(times)])
    keys = [(record.timestamp, record.topic) for record in merged]
    assert keys == sorted(keys)


def test_a_slow_clock_does_not_overtake_itself() -> None:
    merged = merge([_records("a", [5, 1, 9]), _records("b", [4, 6])])
    assert [(r.topic, r.timestamp) for r in merged] == [
        ("b", 4),
        ("a", 5),
        ("a", 1),
        ("b", 6),
        ("a", 9),
    ]


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(1, 6)), max_size=12), st.integers(1, 5))
def test_an_intake_gives_each_offset_once_whatever_is_repeated(
    polls: list[tuple[int, int]], most: int
) -> None:
    intake = Intake({"t": 0})
    given: list[int] = []
    for back, count in polls:
        fetched = intake.fetched("t")
        start = max(0, fetched - back)
        intake.add("t", _records("t", range(start, fetched + count), start))
        given += [record.offset for record in intake.cut(most, None).get("t", [])]
    given += [record.offset for record in intake.cut(10_000, None).get("t", [])]
    assert given == list(range(intake.fetched("t")))
    assert intake.buffered() == 0


def test_a_topic_far_behind_holds_the_others_back_to_its_own_time() -> None:
    intake = Intake({"fast": 0, "slow": 0})
    intake.add("fast", _records("fast", [10, 20, 30, 40]))
    intake.add("slow", _records("slow", [10, 20]))
    horizon = intake.horizon_ms({"fast": 4, "slow": 100}, lag_min=50)
    assert horizon == 20
    batch = intake.cut(100, horizon)
    assert {topic: len(records) for topic, records in batch.items()} == {"fast": 2, "slow": 2}
    assert intake.horizon_ms({"fast": 4, "slow": 5}, lag_min=50) is None, "not far enough"


def test_a_batch_of_the_past_is_cut_by_its_offsets() -> None:
    intake = Intake({"t": 5})
    intake.add("t", _records("t", range(9), 5))
    assert [record.offset for record in intake.cut_to({"t": 8})["t"]] == [5, 6, 7]
    assert [record.offset for record in intake.cut_to({"t": 14})["t"]] == list(range(8, 14))
