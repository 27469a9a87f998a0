"""Any course of events: the incremental sums equal brute force over the orders' views (DOMAIN §6).

Random lines of ``order_script`` over a few ids, so that chains, merges, duplicates, stale reports,
snapshots and reused ids come up all the time. A failing course prints as a script that reproduces
it. Beside each session runs a twin that was dumped and loaded on the way: it must have the same
future.
"""

from collections.abc import Iterable

import orjson
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from reconverge.core.orders.index import Order
from reconverge.core.orders.orders import Orders
from tests.core.order_script import MS_NS, Script

GRACES_NS = (500 * MS_NS, 2_000 * MS_NS)
CLIENTS = ("A", "B", "C", "D")
VENUES = ("V", "W", "-", "NONE")
REPORTS = (
    "pending_new pending_new", "new new", "trade partially_filled", "trade filled",
    "trade pending_cancel", "trade_cancel new", "trade_correct partially_filled",
    "pending_cancel pending_cancel", "pending_replace pending_replace", "replaced replaced",
    "restated partially_filled", "canceled canceled", "canceled new", "rejected rejected",
    "expired expired", "done_for_day done_for_day", "order_status new", "order_status rejected",
)  # fmt: skip

client = st.sampled_from(CLIENTS)
former = st.sampled_from(("", "", ",A", ",B", ",C"))
quantity = st.sampled_from(("-", "0", "10", "40", "100"))
common = st.builds(
    " ".join,
    st.tuples(
        st.sampled_from(VENUES).map("order:{}".format),
        st.sampled_from(("", "on:DC", "on:DC", "on:DC2")),
        st.sampled_from(("", "", "sym:T", "sym:-")),
        st.sampled_from(("", "", "px:7", "parent:P")),
        st.sampled_from(("", "", "", "seq:-", "seq:2 dup", "seq:9 dup")),
    ),
)
executions = st.builds(
    "exec:{} ref:{} last_px:{}".format,
    st.sampled_from("-abc"),
    st.sampled_from("-abc"),
    st.sampled_from("-5"),
)
reports = st.builds(
    "< {}{} {} {} {} {} {} {} {}".format,
    client, former, st.sampled_from(REPORTS), quantity, quantity, quantity, quantity, executions,
    common,
)  # fmt: skip
rows = st.builds(
    "< row Q {}{} {} {} {} {} {}".format,
    client, former, st.sampled_from(("new", "canceled")), quantity, quantity, quantity, common,
)  # fmt: skip
requests = st.one_of(
    st.builds("> new {} 100 px:{} parent:{} sym:{} {}".format, client, st.sampled_from("-9"),
              st.sampled_from("-PR"), st.sampled_from("ST"), st.sampled_from(("", "dup"))),
    st.builds("> replace {} {} {} order:{}".format, client, client, st.sampled_from(("50", "150")),
              st.sampled_from(VENUES)),
    st.builds("> cancel {} {} order:{}".format, client, client, st.sampled_from(VENUES)),
    st.just("> mass-cancel M"),
)  # fmt: skip
answers = st.one_of(
    st.builds("< no {} new".format, client),
    st.builds("< refused id:{}".format, client),
    st.builds("< unapplied {} 3".format, st.integers(1, 9)),
    st.builds("< mass M {} {} {}".format, st.sampled_from("-12"), st.sampled_from(("V", "A,W")),
              st.sampled_from(("", "more", "on:DC"))),
    st.builds("< snapshot Q {}".format, st.sampled_from(("", "sym:S", "on:DC"))),
    st.builds("< end Q {}".format, st.sampled_from(("0", "1", "1 on:DC", "failed"))),
    st.sampled_from(("< logon", "< logon reset", "< disconnect", "attest A,V", "attest D,Q")),
)  # fmt: skip


def aged_sums(orders: Iterable[Order]) -> tuple[int, int, int, int]:
    standing = [order.standing for order in orders]
    return (
        len(standing),
        sum(change.mismatch for change in standing),
        sum(change.difference for change in standing),
        sum(change.ambiguous for change in standing),
    )


class Course(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.script = Script()
        self.twin: Script | None = None
        self.at_ms = 0
        self.began: dict[Order, int] = {}
        self.found: set[Order] = set()
        for grace_ns in GRACES_NS:
            self.script.orders.watch_grace(grace_ns)

    def act(self, line: str) -> None:
        for script in (self.script, self.twin):
            if script is not None:
                script.act(line.split())
                script.orders.findings.clear()
        self.watch_clocks(line)

    @rule(line=reports)
    def report(self, line: str) -> None:
        self.act(line)

    @rule(line=requests)
    def request(self, line: str) -> None:
        self.act(line)

    @rule(line=st.one_of(rows, answers))
    def answer(self, line: str) -> None:
        self.act(line)

    @rule(ms=st.sampled_from((1, 400, 1_000, 5_000)))
    def wait(self, ms: int) -> None:
        self.at_ms += ms
        self.act(f"@ {self.at_ms}")

    @precondition(lambda self: self.twin is None)
    @rule()
    def hand_over(self) -> None:
        """Dumped and loaded through JSON, at any point."""
        rows = [orjson.loads(orjson.dumps(row)) for row in self.script.orders.dump()]
        self.twin = Script(Orders.load(rows))
        self.twin.now_ns, self.twin.numbers = self.script.now_ns, dict(self.script.numbers)
        for grace_ns in GRACES_NS:
            self.twin.orders.watch_grace(grace_ns)

    def watch_clocks(self, line: str) -> None:
        """Since when each order disagrees, kept from outside."""
        orders = self.script.orders
        now = {
            order for order in self.all() if order.entry.open != order.venue.open or order.requests
        }
        found = set(self.all())
        # Within one message, two records merged or a row told to one view may agree for a moment.
        loose = line.startswith("< row") or not found >= self.found
        self.found = found
        held: dict[Order, int] = {}
        for order, since_ns in self.began.items():
            ids = (*order.order_ids(), *order.cl_ord_ids)
            heirs = (order,) if order in found else (orders.find(any_id) for any_id in ids)
            heir = next((each for each in heirs if each is not None), order)
            held[heir] = min(since_ns, held.get(heir, since_ns))
            if loose and heir.since_ns == self.script.now_ns:
                held[heir] = heir.since_ns
        self.began = {order: held.get(order, self.script.now_ns) for order in now}

    def all(self) -> list[Order]:
        return self.script.orders._index.orders()

    @invariant()
    def tallies_equal_brute_force(self) -> None:
        orders, found = self.script.orders, self.all()
        symbols = {order.tally.symbol for order in found}
        assert symbols - {""} == set(orders.symbols())
        for symbol in ("", *orders.symbols()):
            members = [o for o in found if not symbol or o.tally.symbol == symbol]
            tally = orders.symbol(symbol) if symbol else orders.total
            pairs = [(o.entry.open, o.venue.open) for o in members]
            assert tally.orders == len(members)
            assert tally.union == sum(max(pair) > 0 for pair in pairs)
            assert tally.both == sum(min(pair) > 0 for pair in pairs)
            assert tally.sum_max == sum(map(max, pairs))
            assert tally.sum_min == sum(map(min, pairs))
            assert tally.open_notional == sum(
                max(*pair, o.requested) * o.price for pair, o in zip(pairs, members, strict=True)
            )
            assert tally.disagreeing == sum(o in self.began for o in members)
            in_flight = sum(len(o.requests) for o in members)
            assert tally.in_flight - in_flight == (0 if symbol else len(self.mass_cancels()))
            assert tally.ambiguous_notional == sum(o.standing.ambiguous for o in members)
            assert tally.ambiguous_notional <= tally.open_notional

    def mass_cancels(self) -> dict[str, object]:
        return dict(self.script.orders._requests.mass_cancels)

    @invariant()
    def graces_equal_brute_force(self) -> None:
        orders = self.script.orders
        oldest = min(self.began.values(), default=None)
        assert orders.oldest_disagreement_ns == oldest
        for grace_ns in GRACES_NS:
            grace = orders.watch_grace(grace_ns)
            by_now = grace.now_ns - grace_ns
            aged = [order for order, since_ns in self.began.items() if since_ns <= by_now]
            session = grace.session
            assert aged_sums(aged) == (
                session.disagreeing,
                session.mismatch,
                session.difference,
                session.ambiguous_notional,
            )
            total = orders.total
            assert (
                grace.similarity == (1 - session.mismatch / total.union if total.union else 1)
                or total.union
            )
            assert grace.symbols() == sorted({order.tally.symbol for order in aged})
            for symbol in orders.symbols():
                of_symbol = [order for order in aged if order.tally.symbol == symbol]
                _, mismatch, difference, ambiguous = aged_sums(of_symbol)
                tally, seen = orders.symbol(symbol), grace.symbol(symbol)
                assert seen.similarity * max(tally.union, 1) == max(tally.union, 1) - mismatch or (
                    abs(seen.similarity - (1 - mismatch / tally.union)) < 1e-12
                )
                assert abs(seen.quantity - (1 - difference / (tally.sum_max or 1))) < 1e-12
                assert abs(seen.ambiguous - ambiguous / (tally.open_notional or 1)) < 1e-12
            young = [since_ns for since_ns in self.began.values() if since_ns > by_now]
            due = min(young) + grace_ns if young else None
            assert grace.next_deadline_ns == due

    @invariant()
    def views_are_sound(self) -> None:
        for order in self.all():
            for view in (order.entry, order.venue):
                assert (view.open > 0) == (view.state == "open" and view.open != 0)
                assert view.open >= 0 <= view.cum
                assert 0 <= view.leg <= max(len(order.cl_ord_ids) - 1, 0)
            assert order.over == (
                not order.entry.open and not order.venue.open and not order.requests
            )

    @invariant()
    def parents_follow_their_orders(self) -> None:
        executed: dict[str, int] = {}
        for order in self.all():
            if order.parent_id is not None:
                executed[order.parent_id] = executed.get(order.parent_id, 0) + order.executed
        told = self.script.orders.parent_executed
        assert {k: v for k, v in told.items() if v} == {k: v for k, v in executed.items() if v}

    @invariant()
    def the_twin_has_the_same_present(self) -> None:
        if self.twin is not None:
            assert list(self.twin.orders.dump()) == list(self.script.orders.dump())
            for grace_ns in GRACES_NS:
                mine, its = (s.orders.watch_grace(grace_ns) for s in (self.script, self.twin))
                for symbol in self.script.orders.symbols():
                    assert mine.symbol(symbol) == its.symbol(symbol)
                assert mine.next_deadline_ns == its.next_deadline_ns


Course.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestCourse = Course.TestCase
