"""A figure: its rounds, the reference beside it, its target; and the table and JSON of them all."""

from collections.abc import Callable, Iterable, Mapping
from statistics import median
from typing import Any, Literal, NamedTuple, TypeVar

from rich.table import Table

Result = TypeVar("Result")

ROUNDS = 5
"""Odd, so that the median is a round that happened; few, for a round takes seconds."""


class Target(NamedTuple):
    """What the figure is designed for: a limit on the figure itself, or on its ratio."""

    sense: Literal["at most", "at least"]
    limit: float
    of: Literal["figure", "ratio"] = "figure"

    def met(self, row: "Row") -> bool:
        value = row.ratio if self.of == "ratio" else median(row.rounds)
        assert value is not None, f"{row.name}: a ratio needs a reference"
        return value <= self.limit if self.sense == "at most" else value >= self.limit

    def __str__(self) -> str:
        unit = "×" if self.of == "ratio" else ""
        return f"{'≤' if self.sense == 'at most' else '≥'} {_told(self.limit)}{unit}"


class Row(NamedTuple):
    """One figure. Rounds of figure and reference are pairs: each was measured beside the other."""

    name: str
    unit: str
    rounds: tuple[float, ...]
    reference: str = ""
    reference_rounds: tuple[float, ...] = ()
    target: Target | None = None

    @property
    def ratio(self) -> float | None:
        """Median of the pairs' ratios, which a machine's bad moment hits on both sides."""
        pairs = zip(self.rounds, self.reference_rounds, strict=True)
        return median(a / b for a, b in pairs) if self.reference_rounds else None

    def as_json(self) -> dict[str, Any]:
        return self._asdict() | {
            "median": median(self.rounds),
            "ratio": self.ratio,
            "target": str(self.target) if self.target else None,
            "met": self.target.met(self) if self.target else None,
        }


Measure = Callable[..., Iterable[Row]]
"""A benchmark: yields its rows as it gets them. One that has no end is given its seconds."""


def interleaved(
    work: Mapping[str, Callable[[], Result]], rounds: int = ROUNDS
) -> dict[str, tuple[Result, ...]]:
    """Do each kind of work once a round, every other round backwards, so that none is favoured."""
    results: dict[str, list[Result]] = {name: [] for name in work}
    for number in range(rounds):
        names = list(work)
        for name in names if number % 2 == 0 else reversed(names):
            results[name].append(work[name]())
    return {name: tuple(found) for name, found in results.items()}


def table(rows: Iterable[Row]) -> Table:
    """All rows, with the spread of their rounds."""
    shown = Table("figure", "", box=None, pad_edge=False)
    for heading in ("measured", "lowest-highest", "reference", "ratio", "target", ""):
        shown.add_column(heading, justify="right")
    for row in rows:
        verdict = "" if row.target is None else ("met" if row.target.met(row) else "missed")
        shown.add_row(
            row.name,
            row.unit,
            _told(median(row.rounds)),
            f"{_told(min(row.rounds))}-{_told(max(row.rounds))}" if len(row.rounds) > 1 else "",
            f"{row.reference} {_told(median(row.reference_rounds))}" if row.reference else "",
            f"{row.ratio:.2f}" if row.ratio is not None else "",
            str(row.target) if row.target else "",
            verdict,
        )
    return shown


def _told(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"
