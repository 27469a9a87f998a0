"""Real FIX engines as the judge: after their traffic we expect the number that they expect."""

import json
from pathlib import Path
from typing import Any

import pytest

from reconverge import demo
from reconverge.core.sequences import Numbering, Sequences
from reconverge.core.venue import Venue
from reconverge.tap import Identity, Log, Tap, read
from tests.engines.record import VariantName, run_incident

RECORDED = Path(demo.__file__).parent / "incident"
FIX = Venue(window_ns=None, replay_range_max=None)


def numbering_after(logs: list[Path]) -> tuple[Numbering, list[str]]:
    """Fold one stream's logs; its numbering, and the kinds of what was found."""
    sequences = Sequences(FIX)
    opened = [Log(path) for path in logs]
    for event in read(Tap(Identity("S1"), on_reject=lambda _: None), opened):
        if event.outbound:
            sequences.sent(event, event.ingest_ns)
        else:
            sequences.accept(event, event.ingest_ns)
    for log in opened:
        log.close()
    numbering = sequences.get(None)
    assert numbering is not None
    return numbering, [finding.kind for finding in sequences.findings]


def agree(directory: Path) -> dict[str, list[str]]:
    """Check both streams of a recording against the firm's engine; what each found."""
    truth: dict[str, Any] = json.loads((directory / "truth.json").read_text())
    found = {}
    for stream, names in (
        ("order-entry", ["entry.log", "entry.event.log"]),
        ("drop-copy", ["drop-copy.log"]),
    ):
        numbering, kinds = numbering_after([directory / name for name in names])
        assert numbering.next_expected == truth["expected"]["end"][stream]["firm"]["target"]
        assert numbering.open_gaps() == []
        found[stream] = kinds
    return found


def test_recorded_incident() -> None:
    """R6, R10: a logon above expected, a replay with live messages in between."""
    found = agree(RECORDED)["order-entry"]
    assert found.index("gap_opened") < found.index("resend_begun") < found.index("gap_closed")


EXPECTED: dict[VariantName, set[str]] = {
    "chunked-resend": {"resend_completed", "gap_closed"},  # R8
    "reset-mode": {"unrecoverable", "resend_released"},  # R3
    "in-session-reset": {"gap_closed", "numbers_restarted"},  # R14
    "next-expected": {"resend_begun", "resend_completed", "gap_closed"},
}


@pytest.mark.engines
@pytest.mark.parametrize("variant", EXPECTED)
def test_live_engines(variant: VariantName, tmp_path: Path) -> None:
    run_incident(tmp_path, variant=variant, pace=0.1, steps=12)
    found = agree(tmp_path)
    assert set(found["order-entry"]) >= EXPECTED[variant]
    assert "sequence_violation" not in found["order-entry"] + found["drop-copy"]
