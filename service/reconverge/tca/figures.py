"""One number with what it rests on; or why there is none (T8)."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

Basis = Literal["stated", "derived", "inferred"]
"""Said by the desk or the venue; computed from what they said; concluded from behaviour."""

_STRENGTH: Final[tuple[Basis, ...]] = ("stated", "derived", "inferred")


@dataclass(frozen=True, slots=True)
class Figure:
    """A value or the reason why it is unknown, never both and never neither."""

    value: float | None
    unknown: str | None
    """A sentence."""
    basis: Basis
    n: int
    """What it was computed from: parents, shares, fills, as the place says."""
    incidents: int

    def __post_init__(self) -> None:
        if (self.value is None) != bool(self.unknown):
            raise AssertionError(f"a figure has a value or a reason why not: {self}")
        if self.value is not None and not math.isfinite(self.value):
            raise AssertionError(f"an unknown number must say why: {self}")


def known(value: float, basis: Basis = "derived", n: int = 1, incidents: int = 0) -> Figure:
    """A figure with a value."""
    return Figure(float(value), None, basis, n, incidents)


def unknown(reason: str, basis: Basis = "derived", n: int = 0, incidents: int = 0) -> Figure:
    """A figure without: ``reason`` is a sentence that says what is missing."""
    return Figure(None, reason, basis, n, incidents)


def weakest(bases: Iterable[Basis]) -> Basis:
    """The basis of what rests on several: no better than the worst of them."""
    return max(bases, key=_STRENGTH.index, default="stated")


def total(figures: Iterable[Figure]) -> Figure:
    """The sum of figures: unknown as soon as one of them is, with all the reasons (T8)."""
    parts = list(figures)
    basis = weakest(figure.basis for figure in parts)
    n = sum(figure.n for figure in parts)
    incidents = max((figure.incidents for figure in parts), default=0)
    reasons = dict.fromkeys(figure.unknown for figure in parts if figure.unknown)
    if reasons:
        return unknown(" ".join(reason for reason in reasons if reason), basis, n, incidents)
    value = math.fsum(figure.value for figure in parts if figure.value is not None)
    return known(value, basis, n, incidents)
