"""The order in which records of several input topics are folded: merge rule 1.

Records are taken by time; those of one millisecond in the fixed order of the topics; those of one
topic always in their own order. A record's time is the latest timestamp in its topic up to and
including it, within the batch: a producer with a slow clock cannot overtake itself.
"""

from collections.abc import Sequence
from itertools import accumulate
from operator import attrgetter

from reconverge.stream.log import Record

_timestamp = attrgetter("timestamp")


def merge(stretches: Sequence[Sequence[Record]]) -> Sequence[Record]:
    """One sequence from a batch's stretches, which come in the order of the topics.

    O(n) when nearly sorted.
    """
    filled = [stretch for stretch in stretches if stretch]
    if len(filled) <= 1:
        return filled[0] if filled else ()
    records = [record for stretch in filled for record in stretch]
    times = [time for stretch in filled for time in accumulate(map(_timestamp, stretch), max)]
    return list(map(records.__getitem__, sorted(range(len(records)), key=times.__getitem__)))
