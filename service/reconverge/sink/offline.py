"""Tables without Kafka: from files of events, or from one exported incident.

Where there is no journal, each event is a batch of its own and each deadline between two events
another; they are numbered from 0. An incident file carries the journal's own offsets.
"""

from collections.abc import Sequence

from reconverge.core.messages.effects import Effect
from reconverge.core.partition import CORE_VERSION
from reconverge.sink.record import Recorder, Stamp
from reconverge.sink.store import Store
from reconverge.sink.windows import Windows
from reconverge.stream import CoreFold
from reconverge.tables import JOURNAL_SPINE


class Offline:
    """Records a fold that somebody else drives, batch after batch."""

    def __init__(self, fold: CoreFold, store: Store) -> None:
        self._recorder = Recorder()
        self.fold = self._recorder.over(fold)
        """The fold to drive: the same, watched."""
        self._windows = Windows(store, 0, JOURNAL_SPINE, aligned=True)
        self._previous = -1

    def batch(
        self,
        now_ns: int,
        published: Sequence[Effect],
        *,
        records: int = 0,
        refused: int = 0,
        offset: int | None = None,
        epoch: int = 0,
    ) -> None:
        """What was applied since the last call was one batch, and led to this."""
        number = self._previous + 1 if offset is None else offset
        self._windows.takes(number, now_ns, records)
        stamp = Stamp(
            number, now_ns, epoch, CORE_VERSION, self.fold.policy_hash, records, refused, 0
        )
        self._recorder.batch(stamp, self._previous, published)
        self._windows.add(self._recorder.take())
        self._previous = number

    def close(self) -> None:
        """Write what is left: there will be no more."""
        if self._previous >= 0:
            self._windows.cut()
