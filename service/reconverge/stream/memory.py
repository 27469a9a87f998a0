"""Keeping Python's garbage collector away from state that lives all day.

A full collection walks every container there is: with 100,000 orders in memory the default
thresholds doubled the cost of an event and made a restore three times as long (measured). Nothing
that the core keeps is garbage by way of a cycle. So what a restore or a snapshot finds alive is
taken out of the collector's sight; young objects are collected as ever, in larger batches.
"""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

YOUNG_MAX: Final = 50_000
"""Allocations before young objects are looked at; a batch makes some thousands that die with it."""
MIDDLE_PER_FULL: Final = 1_000_000
"""Full collections happen only in `freeze`: by themselves they would never be worth their pause."""


LARGE_BYTES: Final = 4 << 20
"""What is larger goes back to the system when it is freed."""
_M_MMAP_THRESHOLD: Final = -3


def tune() -> None:
    """Set the thresholds, once a process.

    By itself glibc comes to take ever larger blocks from its heap, where the place of one that was
    freed can stay: a soak of ten minutes ended with 40 MiB more (docs/performance.md).
    """
    gc.set_threshold(YOUNG_MAX, 20, MIDDLE_PER_FULL)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # elsewhere than in glibc there is none
    if mallopt:
        mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)


def freeze() -> None:
    """Collect what has become garbage since the last time, and stop looking at what is alive."""
    gc.collect()
    gc.freeze()


@contextmanager
def growing() -> Iterator[None]:
    """No collection while state is built up that will stay: each would walk much of it.

    Of two that overlap, the first to end brings collection back, which is slower and no harm.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
