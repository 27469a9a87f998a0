"""Invariants of the protocol, checked at every write by someone who sees everything.

The auditor reads the journal as docs/protocol.md says any reader must, folds along from nothing,
and knows at any moment which outputs may exist. It trusts no worker: only the log.
"""

from collections import defaultdict

import msgspec
import orjson

from reconverge.core.messages.effects import Cap
from reconverge.stream.folding import Folds, Ledger
from reconverge.stream.history.records import (
    Batch,
    Claim,
    Owned,
    Position,
    Snapshot,
    counts,
    decode,
)
from reconverge.stream.log import Record
from reconverge.stream.options import Options, Topics
from reconverge.stream.quarantine import provenance
from tests.sim.cluster import RECORD_BYTES_MAX, Cluster

Said = tuple[bytes, bytes]
"""Key and value of an output; a tombstone's value is empty."""
Place = tuple[int, int]
"""Where an output comes from: journal offset of its batch, and its place in that batch."""


def _events(topics: Topics) -> tuple[str, ...]:
    """The topics of outputs each of which must arrive."""
    return topics.transitions, topics.episodes, topics.alerts, topics.control_results


class Violation(AssertionError):
    """An invariant does not hold."""


class PartitionAudit:
    """What must be true of one partition."""

    def __init__(self, cluster: Cluster, partition: int, folds: Folds, options: Options) -> None:
        self._cluster = cluster
        self._partition = partition
        self._folds = folds
        self._topics = options.topics
        self.ledger = Ledger(folds, folds.new(), options.topics)
        self._claims: dict[int, Claim] = {}
        self._newest_claim = -1
        self._policies_of = -1
        self._expected: dict[str, dict[Said, list[Place]]] = defaultdict(dict)
        """By topic, what may be there, and the places in history that led to it."""
        self._place: dict[tuple[object, str], Place] = {}
        """Of the last output of a writer in a topic."""
        self._published: dict[str, set[Said]] = defaultdict(set)
        self._set_aside: set[tuple[str, int]] = set()
        self._accepted: dict[str, tuple[int, int]] = {}
        self._by_epoch: dict[tuple[str, int], int] = {}
        self.newest_cap_ns: dict[str, int] = {}
        self.batches = self.claims = self.ignored = 0

    def written(self, record: Record, writer: object) -> None:
        topics = self._topics
        if record.topic == topics.journal:
            self._journalled(record)
        elif record.topic in (topics.caps, *_events(topics)):
            self._output(record, writer)
        elif record.topic.startswith(topics.quarantine_prefix):
            told = provenance(record)
            origin = told["topic"], int(told["offset"])
            original = self._cluster.topics[origin[0], self._partition][origin[1]]
            left = "value_left_at_origin" in told
            same = record.value == original.value or (
                left and len(original.value or b"") > RECORD_BYTES_MAX
            )
            self._require(same, f"{origin} was set aside with other bytes")
            self._set_aside.add(origin)

    def _journalled(self, raw: Record) -> None:
        record = decode(raw.value, raw.offset)
        if isinstance(record, Claim):
            self._claims[raw.offset] = record
            self._newest_claim = raw.offset
            self.claims += 1
            return
        if not counts(record, raw.offset):
            self.ignored += 1
            return
        where = f"journal {self._partition}/{raw.offset}"
        self._require(
            record.epoch == self._newest_claim, f"{where} counts but is not of the newest claim"
        )
        self._require(record.now_ns >= self.ledger.now_ns, f"{where}: time went back")
        self._enter_epoch(record)
        if isinstance(record, Batch):
            self._batch(record, raw.offset, where)
        else:
            self._snapshot(record, raw.offset, where)

    def _enter_epoch(self, record: Owned) -> None:
        if record.epoch != self._policies_of:
            self._policies_of = record.epoch
            self.ledger.fold.set_policies(self._claims[record.epoch].policies, record.now_ns)

    def _batch(self, batch: Batch, offset: int, where: str) -> None:
        self.batches += 1
        for topic, stretch in batch.taken.items():
            position = self.ledger.positions.setdefault(topic, Position(stretch.start, 0))
            self._require(
                stretch.start == position.offset,
                f"{where}: {topic} from {stretch.start}, was at {position.offset}",
            )
        stretches = {
            topic: self._cluster.topics[topic, self._partition][stretch.start : stretch.end]
            for topic, stretch in batch.taken.items()
            if stretch.end > stretch.start
        }
        folded = self.ledger.advance(stretches, batch.lost, batch.now_ns, batch.epoch, batch.poison)
        for refused in folded.refused:
            origin = refused.record.topic, refused.record.offset
            self._require(
                origin in self._set_aside, f"{where} passes {origin}, which was not set aside"
            )
        for place, output in enumerate(folded.outputs):
            said = output.key, output.value
            self._expected[output.topic].setdefault(said, []).append((offset, place))
        derived = (
            len(folded.outputs),
            folded.digest,
            len(folded.refused),
            folded.poison,
            self.ledger.fold.policy_hash,
        )
        told = batch.outputs, batch.digest, batch.refused, batch.poison, batch.policy
        self._require(derived == told, f"{where} says {told}, derived {derived}")
        self._vouched(batch.published)

    def _vouched(self, published: int) -> None:
        """Events of batches up to an offset have arrived: nobody will send them again."""
        for topic in _events(self._topics):
            for said, places in self._expected[topic].items():
                self._require(
                    places[0][0] > published or said in self._published[topic],
                    f"{topic}: vouched for, but missing: {said}",
                )

    def _snapshot(self, record: Snapshot, offset: int, where: str) -> None:
        log = self._cluster.topics[self._topics.snapshots, self._partition]
        chunks = [
            r.value
            for r in log[record.first : record.last + 1]
            if ("snapshot", record.id.encode()) in r.headers
        ]
        rows = [row for chunk in chunks for row in orjson.loads(chunk or b"[]")]
        same = rows == orjson.loads(orjson.dumps(list(self.ledger.fold.dump())))
        self._require(
            same and record.positions == self.ledger.positions,
            f"{where}: the snapshot is not the state",
        )
        self._vouched(offset)  # a restore begins here, whatever the manifest says of itself

    def _output(self, record: Record, writer: object) -> None:
        where, said = f"{record.topic}/{record.offset}", (record.key or b"", record.value or b"")
        places = self._expected[record.topic].get(said, [])
        self._require(bool(places), f"{where}: nothing journalled says {said}")
        before = self._place.get((writer, record.topic), (-1, -1))
        place = next((place for place in places if place > before), None)
        self._require(place is not None, f"{where}: sent after what it comes before")
        self._place[writer, record.topic] = place or before
        self._published[record.topic].add(said)
        if record.topic == self._topics.caps:
            if record.value is None:
                self._forgotten((record.key or b"").decode())
            else:
                self._cap(msgspec.json.decode(record.value, type=Cap))

    def _forgotten(self, session: str) -> None:
        """A tombstone: a router knows nothing of the session any more, nor do its numbers go on."""
        self._accepted.pop(session, None)
        self.newest_cap_ns.pop(session, None)
        for name, epoch in list(self._by_epoch):
            if name == session:
                del self._by_epoch[name, epoch]

    def _cap(self, cap: Cap) -> None:
        latest = self._by_epoch.get((cap.session, cap.epoch), 0)
        self._require(
            cap.sequence > latest,
            f"{cap.session}: epoch {cap.epoch} repeats sequence {cap.sequence}",
        )
        self._by_epoch[cap.session, cap.epoch] = cap.sequence
        accepted = self._accepted.get(cap.session, (-1, 0))
        if (cap.epoch, cap.sequence) > accepted:  # what a router does
            self._require(
                cap.sequence > accepted[1],
                f"{cap.session}: sequence {cap.sequence} after {accepted}",
            )
            self._accepted[cap.session] = cap.epoch, cap.sequence
            self.newest_cap_ns[cap.session] = cap.event_ns

    def finished(self) -> None:
        """At the end, in calm weather and after orderly goodbyes: everything arrived."""
        for topic in self._topics.inputs:
            end, position = (
                len(self._cluster.topics[topic, self._partition]),
                self.ledger.positions.get(topic),
            )
            self._require(
                position is not None and position.offset == end, f"{topic}: {position} of {end}"
            )
        for topic in _events(self._topics):
            missing = self._expected[topic].keys() - self._published[topic]
            self._require(not missing, f"{topic}: never arrived: {missing}")

    def _require(self, holds: bool, what: str) -> None:
        if not holds:
            raise Violation(what)
