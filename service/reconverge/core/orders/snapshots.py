"""Reports that come in fragments: snapshots of the venue's orders, and mass-cancel reports (R33).

They are collected here and judged complete or not; what a complete one means for orders is the
business of ``orders``. An incomplete or failed one says nothing of orders that it does not name
(R29).
"""

from typing import Final

from reconverge.core.findings import Finding
from reconverge.core.messages.events import (
    MassCancelReport,
    MassStatusBegin,
    MassStatusEnd,
    MassStatusRow,
)
from reconverge.core.messages.units import nanos
from reconverge.core.orders.index import Order, Request
from reconverge.core.orders.states import ViewState

PENDING: Final = frozenset({"pending_new", "pending_cancel", "pending_replace"})
"""Statuses that say that a request is pending at the venue."""
UNDER_WAY_MAX: Final = 16
"""Reports collected at once, of each kind. Venues allow one or two; the oldest is given up."""
UNDER_WAY_NS: Final = 1_000_000_000
"""A request sent this shortly before a snapshot began may have been under way between the venue's
gateway and its book, and what drop copy told may have overtaken the snapshot. None takes a second.
"""
Key = tuple[str | None, str]


class Snapshot:
    """A snapshot under way."""

    __slots__ = (
        "channel", "connection", "event_ns", "now_ns", "pending", "rows", "rows_total", "spared",
        "symbol",
    )  # fmt: skip

    def __init__(
        self,
        channel: str | None,
        symbol: str | None,
        event_ns: int,
        now_ns: int,
        connection: int,
    ) -> None:
        self.channel = channel
        """Where it comes from. The entry stream (None) tells both views, drop copy the venue's."""
        self.symbol = symbol
        """Only orders in this instrument; None for all."""
        self.event_ns = event_ns
        self.now_ns = now_ns
        """When it began, by its sender's clock and by ours."""
        self.connection = connection
        """How many times the session had connected when it began."""
        self.rows = 0
        self.rows_total: int | None = None
        """How many rows the venue says it sent; None until its end comes."""
        self.spared: dict[Order, None] = {}
        """Orders of which absence says nothing: named in it, or heard of since it began."""
        self.pending: dict[Order, None] = {}
        """Orders that it names with a request pending at the venue."""

    def shows_lost(self, request: Request) -> bool:
        """Did a request have no effect, the snapshot being complete (R17)?

        It was sent before the snapshot began, on an earlier connection or long enough before, and
        the venue does not say that it is pending. Otherwise it may still be under way (R29).
        """
        if request.order in self.pending:
            return False
        before_ns = self.now_ns - request.sent_ns
        return request.connection < self.connection or before_ns >= UNDER_WAY_NS


class Snapshots:
    """The fragmented reports of one session that are under way."""

    __slots__ = ("_findings", "mass_cancels", "open")

    def __init__(self, findings: list[Finding]) -> None:
        self._findings = findings
        self.open: dict[Key, Snapshot] = {}
        self.mass_cancels: dict[Key, list[str]] = {}
        """Orders named so far."""

    @property
    def under_way(self) -> bool:
        """A snapshot has begun, and its end has not come."""
        return any(snapshot.rows_total is None for snapshot in self.open.values())

    def begin(self, event: MassStatusBegin, now_ns: int, connection: int) -> None:
        """A snapshot begins. One said to begin twice began the first time.

        One that begins by replay was sent before much of what has been received by now, so its
        silence proves nothing (R29). Another must be asked for.
        """
        key = (event.channel, event.request_id)
        if key in self.open or event.poss_dup:
            return
        if len(self.open) >= UNDER_WAY_MAX:
            self._give_up(next(iter(self.open)), "too many are under way")
        self.open[key] = Snapshot(event.channel, event.symbol, event.event_ns, now_ns, connection)

    def is_first_word(self, row: MassStatusRow, order: Order) -> bool:
        """Has nothing been heard of the order since the snapshot of this row began?

        What was received before that was sent before that, so the row is newer, whoever sent it.
        """
        snapshot = self.open.get((row.channel, row.request_id))
        return snapshot is not None and order not in snapshot.spared

    def is_behind(self, row: MassStatusRow, order: Order) -> bool:
        """Is a row on the entry stream behind what drop copy has told of the order?

        It is when it was told by replay, long after it was sent. So it is when it states less than
        the venue view has, of an execution that the entry stream has not told yet: the stream is
        late, and nothing was unsaid. A lost bust is of an execution that it had told. And when
        nothing more was executed, what the two say has to differ for a while: drop copy's word of a
        moment ago may have been sent after the row, and overtaken it.
        """
        entry, venue = order.entry, order.venue
        if venue.state is ViewState.UNKNOWN:
            return False
        snapshot = self.open.get((row.channel, row.request_id))
        if row.poss_dup and (snapshot is None or order in snapshot.spared):
            return True
        cum = venue.cum if row.cum_qty is None else nanos(row.cum_qty)
        if cum == venue.cum:
            words = [] if order.doubt is None else order.doubt.entry_lacks
            if snapshot is None or not words:
                return False
            return words[-1].at_ns > snapshot.now_ns - UNDER_WAY_NS
        if not entry.cum <= cum < venue.cum:
            return False
        newest = next(reversed(venue.fills)) if venue.fills else None
        return entry.fills is None or newest not in entry.fills

    def row(self, event: MassStatusRow, order: Order | None) -> Snapshot | None:
        """A row about an order came; returns the snapshot if it is complete with it.

        That may be after the end: the row was lost, and came by replay.
        """
        snapshot = self.open.get((event.channel, event.request_id))
        if snapshot is None:
            return None
        snapshot.rows += 1
        if order is not None and event.ord_status in PENDING:
            snapshot.pending[order] = None
        return self._if_complete((event.channel, event.request_id), snapshot)

    def end(self, event: MassStatusEnd) -> Snapshot | None:
        """The end came; returns the snapshot if begin, all rows and end agree in count."""
        key = (event.channel, event.request_id)
        snapshot = self.open.get(key)
        if snapshot is None:
            self._incomplete(event.request_id, "its end came without its begin")
            return None
        if event.failed or event.rows_total is None:
            self._give_up(key, event.reason or "failed, or without a count")
            return None
        snapshot.rows_total = event.rows_total
        if snapshot.rows != event.rows_total:
            detail = f"{snapshot.rows} of {event.rows_total} rows came"
            self._incomplete(event.request_id, detail)
        return self._if_complete(key, snapshot)

    def _if_complete(self, key: Key, snapshot: Snapshot) -> Snapshot | None:
        if snapshot.rows != snapshot.rows_total:
            return None
        del self.open[key]
        return snapshot

    def _give_up(self, key: Key, why: str) -> None:
        del self.open[key]
        self._incomplete(key[1], why)

    def _incomplete(self, request_id: str, why: str) -> None:
        self._findings.append(Finding("snapshot_incomplete", request_id, why))

    def mass_cancelled(self, event: MassCancelReport) -> list[str]:
        """A fragment of a mass-cancel report came; returns the orders named once it is whole."""
        key = (event.channel, event.cl_ord_id or "")
        named = self.mass_cancels.pop(key, [])
        named.extend(event.affected_orders)
        if not event.last_fragment:
            self.mass_cancels[key] = named
            if len(self.mass_cancels) > UNDER_WAY_MAX:
                del self.mass_cancels[next(iter(self.mass_cancels))]
            return []
        total = event.affected_total
        if not event.accepted or not named:
            return []
        if total is not None and total != len(named):
            detail = f"{len(named)} of {total} orders are named"
            self._findings.append(Finding("mass_cancel_incomplete", key[1], detail))
            return []
        return named
