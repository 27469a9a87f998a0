"""Journal records: written, read, and which of them count."""

from typing import Any

import orjson
import pytest

from reconverge.stream.history.records import (
    Batch,
    Claim,
    JournalRecord,
    Lost,
    Position,
    Snapshot,
    Taken,
    counts,
    decode,
    encode,
)

OWNED: dict[str, Any] = {
    "epoch": 3,
    "after": 6,
    "now_ns": 5,
    "core": "1",
    "policy": "h",
    "published": 2,
}


EXAMPLES: list[JournalRecord] = [
    Claim(member="m", at_ns=1, core="1", policies=({"id": "p"},)),
    Batch(**OWNED, taken={"t": Taken(1, 3, 9)}, lost={"u": Lost(0, 4)}, outputs=2, digest=7),
    Snapshot(
        **OWNED, id="3-6", first=0, last=4, chunks=2, rows=9, size_bytes=5, digest="d",
        positions={"t": Position(3, 9)},
    ),
]  # fmt: skip


@pytest.mark.parametrize("record", EXAMPLES, ids=lambda record: str(record.kind))
def test_journal_records_survive_the_journal(record: Claim | Batch | Snapshot) -> None:
    assert decode(encode(record), 0) == record
    extended = orjson.dumps({**orjson.loads(encode(record)), "later": 1})
    assert decode(extended, 0) == record, "unknown fields are ignored"


@pytest.mark.parametrize("offset", range(10))
def test_a_record_counts_only_where_its_writer_expected_it(offset: int) -> None:
    claim, batch, manifest = EXAMPLES
    assert counts(claim, offset)
    assert counts(batch, offset) == counts(manifest, offset) == (offset == 7)
