"""Progress of a recovery (S4): each step is taken once, and everybody is heard meanwhile."""

import pytest

from reconverge.core.control.policy import Policy
from reconverge.core.control.progress import Progress
from reconverge.core.messages.effects import Cap, State
from reconverge.core.source import SourceReading
from reconverge.core.sources import SourceSummary
from reconverge.core.truth import Truth
from tests.scenarios.transcript import Scenario

SECOND = 1_000_000_000
POLICY = Policy()


def summary(*heard_s: float) -> SourceSummary:
    """Required sources that were heard at these seconds."""
    readings = tuple(SourceReading(None, 0.0, 0, round(at * SECOND), down=False) for at in heard_s)
    return Truth("S", {}).summary(0, 0)._replace(required=readings)


def made(progress: Progress, at_s: float, *heard_s: float) -> bool:
    """Whether progress is made at a second."""
    return progress.is_made(summary(*(heard_s or (at_s,))), POLICY, round(at_s * SECOND))


def looked(*steps: tuple[float, int, int]) -> Progress:
    """What was seen, by second: numbers missing, orders in doubt."""
    progress = Progress()
    progress.begin()
    for at_s, missing, doubts in steps:
        progress.look(missing, doubts, round(at_s * SECOND))
    return progress


def test_a_number_recovered_is_progress_for_a_second() -> None:
    progress = looked((0, 10, 5), (1, 9, 5))
    assert made(progress, 1)
    assert made(progress, 2)
    assert not made(progress, 2.001)


def test_what_is_found_on_entry_is_no_progress() -> None:
    assert not made(looked((0, 10, 5)), 0)
    assert not made(looked((0, 0, 0)), 0)


def test_doubts_that_settle_beside_a_stalled_replay_are_none() -> None:
    assert not made(looked((0, 10, 5), (1, 10, 3), (2, 10, 0)), 2)


def test_with_nothing_missing_a_doubt_that_settles_is_progress_once() -> None:
    progress = looked((0, 0, 5), (1, 0, 4))
    assert made(progress, 1)
    progress = looked((0, 0, 5), (1, 0, 4), (3, 0, 5), (4, 0, 4), (5, 0, 5), (6, 0, 4))
    assert not made(progress, 6)
    progress.look(0, 3, 7 * SECOND)
    assert made(progress, 7)


def test_a_gap_that_opens_and_closes_again_is_none() -> None:
    progress = looked((0, 10, 0), (1, 2, 0), (3, 12, 0), (4, 3, 0))
    assert not made(progress, 4)
    progress.look(1, 0, 5 * SECOND)
    assert made(progress, 5)


@pytest.mark.parametrize(("heard_s", "said"), [((1.5, 1.5), True), ((1.5, 0.4), False)])
def test_every_required_source_is_heard_meanwhile(heard_s: tuple[float, ...], said: bool) -> None:
    assert made(looked((0, 10, 5), (1, 9, 5)), 1.5, *heard_s) is said


def test_dump_and_load_keep_it() -> None:
    progress = looked((0, 10, 5), (1, 9, 5))
    assert Progress.load(progress.dump()).dump() == progress.dump()


# -- the cap in REPLAY_SYNCING ---------------------------------------------------------------------

GAP = "+0 entry+DC1< logon hb=1\n+12 beats\n+0 entry< disconnect\n+0.2 entry< logon #1000\n"
RESEND = "+0 entry> resend 14-999\n"


def syncing(script: str) -> list[Cap]:
    """The caps in REPLAY_SYNCING."""
    scenario = Scenario()
    scenario.play(GAP + RESEND + script)
    found = [effect for effect in scenario.effects if isinstance(effect, Cap)]
    return [cap for cap in found if cap.state is State.REPLAY_SYNCING]


def replayed(first: int, count: int, every_s: float, beside: str) -> str:
    """So many messages of a replay, and what else comes beside each."""
    return "".join(f"+{every_s} entry< other #{first + i} dup\n{beside}" for i in range(count))


def test_a_replay_that_makes_progress_earns_a_cap_by_the_ramp_under_ceiling_times_confidence() -> (
    None
):
    found = syncing("+1.5 tick\n" + replayed(14, 40, 0.2, "+0 DC1< heartbeat\n"))
    assert found[-1].cap > min(cap.cap for cap in found)
    for cap in found:
        assert cap.cap <= 0.5 * cap.confidence + 1e-4
        assert (cap.instrument_cap or 0) <= 0.5 * cap.confidence + 1e-4


def test_a_replay_while_drop_copy_is_silent_earns_nothing() -> None:
    found = syncing("+1.5 tick\n" + replayed(14, 40, 0.2, ""))
    later = [cap.cap for cap in found if cap.event_ns > found[0].event_ns + 2 * SECOND]
    assert later == sorted(later, reverse=True)
