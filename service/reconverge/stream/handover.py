"""Waiting, before a claim, for an owner that is about to leave in order.

A planned rebalance tells the old and the new owner at the same moment. A claim made at once would
void the old owner's last snapshot and make the new one fold its suffix again; a moment's patience
makes the takeover short. It is never needed for safety.
"""

from itertools import chain

from reconverge.stream.clock import Clock
from reconverge.stream.log import RECORDS_AT_ONCE, Log, Record
from reconverge.stream.options import Options
from reconverge.stream.records import Snapshot, counts, decode

_NS_PER_MS = 1_000_000


async def await_predecessor(log: Log, options: Options, clock: Clock) -> None:
    """Return once the journal shows a release, or nobody alive, or the wait gets too long.

    An owner shows life by its journal records, and while it dumps its state, by the chunks.
    """
    journal, deadlines = options.topics.journal, options.deadlines
    spans = {topic: await log.span(topic) for topic in (journal, options.topics.snapshots)}
    newest = {topic: end - 1 for topic, (start, end) in spans.items() if end > start}
    if journal not in newest:
        return
    tail = await log.follow(newest)
    try:
        give_up_ns = clock.now_ns() + int(deadlines.handover_s * 1e9)
        life_ms, heard, released = 0, False, False
        while clock.now_ns() < give_up_ns:
            polled = await tail.poll(list(newest), RECORDS_AT_ONCE, deadlines.tick_s)
            for record in chain.from_iterable(polled.values()):
                life_ms = max(life_ms, record.timestamp)
            if polled.get(journal):
                heard = True
                released = _released(polled[journal][-1])
            silence_ms = clock.now_ns() // _NS_PER_MS - life_ms
            if released or (heard and silence_ms > deadlines.silence_s * 1_000):
                return
    finally:
        await tail.close()


def _released(last: Record) -> bool:
    record = decode(last.value, last.offset)
    return isinstance(record, Snapshot) and record.released and counts(record, last.offset)
