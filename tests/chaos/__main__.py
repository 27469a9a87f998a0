"""The long drill: `python -m tests.chaos --minutes N [--seed S] [--report docs/chaos.md]`.

Exits with 1 when anything was lost, doubled, underivable, or late.
"""

import argparse
import asyncio
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from tests.chaos.drill import Plan, drill
from tests.chaos.faults import FAULTS, Fault
from tests.chaos.report import render, write

_SESSION_S = 6.0
"""Shorter than the service's default, so that more faults fit in; the broker's default minimum."""


def until(faults: Sequence[Fault], minutes: float, random: Random) -> Iterator[Fault]:
    """Each fault once, then by weight until the time is up."""
    end_s = time.monotonic() + 60 * minutes
    yield from random.sample(faults, len(faults))
    while time.monotonic() < end_s:
        yield from random.choices(faults, [fault.weight for fault in faults])


def _say(told: str) -> None:
    sys.stdout.write(told + "\n")
    sys.stdout.flush()


def main() -> int:
    """Run it and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10_000)
    parser.add_argument("--report", type=Path, help="page whose drill region is written")
    parser.add_argument("--only", default="", help="only faults whose names contain this")
    given = parser.parse_args()
    faults = [fault for fault in FAULTS if given.only in fault.name]
    plan = Plan(until(faults, given.minutes, Random(given.seed)), given.seed, _SESSION_S)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # lost brokers are the trade here
    outcome = asyncio.run(drill(plan, _say))
    _say(render(outcome))
    if given.report:
        write(outcome, given.report)
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
