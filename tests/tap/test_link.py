"""What message logs leave out: deaths of the transport, and silence."""

import pytest

from reconverge.core.messages.events import Disconnect, GatewaySwitched, HeartbeatMissed
from reconverge.tap import engine
from reconverge.tap.engine import Saying, Statement
from reconverge.tap.framing import Note, Origin, Piece
from reconverge.tap.merge import by_time
from reconverge.tap.translate import Identity
from tests.tap.fixtext import FORMATS, MS, START_NS, Sent, Tapped, inn, out, pieces, tap

LOGON = (out("A", 1, (108, "10"), at_ms=0), inn("A", 1, (108, "10"), at_ms=1))
AGAIN = (out("A", 3, (108, "10"), at_ms=9_000), inn("A", 3, (108, "10"), at_ms=9_001))


def note(at_ms: int, text: str) -> Note:
    return Note(Origin("event.log", 1), START_NS + at_ms * MS, text)


def merged(*what: Sent | Note, identity: Identity | None = None) -> Tapped:
    """Messages and notes, each kind from a log of its own."""
    messages = [piece for each in what if isinstance(each, Sent) for piece in _pieces(each)]
    notes = [each for each in what if isinstance(each, Note)]
    return tap(by_time([messages, notes]), identity)


def _pieces(m: Sent) -> list[Piece]:
    return pieces(FORMATS["QuickFIX C++"](m))


def kinds(tapped: Tapped) -> list[str]:
    return [event.type for event in tapped.events]


def at_ms(ns: int) -> float:
    return (ns - START_NS) / MS


def broken(tapped: Tapped) -> list[Disconnect]:
    return [event for event in tapped.events if isinstance(event, Disconnect)]


def test_a_second_logon_without_a_logout_means_the_transport_died() -> None:
    tapped = merged(*LOGON, inn("0", 2, at_ms=5_000), *AGAIN)
    assert kinds(tapped) == ["logon", "logon", "heartbeat", "disconnect", "logon", "logon"]
    (disconnect,) = broken(tapped)
    assert str(disconnect.reason).startswith("inferred")
    assert (at_ms(disconnect.event_ns), at_ms(disconnect.ingest_ns)) == (5_000, 9_000)
    assert disconnect.seq is None


def test_a_counterparty_that_logs_on_again_has_reconnected_too() -> None:
    """An acceptor's log, where the counterparty opens."""
    other_way = [inn("A", 1, (108, "10")), out("A", 1, (108, "10"), at_ms=1)]
    tapped = merged(*other_way, inn("A", 2, at_ms=9_000), out("A", 2, at_ms=9_001))
    assert kinds(tapped) == ["logon", "logon", "disconnect", "logon", "logon"]


def test_logouts_both_ways_are_a_clean_end() -> None:
    for first, second in ((out, inn), (inn, out)):
        tapped = merged(*LOGON, first("5", 2, at_ms=10), second("5", 2, at_ms=20), *AGAIN)
        assert broken(tapped) == []


def test_a_logout_that_is_not_answered_is_not() -> None:
    tapped = merged(*LOGON, inn("5", 2, (58, "MsgSeqNum too low"), at_ms=10), *AGAIN)
    assert kinds(tapped) == ["logon", "logon", "logout", "disconnect", "logon", "logon"]


def test_the_engines_word_gives_the_moment() -> None:
    died = note(4_321, "Socket Error: Connection reset by peer."), note(4_322, "Disconnecting")
    tapped = merged(*LOGON, inn("0", 2, at_ms=4_000), *died, *AGAIN)
    (disconnect,) = broken(tapped)
    assert at_ms(disconnect.event_ns) == at_ms(disconnect.ingest_ns) == 4_321
    assert disconnect.reason == "Socket Error: Connection reset by peer."
    assert kinds(tapped).index("disconnect") == 3


def test_a_clean_end_is_closed_where_the_engine_says_so() -> None:
    ended = out("5", 2, at_ms=10), inn("5", 2, at_ms=20)
    tapped = merged(*LOGON, *ended, note(21, "Disconnecting"))
    assert kinds(tapped) == ["logon", "logon", "logout", "logout", "disconnect"]


def test_attempts_while_nothing_is_up_say_nothing() -> None:
    failing = [note(n, "Connecting to 10.0.0.1 on port 1 (Source :0)") for n in range(5)]
    tapped = merged(*failing, note(6, "Disconnecting"), out("A", 1, at_ms=10))
    assert kinds(tapped) == ["logon"]


def test_an_engine_that_starts_again_was_killed() -> None:
    started = note(8_000, "Created session"), note(8_500, "Connecting to 10.0.0.1 on port 1")
    tapped = merged(*LOGON, inn("0", 2, at_ms=4_000), *started, *AGAIN)
    (disconnect,) = broken(tapped)
    assert (at_ms(disconnect.event_ns), at_ms(disconnect.ingest_ns)) == (4_000, 8_000)


def test_numbers_reset_within_a_session_break_nothing() -> None:
    """Known only from an engine that speaks; otherwise it looks the same as a reconnect."""
    reset = [out("A", 1, (141, "Y"), at_ms=500), inn("A", 1, (141, "Y"), at_ms=501)]
    assert broken(merged(note(0, "Created session"), *LOGON, *reset)) == []
    assert len(broken(merged(*LOGON, *reset))) == 1


def test_silence_of_24_tenths_of_the_heartbeat_is_a_failure() -> None:
    """QuickFIX's own rule; the interval is the one of the logon."""
    alive = [*LOGON, inn("0", 2, at_ms=1_000)]
    assert kinds(merged(*alive, out("0", 2, at_ms=24_999))).count("heartbeat_missed") == 0
    tapped = merged(*alive, out("0", 2, at_ms=25_000), out("0", 3, at_ms=60_000))
    missed = [event for event in tapped.events if isinstance(event, HeartbeatMissed)]
    assert [at_ms(event.event_ns) for event in missed] == [25_000]
    assert kinds(tapped)[3:] == ["heartbeat_missed", "heartbeat", "heartbeat"]


def test_silence_can_happen_twice() -> None:
    tapped = merged(*LOGON, *(inn("0", n, at_ms=30_000 * n) for n in (2, 3)))
    assert kinds(tapped).count("heartbeat_missed") == 1  # no heartbeat was seen before the first
    tapped = merged(*LOGON, *(inn("0", n, at_ms=30_000 * n) for n in (2, 3, 4)))
    assert kinds(tapped).count("heartbeat_missed") == 2


def test_a_log_without_heartbeats_says_nothing_of_silence() -> None:
    """QuickFIX/J can leave them out (FileLogHeartbeats, SLF4JLogHeartbeats)."""
    assert "heartbeat_missed" not in kinds(merged(*LOGON, out("B", 2, at_ms=900_000)))


def test_silence_is_seen_while_nothing_is_written() -> None:
    tapped = merged(*LOGON, inn("0", 2, at_ms=1_000))
    assert list(tapped.tap.tick(START_NS + 24_999 * MS)) == []
    (missed,) = tapped.tap.tick(START_NS + 26_000 * MS)
    assert isinstance(missed, HeartbeatMissed)
    assert at_ms(missed.event_ns) == 25_000
    assert list(tapped.tap.tick(START_NS + 99_000 * MS)) == []


def test_after_a_disconnect_silence_is_no_news() -> None:
    down = [*LOGON, inn("0", 2, at_ms=1_000), out("5", 2, at_ms=2_000), inn("5", 3, at_ms=2_001)]
    assert list(merged(*down).tap.tick(START_NS + 99_000 * MS)) == []


def test_the_engines_own_timeout_counts() -> None:
    tapped = merged(
        *LOGON,
        inn("0", 2, at_ms=1_000),
        note(25_400, "Timed out waiting for heartbeat"),
        note(25_401, "Disconnecting"),
    )
    assert kinds(tapped)[3:] == ["heartbeat_missed", "disconnect"]
    assert at_ms(tapped.events[3].event_ns) == 25_400


def test_a_log_that_begins_within_a_session_can_still_break() -> None:
    tapped = merged(inn("0", 70), *AGAIN)
    assert kinds(tapped) == ["heartbeat", "disconnect", "logon", "logon"]


PATHS = Identity("S1", endpoints={"a:1": "primary", "b:2": "backup"})


@pytest.mark.parametrize("clean", [True, False])
def test_another_gateway_is_told_before_its_logon(clean: bool) -> None:
    ended = [out("5", 2, at_ms=10), inn("5", 2, at_ms=20)] if clean else []
    tapped = merged(
        note(0, "Connecting to a on port 1"),
        *LOGON,
        *ended,
        note(30, "Disconnecting"),
        note(40, "Connecting to b on port 2"),
        *AGAIN,
        identity=PATHS,
    )
    (switched,) = (event for event in tapped.events if isinstance(event, GatewaySwitched))
    assert (switched.gateway, switched.clean, switched.seq) == ("backup", clean, None)
    gateways = [event.gateway for event in tapped.events]
    assert gateways == ["primary"] * gateways.count("primary") + ["backup"] * 3


def test_a_counterparty_of_another_name_is_another_gateway() -> None:
    backup = [
        out("A", 3, at_ms=9_000, theirs="BACKUP"),
        inn("A", 3, at_ms=9_001, theirs="BACKUP"),
    ]
    tapped = merged(*LOGON, *backup)
    assert kinds(tapped)[2:] == ["disconnect", "gateway_switched", "logon", "logon"]
    assert [event.gateway for event in tapped.events[1:4]] == ["VENUE", "VENUE", "BACKUP"]


def test_a_drop_copys_own_path_is_not_the_sessions() -> None:
    backup = [out("A", 3, at_ms=9_000, theirs="DC-B"), inn("A", 3, at_ms=9_001, theirs="DC-B")]
    identity = Identity("S1", is_drop_copy=True, channel="DC")
    assert "gateway_switched" not in kinds(merged(*LOGON, *backup, identity=identity))


def test_notes_of_other_sessions_are_none_of_ours() -> None:
    other = note(20, "<20240102-09:30:00, FIX.4.4:DESK->OTHER, error> (Disconnecting: x)")
    messages = [piece for m in LOGON for piece in _pieces(m)]
    assert kinds(tap([*messages, other], peers=("VENUE",))) == ["logon", "logon"]
    assert kinds(tap([*messages, other])) == ["logon", "logon", "disconnect"]


SAYINGS = {
    "Disconnecting": [Statement(Saying.CLOSED)],
    "Socket Error: Connection reset by peer.": [
        Statement(Saying.CLOSED, "Socket Error: Connection reset by peer.")
    ],
    "Socket Error: (errno[104]:Connection reset by peer)": [
        Statement(Saying.CLOSED, "Socket Error: (errno[104]:Connection reset by peer)")
    ],
    "Timed out waiting for heartbeat": [Statement(Saying.HEARTBEAT_TIMEOUT)],
    "Disconnecting: Encountered END_OF_STREAM": [
        Statement(Saying.CLOSED, "Encountered END_OF_STREAM")
    ],
    "Disconnecting: Timed out waiting for heartbeat": [
        Statement(Saying.HEARTBEAT_TIMEOUT),
        Statement(Saying.CLOSED, "Timed out waiting for heartbeat"),
    ],
    "Session FIX.4.4:A->B disconnecting: Socket exception (a:1): reset": [
        Statement(Saying.CLOSED, "Socket exception (a:1): reset")
    ],
    "(Disconnecting: IO Error)": [Statement(Saying.CLOSED, "IO Error")],
    "Already disconnected: IO Error": [],
    "Session FIX.4.4:A->B already disconnected: IO Error": [],
    "Connecting to 10.0.0.1 on port 5001 (Source :0) ReconnectInterval=1": [
        Statement(Saying.CONNECTING, host_port="10.0.0.1:5001")
    ],
    "Connecting to 10.0.0.1 on port 5001": [
        Statement(Saying.CONNECTING, host_port="10.0.0.1:5001")
    ],
    "Created session: FIX.4.4:A->B": [Statement(Saying.CONNECTING)],
    "Timed out waiting for logon response": [],
    "Initiated logon request": [],
    "Received logon": [],
    "Sent test request TEST": [],
}


@pytest.mark.parametrize(("text", "said"), SAYINGS.items())
def test_what_engines_say(text: str, said: list[Statement]) -> None:
    """C++: Session.cpp; /J: Session.java; /n: Session.cs."""
    assert engine.statements(text) == said
