"""Quarantine.

A record nobody can fold is set aside, whole and with its provenance, and the partition goes on.

It is acknowledged before the journal record that passes it, so it is never lost; a crash between
the two sets it aside a second time, which a reader tells by the origin in the headers.
"""

from collections.abc import Sequence

from reconverge.stream.folding import Refused
from reconverge.stream.log import Log, Message, Record, TooLarge
from reconverge.stream.observer import Observer
from reconverge.stream.options import Options

HEADER_PREFIX = "reconverge."
"""Prefix of the headers added to the record's own.

Topic, partition, offset, timestamp_ms, disposition, error.
"""
_ERROR_CHARACTERS = 1_000


async def quarantine(
    log: Log, refused: Sequence[Refused], options: Options, observer: Observer
) -> None:
    """Set records aside; all are acknowledged on return. Raises `OutcomeUnknown`."""
    whole = [_whole(item, log.partition, options) for item in refused]
    for item, sent in zip(refused, await log.send(whole), strict=True):
        try:
            await log.acknowledged(sent)
        except TooLarge as error:
            observer.condition(log.partition, "quarantine_too_large", str(error))
            (again,) = await log.send([_emptied(item, log.partition, options)])
            await log.acknowledged(again)
        observer.quarantined(log.partition, item.record.topic, item.disposition)


def provenance(record: Record) -> dict[str, str]:
    """What the headers of a record that was set aside say of it, without their prefix."""
    return {
        name.removeprefix(HEADER_PREFIX): (value or b"").decode()
        for name, value in record.headers
        if name.startswith(HEADER_PREFIX)
    }


def _whole(item: Refused, partition: int, options: Options) -> Message:
    record = item.record
    key = record.key if record.key or record.value is not None else b""  # Kafka wants one of them
    headers = [*record.headers, *_provenance(item, partition)]
    return Message(options.topics.quarantine(record.topic), key, record.value, headers)


def _emptied(item: Refused, partition: int, options: Options) -> Message:
    """The provenance alone: the value stays where that says, as long as retention allows."""
    headers = [*_provenance(item, partition), (HEADER_PREFIX + "value_left_at_origin", b"true")]
    return Message(options.topics.quarantine(item.record.topic), None, b"", headers)


def _provenance(item: Refused, partition: int) -> list[tuple[str, bytes]]:
    fields = {
        "topic": item.record.topic,
        "partition": str(partition),
        "offset": str(item.record.offset),
        "timestamp_ms": str(item.record.timestamp),
        "disposition": item.disposition,
        "error": item.detail[:_ERROR_CHARACTERS],
    }
    return [(HEADER_PREFIX + name, text.encode()) for name, text in fields.items()]
