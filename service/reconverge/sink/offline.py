"""Tables without Kafka: from files of events, or from one exported incident.

Where there is no journal, each event is a batch of its own and each deadline between two events
another; they are numbered from 0. An incident file carries the journal's own offsets.
"""

from collections.abc import Sequence

from reconverge.core.messages.effects import Published
from reconverge.core.partition import CORE_VERSION
from reconverge.sink.record import Recorder, Stamp
from reconverge.sink.store import Store
from reconverge.sink.windows import Windows
from reconverge.tables import JOURNAL_SPINE


class Offline:
    """Records a fold that somebody else drives, batch after batch."""

    def __init__(self, store: Store) -> None:
        self.recorder = Recorder()
        """Watches the fold: drive what its ``over`` gives, or folds of `RecordedFolds`."""
        self._windows = Windows(store, 0, JOURNAL_SPINE, aligned=True)
        self._previous = -1

    def batch(
        self, now_ns: int, published: Sequence[Published], policy: str, records: int, refused: int
    ) -> None:
        """What was applied since the last call was one batch, and led to this."""
        number = self._previous + 1
        self.journalled(
            Stamp(number, now_ns, 0, CORE_VERSION, policy, records, refused, 0), published
        )

    def journalled(self, stamp: Stamp, published: Sequence[Published]) -> None:
        """The same, of a batch that the journal has."""
        self._windows.takes(stamp.offset, stamp.now_ns, stamp.records)
        self.recorder.batch(stamp, self._previous, published)
        self._windows.add(self.recorder.take())
        self._previous = stamp.offset

    def close(self) -> None:
        """Write what is left: there will be no more."""
        if self._previous >= 0:
            self._windows.cut()
