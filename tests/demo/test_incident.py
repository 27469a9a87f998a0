"""The account of the recorded incident, told without Kafka, against the venue's own."""

import json
from pathlib import Path
from typing import Any

import pytest

from reconverge.core.control import RISING, Policy, PolicyRefused, differences
from reconverge.core.messages.effects import State
from reconverge.demo.account import Order, Unfinished, account
from reconverge.demo.picture import draw
from reconverge.demo.recording import demo_policy, load
from reconverge.demo.story import tell
from reconverge.demo.timeline import SPEED_MAX, quicker
from tests.demo.pages import PICTURE, incident, rehearsed

INCIDENT = Path(__file__).parents[2] / "service" / "reconverge" / "demo" / "incident"
TRUTH: dict[str, Any] = json.loads((INCIDENT / "truth.json").read_bytes())
TIMES = {name: at_ns / 1e9 for name, at_ns in TRUTH["times_ns"].items()}
PATH = [
    State.FAILOVER_DETECTED,
    State.STATE_DIVERGED,
    State.REPLAY_SYNCING,
    State.CONTROLLED_REENTRY,
    State.STABLE,
    State.HEALTHY,
]


def names(orders: tuple[Order, ...]) -> list[str]:
    return sorted(order.order_id for order in orders)


def test_what_the_socket_hides_is_what_the_venue_says_it_hid() -> None:
    misled = incident().misled
    assert names(misled.believed_not_working) == TRUTH["believed_not_working"]
    assert names(misled.working_not_believed) == TRUTH["working_not_believed"]


def test_the_link_was_down_from_the_kill_to_the_reconnect() -> None:
    down_s = TIMES["reconnected"] - TIMES["primary_killed"]
    assert incident().link_down_s == pytest.approx(down_s, abs=0.05)


def test_the_state_was_diverged_until_the_mass_status_was_complete() -> None:
    told = incident()
    ended_s = told.diverged_from_s + told.diverged_s
    assert ended_s == pytest.approx(TIMES["snapshot_complete"] - TIMES["primary_killed"], abs=0.05)


def test_the_replay_begins_where_the_engine_itself_expected_more() -> None:
    replay = incident().replay
    assert replay.requested[0][0] == TRUTH["expected"]["gap_open"]["order-entry"]["firm"]["target"]
    assert 0 < replay.messages < replay.missing
    assert replay.closed_s <= TIMES["gap_closed"] - TIMES["primary_killed"]


def test_what_no_replay_could_bring_is_the_lost_report_and_the_lost_request() -> None:
    snapshot = incident().snapshot
    assert snapshot is not None
    lost = [f["order_id"] for f in TRUTH["fills"] if f["exec_id"] in TRUTH["lost_exec_ids"]]
    assert sorted(left.order for left in snapshot.left) == sorted(
        lost + TRUTH["requests_never_arrived"]
    )


def test_states_and_caps_go_the_whole_way() -> None:
    told = incident()
    assert [step.state for step in told.steps] == PATH
    failed, reentered = told.steps[0].at_s, told.steps[3].at_s
    lowest = min(cap.cap for cap in told.caps if failed <= cap.at_s < reentered)
    assert lowest == 0
    assert told.caps[-1].cap == 1
    rises = [c for b, c in zip(told.caps, told.caps[1:], strict=False) if c.cap > b.cap]
    assert {cap.state for cap in rises} <= RISING | {State.REPLAY_SYNCING}  # S4: while it recovers


def test_the_router_acknowledges_its_reentry_and_not_before() -> None:
    told = incident()
    assert told.acknowledged_s == pytest.approx(told.steps[3].at_s)
    dwell_s = demo_policy().recovery.reentry_dwell_ms / 1_000
    assert told.sdl_reentry_s == pytest.approx(dwell_s, abs=0.01)
    assert told.sdl_s is not None
    assert told.sdl_s > 10  # the dwell of the SLA is in it, and the ramp to normal participation


def test_an_instrument_that_was_never_in_doubt_keeps_more_of_its_cap() -> None:
    told = incident()
    between = [cap for cap in told.caps if told.steps[0].at_s <= cap.at_s <= told.steps[3].at_s]
    assert all(cap.instrument_cap >= cap.cap for cap in between)
    assert sum(cap.instrument_cap > cap.cap for cap in between) > len(between) / 2


def test_the_backlog_of_the_incident_is_repaid() -> None:
    backlog = incident().backlog
    assert backlog.peak > 0 < backlog.peak_s
    assert backlog.end == 0


def test_the_demo_differs_from_the_default_policy_in_its_probation_alone() -> None:
    changed = {difference.key for difference in differences(Policy(), demo_policy())}
    assert changed == {"id", "recovery.probation_ms"}


def test_the_tap_takes_every_line_but_the_order_the_venue_could_not_read_either() -> None:
    (reject,) = load().rejects
    assert "Side (54) Z" in reject.reason


@pytest.mark.parametrize("speed", [4.0, 10.0])
def test_at_any_speed_the_same_incident_is_told(speed: float) -> None:
    real, quick = incident(), incident(speed)
    for figure in ("link_down_s", "diverged_s", "fds_s", "dark_s", "reentry_s", "sdl_reentry_s"):
        # A policy waits for whole milliseconds.
        assert getattr(quick, figure) == pytest.approx(getattr(real, figure), abs=0.03), figure
    assert quick.misled == real.misled
    assert [(step.state, step.signal) for step in quick.steps] == [
        (step.state, step.signal) for step in real.steps
    ]


def test_no_speed_leaves_the_policy_less_than_it_may_have() -> None:
    quicker(demo_policy(), SPEED_MAX)
    with pytest.raises(PolicyRefused, match="heartbeat_ms"):
        quicker(demo_policy(), SPEED_MAX + 1)


def test_a_run_that_was_cut_off_is_not_told_as_if_it_were_whole() -> None:
    trace = rehearsed()
    cut = trace._replace(effects=trace.effects[: len(trace.effects) // 2])
    with pytest.raises(Unfinished, match="no episode closed"):
        account(cut)


def test_the_committed_picture_is_of_this_incident(tmp_path: Path) -> None:
    drawn = tmp_path / "incident.svg"
    draw(incident(), tell(incident()), drawn)
    assert drawn.read_bytes() == PICTURE.read_bytes(), "run python -m tests.demo.pages"
