"""Seed after seed until the time is up: `python -m tests.sim.soak --seconds N [--from SEED]`.

Exits with 1 at the first seed that breaks an invariant, having shrunk it and printed the schedule
that does it.
"""

import argparse
import sys
import time

import structlog

from tests.sim.world import Plan, plan, shrink, violates


def report(failing: Plan) -> str:
    """What a person needs of a failing plan: the violation, and the least that leads to it."""
    least = shrink(failing)
    return f"seed {failing.seed}: {violates(failing)}\nshrunk: {violates(least)}\n{least}"


def main() -> int:
    """Run, report, and say how far it got."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--from", type=int, default=0, dest="first", help="first seed")
    arguments = parser.parse_args()
    # The worker logs every misfortune; here they are the trade.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    seed, until = arguments.first, time.monotonic() + arguments.seconds
    while time.monotonic() < until:
        failing = plan(seed, "desk" if seed % 4 == 0 else "toy")
        if violates(failing):
            sys.stdout.write(report(failing) + "\n")
            return 1
        seed += 1
    sys.stdout.write(f"seeds {arguments.first} to {seed - 1}: every invariant held\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
