"""The core as the worker sees it: `core.partition.Partition` behind the shape of `folding.Fold`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from reconverge.core.messages.decode import decode
from reconverge.core.messages.desk import PolicyChange
from reconverge.core.messages.effects import Effect
from reconverge.core.messages.events import Event
from reconverge.core.messages.wire import BROADCAST
from reconverge.core.partition import CORE_VERSION, Partition, Rejected
from reconverge.core.venue import Venue
from reconverge.stream.folding import Row

Document = dict[str, Any]


class CoreFold:
    """One partition of the core, and the policies its owners were started with."""

    def __init__(self, partition: Partition, given: Sequence[Document] = ()) -> None:
        self.partition = partition
        self.given = list(given)
        """The policies that its last owner was started with."""

    @property
    def next_deadline_ns(self) -> int | None:
        """See `Fold`."""
        return self.partition.next_deadline_ns

    @property
    def policy_hash(self) -> str:
        """See `Fold`."""
        return self.partition.book.hash

    def apply(self, event: Event, now_ns: int) -> None:
        """See `Fold`."""
        self.partition.apply(event, now_ns)

    def settle(self, now_ns: int) -> list[Effect]:
        """See `Fold`."""
        return self.partition.settle(now_ns)

    def set_policies(self, documents: Sequence[Mapping[str, Any]], now_ns: int) -> None:
        """Only what differs from the last owner's.

        A change made on the controls topic stays in force.
        """
        given = [dict(document) for document in documents]
        for document in given:
            if document not in self.given:
                self.apply(_change(document, now_ns), now_ns)
        self.given = given

    def replace(self, session: str, why: str, now_ns: int) -> None:  # noqa: ARG002 - as in `park`
        """See `Fold`."""
        self.partition.replace(session, why)

    def take_faults(self) -> list[tuple[str, Exception]]:
        """See `Fold`."""
        faults, self.partition.faults = self.partition.faults, []
        return faults

    def park(self, reason: str, now_ns: int) -> None:
        """See `Fold`."""
        self.partition.park(reason, now_ns)

    def dump(self) -> Iterator[Row]:
        """See `Fold`."""
        yield ["given", self.given]
        yield from self.partition.dump()


class CoreFolds:
    """Makes them, all following the same venue profiles."""

    version = CORE_VERSION
    readable = frozenset({CORE_VERSION})
    rejection = Rejected
    decode = staticmethod(decode)

    def __init__(self, venues: Mapping[str, Venue] | None = None) -> None:
        self._venues = dict(venues or {})

    def new(self) -> CoreFold:
        """See `Folds`."""
        return CoreFold(Partition((), self._venues))

    def load(self, rows: Iterable[Row]) -> CoreFold:
        """See `Folds`."""
        iterator = iter(rows)
        _, given = next(iterator)
        return CoreFold(Partition.load(iterator, self._venues), given)


def _change(document: Document, now_ns: int) -> PolicyChange:
    return PolicyChange(
        session=BROADCAST,
        event_ns=now_ns,
        ingest_ns=now_ns,
        policy=document,
        actor="the settings of the partition's owner",
    )
