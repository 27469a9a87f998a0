"""Records that were set aside: found, shown, mended and sent anew."""

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from reconverge.cli.history import partition_of
from tests.audit.conftest import MENDED, PARTITIONS, PREFIX, Stage
from tests.cli.conftest import Done

pytestmark = pytest.mark.kafka


class Mending(NamedTuple):
    """What an operator does with the record that was set aside, and what came of each step."""

    origin: str
    shown: Done
    unmended: Done
    mended: Path
    replayed: Done


@pytest.fixture(scope="module")
def mending(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Mending:
    """Looked at, replayed as it is, then mended and replayed."""
    origin = f"{PREFIX}order-entry/{partition_of(MENDED, PARTITIONS)}/{stage.refused_offset}"
    shown, unmended = stage.run("dlq", "show", origin), stage.run("dlq", "replay", origin)
    raw = json.loads(stage.run("dlq", "show", origin, "--raw").stdout)
    mended = tmp_path_factory.mktemp("mending") / "mended.json"
    mended.write_text(json.dumps(raw | {"cum_qty": "0"}))
    replayed = stage.run("dlq", "replay", origin, "--edit", mended)
    return Mending(origin, shown, unmended, mended, replayed)


def test_what_was_set_aside_is_listed_with_what_is_wrong(stage: Stage, mending: Mending) -> None:
    listed = [json.loads(x) for x in stage.run("dlq", "list", "--json").stdout.splitlines()]
    assert len(listed) == len({one["origin"] for one in listed}) == 2
    (aside,) = [one for one in listed if one["origin"] == mending.origin]
    assert aside["disposition"] == "malformed"
    assert "cum_qty" in aside["error"]
    assert mending.origin in stage.run("dlq", "list", "--topic", "order-entry").stdout


def test_it_is_shown_and_not_replayed_while_it_is_wrong(mending: Mending) -> None:
    shown = json.loads(mending.shown.stdout)
    assert shown["decoded"]["cum_qty"] == 0
    assert shown["replayed_as"] is None
    assert mending.unmended.returncode == 1
    assert "malformed" in mending.unmended.stderr


def test_mended_it_closes_the_gap_that_it_left(stage: Stage, mending: Mending) -> None:
    """R4: its number says that it is said again; the order is known, and nothing has failed."""
    assert mending.replayed.returncode == 0, mending.replayed.stderr
    stage.until(MENDED, "working", {"both": 0, "either": 1})
    entry = stage.status(MENDED)["rwh"]["entry"]
    assert (entry["open_gaps"], entry["next_expected"]) == ([], 4)
    assert stage.status(MENDED)["state"] != "FAILOVER_DETECTED"
    sent = stage.published("order-entry", MENDED)[-1]
    assert sent.headers["reconverge.replayed-from"] == mending.origin.encode()


def test_a_second_replay_is_noticed_and_changes_nothing(stage: Stage, mending: Mending) -> None:
    anew = ("dlq", "replay", mending.origin, "--edit", "-")
    again = stage.run(*anew, stdin=mending.mended.read_bytes())
    assert again.returncode == 1
    assert "replayed before" in again.stderr
    shown = json.loads(stage.run("dlq", "show", mending.origin).stdout)
    assert shown["replayed_as"] in again.stderr
    twice = stage.run(*anew, "--again", stdin=mending.mended.read_bytes())
    assert twice.returncode == 0, twice.stderr
    stage.until(MENDED, "working", {"both": 0, "either": 1})
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
