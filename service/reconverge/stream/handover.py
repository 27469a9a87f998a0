"""Waiting, before a claim, for an owner that is about to leave in order.

A planned rebalance tells the old and the new owner at the same moment. A claim made at once would
void the old owner's last snapshot and make the new one fold its suffix again; a moment's patience
makes the takeover short. It is never needed for safety.
"""

from reconverge.stream.clock import Clock
from reconverge.stream.log import Log, Record
from reconverge.stream.options import Options
from reconverge.stream.records import Snapshot, counts, decode

_NS_PER_MS = 1_000_000


async def await_predecessor(log: Log, options: Options, clock: Clock) -> None:
    """Return once the journal shows a release, or nobody alive, or the wait gets too long."""
    topic, deadlines = options.topics.journal, options.deadlines
    start, end = await log.span(topic)
    if start == end:
        return
    tail = await log.follow({topic: end - 1})
    try:
        give_up_ns = clock.now_ns() + int(deadlines.handover_s * 1e9)
        last = None
        while clock.now_ns() < give_up_ns:
            for record in (
                await tail.poll([topic], options.limits.buffered_records, deadlines.tick_s)
            ).get(topic, ()):
                last = record
            if last is None or _free(last, clock.now_ns() // _NS_PER_MS, deadlines.silence_s):
                return
    finally:
        await tail.close()


def _free(last: Record, now_ms: int, silence_s: float) -> bool:
    """Released, or silent for longer than any live owner is."""
    record = decode(last.value, last.offset)
    released = isinstance(record, Snapshot) and record.released and counts(record, last.offset)
    return released or now_ms - last.timestamp > silence_s * 1_000
