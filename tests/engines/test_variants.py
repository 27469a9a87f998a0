"""Each variant of the incident, live: what it is for is in its traffic, and the engines agree."""

from itertools import pairwise
from pathlib import Path

import pytest

from tests.engines.messages import (
    CL_ORD_ID,
    EXEC_ID,
    EXEC_RESTATEMENT_REASON,
    EXEC_TRANS_TYPE,
    POSS_RESEND,
    Version,
)
from tests.engines.reading import Line, Run, assert_in_step, first
from tests.engines.record import VariantName, run_incident

pytestmark = pytest.mark.engines

BEGIN_SEQ_NO, END_SEQ_NO, NEW_SEQ_NO, GAP_FILL_FLAG, RESET_SEQ_NUM_FLAG = 7, 16, 36, 123, 141
NEXT_EXPECTED_MSG_SEQ_NUM = 789


def live(directory: Path, variant: VariantName = "incident", version: Version = "4.4") -> Run:
    """One fast run whose engines end in step."""
    run = Run(run_incident(directory, variant=variant, fix_version=version, pace=0.1, steps=12))
    assert_in_step(run)
    return run


def of_type(lines: list[Line], msg_type: str, *, ours: bool) -> list[Line]:
    return [line for line in lines if line.type == msg_type and line.ours is ours]


def test_chunked_resend_asks_for_the_gap_in_bounded_ranges(tmp_path: Path) -> None:
    """R8: one range in flight, each beginning where the one before ended."""
    run = live(tmp_path, "chunked-resend")
    asked = of_type(run.after("primary_killed"), "2", ours=True)
    ranges = [(int(r.fields[BEGIN_SEQ_NO]), int(r.fields[END_SEQ_NO])) for r in asked]
    bounded = [(begin, end) for begin, end in ranges if end]
    assert len(bounded) >= 3
    assert all(end - begin < 4 for begin, end in bounded)
    assert all(before[1] + 1 == after[0] for before, after in pairwise(bounded))


def test_reset_mode_skips_the_gap_without_replaying_it(tmp_path: Path) -> None:
    """R3: no gap fill flag, no replay; what was skipped only drop copy knows."""
    run = live(tmp_path, "reset-mode")
    after = run.after("primary_killed")
    reset = first(after, "4", ours=False)
    assert GAP_FILL_FLAG not in reset.fields
    assert int(reset.fields[NEW_SEQ_NO]) > run.expected_before + 10
    assert not [line for line in after if line.poss_dup and not line.ours]


def test_reset_on_logon_starts_both_sides_again_and_replays_nothing(tmp_path: Path) -> None:
    run = live(tmp_path, "reset-on-logon")
    logons = [line for line in run.after("primary_killed") if line.type == "A"]
    assert {(line.seq, line.fields[RESET_SEQ_NUM_FLAG]) for line in logons} == {(1, "Y")}
    assert not of_type(run.entry, "2", ours=True)


def test_a_logon_in_the_session_resets_both_sides(tmp_path: Path) -> None:
    run = live(tmp_path, "in-session-reset")
    logons = [line for line in run.after("gap_closed") if line.type == "A"]
    assert [(line.ours, line.seq, line.fields[RESET_SEQ_NUM_FLAG]) for line in logons] == [
        (True, 1, "Y"),
        (False, 1, "Y"),
    ]
    (resumed,) = [line for line in run.after("gap_closed") if not line.ours and line.seq == 2]
    assert resumed.time > logons[-1].time


def test_a_next_expected_logon_is_answered_by_a_replay_nobody_asked_for(tmp_path: Path) -> None:
    run = live(tmp_path, "next-expected")
    after = run.after("primary_killed")
    logon = first(after, "A", ours=True)
    assert int(logon.fields[NEXT_EXPECTED_MSG_SEQ_NUM]) == run.expected_before
    assert not of_type(after, "2", ours=True)
    assert [line for line in after if line.poss_dup and line.type == "8"]


def test_possible_resends_carry_new_numbers_and_old_or_unseen_business(tmp_path: Path) -> None:
    """R5: the lost fill and the request that never arrived come again under new numbers."""
    run = live(tmp_path, "possible-resend")
    again = [line for line in run.entry if line.fields.get(POSS_RESEND) == "Y"]
    unseen, seen = (line for line in again if not line.ours)
    assert unseen.fields[EXEC_ID] == run.truth["lost_exec_ids"][0]
    before = [line for line in run.entry if line.time < seen.time and not line.ours]
    assert seen.fields[EXEC_ID] in {line.fields.get(EXEC_ID) for line in before}
    (request,) = (line for line in again if line.ours)
    assert request.fields[CL_ORD_ID] in {line.fields.get(CL_ORD_ID) for line in run.reports}


def test_fix_4_2(tmp_path: Path) -> None:
    """ExecTransType is there; each order's status is asked for by itself."""
    run = live(tmp_path, version="4.2")
    assert {line.fields[EXEC_TRANS_TYPE] for line in run.entry if line.type == "8"} == set("0123")
    assert of_type(run.entry, "H", ours=True)


def test_fix_5_0_sp2(tmp_path: Path) -> None:
    """FIXT.1.1 transport, and a code of its own for cancels on disconnect."""
    run = live(tmp_path, version="5.0SP2")
    assert {line.fields[8] for line in run.entry} == {"FIXT.1.1"}
    assert first(run.entry, "A", ours=True).fields[1137] == "9"
    assert "12" in {line.fields.get(EXEC_RESTATEMENT_REASON) for line in run.reports}
