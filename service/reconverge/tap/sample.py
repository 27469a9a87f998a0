"""What a mapping makes of the newest records of raw topics: ``tap kafka --check``."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from reconverge.tap.feed import Feed
from reconverge.tap.framing import Unreadable
from reconverge.tap.positions import READER, between
from reconverge.tap.routing import Owner, Routes
from reconverge.tap.service import raw_of

SHOWN_MAX: Final = 10
"""Rejects told one by one."""


@dataclass
class Sample:
    """What came of the newest records."""

    records: int = 0
    copies: int = 0
    events: Counter[Owner] = field(default_factory=Counter)
    where: dict[Owner, set[str]] = field(default_factory=dict)
    unrouted: Counter[str] = field(default_factory=Counter)
    rejects: int = 0
    first_rejects: list[Unreadable] = field(default_factory=list)

    def __call__(self, unreadable: Unreadable) -> None:
        """A reject."""
        self.rejects += 1
        if len(self.first_rejects) < SHOWN_MAX:
            self.first_rejects.append(unreadable)

    def findings(self, routes: Routes) -> Iterator[str]:
        """What is wrong with the mapping, or with the records; with what to do."""
        if not self.records:
            yield "the topics have no records to try the mapping on"
        for number, rule in enumerate(routes.rule, 1):
            if not any(rule.may_own(owner) for owner in self.events):
                yield f"rule {number}: nothing in the sample fits it; compare topic, header, ours"
        for pair, count in self.unrouted.most_common():
            yield f"{count} messages {pair}: no rule fits; add one, or leave them out knowingly"
        for owner, places in self.where.items():
            if len(places) > 1:
                told = ", ".join(sorted(places))
                yield f"{owner}: in {told}; its order is lost: key the raw records by session"
        for each in self.first_rejects:
            yield f"{each.origin}: {each.reason}"
        if self.rejects > len(self.first_rejects):
            yield f"... and {self.rejects - len(self.first_rejects)} more that could not be used"


async def take(
    topics: Sequence[str], routes: Routes, count: int, *, lenient: bool, **reached: Any
) -> Sample:
    """The newest records of every partition, through the mapping; nothing is published."""
    reader = AIOKafkaConsumer(*topics, **reached, **READER)
    sample = Sample()
    await reader.start()
    try:
        places = [
            TopicPartition(topic, partition)
            for topic in topics
            for partition in sorted(reader.partitions_for_topic(topic) or ())
        ]
        reader.unsubscribe()
        for at, end in (await reader.end_offsets(places)).items():
            name = f"{at.topic}-{at.partition}"
            feed = Feed(name, routes, sample, lenient=lenient)
            async for _, record in between(reader, {at: (max(0, end - count), end)}):
                for _ in feed.events(raw_of(record)):
                    pass
            sample.records += feed.tally.records
            sample.copies += feed.tally.copies
            sample.unrouted.update(feed.tally.unrouted)
            for owner, counts in feed.sources.items():
                sample.events[owner] += counts.events.total()
                sample.where.setdefault(owner, set()).add(name)
    finally:
        await reader.stop()
    return sample
