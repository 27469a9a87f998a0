"""No line, however mutated, stops the tap or makes it grow (the long run: ``tests.tap.fuzz``)."""

import tracemalloc
from itertools import islice

import pytest

from reconverge.core.messages import units
from reconverge.tap.framing import SPREAD_LINES_MAX, Framer, Unreadable
from tests.tap import fuzz

LINES = 6_000


@pytest.mark.parametrize("seed", [1, 2])
def test_every_mutated_line_is_answered(seed: int) -> None:
    made = fuzz.survivors()
    for number, line in enumerate(fuzz.lines(LINES, seed), 1):
        for each in made:
            each.feed(number, line)
    for each in made:
        each.close()
        counts = each.tap.counts
        assert each.rejects == counts.rejects + counts.set_aside + counts.unmodelled
        assert counts.messages > LINES // 50
        assert counts.rejects > LINES // 50


def held() -> int:
    """Bytes that are alive, without the memo of decimals, which has a bound of its own."""
    others = tracemalloc.Filter(inclusive=False, filename_pattern=units.__file__)
    alive = tracemalloc.take_snapshot().filter_traces([others])
    return sum(each.size for each in alive.statistics("filename"))


def test_memory_does_not_grow_with_the_lines() -> None:
    """Three quarters of the lines add nothing that the first quarter did not need, but noise."""
    tracemalloc.start()
    try:
        made, stream = fuzz.survivors(), fuzz.lines(LINES, 3)
        sizes = []
        for part in range(4):
            for number, line in enumerate(islice(stream, LINES // 4), part * LINES):
                for each in made:
                    each.feed(number, line)
            sizes.append(held())
    finally:
        tracemalloc.stop()
    assert sizes[3] - sizes[0] < 2_000_000


def test_work_on_a_message_that_never_ends_is_bounded() -> None:
    """Looked at again with each line that may end it, it is given up after so many."""
    framer = Framer("some.log")
    found = framer.feed(1, b"8=FIX.4.4\x019=99999\x0135=8\x01")
    for number in range(2, 2 + 3 * SPREAD_LINES_MAX):
        found += framer.feed(number, b"58=no end\x01" * 9)
    assert isinstance(found[0], Unreadable)
    assert len(found[0].raw) < SPREAD_LINES_MAX * 100


@pytest.mark.parametrize(
    "line",
    [
        b"8=FIX" * 20_000,
        b"8=FIX.4.4\x01" * 10_000,
        b"8=FIX.4.4|9=5|35=n|213=8=FIX.4.2|" * 4_000,
        b"8=FIX.4.4|9=5|35=n|213=<a>8=FIX.4.2" + b"|10=000|" * 20_000,
        b"8=FIX.4.4\\u00019=5\\u0001" + b"\\\\" * 50_000,
        b"10=000\x01" * 20_000,
        b"8=FIX.4.4\x019=5\x0195=" + b"9" * 50_000 + b"\x0196=\x0110=000\x01",
        b"20240102-09:30:00 " * 10_000,
    ],
)
def test_a_long_line_of_rubbish_takes_no_long_time(line: bytes) -> None:
    """Any of these would take hours if it were looked at once for each of its parts."""
    framer = Framer("some.log", lenient=True)
    assert isinstance([*framer.feed(1, line), *framer.close()], list)
