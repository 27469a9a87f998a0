"""What is claimed of the recorded traffic is in it, live and committed: read with simplefix."""

import json
import re
from pathlib import Path

import pytest

from tests.engines.messages import (
    CL_ORD_ID,
    EXEC_ID,
    EXEC_RESTATEMENT_REASON,
    EXEC_TYPE,
    LAST_RPT_REQUESTED,
    MASS_STATUS_REQ_ID,
    ORDER_ID,
    TIME_IN_FORCE,
    TOT_NUM_REPORTS,
    TRANSACT_TIME,
)
from tests.engines.reading import (
    SENDING_TIME,
    Line,
    Run,
    assert_in_step,
    first,
    fix_time,
    of_exec_type,
    working,
)
from tests.engines.record import Recording, run_incident

pytestmark = pytest.mark.engines

COMMITTED = Path(__file__).parents[2] / "service" / "reconverge" / "demo" / "incident"
SIZE_MAX = 300_000  # bytes; the recording is installed with the package
BEGIN_SEQ_NO, NEW_SEQ_NO, ORIG_SENDING_TIME, GAP_FILL_FLAG = 7, 36, 122, 123


@pytest.fixture(scope="module", params=["committed", "live"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    if request.param == "live":
        return Run(run_incident(tmp_path_factory.mktemp("incident"), pace=0.1, steps=20))
    names = ("entry.log", "entry.event.log", "drop-copy.log", "truth.json")
    return Run(Recording(*(COMMITTED / name for name in names)))


def test_the_backup_logs_on_with_a_number_that_is_too_high(run: Run) -> None:
    """R6."""
    logon = first(run.after("primary_killed"), "A", ours=False)
    assert logon.seq > run.expected_before + 10


def test_the_firm_asks_for_what_it_missed_and_live_messages_go_on_above_the_gap(run: Run) -> None:
    """R9: the engine's own number stands still while higher ones arrive."""
    after = run.after("primary_killed")
    request = first(after, "2", ours=True)
    assert int(request.fields[BEGIN_SEQ_NO]) == run.expected_before
    assert run.truth["expected"]["gap_open"]["order-entry"]["firm"]["target"] == run.expected_before
    replay = next(line for line in after if line.poss_dup and not line.ours)
    live = [
        line for line in after if line.type == "8" and not line.poss_dup and line.time < replay.time
    ]
    assert len(live) == 2
    assert all(line.seq > first(after, "A", ours=False).seq for line in live)


def test_the_replay_carries_business_the_firm_had_not_seen(run: Run) -> None:
    after = run.after("primary_killed")
    replayed = [line for line in after if line.poss_dup and line.type == "8"]
    assert len(replayed) >= 10
    assert all(ORIG_SENDING_TIME in line.fields for line in replayed)
    copied = {line.fields[EXEC_ID] for line in run.reports}
    assert {line.fields[EXEC_ID] for line in replayed} <= copied


def test_one_fill_is_gap_filled_over_and_known_to_drop_copy_alone(run: Run) -> None:
    """R1, R31: a gap fill of one number in the midst of replayed business."""
    (lost,) = run.truth["lost_exec_ids"]
    assert lost not in {line.fields.get(EXEC_ID) for line in run.entry}
    (copy,) = [line for line in run.reports if line.fields[EXEC_ID] == lost]
    assert copy.fields[EXEC_TYPE] == "F"
    fill = first(run.after("primary_killed"), "4", ours=False)
    assert fill.fields[GAP_FILL_FLAG] == "Y"
    assert int(fill.fields[NEW_SEQ_NO]) == fill.seq + 1
    replayed = {line.seq for line in run.from_venue if line.poss_dup and line.type in {"8", "9"}}
    assert {fill.seq - 1, fill.seq + 1} <= replayed


def test_day_orders_are_canceled_on_disconnect_and_persistent_ones_are_not(run: Run) -> None:
    """R26: unsolicited, and one order fills before its cancel comes."""
    cancels = [
        line for line in of_exec_type(run.reports, "4") if EXEC_RESTATEMENT_REASON in line.fields
    ]
    assert {line.fields[ORDER_ID] for line in cancels} == set(run.truth["canceled_on_disconnect"])
    assert {line.fields[TIME_IN_FORCE] for line in cancels} == {"0"}
    assert len(cancels) >= 4
    replayed = {line.fields.get(EXEC_ID) for line in run.entry if line.poss_dup}
    assert {line.fields[EXEC_ID] for line in cancels} <= replayed


def test_a_request_into_the_dead_socket_never_reaches_the_venue(run: Run) -> None:
    """R16: the firm gap-fills over its own stale order instead of sending it again."""
    (unsent,) = run.truth["requests_never_arrived"]
    (request,) = [line for line in run.entry if line.ours and line.fields.get(CL_ORD_ID) == unsent]
    assert unsent not in {line.fields.get(CL_ORD_ID) for line in run.reports}
    ask = first(run.after("primary_killed"), "2", ours=False)
    assert int(ask.fields[BEGIN_SEQ_NO]) <= request.seq
    fill = first(run.after("primary_killed"), "4", ours=True)
    assert fill.seq <= request.seq < int(fill.fields[NEW_SEQ_NO])


def test_both_errors_of_a_router_that_trusts_the_socket_are_there(run: Run) -> None:
    assert len(run.truth["believed_not_working"]) >= 6
    assert run.truth["working_not_believed"] == run.truth["accepted_unheard"]


def test_drop_copy_is_a_session_of_its_own_and_complete(run: Run) -> None:
    """R14: its own contiguous numbers, every fill of the venue once, and some lag while failing."""
    numbers = [line.seq for line in run.drop_copy if not line.ours]
    assert numbers == list(range(1, len(numbers) + 1))
    fills = [line.fields[EXEC_ID] for line in of_exec_type(run.reports, "F")]
    assert fills == [fill["exec_id"] for fill in run.truth["fills"]]
    lags_s = sorted(_lag_s(line) for line in run.reports)
    assert lags_s[len(lags_s) // 4] < 0.02
    assert lags_s[-1] > 0.05


def _lag_s(line: Line) -> float:
    sent, happened = (fix_time(line.fields[tag]) for tag in (SENDING_TIME, TRANSACT_TIME))
    return (sent - happened).total_seconds()


def test_folding_either_stream_to_the_end_gives_what_the_venue_holds_working(run: Run) -> None:
    """Entry needs the status snapshot for the lost fill: an order absent from it is not working."""
    assert working(run.reports) == set(run.truth["working"])
    snapshot = [line for line in run.from_venue if MASS_STATUS_REQ_ID in line.fields]
    assert snapshot[-1].fields[LAST_RPT_REQUESTED] == "Y"
    assert len(snapshot) == int(snapshot[-1].fields[TOT_NUM_REPORTS])
    rest = [line for line in run.from_venue if line.seq > snapshot[-1].seq]
    assert working([*snapshot, *rest]) == set(run.truth["working"])
    assert working(run.from_venue) > set(run.truth["working"])


def test_the_engines_numbers_agree_with_each_other_and_with_the_logs(run: Run) -> None:
    assert_in_step(run)


def test_every_kind_of_answer_occurs(run: Run) -> None:
    assert {line.type for line in run.from_venue} >= set("A23489j")
    exec_types = {line.fields[EXEC_TYPE] for line in run.from_venue if line.type == "8"}
    assert exec_types == set("0345678ACDEFGHI")


def test_the_committed_recording_is_small_and_names_no_machine() -> None:
    files = [path for path in COMMITTED.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) < SIZE_MAX
    for path in files:
        assert not re.search(r"/(work|tmp|home|root|usr)/", path.read_text())
    json.loads((COMMITTED / "truth.json").read_text())
