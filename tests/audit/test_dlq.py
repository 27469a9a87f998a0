"""Records that were set aside: found, shown, mended and sent anew."""

import json
from pathlib import Path

import pytest

from reconverge.cli.history import partition_of
from tests.audit.conftest import MENDED, PARTITIONS, PREFIX, Stage

pytestmark = pytest.mark.kafka


def test_a_mended_record_goes_round(stage: Stage, tmp_path: Path) -> None:
    """R4: its number says that it is said again; the gap it left closes, the order is known."""
    origin = f"{PREFIX}order-entry/{partition_of(MENDED, PARTITIONS)}/{stage.refused_offset}"
    listed = [json.loads(x) for x in stage.run("dlq", "list", "--json").stdout.splitlines()]
    assert len(listed) == len({one["origin"] for one in listed}) == 2
    (aside,) = [one for one in listed if one["origin"] == origin]
    assert aside["disposition"] == "malformed"
    assert "cum_qty" in aside["error"]
    assert origin in stage.run("dlq", "list", "--topic", "order-entry").stdout

    shown = json.loads(stage.run("dlq", "show", origin).stdout)
    assert shown["decoded"]["cum_qty"] == 0
    assert shown["replayed_as"] is None

    refused = stage.run("dlq", "replay", origin)
    assert refused.returncode == 1
    assert "malformed" in refused.stderr

    raw = json.loads(stage.run("dlq", "show", origin, "--raw").stdout)
    mended = tmp_path / "mended.json"
    mended.write_text(json.dumps(raw | {"cum_qty": "0"}))
    done = stage.run("dlq", "replay", origin, "--edit", mended)
    assert done.returncode == 0, done.stderr
    stage.until(MENDED, "working", {"both": 0, "either": 1})
    entry = stage.status(MENDED)["rwh"]["entry"]
    assert (entry["open_gaps"], entry["next_expected"]) == ([], 4)
    assert stage.status(MENDED)["state"] != "FAILOVER_DETECTED"
    sent = stage.published("order-entry", MENDED)[-1]
    assert sent.headers["reconverge.replayed-from"] == origin.encode()

    again = stage.run("dlq", "replay", origin, "--edit", "-", stdin=mended.read_bytes())
    assert again.returncode == 1
    assert "replayed before" in again.stderr
    assert json.loads(stage.run("dlq", "show", origin).stdout)["replayed_as"] in again.stderr
    twice = stage.run("dlq", "replay", origin, "--again", "--edit", "-", stdin=mended.read_bytes())
    assert twice.returncode == 0, twice.stderr
    assert stage.status(MENDED)["working"] == {"both": 0, "either": 1}
    assert json.loads(stage.run("audit", "--session", MENDED, "--json").stdout)["clean"]


def test_bytes_that_are_no_text_are_shown_all_the_same(stage: Stage) -> None:
    listed = [json.loads(x) for x in stage.run("dlq", "list", "--json").stdout.splitlines()]
    (garbage,) = [one for one in listed if one["key"] != MENDED]
    shown = json.loads(stage.run("dlq", "show", garbage["origin"]).stdout)
    assert shown["value"] == "\\xff garbage"
    assert shown["decoded"] is None


def test_what_was_never_set_aside_cannot_be_replayed(stage: Stage) -> None:
    assert stage.run("dlq", "replay", f"{PREFIX}order-entry/0/99999").returncode == 1
    assert stage.run("dlq", "show", "nonsense").returncode == 2
