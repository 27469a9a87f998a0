"""Scripts of what happens to a session's orders, one event a line, and their runner.

    > new X 10000 px:10 sym:S parent:P     a new order leaves us, client id X
    > replace Y X 12000                    a request to replace X, id Y, total quantity 12000
    > cancel Y X                           a request to cancel X, id Y
    > mass-cancel M                        a mass cancel, id M
    > unmodelled X [sym:S]                 a new order of unknown size, id X
    > unmodelled Y X                       a change of X that cannot be modelled, id Y
    < X new new 10000 0 10000              a report: ids, ExecType, OrdStatus, OrderQty, CumQty,
    < Y,X trade partially_filled 10000 1000 9000 1000       LeavesQty, LastQty; `-` where absent
    < no Y,X partially_filled              cancel reject
    < refused 7 | < refused id:X           session or business reject of our number 7, of our id X
    < unapplied 5 2                        not applied: from our number 5, two of them
    < mass M 2 V,W [more] [declined]       mass-cancel report: total (`-`: none), orders named
    < snapshot Q [sym:S] | < row Q X new 10000 0 10000 | < end Q 1 | < end Q failed
    < logon [reset] | < disconnect | < switched
    @ 1500                                 1.5 s from the start; drop copy was heard until then
    @ 1500 covered 900 | @ 1500 uncovered  it had its chance to speak until 0.9 s; none is required
    attest V,W                             an operator: these work in neither view
    ? V entry open 70 30                   state, open and executed quantity in a view
    ? working entry V,W venue -            what works in each view, first seen first
    ? in-flight 1 | ? orders 2 | ? disagreeing 1 | ? parent P 30 | ? same X V | ? symbol V S
    ... ! kind kind                        exactly these are found by the line

Ids are `client` or `client,former`, `-` for none. Further words: `order:V` the venue's id (V unless
said; `-` none), `on:DC` a drop-copy channel, `exec:E ref:E` execution ids, `seq:7` a number (else
the next of its source; `-` none), `seg:S` a segment, `dup`, `again` (possible-resend). Time stands
still but for `@`.
"""

from collections.abc import Callable
from typing import Any

from reconverge.core.messages import events
from reconverge.core.messages.events import StreamEvent
from reconverge.core.messages.units import ONE
from reconverge.core.orders.orders import Orders

MS_NS = 1_000_000
START_NS = 1_000_000_000_000
Fields = dict[str, Any]


def _ids(text: str) -> tuple[str | None, str | None]:
    first, _, former = text.partition(",")
    return _absent(first), _absent(former)


def _absent(text: str) -> str | None:
    return None if text in {"-", ""} else text


def _options(words: list[str]) -> tuple[list[str], Fields]:
    """The plain words, and the options among them."""
    plain: list[str] = []
    options: Fields = {}
    for word in words:
        name, colon, value = word.partition(":")
        if colon:
            options[name] = _absent(value)
        elif word in {"dup", "again", "more", "declined", "reset", "failed", "lasting"} and plain:
            options[word] = True
        else:
            plain.append(word)
    return plain, options


def _request(words: list[str], options: Fields) -> tuple[type[StreamEvent], Fields]:
    match words:
        case ["new", cl_ord_id, qty]:
            return events.NewOrder, {
                "cl_ord_id": cl_ord_id,
                "qty": qty,
                "symbol": options.get("sym", "S"),
                "side": "buy",
                "price": options.get("px", "10"),
                "mid": options.get("mid"),
                "parent_id": options.get("parent"),
                "persistent": "lasting" in options,
            }
        case ["replace", cl_ord_id, former, qty]:
            fields = {"cl_ord_id": cl_ord_id, "orig_cl_ord_id": former, "qty": qty}
            return events.ReplaceRequest, fields | {"order_id": options.get("order")}
        case ["cancel", cl_ord_id, former]:
            fields = {"cl_ord_id": cl_ord_id, "orig_cl_ord_id": former}
            return events.CancelRequest, fields | {"order_id": options.get("order")}
        case ["mass-cancel", cl_ord_id]:
            return events.MassCancelRequest, {"cl_ord_id": cl_ord_id}
        case ["unmodelled", cl_ord_id, *former]:
            return events.UnmodelledRequest, {
                "cl_ord_id": cl_ord_id,
                "orig_cl_ord_id": former[0] if former else None,
                "symbol": options.get("sym"),
                "msg_type": "s",
                "reason": "a cross",
            }
    raise AssertionError(words)


def _order_fields(ids: str, status: str, numbers: list[str], options: Fields) -> Fields:
    named, former = _ids(ids)
    qty, cum, leaves = (_absent(text) for text in (numbers + ["-"] * 3)[:3])
    return {
        "order_id": options.get("order", "V"),
        "cl_ord_id": named,
        "orig_cl_ord_id": former,
        "ord_status": status,
        "order_qty": qty,
        "cum_qty": cum,
        "leaves_qty": leaves,
        "symbol": options.get("sym", "S"),
        "price": options.get("px"),
        "parent_id": options.get("parent"),
    }


def _answer(words: list[str], options: Fields) -> tuple[type[StreamEvent], Fields]:  # noqa: C901
    match words:
        case ["no", ids, status]:
            named, former = _ids(ids)
            fields: Fields = {"cl_ord_id": named, "orig_cl_ord_id": former, "ord_status": status}
            order_id = options.get("order", "V")
            return events.CancelReject, fields | {"response_to": "cancel", "order_id": order_id}
        case ["refused", *number]:
            ref_seq = int(number[0]) if number else None
            return events.RequestReject, {"ref_seq": ref_seq, "ref_id": options.get("id")}
        case ["unapplied", first, count]:
            return events.NotApplied, {"from_seq": int(first), "count": int(count)}
        case ["mass", cl_ord_id, total, *named]:
            return events.MassCancelReport, {
                "cl_ord_id": _absent(cl_ord_id),
                "accepted": "declined" not in options,
                "affected_total": None if total == "-" else int(total),
                "affected_orders": tuple(named[0].split(",")) if named else (),
                "last_fragment": "more" not in options,
            }
        case ["snapshot", request_id]:
            return events.MassStatusBegin, {"request_id": request_id, "symbol": options.get("sym")}
        case ["row", request_id, ids, status, *numbers]:
            fields = _order_fields(ids, status, numbers, options)
            return events.MassStatusRow, fields | {"request_id": request_id}
        case ["end", request_id, *total]:
            rows_total = int(total[0]) if total else None
            fields = {"request_id": request_id, "rows_total": rows_total}
            return events.MassStatusEnd, fields | {"failed": "failed" in options}
        case ["logon"]:
            return events.Logon, {"reset_numbers": "reset" in options}
        case ["disconnect"]:
            return events.Disconnect, {}
        case ["switched"]:
            return events.GatewaySwitched, {}
        case [ids, exec_type, status, *numbers]:
            last = _absent(numbers[3]) if len(numbers) > 3 else None
            fields = _order_fields(ids, status, numbers, options)
            return events.ExecutionReport, fields | {
                "exec_type": exec_type,
                "exec_id": options.get("exec"),
                "exec_ref_id": options.get("ref"),
                "last_qty": last,
                "last_px": options.get("last_px"),
            }
    raise AssertionError(words)


class Script:
    """Runs lines against one session's orders."""

    def __init__(self, orders: Orders | None = None) -> None:
        self.orders = Orders() if orders is None else orders
        self.now_ns = START_NS
        self.numbers: dict[tuple[str | None, bool], int] = {}

    def run(self, text: str) -> Orders:
        """Every line of a text; empty ones and `#` comments are skipped."""
        for line in text.strip().splitlines():
            self.line(line)
        return self.orders

    def line(self, line: str) -> None:
        text, _, kinds = line.split("#", maxsplit=1)[0].partition("!")
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
            case [any_id, ("entry" | "venue") as side, state, open_qty, cum]:
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
                assert order.tally.symbol == (_absent(symbol) or ""), line
            case _:
                raise AssertionError(line)

    def act(self, words: list[str]) -> None:
        """An event, an attestation, or the passing of time."""
        if words[0] == "@":
            self.now_ns = START_NS + int(words[1]) * MS_NS
            covered_ns = START_NS + int(words[3]) * MS_NS if len(words) > 3 else self.now_ns
            self.settle(None if words[2:] == ["uncovered"] else covered_ns)
            return
        if words[0] == "attest":
            self.orders.attested(words[1].split(","), self.now_ns)
            return
        self.orders.apply(self.event(words), self.now_ns)

    def settle(self, covered_ns: int | None) -> None:
        """Every reading of the orders that is watched, as of now."""
        for watch in self.orders.counts.doubts.watches:
            watch.settle(self.now_ns, covered_ns)

    def event(self, words: list[str]) -> StreamEvent:
        plain, options = _options(words[1:])
        build: Callable[[list[str], Fields], tuple[type[StreamEvent], Fields]]
        build = _request if words[0] == ">" else _answer
        cls, fields = build(plain, options)
        channel, outbound = options.get("on"), words[0] == ">"
        source = (channel, outbound)
        if "seq" in options:
            seq = None if options["seq"] is None else int(options["seq"])
        else:
            seq = self.numbers.get(source, 0) + 1
        if seq is not None:
            self.numbers[source] = max(seq, self.numbers.get(source, 0))
        return cls(
            session="T",
            event_ns=self.now_ns,
            ingest_ns=self.now_ns,
            channel=channel,
            segment=options.get("seg"),
            seq=seq,
            outbound=outbound,
            poss_dup="dup" in options,
            poss_resend="again" in options,
            **fields,
        )


def run(text: str) -> Orders:
    """The orders of a session after a script."""
    return Script().run(text)


def view(orders: Orders, any_id: str, *, venue: bool = False) -> tuple[str, int, int]:
    """State, open and executed quantity of one order in one view, in whole units."""
    order = orders.find(any_id)
    assert order is not None, f"no order goes by {any_id}"
    side = order.venue if venue else order.entry
    return side.state, side.open // ONE, side.cum // ONE
