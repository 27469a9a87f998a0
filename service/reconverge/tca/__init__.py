"""What a failover cost: shortfall, its attribution, matched controls and tails (TCA T1-T80).

    lake = reconverge.tca.open("tables")     # what `reconverge sink --to tables` wrote
    lake.fills.limit(5).to_pandas()          # an Ibis table
    attributed(lake)                         # reconverge.tca.costs

Functions take numpy arrays and rows and give the same back; nothing here reads Kafka, a clock or
chance that is not seeded. Quantities and prices are exact, in nanos (``core.messages.units``); mids
are floats in nanos, NaN where unknown; money and basis points are floats. A cost above 0 is bad.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconverge.tca.engine import Lake


def open(uri: str) -> "Lake":  # noqa: A001 - `tca.open(DIR)` is what a notebook says
    """The tables in a folder, or in any store that `pyarrow.fs` knows."""
    from reconverge.tca.engine import Lake  # noqa: PLC0415 - Ibis takes a second

    return Lake(uri)
