"""A message that a queue delivered twice is known by its number and its time."""

from random import Random

import pytest

from reconverge.tap.numbers import MISSING_MAX, Seen
from reconverge.tap.wire import FixMessage, read
from tests.tap.fixtext import Sent, inn

DUP = ((43, "Y"), (122, "20240102-09:30:00"))


def beat(seq: int, at_ms: int | None = None, **more: object) -> Sent:
    return inn("0", seq, at_ms=seq if at_ms is None else at_ms, **more)


def copies(*talk: Sent) -> list[bool]:
    """For each message, whether it came before; with a handover after each."""
    found = []
    seen = Seen()
    for m in talk:
        raw = m.encode()
        found.append(seen.is_copy(read(raw), hash(raw)))
        state = seen.dump()
        seen = Seen()
        seen.load(state)
    return found


def test_what_goes_on_is_new() -> None:
    assert copies(*map(beat, range(1, 9))) == [False] * 8


def test_the_last_ones_once_more() -> None:
    talk = [*map(beat, (1, 2, 3, 4)), *map(beat, (3, 4)), beat(5)]
    assert copies(*talk) == [False] * 4 + [True] * 2 + [False]


def test_all_within_one_millisecond() -> None:
    talk = [beat(n, 0) for n in (1, 2, 3, 2, 3, 4)]
    assert copies(*talk) == [False, False, False, True, True, False]


def test_what_fix_marks_is_the_cores_business() -> None:
    talk = [beat(1), beat(2), beat(2, 9, header=DUP), beat(2, 9, header=DUP), beat(3)]
    assert copies(*talk) == [False] * 5


def test_a_late_number_that_never_came_is_no_copy() -> None:
    """Two are missing; one comes late, as it was sent, the other by resend. Then both have come."""
    talk = [beat(1), beat(4), beat(2), beat(3, 50, header=DUP), beat(2), beat(3), beat(5, 60)]
    assert copies(*talk) == [False, False, False, False, True, True, False]


def test_what_came_before_the_first_is_unknown() -> None:
    """To a tap that starts in the middle, an earlier message that comes later is one."""
    assert copies(beat(9), beat(7), beat(9), beat(7, 99)) == [False, True, True, False]


def test_a_number_used_again_later_is_no_copy() -> None:
    """R4: the core must hear of it."""
    assert copies(beat(1), beat(2), beat(2, 50)) == [False, False, False]


@pytest.mark.parametrize("flag", [(), ((141, "Y"),)])
def test_numbers_that_begin_again(flag: tuple[tuple[int, str], ...]) -> None:
    """R36: with the flag or without. And copies are known after it, the logon's own too."""
    logon = inn("A", 1, *flag, at_ms=100)
    talk = [*map(beat, (1, 2, 3)), logon, beat(2, 101), logon, beat(2, 101), beat(3, 102)]
    assert copies(*talk) == [False] * 5 + [True, True, False]


def test_a_restart_in_the_same_millisecond() -> None:
    logon = inn("A", 1, (141, "Y"), at_ms=3)
    assert copies(*map(beat, (1, 2)), beat(3, 2), logon, beat(2, 3), beat(3, 4)) == [False] * 6


def test_a_gap_fill_has_the_numbers_it_fills() -> None:
    fill = inn("4", 2, (123, "Y"), (36, "9"), at_ms=2)
    assert copies(beat(1), fill, beat(9), fill, beat(5, 1)) == [False, False, False, True, True]


def test_what_says_no_number_or_no_time_is_passed_on() -> None:
    seen = Seen()
    for pairs in ([["35", "0"]], [["34", "5"]], [["34", "x"], ["52", "y"]]):
        for _ in range(2):
            assert not seen.is_copy(FixMessage(pairs), 1)


def test_what_is_remembered_is_bounded() -> None:
    seen = Seen()
    for seq in range(1, 10_000, 2):
        assert not seen.is_copy(read(beat(seq).encode()), seq)
    assert len(seen.missing) == MISSING_MAX


@pytest.mark.parametrize("seed", range(20))
def test_any_backlog_delivered_again_adds_nothing(seed: int) -> None:
    """A producer before us dies and sends its last records again, whatever they were."""
    random = Random(seed)
    seq, at_ms, sent = 0, 0, list[Sent]()
    for _ in range(200):
        at_ms += random.choice((0, 0, 1, 7))
        seq += 1
        if random.random() < 0.02:
            seq, at_ms = 1, at_ms + 1
            sent.append(inn("A", 1, (141, "Y"), at_ms=at_ms))
        elif random.random() < 0.05:
            filled = random.randint(1, 5)
            sent.append(inn("4", seq, (123, "Y"), (36, str(seq + filled)), at_ms=at_ms))
            seq += filled - 1
        else:
            sent.append(beat(seq, at_ms))
    delivered, position = list[Sent](), 0
    while position < len(sent):
        back, position = position - random.randint(0, 60), position + random.randint(1, 30)
        delivered += sent[max(0, back) : position]
    seen = Seen()
    new = [m for m in delivered if not seen.is_copy(read(m.encode()), hash(m.encode()))]
    assert new == sent
    assert len(delivered) > len(sent)
