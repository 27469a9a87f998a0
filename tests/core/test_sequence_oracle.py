"""The numbering against brute force over plain sets of numbers; handover at any point."""

from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconverge.core.messages.events import (
    Disconnect,
    GapFill,
    GapOpened,
    Heartbeat,
    Logon,
    ResendCompleted,
    ResendRejected,
    ResendRequested,
    SequenceReset,
    StreamEvent,
)
from reconverge.core.sequences import Sequences
from reconverge.core.venue import Venue

NUMBER_MAX = 40
BOUNDED = Venue(window_ns=None, replay_range_max=None, in_flight_max=2)
UNBOUNDED = BOUNDED.model_copy(update={"gap_fill_scope": "unbounded"})
BRIEF = Venue(window_ns=40, replay_range_max=4, resend_timeout_ns=9, retained_max=20)

numbers = st.integers(1, NUMBER_MAX)
ends = st.none() | numbers
flags = st.booleans()
moves = st.one_of(
    st.tuples(st.just("message"), numbers, flags),
    st.tuples(st.just("ahead"), st.integers(0, 3), flags),
    st.tuples(st.just("fill"), numbers, numbers, flags),
    st.tuples(st.just("fill_next"), st.integers(1, 12)),
    st.tuples(st.just("reset"), numbers, flags),
    st.tuples(st.just("request"), numbers, ends),
    st.tuples(st.just("request_open"), flags),
    st.tuples(st.just("gap"), numbers, ends),
    st.tuples(st.just("vouch"), numbers, numbers),
    st.tuples(st.just("complete")),
    st.tuples(st.just("reject"), flags),
    st.tuples(st.just("break")),
    st.tuples(st.just("snapshot")),
    st.tuples(st.just("restart")),
)
histories = st.lists(moves, min_size=1, max_size=40)


class Oracle:
    """R1-R17 over sets: every number written out, every question a loop."""

    def __init__(self, *, bounded: bool) -> None:
        self.bounded = bounded
        self.frontier: int | None = None
        self.base = 0
        self.missing: set[int] = set()
        self.lost: set[int] = set()
        self.excused: set[int] = set()
        self.past: list[set[int]] = []
        self.tail = False
        self.parked: dict[int, int] = {}
        self.requests: list[tuple[int, int | None]] = []

    @property
    def expected(self) -> int:
        return min(self.missing, default=self.frontier or 0)

    def begin(self, seq: int) -> None:
        if self.frontier is None:
            self.base = self.frontier = seq

    def extend(self, upto: int) -> None:
        assert self.frontier is not None
        self.missing |= set(range(self.frontier, upto))
        self.frontier = max(self.frontier, upto)

    def covered(self, seq: int) -> list[tuple[int, int | None]]:
        return [(a, b) for a, b in self.requests if a <= seq and (b is None or seq <= b)]

    def message(self, seq: int, *, dup: bool) -> bool:
        self.begin(seq)
        assert self.frontier is not None
        if seq >= self.frontier:
            self.extend(seq)
            self.frontier = seq + 1
            self.tail = self.tail and dup
        elif seq in self.missing:
            self.missing.remove(seq)
        elif not dup and seq < self.expected:
            return False
        elif seq in self.lost | self.excused:
            self.lost.discard(seq)
            self.excused.discard(seq)
        else:
            return seq < self.base
        self.settle()
        return True

    def fill(self, seq: int, new: int) -> bool:
        if new <= seq:
            return False
        self.begin(seq)
        assert self.frontier is not None
        unseen = self.missing | self.lost
        answers = seq in unseen and any(
            not any(a <= n < seq for n in unseen) for a, _ in self.covered(seq)
        )
        if seq == self.expected or answers:
            self.apply(seq, new)
            self.settle()
            return True
        if seq > self.expected and (seq >= self.frontier or seq in self.missing):
            self.extend(seq)
            if seq == self.frontier:
                self.end_tail(seq)
            self.parked[seq] = new
            self.settle()
        return False

    def apply(self, seq: int, new: int) -> None:
        assert self.frontier is not None
        stops = [new - 1 if b is None else b for _, b in self.covered(seq)]
        last = min(new - 1, max(stops)) if stops and self.bounded else new - 1
        proven = set(range(seq, last + 1))
        for unseen in (self.missing, self.lost, self.excused):
            unseen.difference_update(proven)
        if last >= self.frontier:
            self.frontier = last + 1
            self.end_tail(seq)
        self.extend(new)

    def end_tail(self, seq: int) -> None:
        self.tail = self.tail and bool(self.covered(seq))

    def settle(self) -> None:
        while self.expected in self.parked:
            seq = self.expected
            self.apply(seq, self.parked.pop(seq))
        self.parked = {s: n for s, n in self.parked.items() if s > self.expected}
        self.requests = [r for r in self.requests if self.pending(*r)]

    def pending(self, a: int, b: int | None) -> bool:
        unseen = self.missing | self.lost
        return any(n >= a and (b is None or n <= b) for n in unseen) or (b is None and self.tail)

    def reset(self, new: int) -> bool:
        if self.frontier is None:
            self.begin(new)
            return True
        if new < self.expected:
            return False
        self.extend(new)
        self.tail = self.tail and new < self.frontier
        self.lose({n for n in self.missing if n < new})
        lost, self.lost = self.lost, set()
        self.requests = [r for r in self.requests if self.pending(*r)]
        self.lost = lost
        self.settle()
        return True

    def lose(self, numbers_: set[int]) -> None:
        self.missing -= numbers_
        self.lost |= numbers_

    def declare(self, a: int, b: int | None) -> None:
        self.begin(a)
        assert self.frontier is not None
        if a < self.base:
            asked = set(range(a, self.base)) if b is None else set(range(a, min(b + 1, self.base)))
            self.missing |= asked
            self.excused |= set(range(a, self.base)) - asked
            self.base = a
        if b is not None and b >= self.frontier:
            self.extend(b + 1)
        elif b is None and a >= self.frontier:
            self.tail = True
            self.extend(a)

    def request(self, a: int, b: int | None) -> None:
        self.declare(a, b)
        self.requests = [*self.requests[-1:], (a, b)]
        self.settle()

    def reject(self, *, forever: bool) -> None:
        if self.requests:
            a, b = self.requests.pop(0)
            if forever:
                self.lose({n for n in self.missing if n >= a and (b is None or n <= b)})
        self.settle()

    def vouch(self, a: int, b: int) -> None:
        if self.tail and self.frontier is not None and a <= self.frontier <= b:
            self.extend(b + 1)
            self.tail = False
        reach = set(range(a, b + 1))
        self.excused |= (self.missing | self.lost) & reach
        self.missing -= reach
        self.lost -= reach
        self.past = [epoch - reach for epoch in self.past]
        self.settle()

    def snapshot(self) -> None:
        if not self.requests:
            self.tail = False
            self.excused |= self.missing
            self.missing.clear()
        self.excused |= self.lost
        self.lost.clear()
        self.past.clear()
        self.settle()

    def restart(self) -> None:
        if self.frontier is not None:
            if self.tail:
                self.extend(self.frontier + 1)
            self.past.append(self.missing | self.lost)
        past = self.past
        self.__init__(bounded=self.bounded)  # type: ignore[misc]
        self.past = past
        self.begin(1)


class Pair:
    """A numbering and its oracle, moved together."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.sequences = Sequences(venue)
        self.oracle = Oracle(bounded=venue.gap_fill_scope == "request_bounded")
        self.now_ns = 0

    def accept(self, cls: type[StreamEvent], **fields: Any) -> bool:
        event = cls(session="s", event_ns=self.now_ns, ingest_ns=0, **fields)
        return self.sequences.accept(event, self.now_ns)

    def move(self, move: tuple[Any, ...]) -> None:
        self.now_ns += 1
        name, *values = move
        getattr(self, f"_{name}")(*values)

    def _message(self, seq: int, dup: bool) -> None:
        accepted = self.accept(Heartbeat, seq=seq, poss_dup=dup)
        assert accepted == self.oracle.message(seq, dup=dup)

    def _ahead(self, skip: int, dup: bool) -> None:
        self._message((self.oracle.frontier or 5) + skip, dup)

    def _fill(self, seq: int, new: int, dup: bool) -> None:
        accepted = self.accept(GapFill, seq=seq, new_seq=new, poss_dup=dup)
        assert accepted == self.oracle.fill(seq, new)

    def _fill_next(self, count: int) -> None:
        self._fill(self.oracle.expected or 1, (self.oracle.expected or 1) + count, True)

    def _reset(self, new: int, dup: bool) -> None:
        accepted = self.accept(SequenceReset, new_seq=new, poss_dup=dup)
        assert accepted == self.oracle.reset(new)

    def _request(self, a: int, b: int | None) -> None:
        event = ResendRequested(
            session="s", event_ns=0, ingest_ns=0, outbound=True, from_seq=a, to_seq=b
        )
        self.sequences.sent(event, self.now_ns)
        self.oracle.request(a, b if b is None else max(a, b))

    def _request_open(self, all_of_it: bool) -> None:
        if self.oracle.missing:
            self._request(self.oracle.expected, None if all_of_it else max(self.oracle.missing))

    def _gap(self, a: int, b: int | None) -> None:
        self.accept(GapOpened, from_seq=a, to_seq=b)
        self.oracle.declare(a, b if b is None else max(a, b))
        self.oracle.settle()

    def _vouch(self, a: int, b: int) -> None:
        self.sequences.vouch(None, None, a, b, self.now_ns)
        self.oracle.vouch(a, b)

    def _complete(self) -> None:
        self.accept(ResendCompleted)
        self.oracle.tail = False
        self.oracle.requests.clear()
        self.oracle.settle()

    def _reject(self, forever: bool) -> None:
        self.accept(ResendRejected, unrecoverable=forever)
        self.oracle.reject(forever=forever)

    def _break(self) -> None:
        self.accept(Disconnect)
        self.oracle.requests.clear()

    def _snapshot(self) -> None:
        self.sequences.snapshot_proven(self.now_ns + 1, self.now_ns)
        self.oracle.snapshot()

    def _restart(self) -> None:
        assert self.accept(Logon, seq=1, reset_numbers=True)
        self.oracle.restart()
        self.oracle.message(1, dup=False)

    def check(self) -> None:
        numbering = self.sequences.get(None)
        if numbering is None or self.oracle.frontier is None:
            return
        oracle = self.oracle
        numbering.check()
        assert numbering.next_expected == oracle.expected
        assert numbers_in(numbering.open) == oracle.missing
        assert numbers_in(numbering.lost) == oracle.lost
        assert numbers_in(numbering.excused) == oracle.excused
        assert numbering.frontier == oracle.frontier
        assert numbering.outstanding == len(oracle.missing) + oracle.tail
        lost = len(oracle.lost) + sum(map(len, oracle.past))
        assert numbering.unrecoverable == lost
        assert numbering.parked == oracle.parked
        assert numbering.outstanding_resends == oracle.requests
        gaps = numbering.open_gaps()
        assert len(gaps) == numbering.open_gap_count
        assert (gaps[-1][1] is None if gaps else False) == oracle.tail
        assert (numbering.oldest_gap_ns is None) == (not gaps)


def numbers_in(ranges: Any) -> set[int]:
    return {n for a, b, _ in ranges for n in range(a, b + 1)}


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories)
def test_numbers_are_those_of_brute_force_request_bounded(history: list[tuple[Any, ...]]) -> None:
    pair = Pair(BOUNDED)
    for move in history:
        pair.move(move)
        pair.check()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories)
def test_numbers_are_those_of_brute_force_unbounded(history: list[tuple[Any, ...]]) -> None:
    pair = Pair(UNBOUNDED)
    for move in history:
        pair.move(move)
        pair.check()


def rows_of(sequences: Sequences) -> list[bytes]:
    return [orjson.dumps(row) for row in sequences.dump()]


class Runner(Pair):
    """A numbering alone, with deadlines, on two channels in turn."""

    def accept(self, cls: type[StreamEvent], **fields: Any) -> bool:
        self.sequences.expire(self.now_ns)
        super().accept(cls, **fields, channel="dc", segment="x")
        return super().accept(cls, **fields)

    def _message(self, seq: int, dup: bool) -> None:
        self.accept(Heartbeat, seq=seq, poss_dup=dup)

    def _fill(self, seq: int, new: int, dup: bool) -> None:
        self.accept(GapFill, seq=seq, new_seq=new, poss_dup=dup)

    def _reset(self, new: int, dup: bool) -> None:
        self.accept(SequenceReset, new_seq=new, poss_dup=dup)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories, histories)
def test_dumped_and_loaded_at_any_point_the_future_is_the_same(
    before: list[tuple[Any, ...]], after: list[tuple[Any, ...]]
) -> None:
    kept = Runner(BRIEF)
    for move in before:
        kept.move(move)
    kept.sequences.findings.clear()
    rows = rows_of(kept.sequences)
    loaded = Runner(BRIEF)
    loaded.now_ns, loaded.oracle = kept.now_ns, kept.oracle
    loaded.sequences = Sequences.load(map(orjson.loads, rows), BRIEF)
    assert rows_of(loaded.sequences) == rows
    for move in after:
        if move[0] in {"ahead", "fill_next", "request_open"}:
            continue  # these ask the oracle, which the two share
        for runner in (kept, loaded):
            runner.move(move)
            runner.sequences.check()
        assert loaded.sequences.findings == kept.sequences.findings
        assert loaded.sequences.next_deadline_ns == kept.sequences.next_deadline_ns
    assert rows_of(loaded.sequences) == rows_of(kept.sequences)
