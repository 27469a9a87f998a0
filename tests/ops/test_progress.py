"""Health is progress: turn counters compared over time."""

from reconverge.ops.progress import STALLED_S, Progress


class Workers:
    """Turn counters, and a clock, that a test moves."""

    def __init__(self) -> None:
        self.turns = {0: 1, 3: 1}
        self.now_s = 100.0
        self.progress = Progress(lambda: self.turns, lambda: self.now_s)

    def later(self, seconds: float, *turning: int) -> list[str]:
        self.now_s += seconds
        for partition in turning:
            self.turns[partition] = self.turns.get(partition, 0) + 1
        return self.progress.ill()


def test_workers_that_turn_are_well() -> None:
    workers = Workers()
    for _ in range(5):
        assert workers.later(STALLED_S, 0, 3) == []


def test_a_worker_that_stops_turning_is_named_with_the_time() -> None:
    workers = Workers()
    assert workers.later(0) == []
    assert workers.later(STALLED_S / 2, 0) == []
    assert workers.later(STALLED_S / 2, 0) == [f"partition 3: no turn for {STALLED_S:.0f} s"]
    assert workers.later(1, 0, 3) == []


def test_a_worker_is_given_its_time_from_when_it_was_first_seen() -> None:
    workers = Workers()
    workers.later(0)
    assert workers.later(STALLED_S * 4, 0, 3, 7) == []


def test_a_partition_that_left_is_forgotten() -> None:
    workers = Workers()
    workers.later(0)
    del workers.turns[3]
    assert workers.later(STALLED_S * 2, 0) == []
    workers.turns[3] = 1
    assert workers.later(0, 0) == []


def test_a_process_without_partitions_is_well() -> None:
    workers = Workers()
    workers.turns.clear()
    assert workers.later(STALLED_S * 9) == []
