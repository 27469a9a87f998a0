"""The cap book against the second reading: whatever arrives, never more than the newest allows."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec.structs import replace

from reconverge.client import CapBook, SafeCap
from reconverge.contract.examples import EXAMPLES
from reconverge.core.messages.effects import Cap, State, SymbolCap
from reconverge.core.messages.wire import encode, plain
from tests.client.second_reading import SecondReading

S = 1_000_000_000
START = 1_767_621_600 * S
SAFE = SafeCap(cap=0.07, participation_max=0.03)
EXAMPLE = EXAMPLES["cap"]
SESSIONS = ("A", "B")
SYMBOLS = ("ACME", "BOLT")


class Clocks:
    """A wall clock that may be set, and a monotonic one that may not."""

    def __init__(self) -> None:
        self.wall_ns = START
        self.monotonic_ns = 77 * S

    def pass_time(self, ns: int) -> None:
        self.wall_ns += ns
        self.monotonic_ns += ns

    def book(self) -> CapBook:
        return CapBook(SAFE, lambda: self.wall_ns, lambda: self.monotonic_ns)


def cap(
    session: str = "A", *, epoch: int = 1, sequence: int = 1, now_ns: int = START, **fields: object
) -> Cap:
    update = {
        "session": session,
        "epoch": epoch,
        "sequence": sequence,
        "event_ns": now_ns,
        "publish_ns": now_ns,
        "valid_until_ns": now_ns + 3 * S,
        "symbols": {},
        "instrument_cap": None,
    }
    assert isinstance(EXAMPLE, Cap)
    return replace(EXAMPLE, **update | fields)


def raw(message: Cap) -> bytes:
    return encode(message)


def test_nothing_heard_is_the_routers_own_safe_cap() -> None:
    view = Clocks().book().cap("A", "ACME")
    assert (view.cap, view.participation_max, view.catchup_multiple_max) == (0.07, 0.03, 1)
    assert view.freeze_expansion
    assert view.safe
    assert view.state is None


def test_a_valid_cap_is_passed_on_whole() -> None:
    book = Clocks().book()
    message = cap(cap=0.31, epoch=12, sequence=97, state=State.REPLAY_SYNCING)
    assert book.offer(raw(message)) == "A"
    view = book.cap("A")
    assert (view.cap, view.state, view.epoch, view.sequence) == (0.31, "REPLAY_SYNCING", 12, 97)
    assert view.participation_max == message.participation_max
    assert view.catchup_multiple_max == message.catchup_multiple_max
    assert view.freeze_expansion is message.freeze_expansion
    assert not view.safe
    assert book.cap("B").safe


def test_an_instrument_may_have_a_cap_of_its_own() -> None:
    book = Clocks().book()
    book.offer(raw(cap(cap=0.9, symbols={"ACME": SymbolCap(cap=0.1, confidence=0.2)})))
    assert book.cap("A", "ACME").cap == 0.1
    assert book.cap("A", "BOLT").cap == 0.9


def test_a_zombies_lower_epoch_is_dropped_however_high_its_sequence() -> None:
    book = Clocks().book()
    book.offer(raw(cap(epoch=5, sequence=1, cap=0.2)))
    assert book.offer(raw(cap(epoch=4, sequence=900, cap=1.0))) is None
    assert book.offer(raw(cap(epoch=5, sequence=1, cap=1.0))) is None
    assert book.cap("A").cap == 0.2


def test_a_cap_expires_by_itself() -> None:
    clocks = Clocks()
    book = clocks.book()
    book.offer(raw(cap(cap=1.0)))
    clocks.pass_time(3 * S - 1)
    assert not book.cap("A").safe
    clocks.pass_time(1)
    assert book.cap("A").safe


def test_a_wall_clock_that_steps_back_does_not_lengthen_a_caps_life() -> None:
    clocks = Clocks()
    book = clocks.book()
    book.offer(raw(cap()))
    clocks.pass_time(3 * S)
    clocks.wall_ns = START
    assert book.cap("A").safe


def test_a_wall_clock_far_behind_grants_no_more_than_the_service_did() -> None:
    clocks = Clocks()
    clocks.wall_ns = START - 3_600 * S
    book = clocks.book()
    book.offer(raw(cap()))
    clocks.pass_time(3 * S)
    assert book.cap("A").safe


def test_an_old_cap_read_late_says_nothing() -> None:
    clocks = Clocks()
    clocks.pass_time(10 * S)
    book = clocks.book()
    assert book.offer(raw(cap(now_ns=START))) == "A"
    assert book.cap("A").safe


@pytest.mark.parametrize("record", [None, b"", b"{", b"\xff", b'{"type":"cap"}', b'{"v":2}'])
def test_what_is_no_cap_changes_nothing(record: bytes | None) -> None:
    book = Clocks().book()
    book.offer(raw(cap(cap=0.4)))
    assert book.offer(record) is None
    assert book.cap("A").cap == 0.4
    assert book.unreadable == (record is not None)


@given(st.binary())
def test_no_bytes_raise(record: bytes) -> None:
    assert Clocks().book().offer(record) is None


def test_the_acknowledgement_names_the_cap_applied() -> None:
    book = Clocks().book()
    book.offer(raw(cap(epoch=12, sequence=97)))
    event = book.cap("A").acknowledgement("A", START + 5)
    assert (event.session, event.cap_epoch, event.cap_sequence, event.event_ns) == (
        "A",
        12,
        97,
        START + 5,
    )


class BookMachine(RuleBasedStateMachine):
    """Records in any order, late, early, torn, between passing time and clock steps.

    The second reading of the page, which works everything out anew, says what is right.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clocks = Clocks()
        self.book = self.clocks.book()
        self.reading = SecondReading(SAFE.cap, SAFE.participation_max)

    def offer(self, value: bytes | None, key: str) -> None:
        self.book.offer(value, key.encode())
        self.reading.offer(key, value, self.clocks.wall_ns, self.clocks.monotonic_ns)

    @rule(
        session=st.sampled_from(SESSIONS),
        epoch=st.integers(1, 3),
        sequence=st.integers(1, 5),
        age_s=st.sampled_from([-4, -3, -1, 0, 0.5, 2, 3, 5]),
        changed=st.fixed_dictionaries(
            {},
            optional={
                "cap": st.sampled_from([0, 0.25, 1, 1.5]),
                "instrument_cap": st.sampled_from([None, 0.0, 0.75]),
                "symbols": st.dictionaries(
                    st.sampled_from(SYMBOLS), st.sampled_from([{"cap": 0.125}, {}])
                ),
                "publish_ns": st.none(),
                "reason": st.sampled_from(["closed", "ramp"]),
                "state": st.sampled_from(["STABLE", "UNHEARD_OF"]),
                "v": st.sampled_from([1, 2]),
            },
        ),
        torn=st.sampled_from([None, None, None, 90]),
    )
    def hear(
        self,
        session: str,
        epoch: int,
        sequence: int,
        age_s: float,
        changed: dict[str, object],
        torn: int | None,
    ) -> None:
        now_ns = self.clocks.wall_ns - int(age_s * S)
        message = cap(session, epoch=epoch, sequence=sequence, now_ns=now_ns)
        self.offer(json.dumps(plain(message) | changed).encode()[:torn], session)

    @rule(session=st.sampled_from(SESSIONS))
    def bury(self, session: str) -> None:
        self.offer(None, session)

    @rule(connected=st.booleans())
    def connect(self, connected: bool) -> None:
        self.book.connected = self.reading.connected = connected

    @rule(s=st.sampled_from([0.1, 0.5, 1, 2.5, 4]))
    def time_passes(self, s: float) -> None:
        self.clocks.pass_time(int(s * S))

    @rule(s=st.sampled_from([-3_600, -2, 2, 4, 3_600]))
    def wall_clock_is_set(self, s: int) -> None:
        self.clocks.wall_ns += s * S

    @invariant()
    def the_book_says_what_the_page_says(self) -> None:
        for session in SESSIONS:
            for symbol in (None, *SYMBOLS):
                said = self.book.cap(session, symbol)._asdict()
                right = self.reading.view(session, symbol, self.clocks.monotonic_ns)
                assert {field: said[field] for field in right} == right


TestBook = BookMachine.TestCase


def test_an_end_is_told_once() -> None:
    clocks = Clocks()
    book = clocks.book()
    book.offer(raw(cap("A")))
    book.offer(raw(cap("B", valid_until_ns=START + S)))
    assert book.ended() == []
    clocks.pass_time(S)
    assert book.ended() == ["B"]
    book.offer(raw(cap("A", sequence=2, now_ns=START + S)))
    clocks.pass_time(2 * S)
    assert book.ended() == []  # a newer cap came
    clocks.pass_time(S)
    assert (book.ended(), book.ended()) == (["A"], [])


def test_an_end_that_comes_earlier_than_the_one_before_is_told_in_time() -> None:
    clocks = Clocks()
    book = clocks.book()
    book.offer(raw(cap(valid_until_ns=START + 60 * S)))
    book.offer(raw(cap(sequence=2, valid_until_ns=START + S)))
    clocks.pass_time(S)
    assert book.ended() == ["A"]
    clocks.pass_time(60 * S)
    assert book.ended() == []


@pytest.mark.parametrize("tombstone", [True, False])
def test_what_was_told_when_it_came_is_not_told_as_an_end(tombstone: bool) -> None:
    clocks = Clocks()
    book = clocks.book()
    book.offer(raw(cap()))
    past_its_end = raw(cap(sequence=2, now_ns=START - 60 * S))
    assert book.offer(None if tombstone else past_its_end, b"A") == "A"
    clocks.pass_time(3 * S)
    assert book.ended() == []


class EndsMachine(RuleBasedStateMachine):
    """Whoever is told of every change and every end knows at any time whether a cap is valid."""

    def __init__(self) -> None:
        super().__init__()
        self.clocks = Clocks()
        self.book = self.clocks.book()
        self.valid = dict.fromkeys(SESSIONS, False)
        self.sequence = 0

    @rule(
        session=st.sampled_from(SESSIONS),
        validity_s=st.sampled_from([0.5, 1, 3, 60]),
        age_s=st.sampled_from([0, 0.5, 2, 70]),
    )
    def hear(self, session: str, validity_s: float, age_s: float) -> None:
        self.sequence += 1
        now_ns = self.clocks.wall_ns - int(age_s * S)
        end_ns = now_ns + int(validity_s * S)
        said = cap(session, sequence=self.sequence, now_ns=now_ns, valid_until_ns=end_ns)
        assert self.book.offer(raw(said)) == session
        self.valid[session] = not self.book.cap(session).safe

    @rule(session=st.sampled_from(SESSIONS))
    def bury(self, session: str) -> None:
        if self.book.offer(None, session.encode()):
            self.valid[session] = False

    @rule(s=st.sampled_from([0.1, 0.5, 1, 10]))
    def time_passes(self, s: float) -> None:
        self.clocks.pass_time(int(s * S))
        for session in self.book.ended():
            assert self.valid[session]
            self.valid[session] = False

    @invariant()
    def what_was_told_is_so(self) -> None:
        assert self.valid == {session: not self.book.cap(session).safe for session in SESSIONS}


TestEnds = EndsMachine.TestCase


def test_caps_in_an_unbroken_row_that_allow_the_same_are_one_permission() -> None:
    book = Clocks().book()
    row = [(5, 1, 0.2), (5, 2, 0.2), (5, 3, 0.3), (5, 4, 0.3), (5, 6, 0.3), (6, 7, 0.3)]
    since = []
    for epoch, sequence, value in row:
        book.offer(raw(cap(epoch=epoch, sequence=sequence, cap=value)))
        since.append(book.cap("A").since)
    # After a missing record nobody knows what was allowed in between.
    assert since == [1, 1, 3, 3, 6, 7]


def test_the_newest_words_are_kept_for_people_also_after_their_end() -> None:
    clocks = Clocks()
    book = clocks.book()
    said = cap(cap=0.4)
    book.offer(raw(said))
    clocks.pass_time(60 * S)
    assert book.newest("A") == said
    assert (book.newest("B"), book.sessions()) == (None, ["A"])
    book.offer(None, b"A")
    assert book.newest("A") is None


def test_a_field_that_only_people_read_takes_no_cap_away() -> None:
    book = Clocks().book()
    book.offer(json.dumps(plain(cap(cap=0.4)) | {"components": "new"}).encode())
    assert book.cap("A").cap == 0.4
    assert book.newest("A") is None
