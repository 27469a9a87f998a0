"""The book of one session's orders: the parts that its handlers work on, and what they share."""

from reconverge.core.findings import Finding, OrderKind
from reconverge.core.orders.counts import Counts
from reconverge.core.orders.identity import Identity
from reconverge.core.orders.index import Figures, Index, Order, Request
from reconverge.core.orders.requests import Requests
from reconverge.core.orders.snapshots import Snapshot, Snapshots
from reconverge.core.orders.states import Word
from reconverge.core.orders.view import Missing


class Book:
    """Order truth of one session, in parts. Handlers take a message to it."""

    __slots__ = (
        "contradicting", "counts", "fills_only", "findings", "identity", "index", "marks",
        "missing", "requests", "snapshot_completed", "snapshots",
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
        self.missing: Missing = _none_missing
        """Set by whoever keeps the numbers."""
        self.fills_only = False
        """Drop copy tells executions and nothing else: a venue's setting (R31)."""
        self.contradicting: dict[str | None, None] = {}
        """Sources that contradicted themselves on what is open, and were told of (R35)."""
        self.snapshot_completed: Snapshot | None = None
        """The snapshot that the last event completed."""

    def odd(self, kind: OrderKind, about: str, detail: str) -> None:
        """Something that a person may have to look at."""
        self.findings.append(Finding(kind, about, detail))

    def spare(self, order: Order) -> None:
        """Absence from a snapshot under way will say nothing of an order heard of meanwhile."""
        for snapshot in self.snapshots.open.values():
            snapshot.spared.setdefault(order)

    def answer(self, request: Request, now_ns: int, word: Word | None = None) -> None:
        """A request is in flight no more; ``word``: what that says of the order it was to make."""
        order = request.order
        was = order.figures()
        if word is not None:
            order.entry.say(word)
        self.requests.keep(order, tuple(r for r in order.requests if r is not request))
        self.moved(order, was, now_ns)

    def moved(self, order: Order, was: Figures, now_ns: int) -> None:
        """An order's figures may have changed; say what they were."""
        if order in self.index.adopted:
            order.entry.mirror(order.venue)
        elif self.fills_only:
            order.venue.follow(order.entry)
        self.counts.moved(order, was, now_ns)


def _none_missing(_channel: str | None, _segment: str | None, _after: int, _before: int) -> bool:
    """Where nobody keeps the numbers, no bust is taken for lost (R38)."""
    return False
