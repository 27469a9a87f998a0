"""What the market did: the records of the topic ``marks``, which the analytics alone read.

Keyed by symbol, in any number of partitions. A quote or a bar suffices for mids; prints are needed
to say what a place in the queue was worth; bars carry volume. The core never reads them.
"""

from typing import Annotated, Literal

from reconverge.core.messages.wire import DecimalText, Message, Nanoseconds, Side, Text, says


class Mark(Message, omit_defaults=True, frozen=True, kw_only=True):
    """What every mark carries."""

    v: Annotated[Literal[1], says("Major version of the contract.")] = 1
    symbol: Annotated[Text, says("Instrument; also the Kafka record key.")]


class Quote(Mark, tag="quote", frozen=True, kw_only=True):
    """The best bid and ask of an instrument from now on."""

    venue: Annotated[Text | None, says("Market; null for a consolidated quote.")] = None
    bid: Annotated[DecimalText | None, says("Best bid; null while there is none.")] = None
    ask: Annotated[DecimalText | None, says("Best ask; null while there is none.")] = None
    bid_qty: Annotated[DecimalText | None, says("Quantity at the bid.")] = None
    ask_qty: Annotated[DecimalText | None, says("Quantity at the ask.")] = None
    event_ns: Annotated[Nanoseconds, says("Since when. Nanoseconds, UTC.")]


class Print(Mark, tag="print", frozen=True, kw_only=True):
    """A trade of the market."""

    price: Annotated[DecimalText, says("Price.")]
    qty: Annotated[DecimalText, says("Quantity.")]
    aggressor: Annotated[Side | None, says("The side that took liquidity, where stated.")] = None
    event_ns: Annotated[Nanoseconds, says("When. Nanoseconds, UTC.")]


class Bar(Mark, tag="bar", frozen=True, kw_only=True):
    """A span of the market in figures."""

    from_ns: Annotated[Nanoseconds, says("Begin. Nanoseconds, UTC.")]
    to_ns: Annotated[Nanoseconds, says("End, excluded. Nanoseconds, UTC.")]
    open_mid: Annotated[DecimalText, says("First mid price in it.")]
    close_mid: Annotated[DecimalText, says("Last mid price in it.")]
    high: Annotated[DecimalText | None, says("Highest trade.")] = None
    low: Annotated[DecimalText | None, says("Lowest trade.")] = None
    volume: Annotated[DecimalText | None, says("Quantity traded.")] = None
    vwap: Annotated[DecimalText | None, says("Average price, by volume.")] = None
    spread_mean: Annotated[DecimalText | None, says("Mean quoted spread, by time.")] = None


MarkEvent = Quote | Print | Bar
"""Every record of the topic ``marks``."""
