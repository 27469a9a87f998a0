"""Control: what is published and when, instruments, and being handed over."""

from itertools import groupby, pairwise

import orjson
import pytest

from reconverge.core.control.control import Control
from reconverge.core.control.policy import Policy, parse
from reconverge.core.messages.effects import Cap, Episode, ShadowCap, State, Transition
from reconverge.core.truth import Truth
from tests.scenarios.transcript import Scenario
from tests.scenarios.words import SECOND_NS, START_NS

BOTH = "+0 entry+DC1< logon\n"


def caps(script: str) -> list[Cap]:
    scenario = Scenario()
    scenario.play(script)
    return [effect for effect in scenario.effects if isinstance(effect, Cap)]


# -- when a cap is published ---------------------------------------------------------------------


@pytest.mark.parametrize("top", [1.0, 0.995])
def test_a_rise_is_published_in_steps_and_at_its_end(top: float) -> None:
    ceilings = f"policy cap.ceiling.stable = {top}\npolicy cap.ceiling.healthy = {top}\n"
    found = [cap for cap in caps(ceilings + BOTH + "+12 tick") if cap.cause == "change"]
    steps = [later.cap - cap.cap for cap, later in pairwise(found[: round(top * 100)])]
    assert all(0.00999 <= step <= 0.0101 for step in steps)
    assert found[-1].cap == top
    assert found[-1].reason == "ceiling"
    assert found[-1].event_ns == START_NS + 10 * SECOND_NS


def test_caps_are_numbered_from_one_on_in_the_order_in_which_they_are_published() -> None:
    found = caps(BOTH + "+2 tick\n+0 entry< disconnect\n+1 tick")
    assert [cap.sequence for cap in found] == list(range(1, len(found) + 1))
    assert (found[0].cause, found[0].cap) == ("change", 0.0)


def test_a_cap_that_stays_is_published_once_a_heartbeat() -> None:
    found = caps(BOTH + "+12 tick\n+5 tick")[-6:]
    assert {cap.cause for cap in found[1:]} == {"heartbeat"}
    assert {b.event_ns - a.event_ns for a, b in pairwise(found)} == {10**9}
    assert all(cap.valid_until_ns == cap.event_ns + 3 * 10**9 for cap in found)


def test_a_fall_is_published_at_once_however_small() -> None:
    found = caps(BOTH + "+12 tick\n+0 DC1< heartbeat ago=0.501")
    assert (found[-1].cause, found[-1].cap) == ("change", 0.9997)


def test_confidence_that_moves_is_published_though_the_cap_stays() -> None:
    down = BOTH + "+12 tick\n+0 entry< disconnect\n+2 tick\n"
    before = caps(down)
    after = caps(down + "+0 DC1< heartbeat ago=0.55\n+0 DC1< heartbeat ago=0.51\n+0 DC1< heartbeat")
    told = [(cap.cap, cap.confidence, cap.cause) for cap in after[len(before) :]]
    assert told == [(0.1977, 0.988889, "change"), (0.1977, 1.0, "change")]  # 0.997778 is no news


def test_one_hundredth_of_confidence_is_news_and_so_are_all_and_nothing() -> None:
    silent = "policy cap.floor = 0.05\n" + BOTH + "+12 tick\n+0 entry< disconnect\n+7 tick\n"
    before = caps(silent)
    after = caps(
        silent + "+0 DC1< heartbeat ago=4.955\n+0 DC1< heartbeat ago=4.91\n"
        "+0 DC1< heartbeat ago=4.905\n"  # a thousandth: left to the heartbeat
        "+0.1 DC1< heartbeat ago=4.965\n+0.1 DC1< heartbeat ago=5\n"
        "+0.1 DC1< heartbeat ago=0.51\n+1 DC1< heartbeat"
    )
    told = [(cap.cap, cap.confidence, cap.cause) for cap in after[len(before) :]]
    assert told == [
        (0.05, 0.01, "change"), (0.05, 0.02, "change"), (0.05, 0.007778, "change"),
        (0.05, 0.0, "change"), (0.05, 0.997778, "change"), (0.05, 0.997778, "heartbeat"),
        (0.05, 1.0, "change"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("script", "frozen", "multiple"),
    [("+1 tick", False, 1.6635), ("+1 entry< disconnect", True, 1.0)],
)
def test_expansion_is_frozen_and_nothing_caught_up_until_truth_has_converged(
    script: str, frozen: bool, multiple: float
) -> None:
    cap = caps(BOTH + script)[-1]
    assert (cap.freeze_expansion, cap.catchup_multiple_max) == (frozen, multiple)
    assert cap.participation_max == 0.20


# -- what a status page reads ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("later", "gap"), [("heartbeat", (3, 3, 500.0)), ("fill #2 5 dup", (0, 0, 0.0))]
)
def test_a_gap_has_a_size_and_an_age_until_it_is_closed(
    later: str, gap: tuple[int, int, float]
) -> None:
    scenario = Scenario()
    scenario.play(BOTH + f"+12 tick\n+0 entry< heartbeat #5\n+0.5 entry< {later}")
    found = scenario.partition.sessions["S"].control.read(scenario.now_ns)
    assert (found.outstanding, found.outstanding_peak, found.gap_age_ms) == gap


# -- episodes and shadows ------------------------------------------------------------------------


def test_an_open_episode_is_told_at_a_bounded_rate() -> None:
    scenario = Scenario()
    scenario.play(BOTH + "+0 entry< disconnect\n+21 beats DC1")
    found = [effect for effect in scenario.effects if isinstance(effect, Episode)]
    assert [record.status for record in found] == ["open", *["update"] * 4]
    assert [record.id for record in found] == [f"S/e1/{n}" for n in range(1, 6)]
    assert found[-1].link_down_ms is not None


def test_the_record_of_an_episode_has_its_end_once_it_is_closed_and_what_is_open_until_then() -> (
    None
):
    scenario = Scenario()
    scenario.play(
        BOTH + "+12 tick\n+0 entry< disconnect\n+1 entry< logon #5\n+7 tick\n"
        "+0 entry> resend 2-4\n+0 entry< fill #2 5 dup\n+80 beats"
    )
    found = [effect for effect in scenario.effects if isinstance(effect, Episode)]
    assert [record.end_ns for record in found[:-1]] == [None] * (len(found) - 1)
    assert (found[-1].status, found[-1].end_ns) == ("closed", found[-1].event_ns)
    assert found[1].unresolved == ("entry: 2-4 missing",)
    assert found[-1].unresolved == ()


def test_caps_name_the_open_episode_and_its_cycle() -> None:
    found = caps(
        BOTH + "+12 tick\n+0 entry< disconnect\n+0.1 entry< logon\n+0.1 entry< disconnect\n"
        "+0.1 entry< logon\n+80 beats"
    )
    named = [(cap.episode_id, cap.cycle) for cap in found]
    assert [of for of, _ in groupby(named)] == [
        (None, None), ("S/e1", 1), ("S/e1", 2), (None, None),
    ]  # fmt: skip


def test_transitions_count_up_and_name_their_episode_and_its_cycle() -> None:
    scenario = Scenario()
    scenario.play(
        BOTH + "+12 tick\n+0 entry< disconnect\n+0.1 entry< logon\n+0.1 entry< disconnect\n"
        "+0.1 entry< logon\n+80 beats\n"
        # an order that only drop copy knows: a doubt without a failure, then a failure within it
        "+0 DC1< new A 0/100\n+2 tick\n+0 entry< disconnect"
    )
    found = [effect for effect in scenario.effects if isinstance(effect, Transition)]
    assert [move.id for move in found] == [f"S/t{n}" for n in range(1, len(found) + 1)]
    assert [(move.episode_id, move.cycle, move.to_state.value) for move in found] == [
        ("S/e1", 1, "FAILOVER_DETECTED"), ("S/e1", 1, "REPLAY_SYNCING"),
        ("S/e1", 2, "FAILOVER_DETECTED"), ("S/e1", 2, "REPLAY_SYNCING"),
        ("S/e1", 2, "CONTROLLED_REENTRY"), ("S/e1", 2, "STABLE"), ("S/e1", 2, "HEALTHY"),
        ("S/e2", 0, "STATE_DIVERGED"),
        ("S/e2", 1, "FAILOVER_DETECTED"), ("S/e2", 1, "STATE_DIVERGED"),
    ]  # fmt: skip


RECOVERED = BOTH + "+12 tick\n+0 entry< disconnect\n+1 entry< logon\n"


@pytest.mark.parametrize(("later", "begins"), [(-1, False), (0, True), (1, True)])
def test_sdl_begins_to_end_with_an_acknowledgement_of_a_cap_of_reentry(
    later: int, begins: bool
) -> None:
    script = RECOVERED + "+8 beats\n"
    first = next(cap for cap in caps(script) if cap.state is State.CONTROLLED_REENTRY)
    scenario = Scenario()
    scenario.play(script + f"+0 parents ack {first.sequence + later}\n+80 beats")
    closed = [effect for effect in scenario.effects if isinstance(effect, Episode)][-1]
    told = (closed.status, closed.sdl_reentry_ms is not None, closed.sdl_ms)
    assert told == ("closed", begins, None)


@pytest.mark.parametrize(("later", "ends"), [(-1, False), (0, True)])
def test_sdl_ends_with_an_acknowledgement_of_normal_participation(later: int, ends: bool) -> None:
    script = RECOVERED + "+20 beats\n"
    normal = next(cap for cap in caps(script) if cap.state is State.STABLE and cap.cap >= 0.98)
    scenario = Scenario()
    scenario.play(script + f"+0 parents ack {normal.sequence + later}\n+80 beats")
    closed = [effect for effect in scenario.effects if isinstance(effect, Episode)][-1]
    assert (closed.status, closed.sdl_ms is not None) == ("closed", ends)


@pytest.mark.parametrize("ack", ["ack 999999", "ack 200 cap_epoch=6"])
def test_sdl_ends_neither_with_a_cap_that_was_never_published_nor_with_a_zombies(ack: str) -> None:
    scenario = Scenario()
    scenario.play(
        RECOVERED + "+20 beats\n+0 parents ack 1 cap_epoch=7\n" + f"+0 parents {ack}\n+80 beats"
    )
    closed = [effect for effect in scenario.effects if isinstance(effect, Episode)][-1]
    assert (closed.status, closed.sdl_ms) == ("closed", None)


def test_similarity_is_kept_to_six_digits() -> None:
    scenario = Scenario()
    agreed = "+0 entry> new A\n+0 entry+DC1< new A 0/100\n"
    alone = "".join(f"+0 DC1< new {name} 0/100\n" for name in "BC")
    scenario.play(BOTH + "+12 tick\n" + agreed + alone + "+0 entry< disconnect\n+7 tick")
    told = [effect for effect in scenario.effects if isinstance(effect, Episode)][-1]
    assert [(point.raw, point.settled, point.quantity) for point in told.similarity] == [
        (0.333333, 1.0, 1.0), (0.333333, 0.333333, 0.333333),
    ]  # fmt: skip


def test_a_backlog_is_looked_at_when_a_parent_comes_and_then_once_a_second() -> None:
    scenario = Scenario()
    schedule = " ".join(f"{quarter / 4}:{quarter}" for quarter in range(60))
    script = BOTH + "+0.1 entry< disconnect\n" + "+0.25 DC1< heartbeat\n" * 4
    script += f"+0.1 parents parent P 1000 {schedule}\n" + "+0.25 DC1< heartbeat\n" * 40
    scenario.play(script)
    told = [effect for effect in scenario.effects if isinstance(effect, Episode)][-1]
    assert len(told.backlog) > 4
    came_ns = START_NS + 12 * SECOND_NS // 10
    assert [point.at_ns for point in told.backlog] == [
        came_ns + after * SECOND_NS for after in range(len(told.backlog))
    ]


def test_a_shadow_moves_and_caps_and_tells_nothing_else() -> None:
    scenario = Scenario()
    shadowed = "+0 control policy shadow id=strict recovery.probation_ms=1000\n"
    scenario.play(shadowed + BOTH + "+1 entry< disconnect\n+1 entry< logon\n+30 beats")
    kinds = {effect.type for effect in scenario.effects if isinstance(effect, ShadowCap)}
    assert kinds == {"shadow_cap"}
    policies = {e.policy.id for e in scenario.effects if isinstance(e, Cap | Episode)}
    assert policies == {"default"}


def test_a_decision_is_kept_with_its_own_time_where_the_router_tells_it() -> None:
    scenario = Scenario()
    decided = START_NS + SECOND_NS // 2
    scenario.play(
        BOTH + f"+0 entry< disconnect\n+1 entry> new A decision_ns={decided}\n+1 entry> new B"
    )
    episode = scenario.partition.sessions["S"].control.episode
    assert episode is not None
    assert [(at_ns, child) for at_ns, child, *_ in episode.decisions] == [
        (decided, "A"), (START_NS + 2 * SECOND_NS, "B"),
    ]  # fmt: skip


def test_what_the_router_says_outside_an_episode_is_of_no_account() -> None:
    scenario = Scenario()
    scenario.play(BOTH + "+1 parents ack\n+0 entry> new A")
    assert scenario.partition.sessions["S"].control.episode is None


# -- handover ------------------------------------------------------------------------------------


def test_a_control_that_has_decided_nothing_yet_is_handed_over_too() -> None:
    truth = Truth("S", {})
    fresh = Control(parse({"id": "own"}), truth, {})
    loaded = Control.load(orjson.loads(orjson.dumps(fresh.dump())), truth, {})
    assert loaded.dump() == fresh.dump()
    assert loaded.policy.id == "own"
    assert loaded.cap == 0.0


def test_another_policy_leaves_state_clocks_and_cap_as_they_are() -> None:
    scenario = Scenario()
    scenario.play(BOTH + "+5 tick\n+0 entry< disconnect")
    kept = scenario.partition.sessions["S"].control
    before = kept.machine.dump(), kept.cap, kept.publisher.governor.dump()
    kept.adopt(Policy(), {})
    assert (kept.machine.dump(), kept.cap, kept.publisher.governor.dump()) == before
