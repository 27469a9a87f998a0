"""Coming back: folding a journal's suffix again, a planned handover, and a process killed.

A successor stands by in the group. A handover takes from the order to leave to the successor's
first batch: from then on it serves, and caps come when they are due, as if nothing had happened.
After a kill they are overdue, so there the first cap counts.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from typing import Final

import orjson
from confluent_kafka import Message

from bench.report import Row, Target
from bench.stage import PATIENCE_S, Place, Process, Reader, Stage, now_s
from bench.throughput import END, EVENTS, backlog, drained, end_marks, floor
from bench.traffic import Desk, records, trading
from reconverge.stream.history.records import Batch, Claim, JournalRecord, decode
from reconverge.stream.options import Deadlines

_DESIGNED: Final = 150_000
"""Events a second that a restore was designed for,"""
_FLOOR_THERE: Final = 195_000
"""on the machine where the floor does so many."""
_ROUNDS: Final = 3
_WORKING: Final = 100_000
"""Orders working in the partition that is handed over."""
_NEVER: Final = "1000000000"
"""Records to the next snapshot."""
_CALM_S: Final = 3.0
"""A group at rest makes no claim for so long."""


def measure() -> Iterator[Row]:
    """Restore, handover, and recovery from a kill."""
    with Stage() as stage:
        yield _restore(stage)
        yield from _succession(stage)


# A restore.


def _restore(stage: Stage) -> Row:
    place = stage.place()
    place.fill(backlog())
    drained(place, place.service(snapshot_records=_NEVER))
    bare, folded = [], []
    with place.reader("journal") as journal:
        _first_batch(journal)
        for _ in range(_ROUNDS):
            bare.append(floor(place).events_per_s)
            with place.service(snapshot_records=_NEVER):
                folded.append(EVENTS / _first_batch(journal))
    target = Target("at least", _DESIGNED / _FLOOR_THERE, of="ratio")
    return Row("restore", "events/s", tuple(folded), "floor", tuple(bare), target)


def _first_batch(journal: Reader) -> float:
    """Seconds from the next claim to its owner's first batch."""
    claimed_ms, epoch = 0, -1
    while True:
        message = journal.next()
        record = _record(message)
        if isinstance(record, Claim):
            claimed_ms, epoch = message.timestamp()[1], message.offset() or 0
        elif isinstance(record, Batch) and record.epoch == epoch:
            return (message.timestamp()[1] - claimed_ms) / 1_000


def _record(message: Message) -> JournalRecord:
    return decode(message.value(), message.offset() or 0)


# A succession.


def _succession(stage: Stage) -> Iterator[Row]:
    place = stage.place()
    desk = Desk("DESK-0")
    history = records(trading(desk, _WORKING), 3 + 3 * _WORKING)
    place.fill(record._replace(at_ms=0) for record in [*history, *end_marks(0)])
    with place.service() as first, place.reader("caps") as caps:
        caps.await_keys(END)
        first.leave()
        first.ended()
    with ExitStack() as stack:
        couple = _Couple(place, stack)
        planned = tuple(couple.succeed(Process.leave, couple.batch) for _ in range(_ROUNDS))
        killed = tuple(couple.succeed(Process.kill, couple.cap) for _ in range(_ROUNDS))
    target_s = Deadlines().session_s + 2
    yield Row(f"handover of {_WORKING:,} orders", "s", planned, target=Target("at most", 1))
    yield Row("caps again after kill -9", "s", killed, target=Target("at most", target_s))


class _Couple:
    """Two processes, one of which serves the partition while the other stands by."""

    def __init__(self, place: Place, stack: ExitStack) -> None:
        self._place = place
        self._stack = stack
        self._numbers = count()
        self._members: dict[str, Process] = {}
        self._journal = stack.enter_context(place.reader("journal"))
        self._caps = stack.enter_context(place.reader("caps"))
        self._claim = ("", -1)
        """The newest one: who made it, and its offset."""

    def succeed(self, end: Callable[[Process], None], first: Callable[[int], None]) -> float:
        """Seconds from the end of the owner to what its successor does first."""
        while len(self._members) < 2:
            self._join()
        self._place.await_members(2)
        owner, epoch = self._owner()
        ended_s = now_s()
        end(self._members.pop(owner))
        first(epoch)
        return now_s() - ended_s

    def batch(self, after: int) -> None:
        """Return when there is a batch of an epoch after this one."""
        epoch = after
        while epoch <= after:
            record = self._look(PATIENCE_S)
            assert record, "no batch"
            epoch = record.epoch if isinstance(record, Batch) else after

    def cap(self, after: int) -> None:
        """The same for a cap."""
        while orjson.loads(self._caps.next().value() or b"{}")["epoch"] <= after:
            pass

    def _join(self) -> None:
        name = f"member-{next(self._numbers)}"
        self._members[name] = self._stack.enter_context(self._place.service(member=name))

    def _owner(self) -> tuple[str, int]:
        """Whose claim has been the newest for a while."""
        since_s = now_s()
        while now_s() < since_s + _CALM_S:
            if isinstance(self._look(_CALM_S), Claim):
                since_s = now_s()
        return self._claim

    def _look(self, wait_s: float) -> JournalRecord | None:
        """The journal's next record, if one comes."""
        message = self._journal.poll(wait_s)
        record = _record(message) if message else None
        if message and isinstance(record, Claim):
            self._claim = record.member, message.offset() or 0
        return record
