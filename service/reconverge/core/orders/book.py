"""The book of one session's orders: the parts that its handlers work on, and what they share."""

from reconverge.core.findings import Finding, OrderKind
from reconverge.core.orders.counts import Counts
from reconverge.core.orders.identity import Identity
from reconverge.core.orders.index import Index, Order, Request
from reconverge.core.orders.requests import Requests
from reconverge.core.orders.snapshots import Snapshot, Snapshots


class Book:
    """Order truth of one session, in parts. Handlers take a message to it."""

    __slots__ = (
        "counts", "findings", "identity", "index", "marks", "requests", "snapshot_completed",
        "snapshots",
    )  # fmt: skip

    def __init__(self, orders_max: int) -> None:
        self.findings: list[Finding] = []
        """What was odd; the session takes them away."""
        self.index = Index()
        self.counts = Counts(self.index)
        self.identity = Identity(self.index, self.counts, self.findings, orders_max)
        self.marks = self.identity.marks
        self.requests = Requests(self.index, self.counts)
        self.snapshots = Snapshots(self.findings)
        self.snapshot_completed: Snapshot | None = None
        """The snapshot that the last event completed."""

    def odd(self, kind: OrderKind, about: str, detail: str) -> None:
        """Something that a person may have to look at."""
        self.findings.append(Finding(kind, about, detail))

    def spare(self, order: Order) -> None:
        """Absence from a snapshot under way will say nothing of an order heard of meanwhile."""
        for snapshot in self.snapshots.open.values():
            snapshot.spared.setdefault(order)

    def answer(self, request: Request, now_ns: int, refused: str | None = None) -> None:
        """A request is in flight no more; ``refused``: nor ever was the order it was to make."""
        order = request.order
        was = order.figures()
        if refused is not None and order.entry.state == "sent":
            order.entry.end(refused)
        self.requests.keep(order, tuple(r for r in order.requests if r is not request))
        self.counts.moved(order, was, now_ns)
