"""`python -m bench [NAME...]`: run benchmarks, print one table."""

import argparse
import sys
from importlib import import_module
from pathlib import Path

import orjson
from rich.console import Console

from bench.report import Measure, Row, table

BENCHMARKS = (
    "fold", "orders", "instruments", "throughput", "latency", "journalling", "recovery", "router",
    "tap",
)  # fmt: skip
ON_DEMAND = ("soak",)
"""Too long to be part of every run."""


def main() -> None:
    arguments = _parser().parse_args()
    rows: list[Row] = []
    for name in arguments.names or BENCHMARKS:
        print(f"{name} ...", file=sys.stderr)
        measure: Measure = import_module(f"bench.{name}").measure
        rows += measure(arguments.seconds) if name in ON_DEMAND else measure()
    console = Console()
    if not console.is_terminal:
        console.width = 120
    console.print(table(rows))
    if arguments.json:
        arguments.json.write_bytes(orjson.dumps([row.as_json() for row in rows]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", type=_known, metavar="NAME")  # with choices, one must
    parser.add_argument("--seconds", type=float, default=600.0, help="of a soak (default: 600)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all rounds there as well")
    return parser


def _known(name: str) -> str:
    if name not in BENCHMARKS + ON_DEMAND:
        raise argparse.ArgumentTypeError(f"{name}: not one of {', '.join(BENCHMARKS + ON_DEMAND)}")
    return name


if __name__ == "__main__":
    main()
