"""R1-R18 one by one, as scripts (``sequence_script`` says how to read one)."""

import pytest

from reconverge.core.events import NotApplied
from reconverge.core.numbering import PARKED_MAX
from reconverge.core.sequence import SOURCES_MAX, Sequences
from reconverge.core.venue import Limits, Venue
from tests.core.sequence_script import Script, event, parked

BOUNDED = Venue(window_ns=None, replay_range_max=None, in_flight_max=4)
UNBOUNDED = BOUNDED.model_copy(update={"gap_fill_scope": "unbounded"})
CHUNKED = Venue(window_ns=None, replay_range_max=5)
KEEPS_TEN = Venue(window_ns=None, replay_range_max=None, retained_max=10)
WINDOW = Venue(window_ns=100_000_000_000, replay_range_max=None)

RULES: dict[str, tuple[Venue, str]] = {
    "R1 the new number of a gap fill is the next expected, not the last skipped": (
        BOUNDED,
        """
        < logon 1
        < fill 2 5
        ? next 5 open none
        < 5
        ? next 6 open none
        """,
    ),
    "R1 a gap fill applies when its own number is the expected one": (
        BOUNDED,
        """
        < 1..4
        < 10                  ! gap_opened
        < fill 5 10           ! gap_closed
        ? next 11 open none replayed 5
        """,
    ),
    "R1 a gap fill of a single number": (
        BOUNDED,
        """
        < 1..4
        < fill 5 6
        ? next 6
        """,
    ),
    "R1 a gap fill that ends inside a gap leaves the rest": (
        BOUNDED,
        """
        < 1..4
        < 20                  ! gap_opened
        < fill 5 12
        ? next 12 open 12-19
        """,
    ),
    "R1 a gap fill over numbers that came in the meantime keeps them": (
        BOUNDED,
        """
        < 1..4
        < 8                   ! gap_opened
        < 12                  ! gap_opened
        < fill 5 12           ! gap_closed
        ? next 13 open none
        < 8 dup               => ignored
        """,
    ),
    "R2 a gap fill above expected is not applied and opens a gap": (
        BOUNDED,
        """
        < 1..4
        < fill 10 15          => ignored ! gap_opened
        ? next 5 open 5-9 out 5
        """,
    ),
    "R2 a parked gap fill is applied when its number becomes the expected one": (
        BOUNDED,
        """
        < 1..4
        < fill 10 15          => ignored ! gap_opened
        < 5..8 dup
        < 9 dup               ! gap_closed
        ? next 15 open none
        """,
    ),
    "R2 while a gap fill is parked, a later number shows its range as missing": (
        BOUNDED,
        """
        < 1..4
        < fill 10 15          => ignored ! gap_opened
        < 15                  ! gap_opened
        ? next 5 open 5-14 out 10
        < 5..8 dup
        < 9 dup               ! gap_closed
        ? next 16 open none
        """,
    ),
    "R2 parked fills chain": (
        BOUNDED,
        """
        < 1..4
        < fill 10 15          => ignored ! gap_opened
        < fill 15 20          => ignored ! gap_opened
        < fill 5 10           ! gap_closed
        ? next 20 open none
        """,
    ),
    "R2 a gap fill above expected in a hole is parked, on a seen number it says nothing": (
        BOUNDED,
        """
        < 1..4
        < 20                  ! gap_opened
        < 12 dup
        < fill 12 15          => ignored
        < fill 14 20 dup      => ignored
        ? next 5 open 5-11,13-19
        < fill 5 13 dup
        ? next 13 open 13-19
        < 13 dup              ! gap_closed
        ? next 21
        """,
    ),
    "R2 a parked fill whose number came otherwise is dropped": (
        BOUNDED,
        """
        < 1..4
        < fill 10 15          => ignored ! gap_opened
        < 10
        < 5..8 dup
        < 9 dup               ! gap_closed
        ? next 11
        """,
    ),
    "R2 a gap fill below expected with possible-duplicate is discarded": (
        BOUNDED,
        """
        < 1..4
        < 10                  ! gap_opened
        < fill 3 10 dup       => ignored
        ? next 5 open 5-9
        """,
    ),
    "R2 a gap fill below expected without it is a hard failure": (
        BOUNDED,
        """
        < 1..4
        < fill 3 10           => ignored ! sequence_violation
        ? next 5 open none
        """,
    ),
    "R2 a gap fill that goes nowhere or backwards is refused": (
        BOUNDED,
        """
        < 1..4
        < fill 5 5            => ignored ! reset_refused
        < fill 5 2            => ignored ! reset_refused
        ? next 5
        """,
    ),
    "R3 a reset ignores its own number; what it skips is lost, not recovered": (
        BOUNDED,
        """
        < 1..4
        < reset 50 seq:3      ! unrecoverable
        ? next 50 open none lost 45
        < 50
        ? next 51 lost 45
        """,
    ),
    "R3 a reset makes an open gap unrecoverable, keeps what was seen": (
        BOUNDED,
        """
        < 1..4
        < 10                  ! gap_opened
        < reset 20            ! unrecoverable
        ? next 20 open none lost 14
        """,
    ),
    "R3 a reset into numbers already seen loses only the gap before it": (
        BOUNDED,
        """
        < 1..4
        < 10                  ! gap_opened
        < 15                  ! gap_opened
        < reset 10            ! unrecoverable
        ? next 11 open 11-14 lost 5
        """,
    ),
    "R3 a reset to the expected number changes nothing": (
        BOUNDED,
        """
        < 1..4
        < reset 5
        ? next 5 lost 0
        """,
    ),
    "R3 a lower reset is rejected, state unchanged": (
        BOUNDED,
        """
        < 1..4
        < reset 2             => ignored ! reset_refused
        < reset 2 dup         => ignored
        ? next 5 lost 0
        """,
    ),
    "R3 a lost number that a resend brings after all is recovered": (
        BOUNDED,
        """
        < 1..4
        < reset 7             ! unrecoverable
        < 5 dup
        ? lost 1
        < 6 dup               ! gap_closed
        ? lost 0
        < 6 dup               => ignored
        """,
    ),
    "R3 a request for lost numbers, answered by a gap fill, proves them empty": (
        BOUNDED,
        """
        < 1..4
        < reset 20            ! unrecoverable
        > resend 5-19         ! resend_begun
        < fill 5 20 dup       ! resend_completed gap_closed
        ? lost 0 next 20
        """,
    ),
    "R3 a reset on a source never heard sets where it begins": (
        BOUNDED,
        """
        < reset 30
        ? next 30 lost 0 open none
        < 30
        """,
    ),
    "R4 a number too low without possible-duplicate is a hard failure": (
        BOUNDED,
        """
        < 1..4
        < 4                   => ignored ! sequence_violation
        < 2                   => ignored ! sequence_violation
        ? next 5
        """,
    ),
    "R4 a possible-duplicate already seen is ignored": (
        BOUNDED,
        """
        < 1..4
        < 3 dup               => ignored
        ? next 5 replayed 0
        """,
    ),
    "R4 a possible-duplicate not yet seen fills the gap, in any order": (
        BOUNDED,
        """
        < 1..4
        < 8                   ! gap_opened
        < 6 dup
        ? next 5 open 5,7 gaps 2
        < 7 dup
        < 7 dup               => ignored
        < 5 dup               ! gap_closed
        ? next 9 replayed 3
        """,
    ),
    "R4 a number of a gap is not too low, flag or not; a repeat above the expected is no failure": (
        BOUNDED,
        """
        < 1..4
        < 8                   ! gap_opened
        < 6
        < 6                   => ignored
        < 8                   => ignored
        ? next 5 open 5,7
        """,
    ),
    "R4 possible-duplicates older than all we know are news": (
        BOUNDED,
        """
        < 100
        < 90 dup
        < 90                  => ignored ! sequence_violation
        ? next 101 open none
        """,
    ),
    "R5 a possible-resend carries a new number like any other; its content is for the orders": (
        BOUNDED,
        """
        < 1..4
        < 5 again
        < 7 again             ! gap_opened
        < 5 again             => ignored ! sequence_violation
        ? next 6 open 6
        """,
    ),
    "R6 a logon above expected opens the horizon at once": (
        BOUNDED,
        """
        < logon 1
        < 2..4
        @ 7
        < logon 20            ! gap_opened
        ? next 5 open 5-19 out 15 oldest 7
        """,
    ),
    "R6 a logon too low is refused": (
        BOUNDED,
        """
        < logon 1
        < 2..9
        < logon 4             => ignored ! sequence_violation
        """,
    ),
    "R7 a jump of thousands is one gap, filled by one message": (
        BOUNDED,
        """
        < 1..4
        < logon 4005          ! gap_opened
        ? out 4000 gaps 1
        < fill 5 4005 dup     ! gap_closed
        ? out 0 next 4006
        """,
    ),
    "R8 an answer holds a bounded number of messages; the rest needs the next request": (
        CHUNKED,
        """
        < 1..4
        < 17                  ! gap_opened
        > resend 5-           ! resend_begun
        ? resends 5-
        < 5..8 dup
        < 9 dup               ! resend_chunk_completed
        ? next 10 resends none
        @ 100
        > resend 10-          ! resend_begun
        < 10..13 dup
        < 14 dup              ! resend_chunk_completed
        > resend 15-          ! resend_begun
        < 15 dup
        < 16 dup              ! resend_completed gap_closed
        """,
    ),
    "R8 one request in flight: a further one takes its place and says so": (
        CHUNKED,
        """
        < 1..4
        < 17                  ! gap_opened
        > resend 5-9          ! resend_begun
        > resend 10-14        ! resend_replaced resend_begun
        ? resends 10-14 open 5-16
        """,
    ),
    "R8 where the venue serves several requests at once, each is followed": (
        BOUNDED,
        """
        < 1..4
        < 10                  ! gap_opened
        < 15                  ! gap_opened
        > resend 5-9          ! resend_begun
        > resend 11-14        ! resend_begun
        ? resends 5-9,11-14
        < fill 11 15 dup      ! resend_completed
        < fill 5 10 dup       ! resend_completed gap_closed
        """,
    ),
    "R8 a gap older than the venue replays is unrecoverable, never closed": (
        WINDOW,
        """
        < 1..4
        < 10                  ! gap_opened
        @ 50
        < 15                  ! gap_opened
        @ 99
        ? open 5-9,11-14 lost 0
        @ 100                 ! unrecoverable
        ? open 11-14 lost 5 next 11
        > resend 11-14        ! resend_begun
        @ 150                 ! resend_timed_out unrecoverable
        ? open none lost 9 next 16
        """,
    ),
    "R8 a request notices what has grown too old since": (
        WINDOW,
        """
        < 1..4
        < 10                  ! gap_opened
        > resend 5-9          ! resend_begun
        @ 30                  ! resend_timed_out
        """,
    ),
    "R9 later high numbers continue the gap while a resend is outstanding": (
        BOUNDED,
        """
        < 1..4
        < 10                  ! gap_opened
        > resend 5-           ! resend_begun
        < 20
        ? open 5-9,11-19
        < fill 25 30          => ignored
        ? open 5-9,11-19,21-24
        """,
    ),
    "R10 real time and replay interleave": (
        BOUNDED,
        """
        < 1..4
        < 8                   ! gap_opened
        > resend 5-7          ! resend_begun
        < 5 dup
        < 9
        < 6 dup
        < 10
        < 7 dup               ! resend_completed gap_closed
        ? next 11
        """,
    ),
    "R10 a gap inside an answer is a new gap": (
        BOUNDED,
        """
        < 1..4
        < 20                  ! gap_opened
        > resend 5-19         ! resend_begun
        < 5 dup
        < 9 dup               ! gap_opened
        < 10 dup
        < fill 15 20 dup      => ignored ! gap_opened
        ? open 6-8,11-19
        < fill 6 9 dup
        ? open 11-19
        < fill 11 15 dup      ! resend_completed gap_closed
        """,
    ),
    "R11 request_bounded: a fill past the requested end is believed up to it": (
        BOUNDED,
        """
        < 1..4
        < 20                  ! gap_opened
        > resend 5-9          ! resend_begun
        < fill 5 20 dup       ! gap_fill_beyond_request resend_completed
        ? next 10 open 10-19
        """,
    ),
    "R11 request_bounded: numbers beyond the frontier are missing, not proven": (
        BOUNDED,
        """
        < 1..4
        < 10                  ! gap_opened
        > resend 5-9          ! resend_begun
        < fill 5 15 dup       ! gap_fill_beyond_request resend_completed
        ? next 11 open 11-14
        < 15
        ? next 11 open 11-14
        """,
    ),
    "R11 a fill past the end over numbers already seen is no conflict": (
        BOUNDED,
        """
        < 1..4
        < 10..11              ! gap_opened
        > resend 5-9          ! resend_begun
        < fill 5 12 dup       ! resend_completed gap_closed
        ? next 12
        """,
    ),
    "R11 unbounded: the same fill closes all": (
        UNBOUNDED,
        """
        < 1..4
        < 20                  ! gap_opened
        > resend 5-9          ! resend_begun
        < fill 5 20 dup       ! resend_completed gap_closed
        ? next 21
        """,
    ),
    "R11 a request for everything bounds nothing": (
        BOUNDED,
        """
        < 1..4
        < 20                  ! gap_opened
        > resend 5-           ! resend_begun
        < fill 5 21 dup       ! resend_completed gap_closed
        ? next 21
        """,
    ),
    "R11 a fill nobody asked for is not bounded": (
        BOUNDED,
        """
        < 1..4
        < 20                  ! gap_opened
        < fill 5 20 dup       ! gap_closed
        """,
    ),
    "R11 a request gone silent still bounds its late answer": (
        BOUNDED,
        """
        < 1..4
        < 20                  ! gap_opened
        > resend 5-9          ! resend_begun
        @ 30                  ! resend_timed_out
        < fill 5 20 dup       ! gap_fill_beyond_request resend_completed
        ? open 10-19
        """,
    ),
    "R12 a rejection releases the range, recovers nothing": (
        BOUNDED,
        """
        < 1..4
        < 10                  ! gap_opened
        > resend 5-9          ! resend_begun
        < rejected            ! resend_rejected
        ? resends none open 5-9
        > resend 5-9          ! resend_begun
        ? resends 5-9
        """,
    ),
    "R12 a session reject of the request is a rejection; of anything else it is not": (
        BOUNDED,
        """
        < 1..4
        < 10                  ! gap_opened
        > resend 5-9          ! resend_begun
        < reject-of D seq:11
        ? resends 5-9
        < reject-of 2 seq:12  ! resend_rejected
        ? resends none open 5-9
        < reject-of 2 seq:12 dup => ignored
        """,
    ),
    "R12 a rejection for good makes the range unrecoverable": (
        BOUNDED,
        """
        < 1..4
        < 10                  ! gap_opened
        > resend 5-8          ! resend_begun
        < rejected forever    ! resend_rejected unrecoverable
        ? open 9 lost 4 next 9
        > resend 9-           ! resend_begun
        < rejected forever seq:11 ! resend_rejected unrecoverable
        ? open none lost 5 next 12
        < rejected seq:4      => ignored ! sequence_violation
        """,
    ),
    "R12 a rejection concerns the oldest request awaited": (
        BOUNDED,
        """
        < 1..4
        < 20                  ! gap_opened
        > resend 5-9          ! resend_begun
        @ 10
        > resend 10-14        ! resend_begun
        @ 30                  ! resend_timed_out
        < rejected            ! resend_rejected
        ? resends none
        < rejected forever    ! resend_rejected unrecoverable
        ? lost 5 open 10-19
        < rejected            ! resend_rejected
        """,
    ),
    "R12 a silent answer times out; each message of it renews the deadline": (
        BOUNDED,
        """
        < 1..4
        < 10                  ! gap_opened
        > resend 5-9          ! resend_begun
        @ 29
        < 5 dup
        @ 31
        ? resends 5-9
        @ 59                  ! resend_timed_out
        ? resends none open 6-9
        < 6 dup
        ? open 7-9
        """,
    ),
    "R12 R13 a disconnect releases the range and is flagged": (
        BOUNDED,
        """
        < 1..4
        < 10                  ! gap_opened
        > resend 5-9          ! resend_begun
        < disconnect          ! failover_during_resend resend_released
        ? resends none open 5-9
        < disconnect
        """,
    ),
    "R12 a request already gone silent is not released a second time": (
        BOUNDED,
        """
        < 1..4
        < 10                  ! gap_opened
        > resend 5-9          ! resend_begun
        @ 30                  ! resend_timed_out
        < disconnect
        ? resends none open 5-9
        """,
    ),
    "R12 the same on the peer's logout, a missed heartbeat, a switch": (
        BOUNDED,
        """
        < 1..4
        < 10                  ! gap_opened
        > resend 5-9          ! resend_begun
        < logout 11           ! failover_during_resend resend_released
        > resend 5-9          ! resend_begun
        < missed              ! failover_during_resend resend_released
        > resend 5-9          ! resend_begun
        < switched            ! failover_during_resend resend_released
        < logout 4            => ignored ! sequence_violation
        """,
    ),
    "R12 a connection that ends releases its own channel only": (
        BOUNDED,
        """
        < 1..4 on:dc
        < 10 on:dc            ! gap_opened
        > resend 5-9 on:dc    ! resend_begun
        < logon 1
        < disconnect
        ? on:dc resends 5-9
        < disconnect on:dc    ! failover_during_resend resend_released
        """,
    ),
    "R13 a logout of ours while a resend is in flight is flagged": (
        BOUNDED,
        """
        < 1..4
        < 10                  ! gap_opened
        > logout 7
        > resend 5-9          ! resend_begun
        > logout 8            ! failover_during_resend
        ? resends 5-9
        """,
    ),
    "R14 channels and segments number independently": (
        BOUNDED,
        """
        < 1..4
        < 7..8 on:dc
        < 50 on:dc seg:a
        < 5
        < 53 on:dc seg:a      ! gap_opened
        ? next 6
        ? on:dc next 9
        ? on:dc seg:a next 51 open 51-52
        """,
    ),
    "R14 a logon with reset starts the next epoch; what was missing is lost with the old one": (
        BOUNDED,
        """
        < logon 1
        < 2..4
        < 10                  ! gap_opened
        > resend 5-9          ! resend_begun
        < logon 1 reset       ! resend_released unrecoverable numbers_restarted
        ? next 2 epoch 1 open none lost 5
        < 2
        < 5                   ! gap_opened
        ? open 3-4 lost 5
        """,
    ),
    "R14 a clean restart loses nothing, and drops fills that waited": (
        BOUNDED,
        """
        < logon 1
        < 2..4
        < logon 1 reset       ! numbers_restarted
        ? next 2 epoch 1 lost 0
        < 3 dup               ! gap_opened
        < logon 1 reset dup   => ignored
        ? epoch 1
        """,
    ),
    "R14 a restart asked for by us, granted with or without the flag, happens once": (
        BOUNDED,
        """
        > logon 1 reset
        < logon 1 reset
        ? epoch 0 next 2
        < 2..9
        > logon 1 reset
        < logon 1             ! numbers_restarted
        ? epoch 1 next 2
        """,
    ),
    "R14 a restart asked for and not granted changes nothing": (
        BOUNDED,
        """
        < logon 1
        < 2..9
        > logon 1 reset
        < logon 10
        ? epoch 0 next 11
        < logon 1             => ignored ! sequence_violation
        """,
    ),
    "R14 an in-session restart by the venue: our reply asks for nothing": (
        BOUNDED,
        """
        > logon 1
        < logon 1
        < 2..9
        < logon 1 reset       ! numbers_restarted
        > logon 1 reset
        < 2..4
        < logon 1             => ignored ! sequence_violation
        ? epoch 1 next 5
        """,
    ),
    "R14 a restart whose logon is not number one has a gap from one": (
        BOUNDED,
        """
        < 40..41
        < logon 3 reset       ! numbers_restarted gap_opened
        ? next 1 open 1-2
        """,
    ),
    "R14 retransmission from an earlier session identifier leaves the present one alone": (
        BOUNDED,
        """
        < 1..9 seg:new
        > resend 120-122 seg:old   ! gap_opened resend_begun
        < 120 dup seg:old
        < 10 seg:new
        < 121..122 dup seg:old     ! resend_completed gap_closed
        ? seg:new next 11
        ? seg:old next 123
        """,
    ),
    "R15 a backup's zero is not a number; the promoted primary continues at last + 1": (
        BOUNDED,
        """
        < 1..4
        < logon 0
        < 0
        < 5
        ? next 6 open none
        < 0 on:backup
        < 8 on:backup
        ? on:backup next 9 open none
        """,
    ),
    "R17 a venue that keeps only its newest numbers cannot close an older gap": (
        KEEPS_TEN,
        """
        < 1..4
        < 30                  ! gap_opened
        > resend 5-29         ! resend_begun unrecoverable
        ? open 21-29 lost 16 next 21
        < fill 21 30 dup
        ? open none lost 16
        @ 30                  ! resend_timed_out
        ? lost 16
        """,
    ),
    "R17 an answer called complete that is not leaves the rest missing": (
        BOUNDED,
        """
        < 1..4
        < 10                  ! gap_opened
        > resend 5-9          ! resend_begun
        < 5..7 dup
        < completed           ! resend_incomplete
        ? open 8-9 resends none
        < completed
        """,
    ),
    "R17 an operator's attestation clears lost and missing numbers, in every epoch": (
        BOUNDED,
        """
        < 1..4
        < 10                  ! gap_opened
        < reset 20            ! unrecoverable
        < 25                  ! gap_opened
        ? lost 14 open 20-24
        vouch 5-19            ! range_excused
        ? lost 0 open 20-24
        vouch 22-22           ! range_excused
        ? open 20-21,23-24
        < logon 1 reset       ! unrecoverable numbers_restarted
        ? lost 4
        vouch 1-99            ! range_excused
        ? lost 0
        vouch 1-99
        """,
    ),
    "R17 what was vouched for is still news when it comes after all": (
        BOUNDED,
        """
        < 1..4
        < 8                   ! gap_opened
        vouch 5-7             ! range_excused gap_closed
        ? next 9
        < 6 dup
        < 6 dup               => ignored
        < 7                   => ignored ! sequence_violation
        """,
    ),
    "R17 an attestation reaches into a gap of unknown end": (
        BOUNDED,
        """
        < gap 5-              ! gap_opened
        vouch 5-9             ! range_excused gap_closed
        ? next 10 open none
        """,
    ),
    "R17 a complete snapshot clears what was unseen before it began": (
        BOUNDED,
        """
        @ 1
        < 1..4
        < 10                  ! gap_opened
        @ 2
        < reset 20            ! unrecoverable
        @ 3
        < 25                  ! gap_opened
        @ 5
        < 30                  ! gap_opened
        @ 6
        snapshot 4            ! range_excused
        ? lost 0 open 26-29
        @ 9
        snapshot 8            ! range_excused gap_closed
        ? open none
        snapshot 8
        """,
    ),
    "R17 a snapshot leaves a gap that is being resent, clears one of unknown end": (
        BOUNDED,
        """
        @ 1
        < 1..4
        < 10                  ! gap_opened
        > resend 5-9          ! resend_begun
        @ 3
        snapshot 2
        ? open 5-9
        < disconnect          ! failover_during_resend resend_released
        < gap 11-             ! gap_opened
        @ 5
        snapshot 4            ! range_excused gap_closed
        ? open none
        < logon 2 reset       ! numbers_restarted gap_opened
        < logon 1 reset       ! unrecoverable numbers_restarted
        ? lost 1
        @ 7
        snapshot 3
        ? lost 1
        snapshot 6            ! range_excused
        ? lost 0
        """,
    ),
    "cold start: the first number seen is where we begin": (
        BOUNDED,
        """
        < 500
        ? next 501 open none
        """,
    ),
    "cold start: a request from below the first number seen opens the gap": (
        BOUNDED,
        """
        < 500
        > resend 490-         ! gap_opened resend_begun
        ? open 490-499 complete 0
        < fill 490 500 dup    ! resend_completed gap_closed
        < 480 dup
        """,
    ),
    "cold start: only what was asked for is missing": (
        BOUNDED,
        """
        < 500
        > resend 490-494      ! gap_opened resend_begun
        ? open 490-494
        < 497 dup
        < 497 dup             => ignored
        < 490..493 dup
        < 494 dup             ! resend_completed gap_closed
        """,
    ),
    "cold start: a gap of unknown end ends where a later number shows it": (
        BOUNDED,
        """
        < gap 5-              ! gap_opened
        ? open 5- out 1 gaps 1 next 5
        @ 3
        < 20
        ? open 5-19 out 15 next 5 oldest 0
        """,
    ),
    "cold start: a request to infinity is answered before its end is known": (
        BOUNDED,
        """
        > resend 5-           ! gap_opened resend_begun
        < 5..6 dup
        ? open 7- out 1
        < 9 dup               ! gap_opened
        ? open 7-8,10- out 3 gaps 2
        < fill 7 9 dup
        < fill 10 20 dup
        ? open 20-
        < 20                  ! resend_completed gap_closed
        ? next 21 open none
        """,
    ),
    "cold start: the source ends a gap of unknown end by calling its answer complete": (
        BOUNDED,
        """
        > resend 5-           ! gap_opened resend_begun
        < 5..6 dup
        < completed           ! resend_completed gap_closed
        ? next 7 open none
        """,
    ),
    "cold start: a live fill ends a gap of unknown end": (
        BOUNDED,
        """
        < gap 5-              ! gap_opened
        < fill 9 12           => ignored
        ? open 5-8
        < gap 9-              ! gap_opened
        ? open 5- gaps 1
        < fill 5 12           ! gap_closed
        ? next 12 open none
        < gap 14-             ! gap_opened
        ? open 12-
        """,
    ),
    "a gap reported by our own engine holds only what we have not seen": (
        BOUNDED,
        """
        < 1..4
        < gap 3-9             ! gap_opened
        ? open 5-9 next 5
        < gap 2-4
        < gap 12-14           ! gap_opened
        ? open 5-14
        """,
    ),
    "a gap of unknown end becomes unrecoverable with a reset or a restart": (
        BOUNDED,
        """
        < 1..4
        < gap 5-              ! gap_opened
        < reset 9             ! unrecoverable
        ? open none lost 4 next 9
        < gap 9-              ! gap_opened
        < logon 1 reset       ! unrecoverable numbers_restarted
        ? open none lost 5
        """,
    ),
    "a reset below the frontier leaves a gap of unknown end": (
        BOUNDED,
        """
        < 1..4
        < 10                  ! gap_opened
        < gap 11-             ! gap_opened
        < reset 6             ! unrecoverable
        ? open 6-9,11-
        """,
    ),
    "next-expected logon: each side resends the other's gap without a request": (
        BOUNDED,
        """
        < logon 1
        < 2..4
        > logon 30 expects 5
        < logon 9 expects 31  ! gap_opened resend_begun
        ? resends 5-8 lacks none
        < fill 5 9 dup        ! resend_completed gap_closed
        """,
    ),
    "next-expected logon: our expectation tells where a cold source begins": (
        BOUNDED,
        """
        > logon 30 expects 5
        < logon 9 expects 31  ! gap_opened resend_begun
        ? open 5-8 resends 5-8
        """,
    ),
    "next-expected logon: a lower expectation of the peer shows its hole of ours": (
        BOUNDED,
        """
        > logon 1
        < logon 1
        > 2..5
        < disconnect
        > logon 6 expects 2
        < logon 2 expects 3   ! peer_gap
        ? lacks 3-5
        > 3 dup
        ? lacks 4-5
        > fill 4 7 dup
        ? lacks none
        """,
    ),
    "next-expected logon: the logon itself is not a hole, zero is no number": (
        BOUNDED,
        """
        > logon 6
        < logon 2 expects 6
        > logon 7
        < logon 3 expects 0
        ? lacks none
        """,
    ),
    "next-expected logon: a peer that expects more than we sent": (
        BOUNDED,
        """
        > logon 6
        < logon 2 expects 9   ! peer_ahead
        """,
    ),
    "next-expected logon: without our own numbers nothing is concluded": (
        BOUNDED,
        """
        < logon 2 expects 9
        ? lacks none next 3
        """,
    ),
    "a resend request of the peer shows its hole of ours": (
        BOUNDED,
        """
        < logon 1
        > 1..9
        < resend 4-6 seq:2    ! peer_gap
        ? lacks 4-6
        > reset 20
        ? lacks none
        < resend 15- seq:3    ! peer_gap
        ? lacks 15-19
        < resend 40- seq:4
        < resend 4-6 seq:2    => ignored ! sequence_violation
        < logon 1 reset       ! numbers_restarted
        ? lacks none
        """,
    ),
    "R31 unnumbered messages prove nothing of numbers": (
        BOUNDED,
        """
        < 1..4
        < 8                   ! gap_opened
        @ 5
        < unnumbered
        ? open 5-7 complete 0
        """,
    ),
    "complete up to: the last message before the first hole, until it is closed": (
        BOUNDED,
        """
        @ 1
        < 1..4
        @ 2
        < 8                   ! gap_opened
        @ 3
        < 5 dup
        ? complete 1 oldest 2
        < reset 20            ! unrecoverable
        ? complete 1
        vouch 6-19            ! range_excused gap_closed
        ? complete 2
        """,
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_rule(name: str) -> None:
    venue, script = RULES[name]
    Script(venue, Limits(attempts_max=5)).run(script)


def test_r16_not_applied_uses_up_its_number_only() -> None:
    """R16 is about our requests; ``core.orders`` acts on it."""
    script = Script(BOUNDED).run("< 1..4")
    event_ = NotApplied(session="s", event_ns=0, ingest_ns=0, seq=5, from_seq=7, count=2)
    assert script.sequences.accept(event_, 0)
    script.run("? next 6 open none")


def test_r18_attempts_are_counted_in_a_window_and_alert_before_the_limit() -> None:
    script = Script(BOUNDED, Limits(attempts_max=3, attempts_window_ns=10_000_000_000))
    script.run(
        """
        > logon 1
        < logon 1
        < 5                   ! gap_opened
        @ 4
        > resend 2-4          ! resend_begun
        @ 9
        > resend 2-4          ! resend_begun attempts_near_limit
        """.replace("resend_begun attempts_near_limit", "attempts_near_limit resend_begun")
    )
    assert script.sequences.attempts(script.now_ns) == 3
    script.run("> resend 2-4          ! resend_begun")  # told once while the window stays full
    assert script.sequences.attempts(11_000_000_000) == 3
    script.run("@ 18")
    assert script.sequences.attempts(script.now_ns) == 2
    script.run(
        """
        > resend 2-4          ! attempts_near_limit resend_begun
        @ 60                  ! resend_timed_out resend_timed_out resend_timed_out resend_timed_out
        """
    )
    assert script.sequences.attempts(script.now_ns) == 0


def test_r18_a_logon_of_the_venue_alone_counts_as_ours() -> None:
    """A drop-copy log may hold one direction only."""
    script = Script(BOUNDED, Limits(attempts_max=2))
    script.run("< logon 1\n< logon 2   ! attempts_near_limit")


def test_limits_follow_the_policy() -> None:
    script = Script(BOUNDED).run("< 1..4\n< 9 ! gap_opened")
    script.sequences.set_limits(Limits(resend_timeout_ns=5_000_000_000))
    script.run("> resend 5-8 ! resend_begun\n@ 5 ! resend_timed_out")
    script.sequences.set_venue(UNBOUNDED)
    script.run("< fill 5 20 dup ! resend_completed gap_closed\n? next 20")


def test_parked_fills_are_bounded_and_what_is_dropped_stays_missing() -> None:
    script = Script(BOUNDED).run("< 1")
    for at in range(10, 10 + 10 * (PARKED_MAX + 1), 10):
        script.run(f"< fill {at} {at + 10} => ignored ! gap_opened")
    last = 10 * (PARKED_MAX + 1)
    script.run(f"< fill 2 10\n? next {last} open none".replace("\n?", " ! gap_closed\n?"))


def test_numberings_are_bounded_and_the_session_is_told_to_park() -> None:
    sequences = Sequences(BOUNDED)
    for i in range(SOURCES_MAX):
        assert sequences.accept(event(["1", f"seg:{i}"], 0, outbound=False), 0)
    assert not parked(sequences)
    for word in ("1", "7"):
        assert sequences.accept(event([word, "seg:over"], 0, outbound=False), 0)
    for i in range(SOURCES_MAX + 1):
        sequences.sent(event(["1", f"seg:{i}"], 0, outbound=True), 0)
    sequences.sent(event(["resend", "1-2", "seg:over"], 0, outbound=True), 0)
    assert [finding.kind for finding in sequences.findings] == ["gaps_full"]
    assert parked(sequences)
    assert sequences.get(None, "over") is None


def test_readings_of_the_session_add_up_its_sources() -> None:
    script = Script(BOUNDED).run(
        """
        < 1..4
        @ 2
        < 10                  ! gap_opened
        @ 1
        < 1..4 on:dc
        < 7 on:dc             ! gap_opened
        < 6 dup on:dc
        < reset 9 on:dc       ! unrecoverable
        """
    )
    sequences = script.sequences
    assert [numbering.channel for numbering in sequences.sources()] == [None, "dc"]
    assert (sequences.outstanding, sequences.unrecoverable) == (5, 2)
    assert sequences.open_gap_count == 1
    assert sequences.oldest_gap_ns == 2_000_000_000
    assert sequences.replayed_total == 1
    assert not sequences.awaiting
    assert sequences.next_deadline_ns is None
    assert sequences.peer_lacks("nowhere") is None


def test_replay_rate_and_time_to_drain_follow_the_answer() -> None:
    script = Script(BOUNDED).run("< 1..4\n< 105 ! gap_opened\n> resend 5-104 ! resend_begun")
    numbering = script.sequences.get(None)
    assert numbering is not None

    def progress() -> tuple[float | None, int | None]:
        return numbering.recovery.rate_per_s, numbering.drain_ms

    assert progress() == (None, None)
    script.run("@ 2\n< fill 5 25 dup")
    assert progress() == (10, 8_000)
    script.run("< fill 25 105 dup ! resend_completed gap_closed")
    assert progress() == (50, 0)


def test_heartbeat_interval_and_last_heard_come_from_the_source() -> None:
    script = Script(BOUNDED).run("@ 3\n< logon 1\n@ 4\n< unnumbered")
    numbering = script.sequences.get(None)
    assert numbering is not None
    assert numbering.heartbeat_ms == 30_000
    assert numbering.last_heard_ns == 4_000_000_000


def test_a_source_without_numbers_is_complete_as_it_speaks() -> None:
    Script(BOUNDED).run("@ 3\n< unnumbered\n? complete 3 next 0 open none")
