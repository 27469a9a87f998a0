"""Waiting, before a claim, for an owner that is about to leave in order.

A planned rebalance tells the old and the new owner at the same moment. A claim made at once would
void the old owner's last snapshot and make the new one fold its suffix again; a moment's patience
makes the takeover short. It is never needed for safety.
"""

from reconverge.stream.clock import Clock
from reconverge.stream.history.records import Snapshot, counts, decode
from reconverge.stream.log import Log, Record
from reconverge.stream.options import Options

_NS = 1_000_000_000
_NS_PER_MS = 1_000_000


async def await_predecessor(log: Log, options: Options, clock: Clock) -> None:
    """Return once the journal shows a release, or nobody alive, or the wait gets too long.

    An owner shows life by its journal records, and while it dumps its state, by the chunks.
    """
    topics, deadlines = options.topics, options.deadlines
    start, end = await log.span(topics.journal)
    if start == end:
        return
    _, chunks = await log.span(topics.snapshots)
    tail = await log.follow({topics.journal: end - 1})
    try:
        give_up_ns = clock.now_ns() + int(deadlines.handover_s * _NS)
        life_ns: int | None = None  # until the newest record is read, nobody is known to be silent
        while clock.now_ns() < give_up_ns:
            polled = await tail.poll([topics.journal], deadlines.tick_s)
            for record in polled.get(topics.journal, ()):
                if _released(record):
                    return
                life_ns = max(life_ns or 0, record.timestamp * _NS_PER_MS)
            if life_ns is not None and clock.now_ns() - life_ns > deadlines.silence_s * _NS:
                _, now = await log.span(topics.snapshots)
                if now == chunks:
                    return
                chunks, life_ns = now, clock.now_ns()
    finally:
        await tail.close()


def _released(last: Record) -> bool:
    record = decode(last.value, last.offset)
    return isinstance(record, Snapshot) and record.released and counts(record, last.offset)
