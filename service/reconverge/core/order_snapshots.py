"""Reports that come in fragments: snapshots of the venue's orders and mass-cancel reports (R33).

They are collected here and judged complete or not; what a complete one means for the orders is the
business of ``orders``. An incomplete or failed one says nothing of orders that it does not name
(R29).
"""

from typing import Final

from reconverge.core.order_index import Order

UNDER_WAY_MAX: Final = 16
"""Fragmented reports collected at once, each kind. Venues allow one or two; the oldest is given up."""


class Snapshot:
    """A snapshot under way."""

    __slots__ = (
        "channel", "connection", "event_ns", "now_ns", "request_id", "rows", "rows_total", "spared",
        "symbol",
    )  # fmt: skip

    def __init__(
        self,
        request_id: str,
        channel: str | None,
        symbol: str | None,
        event_ns: int,
        now_ns: int,
        connection: int,
    ) -> None:
        self.request_id = request_id
        self.channel = channel
        """Where it comes from; None, the entry stream, tells both views."""
        self.symbol = symbol
        """Only orders in this instrument; None for all."""
        self.event_ns = event_ns
        self.now_ns = now_ns
        """When it began, by its sender's clock and by ours."""
        self.connection = connection
        """How many times the session had connected when it began."""
        self.rows = 0
        self.rows_total: int | None = None
        """How many rows the venue says it sent; None until its end came."""
        self.spared: dict[Order, None] = {}
        """Orders that its absence says nothing of: named by it, or heard of since it began."""

    @property
    def complete(self) -> bool:
        """Begin, all rows and end agree in count. A row may still come, by replay, after the end."""
        return self.rows == self.rows_total


class MassCancel:
    """A mass-cancel report under way."""

    __slots__ = ("affected",)

    def __init__(self) -> None:
        self.affected: list[str] = []
