"""Sets of ranges against sets of numbers; every bound: reached, told, never on the unsafe side."""

from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconverge.core.messages.events import Heartbeat, StreamEvent
from reconverge.core.sequences import Sequences, gaps
from reconverge.core.sequences.attempts import ATTEMPTS_KEPT_MAX, Attempts
from reconverge.core.sequences.gaps import GAPS_MAX, Ranges, Span
from reconverge.core.sequences.watermark import EPOCHS_MAX, Watermark
from reconverge.core.venue import Venue
from tests.core.sequence_script import parked

SPAN = Span(0, 0, 0)
numbers = st.integers(0, 60)
edits = st.lists(
    st.tuples(st.sampled_from(["add", "cut", "discard"]), numbers, numbers), max_size=60
)


def members(ranges: Ranges) -> set[int]:
    return {n for first, last, _ in ranges for n in range(first, last + 1)}


def edit(ranges: Ranges, kept: set[int], verb: str, a: int, b: int) -> None:
    first, last = min(a, b), max(a, b)
    reach = set(range(first, last + 1))
    if verb == "add":
        first += len(reach & kept) and max(reach & kept) + 1 - first
        if first <= last:  # numbers are added once: no set adds what it holds
            ranges.add(first, last, SPAN)
            kept |= set(range(first, last + 1))
    elif verb == "cut":
        taken = ranges.cut(first, last)
        assert {n for x, y, _ in taken for n in range(x, y + 1)} == kept & reach
        kept -= reach
    else:
        assert ranges.discard(first) == (first in kept)
        kept.discard(first)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(edits)
def test_ranges_are_a_set_of_numbers(history: list[tuple[str, int, int]]) -> None:
    ranges, kept = Ranges(), set[int]()
    for verb, a, b in history:
        edit(ranges, kept, verb, a, b)
        ranges.check()
        assert members(ranges) == kept
        assert [n in ranges for n in range(61)] == [n in kept for n in range(61)]
        reach = set(range(a, b + 1))
        assert ranges.overlaps(a, b) == bool(reach & kept)


@pytest.mark.source
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(edits)
def test_at_the_bound_no_number_leaves_by_itself(history: list[tuple[str, int, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gaps, "GAPS_MAX", 3)
        ranges, kept = Ranges(), set[int]()
        for verb, a, b in history:
            first, last = min(a, b), max(a, b)
            reach = set(range(first, last + 1))
            if verb == "add":
                ranges.add(first, last, SPAN)
                kept |= reach
            elif verb == "cut":
                taken = {n for x, y, _ in ranges.cut(first, last) for n in range(x, y + 1)}
                assert taken <= reach
                assert (kept & reach) - taken == (kept & reach & members(ranges))
                kept -= taken
            else:
                assert ranges.discard(first) or first not in kept
                kept.discard(first)
            ranges.check()
            assert kept <= members(ranges)
            assert ranges.full or kept == members(ranges)


@pytest.mark.source
def test_at_the_bound_a_range_joins_the_one_below_it_and_the_lowest_the_one_above(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gaps, "GAPS_MAX", 3)
    ranges = Ranges()
    for seq in (10, 20, 30, 25, 2):
        ranges.add(seq, seq, SPAN)
    assert list(zip(ranges.starts, ranges.ends, strict=True)) == [(2, 10), (20, 25), (30, 30)]
    assert (ranges.total, ranges.full) == (16, True)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(edits)
def test_ranges_dumped_in_rows_are_the_same_ranges(history: list[tuple[str, int, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gaps, "ROWS_MAX", 2)
        ranges, loaded = Ranges(), Ranges()
        for verb, a, b in history:
            edit(ranges, members(ranges), verb, a, b)
        for row in ranges.dump():
            loaded.load_row(orjson.loads(orjson.dumps(row)))
        loaded.check()
        assert list(loaded) == list(ranges)


def test_a_range_remembers_when_it_opened_whatever_splits_or_joins_it() -> None:
    ranges = Ranges()
    ranges.add(10, 20, Span(5, 5, 4))
    ranges.add(21, 30, Span(7, 7, 6))
    assert ranges.spans == [Span(5, 7, 4)]
    ranges.discard(15)
    assert ranges.spans == [Span(5, 7, 4)] * 2
    ranges.add(1, 3, Span(9, 9, 0))  # below an open range: missed no later than it
    assert ranges.spans[0] == Span(5, 9, 0)


def every_other(sequences: Sequences, count: int, *, dup: bool = False) -> None:
    for seq in range(1, 2 * count + 2, 2):
        accept(sequences, seq, dup=dup)


def accept(sequences: Sequences, seq: int, *, dup: bool = False, now_ns: int = 0) -> bool:
    event: StreamEvent = Heartbeat(session="s", event_ns=now_ns, ingest_ns=0, seq=seq, poss_dup=dup)
    return sequences.accept(event, now_ns)


def test_with_every_other_number_lost_the_bound_is_reached_and_the_session_parks() -> None:
    sequences = Sequences(Venue(window_ns=None))
    every_other(sequences, GAPS_MAX)
    assert not parked(sequences)
    assert sequences.outstanding == sequences.open_gap_count == GAPS_MAX
    sequences.findings.clear()
    top = 2 * GAPS_MAX + 3
    accept(sequences, top)
    assert [finding.kind for finding in sequences.findings] == ["gap_opened", "gaps_full"]
    assert parked(sequences)
    assert sequences.open_gap_count == GAPS_MAX
    assert sequences.outstanding == GAPS_MAX + 2  # the seen number between the last two counts
    for seq in range(2, top, 2):
        assert accept(sequences, seq, dup=True)
    assert sequences.outstanding == 1  # what was merged is not declared recovered
    assert parked(sequences)
    assert accept(sequences, 2 * GAPS_MAX + 1, dup=True)
    assert not parked(sequences)
    assert sequences.outstanding == 0


def test_a_dump_at_the_bound_comes_in_rows_well_below_the_record_limit() -> None:
    sequences = Sequences(Venue(window_ns=None))
    every_other(sequences, GAPS_MAX + 1)
    rows = [orjson.dumps(row) for row in sequences.dump()]
    assert max(map(len, rows)) < 128 * 1024
    loaded = Sequences.load(map(orjson.loads, rows), Venue(window_ns=None))
    assert loaded.outstanding == sequences.outstanding
    assert parked(loaded)


def pooled(watermark: Watermark) -> int:
    return sum(ranges.total for ranges in watermark.past.values())


def test_pooled_epochs_keep_every_number() -> None:
    watermark = Watermark()
    watermark.begin(1)
    for epoch in range(EPOCHS_MAX + 2):
        watermark.begin(1 + 100 * epoch)
        watermark.miss(6 + 100 * epoch, now_ns=epoch)
        assert watermark.next_epoch(epoch) == 5
    assert len(watermark.past) == EPOCHS_MAX
    watermark.check()
    assert pooled(watermark) == 5 * (EPOCHS_MAX + 2)
    assert watermark.excuse_before(1, missing_too=True) == 0  # the pool holds later ones too
    assert watermark.excuse_before(EPOCHS_MAX + 2, missing_too=True) == 5 * (EPOCHS_MAX + 2)


def test_attempts_forget_the_oldest_at_their_bound_without_missing_the_alert() -> None:
    attempts = Attempts()
    alerts = [attempts.add(i, 10_000, 4) for i in range(ATTEMPTS_KEPT_MAX + 5)]
    assert alerts.index(True) == 3
    assert sum(alerts) == 1
    assert attempts.count(ATTEMPTS_KEPT_MAX, 10_000) == ATTEMPTS_KEPT_MAX
    loaded = Attempts()
    loaded.load(attempts.dump())
    assert loaded.dump() == attempts.dump()


def dump(sequences: Sequences) -> list[list[Any]]:
    return list(sequences.dump())


def test_a_dump_with_more_sources_than_the_bound_loads_what_fits() -> None:
    sequences = Sequences(Venue())
    for i in range(300):
        sequences.accept(Heartbeat(session="s", event_ns=0, ingest_ns=0, seq=1, channel=f"c{i}"), 0)
    rows = dump(sequences)
    extra = [*rows, ["open", "c900", None, False, [1], [2], [[0, 0, 0]]]]
    assert dump(Sequences.load(extra, Venue())) == rows
