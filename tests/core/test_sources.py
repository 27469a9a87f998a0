"""Freshness, required sources, the witness, completeness: what time says of each source (§8)."""

import math

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconverge.core.source import NEVER, OFFSET_WINDOW_NS, Pulse
from reconverge.core.sources import Sources, SourceSummary
from reconverge.core.truth import Truth
from reconverge.core.venue import Limits
from tests.scenarios.transcript import Scenario
from tests.scenarios.words import SECOND_NS, START_NS

BOTH = "+0 entry+DC1< logon hb=2\n"
HOUR_S = 3_600


def told(script: str, channels: tuple[str, ...] = ()) -> tuple[Truth, int]:
    """What is known of session S after a script, and when that is."""
    scenario = Scenario()
    scenario.play(script)
    truth = scenario.partition.sessions["S"].truth
    if channels:
        truth.set_limits(truth.limits._replace(channels=channels))
    return truth, scenario.now_ns


def summary(script: str, channels: tuple[str, ...] = (), past_s: float = 0) -> SourceSummary:
    truth, now_ns = told(script, channels)
    return truth.summary(now_ns, START_NS + round(past_s * SECOND_NS))


# -- lag -----------------------------------------------------------------------------------------

INF = math.inf


@pytest.mark.parametrize(
    ("script", "lag"),
    [
        # silence beyond 1.2 heartbeat intervals
        (BOTH + "+2.4 tick", 0),
        (BOTH + "+5 tick", 2_600),
        (BOTH + "+5 entry< heartbeat", 2_600),
        (BOTH + "+5 DC1< heartbeat", 2_600),
        (BOTH + "+5 DC1< heartbeat\n+0 entry< heartbeat", 0),
        ("+0 entry+DC1+DC2< logon hb=2\n+4 entry+DC1< heartbeat", 1_600),
        ("+0 entry+DC1+DC2< logon hb=2\n+4 entry+DC2< heartbeat", 1_600),
        # the interval: of the logon, of the profile, of the policy
        ("+0 entry+DC1< logon hb=0\n+40 tick", 4_000),
        ("venue fast heartbeat_ms=1000\n+0 entry+DC1< logon hb=0 venue=fast\n+4 tick", 2_800),
        ("venue fast heartbeat_ms=1000\n+0 entry+DC1< logon hb=5 venue=fast\n+4 tick", 0),
        # it belongs to the channel, whichever numbering stated it
        ("+0 entry+DC1< logon hb=9\n+0 DC1< heartbeat seg=X\n+6 entry< heartbeat", 0),
        # the path says itself when it is down
        (BOTH + "+4 entry< disconnect\n+2 DC1< heartbeat", 0),
        # resent messages keep a source alive, but they are not newer
        (BOTH + "+5 entry< heartbeat\n+0 DC1< logon #1 dup", 2_600),
        ("+0 entry< logon\n+9 DC1< logon #1 dup ago=9", INF),
        # the age of the newest event when it was heard
        ("+0 entry+DC1< logon\n+2 DC1< heartbeat ago=1.5", 1_500),
        ("+0 entry+DC1< logon\n+2 DC1< heartbeat ago=1.5\n+9 tick", 1_500),
        ("+0 entry+DC1< logon\n+2 DC1< heartbeat ago=1.5\n+1 DC1< heartbeat", 0),
        # an old message is not the newest
        ("+0 entry+DC1< logon\n+9 DC1< heartbeat\n+0.1 DC1< new A 0/100 ago=6", 0),
        # a clock that was always as far behind
        ("+0 entry< logon\n+0 DC1< logon ago=3\n+1 DC1< heartbeat ago=3", 0),
        ("+0 entry< logon\n+0 DC1< logon ago=3\n+1 DC1< heartbeat ago=3.7", 700),
        # a gap is no lag: the replay component counts it
        ("+0 entry+DC1< logon\n+9 DC1< heartbeat #7\n+2 tick", 0),
        # never heard
        ("+0 DC1< logon", INF),
        ("+0 entry< logon", INF),
    ],
)  # fmt: skip
def test_the_lag_is_that_of_the_least_fresh_source(script: str, lag: float) -> None:
    assert summary(script).lag_ns / 1e6 == lag


def test_order_entry_that_is_down_lags_nowhere() -> None:
    """The state of the path says that, to the machine and in every cap."""
    found = summary(BOTH + "+4 entry< disconnect\n+9 DC1< heartbeat")
    assert (found.entry_lag_ns, found.required[0].lag_ns, found.required[0].down) == (0, 0, True)


@pytest.mark.parametrize(
    ("seconds", "resolution", "lag"), [(0.9, "", 900), (0.9, "stamp_resolution_ns=1000000000", 0)]
)
def test_coarse_stamps_are_no_lag_where_the_profile_says_so(
    seconds: float, resolution: str, lag: float
) -> None:
    script = f"venue v {resolution}\n+0 entry+DC1< logon venue=v\n+2 DC1< heartbeat ago={seconds}"
    assert summary(script).lag_ns / 1e6 == lag


@pytest.mark.parametrize("back", ["", "\n+400 DC1< heartbeat ago=3600\n+1 entry< heartbeat"])
def test_a_clock_set_back_an_hour_is_no_lag(back: str) -> None:
    """Neither at once nor when the ages from before are forgotten."""
    script = "+0 entry+DC1< logon\n+1 DC1< heartbeat ago=3600\n+1 entry< heartbeat" + back
    assert summary(script).lag_ns == 0


def test_after_a_clock_was_set_back_new_lateness_is_seen() -> None:
    script = "+0 entry+DC1< logon\n+400 DC1< heartbeat ago=3600\n+1 entry< heartbeat\n"
    assert summary(script + "+2 DC1< heartbeat ago=3602").lag_ns == 2 * SECOND_NS


@pytest.mark.parametrize(
    ("after_s", "lag"), [(0.6, 600), (4.9, 600), (5.1, 0)]
)  # fmt: skip
def test_lateness_is_a_lag_until_the_hard_lag_has_passed(after_s: float, lag: float) -> None:
    truth, now_ns = told("+0 entry+DC1< logon")
    truth.sources.echoed("DC1", 600_000_000, now_ns)
    later_ns = now_ns + round(after_s * SECOND_NS)
    assert truth.summary(later_ns, 0).lag_ns / 1e6 == lag


def test_what_is_missing_or_lost_adds_up_over_the_sources() -> None:
    found = summary(
        "+0 entry+DC1+DC2< logon\n+1 entry< heartbeat #5\n+1 DC1< heartbeat #9\n"
        "+1 DC2< reset 4\n+1 DC2< heartbeat #6"
    )
    assert (found.outstanding, found.unrecoverable) == (3 + 7 + 2, 2)
    assert found.oldest_gap_ns == START_NS + SECOND_NS


ages = st.lists(
    st.tuples(st.integers(0, 90), st.integers(-1, 40)), min_size=1, max_size=40
)  # seconds since the last word, age of its event


@given(ages)
def test_the_smallest_age_is_that_of_five_minutes_or_a_little_more(
    history: list[tuple[int, int]],
) -> None:
    """Brute force over every word; a minute's ages are forgotten together."""
    pulse, now_ns, newest_ns = Pulse(), START_NS, NEVER
    kept: list[tuple[int, int]] = []
    for wait_s, age_s in history:
        now_ns += wait_s * SECOND_NS
        event_ns = now_ns - age_s * SECOND_NS
        pulse.newer(event_ns, now_ns)
        if event_ns < newest_ns and now_ns - kept[-1][0] >= OFFSET_WINDOW_NS:
            kept, newest_ns = [], NEVER
        if event_ns >= newest_ns:
            newest_ns = event_ns
            kept.append((now_ns, age_s))
        assert len(pulse.lows) <= 5
        newest_s = kept[-1][1]
        least, most = (
            newest_s - min([newest_s, *(a for at_ns, a in kept if now_ns - at_ns < reach_ns)])
            for reach_ns in (OFFSET_WINDOW_NS, OFFSET_WINDOW_NS + 150 * SECOND_NS)
        )
        assert least * SECOND_NS <= pulse.late_ns(now_ns) <= most * SECOND_NS


# -- several numberings of one channel -----------------------------------------------------------

SEGMENTS = (
    "{venue}+0 entry< logon hb=1{named}\n+0 DC1< logon hb=1 seg=A\n+0 DC1< logon hb=1 seg=B\n"
    + "+1 entry< heartbeat\n+0 DC1< heartbeat seg=A\n" * 6
)


@pytest.mark.parametrize(
    ("numberings", "lag"), [("", 4_800), ("concurrent", 4_800), ("successive", 0)]
)
def test_r42_market_segments_must_all_be_alive_session_identifiers_need_not(
    numberings: str, lag: float
) -> None:
    venue = f"venue v numberings={numberings}\n" if numberings else ""
    script = SEGMENTS.format(venue=venue, named=" venue=v" if numberings else "")
    found = summary(script, past_s=3)
    assert found.lag_ns / 1e6 == lag
    assert found.complete == (lag == 0)


def test_r42_an_earlier_identifier_that_is_resent_is_not_the_one_that_speaks() -> None:
    script = (
        "venue v numberings=successive\n+0 entry< logon hb=1 venue=v\n+0 DC1< logon hb=1 seg=A\n"
    )
    script += "+1 DC1< heartbeat seg=B\n+2 entry< heartbeat\n+0 DC1< heartbeat seg=B\n"
    script += "+0.1 DC1< heartbeat #5 seg=A dup\n"
    assert summary(script).lag_ns == 0


def test_r42_order_entry_is_one_connection_whatever_its_numberings() -> None:
    script = BOTH + "+0 entry< heartbeat seg=old\n+2 entry+DC1< heartbeat\n+2 entry+DC1< heartbeat"
    assert summary(script).lag_ns == 0


# -- which sources are required ------------------------------------------------------------------


def names(script: str, channels: tuple[str, ...] = ()) -> list[str | None]:
    return [reading.channel for reading in summary(script, channels).required]


@pytest.mark.parametrize(
    ("script", "channels", "expected"),
    [
        ("+0 entry< logon", (), [None]),
        (BOTH, (), [None, "DC1"]),
        (BOTH + "+1 DC2< heartbeat", (), [None, "DC1", "DC2"]),
        (BOTH + "+1 DC2< heartbeat", ("DC1",), [None, "DC1"]),
        (BOTH, ("DC9",), [None, "DC9"]),
        # an orderly logout retires: ours first, or of a log that holds the venue's side only
        (BOTH + "+1 DC1> logout\n+0 DC1< logout", (), [None]),
        (BOTH + "+1 DC1< logout", (), [None]),
        (BOTH + "+1 DC1> heartbeat\n+1 DC1< logout", (), [None, "DC1"]),
        # until it speaks again
        (BOTH + "+1 DC1< logout\n+1 DC1< logon", (), [None, "DC1"]),
        (BOTH + "+1 DC1< logout\n+1 DC1< heartbeat #1 dup", (), [None]),
        # a disconnect does not
        (BOTH + "+1 DC1< disconnect", (), [None, "DC1"]),
        # an attestation does where it names the channel, even one that the policy names
        (BOTH + "+1 DC2< heartbeat\n+1 control attest jo why", (), [None, "DC1", "DC2"]),
        (BOTH + "+1 control attest jo why retired=DC1", (), [None]),
        (BOTH + "+1 control attest jo why retired=DC1", ("DC1",), [None]),
        (BOTH + "+1 DC1< logout", ("DC1",), [None, "DC1"]),
    ],
)
def test_required_sources(
    script: str, channels: tuple[str, ...], expected: list[str | None]
) -> None:
    assert names(script, channels) == expected


def test_a_required_channel_that_was_never_heard_is_infinitely_late() -> None:
    found = summary(BOTH, ("DC9",))
    assert (found.lag_ns, found.covered_ns) == (INF, NEVER)
    assert not found.complete


def test_a_channel_retired_by_a_mistyped_name_is_told() -> None:
    scenario = Scenario()
    scenario.play(BOTH + "+1 control attest jo why retired=DC9")
    told_of = [e for e in scenario.effects if getattr(e, "name", "") == "unknown_channel_attested"]
    assert len(told_of) == 1


@pytest.mark.parametrize(
    ("script", "down", "lag"),
    [
        ("+2 DC1< disconnect", True, 2_000),
        ("+2 DC1< missed", True, 2_000),
        ("+2 DC1> heartbeat\n+0 DC1< logout", True, 0),  # not of our asking; its last word is new
        ("+2 DC1< disconnect\n+1 DC1< logon", False, 0),
        ("+2 DC1< disconnect\n+1 DC1< heartbeat\n+2 entry< heartbeat", False, 0),
        ("+2 DC1< switched backup", False, 0),  # an observation of ours, no word of the channel's
    ],
)
def test_a_channel_that_is_down_has_no_allowance(script: str, down: bool, lag: float) -> None:
    reading = summary(BOTH + "+0 entry< logon hb=60\n" + script).required[1]
    assert (reading.down, reading.lag_ns / 1e6) == (down, lag)


# -- clocks ahead --------------------------------------------------------------------------------


def test_an_event_time_ahead_of_its_arrival_is_the_arrival_and_told_once() -> None:
    scenario = Scenario()
    scenario.play(
        BOTH + "+1 DC1< heartbeat ago=-3600\n+1 DC1< heartbeat ago=-2\n+0 entry< heartbeat"
    )
    alerts = [e for e in scenario.effects if getattr(e, "name", "") == "clock_ahead_source"]
    assert [getattr(e, "detail", "") for e in alerts] == ["DC1: 3600.000 s ahead"]
    truth = scenario.partition.sessions["S"].truth
    assert truth.event_ns == scenario.now_ns
    assert list(truth.sources.ahead) == ["DC1"]
    scenario = Scenario()
    scenario.play(
        BOTH + "+1 DC1< heartbeat ago=-2\n+1 DC1< heartbeat ago=-0.9\n+1 DC1< heartbeat ago=-2"
    )
    alerts = [e for e in scenario.effects if getattr(e, "name", "") == "clock_ahead_source"]
    assert len(alerts) == 2, "right in between"


# -- complete past a moment ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "past_s", "complete"),
    [
        (BOTH + "+5 DC1< heartbeat", 4.9, True),
        (BOTH + "+5 DC1< heartbeat", 5, False),  # at that very moment, before it perhaps
        (BOTH + "+5 DC1< heartbeat #1 dup", 4.9, False),
        (BOTH + "+5 DC1< heartbeat #9", 4.9, False),
        (BOTH + "+1 DC1< heartbeat #4\n+4 DC1< fill #2 4 dup", 4.9, False),
        (BOTH + "+1 DC1< heartbeat #4\n+4 DC1< fill #2 4 dup\n+1 DC1< heartbeat", 4.9, True),
        (BOTH + "+5 DC1< disconnect", 4.9, False),  # no word of the channel's
        # late by its own measure
        (BOTH + "+5 DC1< heartbeat ago=0.2", 4.9, False),
        (BOTH + "+5 DC1< heartbeat ago=0.2", 4.7, True),
        # a clock set back an hour neither blocks nor fakes
        (BOTH + "+5 DC1< heartbeat ago=3600", 4.9, True),
        (BOTH + "+5 DC1< heartbeat ago=3600", 5, False),
        ("+0 entry< logon\n+0 DC1< logon ago=3600\n+5 DC1< heartbeat ago=3600", 4.9, True),
        # every channel
        ("+0 entry+DC1+DC2< logon\n+5 DC1< heartbeat", 4.9, False),
        # numbers that restarted since: the end of the former ones was perhaps never heard
        (BOTH + "+5 DC1< logon reset\n+1 DC1< heartbeat", 4.9, False),
        (BOTH + "+5 DC1< logon reset\n+1 DC1< heartbeat", 5, False),
        (BOTH + "+5 DC1< logon reset\n+1 DC1< heartbeat", 5.1, True),
        (BOTH + "+5 DC1< logon reset\n+1 control attest jo why\n+1 DC1< heartbeat", 4.9, True),
        (
            BOTH + "+5 DC1< logon reset\n+1 entry< mass-status R1\n+0 entry< mass-end R1 0\n"
            "+1 DC1< heartbeat", 4.9, True,
        ),
        (
            BOTH + "+5 DC1< logon reset\n+0 entry< mass-status R1\n+0 entry< mass-end R1 0\n"
            "+1 DC1< heartbeat", 4.9, False,
        ),
        # without a channel a snapshot tells, begun after that moment
        ("+0 entry< logon\n+5 entry< mass-status R1\n+0 entry< mass-end R1 0", 4.9, True),
        ("+0 entry< logon\n+5 entry< mass-status R1\n+0 entry< mass-end R1 0", 5, False),
        ("+0 entry< logon\n+5 entry< mass-status R1 sym=X\n+0 entry< mass-end R1 0", 4.9, False),
    ],
)  # fmt: skip
def test_complete_past_a_moment(script: str, past_s: float, complete: bool) -> None:
    assert summary(script, past_s=past_s).complete is complete


def test_covered_is_the_last_newer_word_less_its_lateness() -> None:
    truth, now_ns = told("+0 entry+DC1+DC2< logon\n+5 DC1< heartbeat\n+1 DC2< heartbeat")
    assert truth.summary(now_ns, 0).covered_ns == START_NS + 5 * SECOND_NS
    truth.sources.echoed("DC1", 600_000_000, now_ns)
    assert truth.summary(now_ns, 0).covered_ns == START_NS + 5 * SECOND_NS - 600_000_000


@pytest.mark.parametrize(
    ("attested", "owed"),
    [("", 0), (" orders=VX", 1), (" retired=DC9", 1), (" DC1 1-1", 1), (" 2-9", 1)],
)
def test_only_an_attestation_of_the_session_excuses_what_ended_with_the_former_numbers(
    attested: str, owed: int
) -> None:
    """R17: drop copy never told that A was filled, and its numbers restarted."""
    script = BOTH + "+0 entry> new A\n+0 entry< trade A 100 100/0\n+1 DC1< logon reset\n"
    truth, _ = told(script + f"+1 control attest jo why{attested}")
    assert (truth.orders.oldest_owed_ns is not None) == bool(owed)
    assert (truth.sources.drop_copy_restarted_ns != NEVER) == bool(owed)


# -- the witness, cold starts, content set aside --------------------------------------------------


def test_a_violation_on_drop_copy_breaks_the_witness_and_not_the_path() -> None:
    scenario = Scenario()
    scenario.play(BOTH + "+1 DC1< heartbeat\n+1 DC1< heartbeat #1")
    truth = scenario.partition.sessions["S"].truth
    assert (truth.path.up, truth.sources.violations) == (True, 1)
    assert "hard_failure" not in [signal for _, signal in scenario.transitions]
    assert list(truth.unresolved()) == ["DC1: 1 refused for their number"]


@pytest.mark.parametrize(
    ("script", "cold"),
    [
        ("+0 entry< heartbeat #1\n+0 DC1< heartbeat #9001", False),
        ("+0 entry< heartbeat #7001\n+0 DC1< heartbeat #9001", True),
        ("+0 entry< heartbeat #7001\n+0 DC1< heartbeat #1", True),
        ("+0 DC1< heartbeat #9001", True),
        ("+0 DC1< heartbeat #1", False),
        ("+0 entry< heartbeat #-", False),
        ("+0 entry< heartbeat #7001\n+1 control attest jo why", False),
        ("+0 entry< heartbeat #7001\n+1 entry< mass-status R\n+0 entry< mass-end R 0", False),
        ("+0 entry< heartbeat #7001\n+1 entry< mass-status R sym=X\n+0 entry< mass-end R 0", True),
        ("+0 entry< heartbeat #7001\n+1 entry< logon reset", True),  # orders may survive that
        ("+0 entry< logon reset", False),
    ],
)
def test_r40_a_source_first_heard_in_the_middle_is_a_cold_start(script: str, cold: bool) -> None:
    assert summary(script).cold_start is cold


def test_r40_a_restart_ends_a_cold_start_where_the_venue_purges_its_orders() -> None:
    script = "venue v purges_daily=true\n+0 entry< logon #7001 venue=v\n+1 entry< logon reset"
    assert not summary(script).cold_start


def test_r19_content_set_aside_that_names_no_order_is_lost_until_it_is_settled() -> None:
    script = BOTH + "+1 entry< other set_aside=unreadable\n"
    assert summary(script).unrecoverable == 1
    assert list(told(script)[0].unresolved()) == ["1 set aside that name no order"]
    assert summary(script + "+1 control attest jo why").unrecoverable == 0
    snapshot = "+1 entry< mass-status R\n+0 entry< mass-end R 0"
    assert summary(script + snapshot).unrecoverable == 0
    early = "+1 entry< mass-status R\n+1 entry< other set_aside=x\n+1 entry< mass-end R 0"
    assert summary(BOTH + early).unrecoverable == 1, "it came after the snapshot had begun"
    assert summary(BOTH + "+1 entry< other").unrecoverable == 0


# -- handover ------------------------------------------------------------------------------------


def test_dumped_and_loaded_the_sources_are_the_same() -> None:
    script = BOTH + (
        "+1 DC1< heartbeat seg=A ago=2\n+70 DC1< heartbeat seg=A\n+1 DC2> logout\n+0 DC2< logout\n"
        "+1 DC1< logon reset\n+1 DC1< heartbeat #1\n+1 DC3< heartbeat ago=-9\n+1 DC3< disconnect"
    )
    truth, now_ns = told(script)
    truth.sources.echoed("DC1", 5, now_ns)
    rows = [orjson.dumps(row) for row in truth.sources.dump()]
    loaded = Sources()
    loaded.load(map(orjson.loads, rows))
    assert [orjson.dumps(row) for row in loaded.dump()] == rows
    before = truth.summary(now_ns, 0)
    truth.sources = loaded
    assert truth.summary(now_ns, 0) == before


def test_sources_are_bounded() -> None:
    """As many as there are numberings: what is beyond is heard and not kept."""
    script = BOTH + "".join(f"+0 DC1< heartbeat seg=s{n}\n+0 D{n}< heartbeat\n" for n in range(200))
    truth, _ = told(script)
    assert sum(len(source.pulses) for source in truth.sources.by_channel.values()) == 256
    assert len(truth.sources.by_channel) == 202
    assert truth.limits == Limits()
