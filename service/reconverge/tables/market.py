"""Tables of the topic `marks`: quotes, prints and bars, by the topic's own offsets."""

from typing import Final

from reconverge.tables.schema import Column, Table, columns

_MARK: Final = (
    Column("topic_offset", "int", "Offset in the partition of `marks`: with it a key."),
    Column("record_ms", "time", "Time of the record. Milliseconds, UTC."),
    Column("symbol", "text", "Instrument."),
)

_MARKS: Final = Table(
    "marks",
    "one record of the topic `marks`, readable or not; its file is written last",
    (*_MARK[:2], Column("kind", "text", "quote, print, bar; null for one that cannot be read.")),
)

_QUOTES: Final = Table(
    "quotes",
    "one quote of a market",
    (
        *_MARK,
        Column("venue", "text", "Market; null for a consolidated quote."),
        Column("event_ns", "time", "When."),
        *columns(
            "exact",
            bid="Best bid.",
            ask="Best ask.",
            bid_qty="Quantity at the bid.",
            ask_qty="Quantity at the ask.",
        ),
    ),
)

_PRINTS: Final = Table(
    "prints",
    "one trade of a market",
    (
        *_MARK,
        Column("event_ns", "time", "When."),
        *columns("exact", price="Price.", qty="Quantity."),
        Column("aggressor", "text", "buy or sell."),
    ),
)

_BARS: Final = Table(
    "bars",
    "one bar of a market",
    (
        *_MARK,
        *columns("time", from_ns="Begin.", to_ns="End, excluded."),
        *columns(
            "exact",
            open_mid="First mid.",
            close_mid="Last mid.",
            high="Highest trade.",
            low="Lowest trade.",
            volume="Quantity traded.",
            vwap="Average price, by volume.",
            spread_mean="Mean spread, by time.",
        ),
    ),
)

MARKS_SPINE: Final = _MARKS.name
"""The table whose file makes a window whole: it is written last, and there is one a window."""
MARKED: Final = (_MARKS, _QUOTES, _PRINTS, _BARS)
"""Tables of the topic `marks`, named by its own offsets."""
