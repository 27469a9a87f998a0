"""Quarantine.

A record nobody can fold is set aside, whole and with its provenance, and the partition goes on.

It is acknowledged before the journal record that passes it, so it is never lost; a crash between
the two sets it aside a second time, which a reader tells by the origin in the headers.
"""

from collections.abc import Sequence

from reconverge.stream.folding import Refused
from reconverge.stream.log import Log, Sent, TooLarge
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
    """Set records aside; all are acknowledged on return.

    Raises what `Log.send` raises, but for `TooLarge`.
    """
    sent = [await _set_aside(log, item, options) for item in refused]
    for item, one in zip(refused, sent, strict=True):
        try:
            if one is None:
                raise TooLarge(_origin(item, log.partition))
            await log.acknowledged(one)
        except TooLarge as error:
            observer.condition(log.partition, "quarantine_too_large", str(error))
            await log.acknowledged(await _set_aside_emptied(log, item, options))
        observer.quarantined(log.partition, item.record.topic, item.disposition)


async def _set_aside(log: Log, item: Refused, options: Options) -> Sent | None:
    """Queue the record as it is; None when it is too large for that."""
    record = item.record
    if len(record.value or b"") > options.limits.quarantine_bytes:
        return None
    headers = [*record.headers, *_provenance(item, log.partition)]
    key = record.key if record.key or record.value is not None else b""  # Kafka wants one of them
    try:
        return await log.send(options.topics.quarantine(record.topic), key, record.value, headers)
    except TooLarge:
        return None


async def _set_aside_emptied(log: Log, item: Refused, options: Options) -> Sent:
    """Queue the provenance alone.

    The value stays where that says, as long as the topic's retention allows.
    """
    headers = [*_provenance(item, log.partition), (HEADER_PREFIX + "value_left_at_origin", b"true")]
    return await log.send(options.topics.quarantine(item.record.topic), None, b"", headers)


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


def _origin(item: Refused, partition: int) -> str:
    return f"{item.record.topic}-{partition} at offset {item.record.offset}"
