"""History written as tables: the journal folded again, and what it shows, in Parquet.

A sink replays the journal with the history that audits use, watches the fold, and writes what was
asked, told, booked, believed and published (``record``) as files that a pure function of the
journal names (``windows``, ``store``). Marks are copied beside it (``marks``). It reads Kafka and
never writes to it; docs/tables.md describes the tables.
"""

from reconverge.sink.check import Gap, Verdict, check
from reconverge.sink.compact import compact
from reconverge.sink.marks import MarksSink
from reconverge.sink.offline import Offline
from reconverge.sink.record import RecordedFolds, Recorder, Stamp
from reconverge.sink.sink import Sink, Standing
from reconverge.sink.store import Store, read
from reconverge.sink.windows import Windows

__all__ = [
    "Gap",
    "MarksSink",
    "Offline",
    "RecordedFolds",
    "Recorder",
    "Sink",
    "Stamp",
    "Standing",
    "Store",
    "Verdict",
    "Windows",
    "check",
    "compact",
    "read",
]
