"""Scripts of what happens to a session's orders: the scenarios' words, one event a line.

    > new X 10000 @10 sym=S parent=P       a new order leaves us, client id X
    > replace Y of X 12000                 a request to replace X, id Y, total quantity 12000
    < new X 0/10000                        a report: nothing executed, 10000 open
    < trade Y 1000 of X 1000/9000          a fill of 1000: 1000 executed by now, 9000 open
    < canceled Y of X 1000/0 qty=10000     the total quantity, where it is not the sum of the two
    DC< trade X - 30/- exec=a ref=b        from drop-copy channel DC; `-` is absent
    @1.5 tick                              1.5 s from the start; drop copy was heard until then
    @1.5 tick covered=0.9                  it had its chance to speak until 0.9 s
    @1.5 tick uncovered                    no drop copy is required
    attest orders=V,W                      an operator: these work in neither view
    attest adopted=V                       drop copy alone tells of this one, and it is ours
    fills-only                             drop copy tells executions and nothing else
    ? V entry open 30/70                   state, executed and open quantity in a view
    ? working entry V,W venue -            what works in each view, first seen first
    ? in-flight 1 | ? orders 2 | ? disagreeing 1 | ? parent P 30 | ? same X V | ? symbol V S
    ... ! kind kind                        exactly these are found by the line

`tests/scenarios/README.md` has the other verbs. Nothing is assumed of an order but the venue's id
V, symbol S, price 10 of a new one, and the status that goes with its quantities (`id=`, `sym=`,
`@`, `status=`). Each message has the next number of its source (`#7`, `#-`). Time stands still but
for `tick`.
"""

from decimal import Decimal

from reconverge.core.messages.events import StreamEvent
from reconverge.core.messages.units import ONE
from reconverge.core.orders.orders import Orders
from tests.scenarios.words import AMOUNTS, PRICE, Fields, Place, Vocabulary, Words, text

MS_NS = 1_000_000
SECOND_NS = 1_000_000_000
START_NS = 1_000_000_000_000


class Unassuming(Vocabulary):
    """The scenarios' words, assuming next to nothing of an order."""

    symbol = "S"

    def _venue_id(self, root: str) -> str:
        return "V"

    def _said(self, words: Words) -> tuple[Fields, str]:
        former, name = words.after("of"), words.take()
        price, amounts = words.match(PRICE), words.match(AMOUNTS)
        cum, leaves = map(text, amounts.groups() if amounts else "--")
        total = None if cum is None or leaves is None else f"{Decimal(cum) + Decimal(leaves):f}"
        total = words.settings.pop("qty", total or "-")
        return {
            "order_id": "V", "cl_ord_id": text(name), "orig_cl_ord_id": former,
            "symbol": "S", "price": price[1] if price else None,
            "order_qty": text(total), "cum_qty": cum, "leaves_qty": leaves,
        }, name  # fmt: skip

    def _filled(self, verb: str, fields: Fields, root: str) -> Fields:
        return {}

    def _price(self, name: str) -> str | None:
        return None

    def _number(self, fields: Fields, given: str | None) -> None:
        stream = (fields["session"], fields["channel"], None, fields["outbound"])
        last = self.numbers.get(stream, 0)
        seq = fields["seq"] = None if given == "-" else int(given or last + 1)
        if seq is not None:
            self.numbers[stream] = max(seq, last)


class Script:
    """Runs lines against one session's orders."""

    def __init__(self, orders: Orders | None = None) -> None:
        self.orders = Orders() if orders is None else orders
        self.now_ns = START_NS
        self.words = Unassuming({})
        self.received: set[tuple[str | None, str | None, int]] = set()
        """Channel, segment and number of what came; for a bust is lost only in a hole."""
        self.orders.watch_numbers(self.is_missing)

    def run(self, text: str) -> Orders:
        """Every line of a text; empty ones and `#` comments are skipped."""
        for line in text.strip().splitlines():
            self.line(line)
        return self.orders

    def line(self, line: str) -> None:
        text, _, kinds = line.partition("  #")[0].partition("!")
        words = text.split()
        if not words:
            return
        if words[0] == "?":
            self.check(words[1:], line)
            return
        self.act(words)
        assert [found.kind for found in self.orders.findings] == kinds.split(), line
        self.orders.findings.clear()

    def check(self, words: list[str], line: str) -> None:
        """An expectation about the orders as they are."""
        orders = self.orders
        match words:
            case ["working", "entry", entry, "venue", venue]:
                for ids, in_venue in ((entry, False), (venue, True)):
                    expected_ids = [] if ids == "-" else ids.split(",")
                    assert orders.working(venue=in_venue) == expected_ids, line
            case [any_id, ("entry" | "venue") as side, state, amounts]:
                cum, _, open_qty = amounts.partition("/")
                expected = (state, int(open_qty), int(cum))
                assert view(orders, any_id, venue=side == "venue") == expected, line
            case ["in-flight" | "disagreeing" | "orders" as counter, count]:
                found = getattr(orders.total, counter.replace("-", "_"))
                assert found == int(count), line
            case ["parent", parent, executed]:
                assert orders.parent_executed[parent] == int(executed) * ONE, line
            case ["same", first, second]:
                assert orders.find(first) is orders.find(second) is not None, line
            case ["apart", first, second]:
                assert orders.find(first) is not orders.find(second), line
            case ["symbol", any_id, symbol]:
                order = orders.find(any_id)
                assert order is not None, line
                assert order.tally.symbol == ("" if symbol == "-" else symbol), line
            case _:
                raise AssertionError(line)

    def act(self, texts: list[str]) -> None:
        """An event, an attestation, or the passing of time."""
        source, *rest = texts
        if source.startswith("@"):
            self.now_ns = _moment(source.removeprefix("@"))
            words = Words(rest)
            covered_ns = _moment(words.settings.get("covered", source.removeprefix("@")))
            self.settle(None if words.flag("uncovered") else covered_ns)
        elif source == "fills-only":
            self.orders.set_fills_only(fills_only=True)
        elif source == "attest":
            settings = Words(rest).settings
            self.orders.attested(_listed(settings.get("orders")), self.now_ns)
            self.orders.adopt(_listed(settings.get("adopted")), self.now_ns)
        else:
            self.orders.apply(self.event(texts), self.now_ns)

    def is_missing(self, channel: str | None, segment: str | None, after: int, until: int) -> bool:
        """Whether a number between two of a source never came."""
        between = range(after + 1, until)
        return any((channel, segment, seq) not in self.received for seq in between)

    def settle(self, covered_ns: int | None) -> None:
        """Every reading of the orders that is watched, as of now."""
        for watch in self.orders.counts.doubts.watches:
            watch.settle(self.now_ns, covered_ns)

    def event(self, texts: list[str]) -> StreamEvent:
        source, verb, *rest = texts
        event = self.words.event(Place(f"T/{source}"), verb, rest, self.now_ns)
        assert isinstance(event, StreamEvent)
        if event.seq is not None and not event.outbound:
            self.received.add((event.channel, event.segment, event.seq))
        return event


def _listed(names: str | None) -> list[str]:
    return names.split(",") if names else []


def _moment(seconds: str) -> int:
    return START_NS + round(float(seconds) * SECOND_NS)


def run(text: str) -> Orders:
    """The orders of a session after a script."""
    return Script().run(text)


def view(orders: Orders, any_id: str, *, venue: bool = False) -> tuple[str, int, int]:
    """State, open and executed quantity of one order in one view, in whole units."""
    order = orders.find(any_id)
    assert order is not None, f"no order goes by {any_id}"
    side = order.venue if venue else order.entry
    return side.state, side.open // ONE, side.cum // ONE
