"""R1-R18 one by one: the scripts of ``sequences/``, and what a script cannot say."""

import pytest

from reconverge.core.messages.events import NotApplied
from reconverge.core.sequences import SOURCES_MAX, Sequences
from reconverge.core.sequences.numbering import PARKED_MAX
from reconverge.core.venue import Limits, Venue
from tests.core.rule_script import load
from tests.core.sequence_script import Script, event, parked

BOUNDED = Venue(window_ns=None, replay_range_max=None, in_flight_max=4)

VENUES = {
    "bounded": BOUNDED,
    "unbounded": BOUNDED.model_copy(update={"gap_fill_scope": "unbounded"}),
    "chunked": Venue(window_ns=None, replay_range_max=5),
    "keeps-ten": Venue(window_ns=None, replay_range_max=None, retained_max=10),
    "daily": BOUNDED.model_copy(update={"daily_start_s": 10}),
    "purging": BOUNDED.model_copy(update={"purges_daily": True}),
    "window": Venue(window_ns=100_000_000_000, replay_range_max=None),
}

RULES = load("sequences")


@pytest.mark.parametrize("channel", [None, "PRIMARY"])
@pytest.mark.parametrize("name", RULES)
def test_rule(name: str, channel: str | None) -> None:
    """Order entry and drop copy follow the same rules."""
    script = RULES[name]
    venue = "bounded"
    if script.startswith("venue "):
        first, _, script = script.partition("\n")
        venue = first.removeprefix("venue ")
    Script(VENUES[venue], Limits(attempts_max=5), channel).run(script)


def test_r16_not_applied_uses_up_its_number_only() -> None:
    """R16 is about our requests; ``core.orders`` acts on it."""
    script = Script(BOUNDED).run("< #1-4")
    event_ = NotApplied(session="s", event_ns=0, ingest_ns=0, seq=5, from_seq=7, count=2)
    assert script.sequences.accept(event_, 0)
    script.run("? next 6 open none")


def test_r18_attempts_are_counted_in_a_window_and_alert_before_the_limit() -> None:
    script = Script(BOUNDED, Limits(attempts_max=3, attempts_window_ns=10_000_000_000))
    script.run(
        """
        > logon #1
        < logon #1
        < #5                  ! gap_opened
        +4 tick
        > resend 2-4          ! resend_begun
        +5 tick
        > resend 2-4          ! resend_begun attempts_near_limit
        """.replace("resend_begun attempts_near_limit", "attempts_near_limit resend_begun")
    )
    assert script.sequences.attempts(script.now_ns) == 3
    script.run("> resend 2-4          ! resend_begun")  # told once while the window stays full
    assert script.sequences.attempts(9_999_999_999) == 4
    assert script.sequences.attempts(10_000_000_000) == 3
    assert script.sequences.attempts(11_000_000_000) == 3
    script.run("+9 tick")
    assert script.sequences.attempts(script.now_ns) == 2
    script.run(
        """
        > resend 2-4          ! attempts_near_limit resend_begun
        +42 tick              ! resend_timed_out resend_timed_out resend_timed_out resend_timed_out
        """
    )
    assert script.sequences.attempts(script.now_ns) == 0


def test_r18_a_logon_of_the_venue_alone_counts_as_ours() -> None:
    """A drop-copy log may hold one direction only."""
    script = Script(BOUNDED, Limits(attempts_max=2))
    script.run("< logon #1\n< logon #2  ! attempts_near_limit")


def test_r18_each_connection_has_its_own_budget() -> None:
    script = Script(BOUNDED, Limits(attempts_max=2))
    script.run(
        """
        > logon #1
        dc> logon #1
        > logon #2            ! attempts_near_limit
        """
    )
    attempts = script.sequences.attempts
    assert [attempts(0), attempts(0, "dc"), attempts(0, "none")] == [2, 1, 0]


def test_limits_follow_the_policy() -> None:
    script = Script(BOUNDED).run("< #1-4\n< #9 ! gap_opened")
    script.sequences.set_limits(Limits(resend_timeout_ns=5_000_000_000))
    script.run("> resend 5-8 ! resend_begun\n+5 tick ! resend_timed_out")
    script.sequences.set_venue(VENUES["unbounded"])
    script.run("< fill #5 20 dup ! resend_completed gap_closed\n? next 20")
    script.run("dc< #1\ndc< #9 ! gap_opened\ndc> resend 2-4 ! resend_begun")
    script.run("dc< fill #2 9 dup ! resend_completed gap_closed")


@pytest.mark.parametrize(
    ("stated", "in_force"),
    [
        ({}, Limits(60, 9, 50)),
        ({"attempts_max": 3}, Limits(60, 3, 50)),
        ({"attempts_max": 12, "attempts_window_ns": 40}, Limits(60, 9, 50)),
        ({"attempts_window_ns": 70}, Limits(60, 9, 70)),
        ({"resend_timeout_ns": 20}, Limits(20, 9, 50)),
        ({"resend_timeout_ns": 80}, Limits(60, 9, 50)),
    ],
)
def test_r18_a_venues_own_limits_are_in_force_where_they_are_stricter(
    stated: dict[str, int], in_force: Limits
) -> None:
    """Whichever is known first; a default of the profile is no statement of the venue's."""
    policy, venue = Limits(60, 9, 50), Venue.model_validate(stated)
    sequences = Sequences(venue, policy)
    later = Sequences(Venue(), Limits())
    later.set_limits(policy)
    later.set_venue(venue)
    assert sequences.limits == later.limits == in_force


def test_parked_fills_are_bounded_and_what_is_dropped_stays_missing() -> None:
    script = Script(BOUNDED).run("< #1")
    for at in range(10, 10 + 10 * (PARKED_MAX + 1), 10):
        script.run(f"< fill #{at} {at + 10} => ignored ! gap_opened")
    last = 10 * (PARKED_MAX + 1)
    script.run(f"< fill #2 10\n? next {last} open none".replace("\n?", " ! gap_closed\n?"))


def test_numberings_are_bounded_and_the_session_is_told_to_park() -> None:
    sequences = Sequences(BOUNDED)
    for i in range(SOURCES_MAX):
        assert sequences.accept(event(f"< #1 seg={i}"), 0)
    assert not parked(sequences)
    for seq in (1, 7):
        assert sequences.accept(event(f"DC< #{seq} seg=over"), 0)
    for i in range(SOURCES_MAX + 1):
        sequences.sent(event(f"> #1 seg={i}"), 0)
        sequences.sent(event(f"{i}> logon #1"), 0)
    assert sequences.attempts(0, "0") == 1
    assert sequences.attempts(0, str(SOURCES_MAX)) == 0
    assert sum(kind == "outbound" for kind, *_ in sequences.dump()) == SOURCES_MAX
    sequences.sent(event("> resend 1-2 seg=over"), 0)
    assert [(found.kind, found.about) for found in sequences.findings] == [("gaps_full", "DC")]
    assert parked(sequences)
    assert sequences.get(None, "over") is None


def test_readings_of_the_session_add_up_its_sources() -> None:
    script = Script(BOUNDED).run(
        """
        < #1-4
        +2 tick
        < #10                 ! gap_opened
        -1 tick
        dc< #1-4
        dc< #7                ! gap_opened
        dc< #6 dup
        dc< reset 9           ! unrecoverable
        +2 tick
        dc< #12               ! gap_opened
        """
    )
    sequences = script.sequences
    assert [numbering.channel for numbering in sequences.sources()] == [None, "dc"]
    assert (sequences.outstanding, sequences.unrecoverable) == (8, 2)
    assert sequences.open_gap_count == 2
    assert sequences.oldest_gap_ns == 2_000_000_000
    assert sequences.replayed_total == 1
    assert not sequences.awaiting
    assert sequences.next_deadline_ns is None
    assert sequences.peer_lacks("nowhere") is None


def test_replay_rate_and_time_to_drain_follow_the_answer() -> None:
    script = Script(BOUNDED).run("< #1-4\n< #105 ! gap_opened\n> resend 5-104 ! resend_begun")
    numbering = script.sequences.get(None)
    assert numbering is not None

    def progress() -> tuple[float | None, int | None]:
        return numbering.recovery.rate_per_s, numbering.drain_ms

    assert progress() == (None, None)
    script.run("< #5 dup")
    assert progress() == (None, None)
    script.run("+2 tick\n< fill #6 25 dup")
    assert progress() == (10, 8_000)
    script.run("< fill #25 105 dup ! resend_completed gap_closed")
    assert progress() == (50, 0)


def test_numbers_that_come_back_unasked_have_a_rate_too() -> None:
    numbering = (
        Script(BOUNDED)
        .run("< #1-4\n< #8 ! gap_opened\n< #5 dup\n+1 tick\n< #6 dup")
        .sequences.get(None)
    )
    assert numbering is not None
    assert numbering.recovery.rate_per_s == 2


def test_a_source_without_numbers_is_complete_as_it_speaks() -> None:
    Script(BOUNDED).run("+3 tick\n< heartbeat\n? complete 3 next 0 open none")


def test_findings_say_which_numbers_of_which_segment() -> None:
    sequences = Sequences(BOUNDED, Limits(attempts_max=9))
    for line in (
        "< #1", "< #9", "> resend 2-8", "< #2 dup", "< #5 dup", "< fill #3 9 dup",
        "< #13", "> resend 10-12", "> resend 10-",
        "> logon #9 expects=11", "< logon #15 expects=10", "< logon #1 reset",
    ):  # fmt: skip
        hear = sequences.sent if line.startswith(">") else sequences.accept
        hear(event(f"{line} seg=a"), 0)
    assert [finding.detail for finding in sequences.findings] == [
        f"{detail} (segment a)"
        for detail in (
            "2-8 missing",
            "2-8 requested",
            "3-4 missing inside the answer to 2-8",
            "2-8",
            "complete up to 9",
            "10-12 missing",
            "10-12 requested",
            "10- requested",
            "11-14 expected by our logon",
            "10-12: numbers restarted",
            "10-: numbers restarted",
            "11-14: numbers restarted",
            "4 missing when epoch 0 ended at 15",
            "epoch 0 ended at 15",
        )
    ]
