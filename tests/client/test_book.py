"""The cap book against a brute-force model: whatever arrives, never more than the newest allows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec.structs import replace

from reconverge.client import CapBook, SafeCap
from reconverge.contract.examples import EXAMPLES
from reconverge.core.messages.effects import Cap, State, SymbolCap
from reconverge.core.messages.wire import encode

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
    """Caps in any order, duplicated and late, between passing time and clock steps."""

    def __init__(self) -> None:
        super().__init__()
        self.clocks = Clocks()
        self.book = self.clocks.book()
        self.heard: list[tuple[Cap, int, int]] = []

    @rule(
        session=st.sampled_from(SESSIONS),
        epoch=st.integers(1, 3),
        sequence=st.integers(1, 5),
        value=st.floats(0, 1),
        own=st.dictionaries(st.sampled_from(SYMBOLS), st.floats(0, 1)),
        age_s=st.integers(0, 5),
    )
    def hear(
        self,
        session: str,
        epoch: int,
        sequence: int,
        value: float,
        own: dict[str, float],
        age_s: int,
    ) -> None:
        symbols = {name: SymbolCap(cap=c, confidence=1) for name, c in own.items()}
        now_ns = self.clocks.wall_ns - age_s * S
        message = cap(
            session, epoch=epoch, sequence=sequence, cap=value, symbols=symbols, now_ns=now_ns
        )
        self.heard.append((message, self.clocks.wall_ns, self.clocks.monotonic_ns))
        self.book.offer(raw(message))

    @rule(s=st.sampled_from([0.1, 1, 2.5, 4]))
    def time_passes(self, s: float) -> None:
        self.clocks.pass_time(int(s * S))

    @rule(s=st.sampled_from([-3_600, -2, 2, 3_600]))
    def wall_clock_is_set(self, s: int) -> None:
        self.clocks.wall_ns += s * S

    @invariant()
    def never_above_what_the_newest_valid_cap_allows(self) -> None:
        for session in SESSIONS:
            heard = [entry for entry in self.heard if entry[0].session == session]
            newest = max(heard, key=lambda entry: (entry[0].epoch, entry[0].sequence), default=None)
            for symbol in (None, *SYMBOLS):
                self.check(session, symbol, newest)

    def check(self, session: str, symbol: str | None, newest: tuple[Cap, int, int] | None) -> None:
        view = self.book.cap(session, symbol)
        if newest is None:
            assert view.safe
            return
        # max() keeps the first of equals, as the book does with a repeated (epoch, sequence).
        message, wall_ns, monotonic_ns = newest
        elapsed_ns = self.clocks.monotonic_ns - monotonic_ns
        valid = wall_ns + elapsed_ns < message.valid_until_ns and elapsed_ns < 3 * S
        assert view.safe is not valid
        if valid:
            own = message.symbols.get(symbol or "")
            assert view.cap == (own.cap if own else message.cap)


TestBook = BookMachine.TestCase
