"""The clock of a worker."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from reconverge.stream.clock import Clock


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(-50, 150)), min_size=1))
def test_the_clock_never_goes_back_and_never_runs_faster_than_time(
    steps: list[tuple[int, int]],
) -> None:
    wall, steady = 1_000, 0

    def read_wall() -> int:
        return wall

    def read_steady() -> int:
        return steady

    clock = Clock(read_wall, read_steady)
    clock.not_before(1_200)
    readings = [clock.now_ns()]
    for elapsed, drift in steps:
        steady += elapsed
        wall += elapsed + drift - 50
        readings.append(clock.now_ns())
        assert readings[-1] == max(wall, readings[-2] + elapsed // 2)
    assert all(earlier <= later for earlier, later in pairwise(readings))
