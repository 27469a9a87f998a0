"""Try for long: `python -m tests.fuzz --seconds N [--from SEED]`.

First a third of the time for the decoder, then the rest for the fold. Exits with 1 at what breaks,
having printed it.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from random import Random

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.decoder import read, record
from tests.fuzz.folding import STARTS_NS, STEPS, Step, fold

ROUND = 500
"""Histories between two looks at the clock."""


def decoder(random: Random, until_s: float) -> int:
    """Read records until the time is up; how many."""
    count = 0
    while time.monotonic() < until_s:
        for _ in range(1_000):
            read(record(random))
        count += 1_000
    return count


def folds(first: int, until_s: float) -> int:
    """Fold histories until the time is up; how many."""
    limits = settings(
        max_examples=ROUND, deadline=None, database=None,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink],
    )  # fmt: skip
    count = 0
    while time.monotonic() < until_s:
        seed(first + count)(limits(given(STARTS_NS, STEPS)(_fold)))()
        count += ROUND
    return count


def _fold(start_ns: int, steps: Sequence[Step]) -> None:
    fold(start_ns, steps)


def main() -> int:
    """Run, and say how far it got."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--from", type=int, default=0, dest="first", help="first seed")
    arguments = parser.parse_args()
    begun_s = time.monotonic()
    records = decoder(Random(arguments.first), begun_s + arguments.seconds / 3)
    sys.stdout.write(f"{records} records read or refused\n")
    histories = folds(arguments.first, begun_s + arguments.seconds)
    sys.stdout.write(f"{histories} histories folded\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
