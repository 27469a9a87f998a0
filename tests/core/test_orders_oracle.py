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

from reconverge.core.orders import Orders, Watch
from reconverge.core.orders.check import check
from reconverge.core.orders.index import Order
from tests.core.order_script import MS_NS, START_NS, Script

WATCHED = ((500 * MS_NS, 5_000 * MS_NS), (2_000 * MS_NS, 3_000 * MS_NS))
"""In-flight grace and hard lag."""
Owed = tuple[dict[int, int], dict[int, int]]
CLIENTS = ("A", "B", "C", "D")
VENUES = ("V", "W", "-", "NONE")
REPORTS = (
    ("pending_new", "pending_new"), ("new", "new"), ("trade", "partially_filled"),
    ("trade", "filled"), ("trade", "pending_cancel"), ("trade_cancel", "new"),
    ("trade_correct", "partially_filled"), ("pending_cancel", "pending_cancel"),
    ("pending_replace", "pending_replace"), ("replaced", "replaced"),
    ("restated", "partially_filled"), ("canceled", "canceled"), ("canceled", "new"),
    ("rejected", "rejected"), ("expired", "expired"), ("done_for_day", "done_for_day"),
    ("order_status", "new"), ("order_status", "rejected"),
)  # fmt: skip

client = st.sampled_from(CLIENTS)
named = st.builds("{}{}".format, client, st.sampled_from(("", "", " of A", " of B", " of C")))
venue = st.sampled_from(VENUES)
quantity = st.sampled_from(("-", "0", "10", "40", "100"))
quantities = st.builds("{}/{} qty={}".format, quantity, quantity, quantity)
source = st.sampled_from(("<", "DC<", "DC<", "DC2<"))
common = st.builds(
    " ".join,
    st.tuples(
        venue.map("id={}".format),
        st.sampled_from(("", "", "sym=T", "sym=-")),
        st.sampled_from(("", "", "@7", "parent=P")),
        st.sampled_from(("", "", "", "#-", "#2 dup", "#9 dup")),
    ),
)
executions = st.builds(
    "exec={} ref={} last_px={}".format,
    st.sampled_from("-abc"),
    st.sampled_from("-abc"),
    st.sampled_from("-5"),
)


def reported(where: str, report: tuple[str, str], order: str, last: str, *rest: str) -> str:
    kind, status = report
    last = last if kind.startswith("trade") else f"last_qty={last}"
    return " ".join([where, kind, order, last, f"status={status}", *rest])


reports = st.builds(
    reported, source, st.sampled_from(REPORTS), named, quantity, quantities, executions, common
)
rows = st.builds(
    "{} row Q {} {} status={} {}".format,
    source, named, quantities, st.sampled_from(("new", "canceled")), common,
)  # fmt: skip
requests = st.one_of(
    st.builds("> new {} 100 {} parent={} sym={} {}".format, client,
              st.sampled_from(("price=-", "@9")), st.sampled_from("-PR"), st.sampled_from("ST"),
              st.sampled_from(("", "dup"))),
    st.builds("> replace {} of {} {} id={}".format, client, client, st.sampled_from(("50", "150")),
              venue),
    st.builds("> cancel {} of {} id={}".format, client, client, venue),
    st.just("> mass-cancel M"),
)  # fmt: skip
answers = st.one_of(
    st.builds("< cancel-reject {} status=new".format, client),
    st.builds("< reject ref_id={}".format, client),
    st.builds("< not-applied {} 3".format, st.integers(1, 9)),
    st.builds("{} mass-cancel-report M {} {} {}".format, st.sampled_from(("<", "<", "DC<")),
              st.sampled_from(("", "1", "2")), st.sampled_from(("V", "A W")),
              st.sampled_from(("", "more"))),
    st.sampled_from(("< mass-status Q", "< mass-status Q sym=S", "DC< mass-status Q")),
    st.sampled_from(("< mass-end Q 0", "< mass-end Q 1", "DC< mass-end Q 1",
                     "< mass-end Q failed")),
    st.sampled_from(("< logon", "< logon reset", "< disconnect", "attest orders=A,V",
                     "attest orders=D,Q")),
)  # fmt: skip


def due(order: Order, watch: Watch, covered_ns: int | None) -> tuple[bool, bool]:
    """Whether the views' difference counts in a watch, and whether a missing answer does."""
    doubt, aged_ns = order.doubt, watch.now_ns - watch.grace_ns
    if doubt is None:
        return False, False
    entry = any(word.at_ns <= aged_ns for word in doubt.entry_lacks)
    copy = covered_ns is not None and any(
        word.at_ns + watch.grace_ns < covered_ns or watch.now_ns - word.at_ns >= watch.hard_ns
        for word in doubt.copy_lacks
    )
    sent = [r.sent_ns for r in order.requests if not r.acknowledged]
    return entry or copy, any(sent_ns <= aged_ns for sent_ns in sent)


def owed(order: Order) -> Owed:
    """By side, entry first: since when it owes a word of each fact."""
    found: Owed = ({}, {})
    if order.doubt is not None:
        for facts, words in zip(
            found, (order.doubt.entry_lacks, order.doubt.copy_lacks), strict=True
        ):
            for word in reversed(words):
                facts[word.fact] = word.at_ns
    return found


def parts(orders: Iterable[Order], watch: Watch, covered_ns: int | None) -> list[tuple[int, ...]]:
    """What each order takes away, worked out anew: DOMAIN §6, and nothing of ours."""
    found: list[tuple[int, ...]] = []
    for order in orders:
        views, answer = due(order, watch, covered_ns)
        entry, venue, price = order.entry, order.venue, order.price
        over = not entry.open and not venue.open
        difference = abs(entry.open - venue.open)
        executed = abs(entry.cum - venue.cum) if over else 0
        at_stake = max(entry.open, venue.open, order.requested)
        if views:
            apart = int((entry.open > 0) != (venue.open > 0))
            ambiguous = (at_stake if answer else difference) + executed
            found.append((1, apart, difference, executed, ambiguous * price, executed * price))
        elif answer:
            found.append((1, 0, 0, 0, at_stake * price, 0))
    return found


class Course(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.script = Script()
        self.twin: Script | None = None
        self.at_ms = 0
        self.covered_ns: int | None = None
        for watched in WATCHED:
            self.script.orders.watch(*watched)

    def act(self, line: str) -> None:
        before = {order: owed(order) for order in self.all()}
        for script in (self.script, self.twin):
            if script is not None:
                script.act(line.split())
                script.orders.findings.clear()
        where, verb, *_ = line.split()
        one_sided = where.endswith("<") and verb not in {"row", "mass-end", "logon"}
        if one_sided and len(self.all()) >= len(before):
            self.clocks_of_the_silent_side_run_on(before, silent=1 if where == "<" else 0)

    def clocks_of_the_silent_side_run_on(self, before: dict[Order, Owed], silent: int) -> None:
        """What one side says makes no word younger that the other side owes."""
        for order, was in before.items():
            now = owed(order)
            for fact, at_ns in was[silent].items():
                assert now[silent].get(fact, at_ns) == at_ns

    @rule(line=reports)
    def report(self, line: str) -> None:
        self.act(line)

    @rule(line=requests)
    def request(self, line: str) -> None:
        self.act(line)

    @rule(line=st.one_of(rows, answers))
    def answer(self, line: str) -> None:
        self.act(line)

    @rule(ms=st.sampled_from((1, 400, 1_000, 5_000)), late_ms=st.sampled_from((0, 0, 600)))
    def wait(self, ms: int, late_ms: int) -> None:
        """Time passes; drop copy was heard, and had its chance to speak up to a while ago."""
        self.at_ms += ms
        covered_ns = START_NS + (self.at_ms - late_ms) * MS_NS
        self.covered_ns = max(covered_ns, self.covered_ns or 0)
        self.act(f"@{self.at_ms / 1000} tick covered={(self.at_ms - late_ms) / 1000}")

    @rule()
    def retire_drop_copy(self) -> None:
        """None is required any more: what it lacks is no evidence."""
        self.covered_ns = None
        self.act(f"@{self.at_ms / 1000} tick uncovered")

    @precondition(lambda self: self.twin is None)
    @rule()
    def hand_over(self) -> None:
        """Dumped and loaded through JSON, at any point."""
        rows = [orjson.loads(orjson.dumps(row)) for row in self.script.orders.dump()]
        self.twin = Script(Orders.load(rows))
        self.twin.now_ns = self.script.now_ns
        self.twin.words.numbers = dict(self.script.words.numbers)
        self.twin.received = set(self.script.received)
        for watched in WATCHED:
            self.twin.orders.watch(*watched)

    def all(self) -> list[Order]:
        return self.script.orders.book.index.orders()

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
            doubtful = [o for o in members if o.doubt is not None]
            assert tally.disagreeing == len(doubtful) + (0 if symbol else len(self.mass_cancels()))
            waiting = [[r for r in o.requests if not r.acknowledged] for o in members]
            in_play = sum(max(p) > 0 or bool(w) for p, w in zip(pairs, waiting, strict=True))
            assert tally.in_play == in_play + (0 if symbol else len(self.mass_cancels()))
            in_flight = sum(map(len, waiting))
            assert tally.in_flight - in_flight == (0 if symbol else len(self.mass_cancels()))
            assert tally.ambiguous_notional == sum(
                (o.exposure if o.requested >= 0 else abs(o.entry.open - o.venue.open)) * o.price
                for o in members
            )
            assert tally.ambiguous_notional <= tally.open_notional

    def mass_cancels(self) -> list[Order]:
        return [r.order for r in self.script.orders.book.requests.mass_cancels.values()]

    @invariant()
    def a_doubt_is_a_difference_or_an_answer_missing(self) -> None:
        orders = self.script.orders
        for order in (*self.all(), *self.mass_cancels()):
            waits = [r.sent_ns for r in order.requests if not r.acknowledged]
            doubt = order.doubt
            if doubt is None:
                assert not waits
                assert not orders.counts.differs(order)
                continue
            assert doubt.unanswered_ns == min(waits, default=-1)
            words = [*doubt.entry_lacks, *doubt.copy_lacks]
            assert bool(words) == orders.counts.differs(order)
            for each in (doubt.entry_lacks, doubt.copy_lacks):
                assert [word.at_ns for word in each] == sorted(word.at_ns for word in each)
        waiting = {r for o in (*self.all(), *self.mass_cancels()) for r in o.requests}
        assert set(orders.book.requests.waiting) == {r for r in waiting if not r.acknowledged}
        owed_ns = [w.at_ns for o in self.all() if o.doubt for w in o.doubt.copy_lacks]
        assert orders.oldest_owed_ns == min(owed_ns, default=None)
        sent_ns = [r.sent_ns for r in orders.book.requests.waiting]
        assert orders.oldest_unanswered_ns == min(sent_ns, default=None)

    @invariant()
    def watches_equal_brute_force(self) -> None:
        orders = self.script.orders
        records = [*self.all(), *self.mass_cancels()]
        for watched in WATCHED:
            watch = orders.watch(*watched)
            for symbol in (None, "", *orders.symbols()):
                members = [o for o in records if symbol is None or o.tally.symbol == symbol]
                found = parts(members, watch, self.covered_ns)
                sums = [sum(column) for column in zip(*found, strict=True)] or [0] * 6
                count, apart, difference, executed, ambiguous, executed_notional = sums
                over = sum(part[3] > 0 for part in found)
                pairs = [(o.entry.open, o.venue.open) for o in members]
                union = sum(max(pair) > 0 for pair in pairs)
                total = sum(map(max, pairs)) + executed
                notional = sum(
                    max(*p, o.requested) * o.price for p, o in zip(pairs, members, strict=True)
                )
                notional += executed_notional
                seen = watch.agreement() if symbol is None else watch.symbol(symbol)
                assert seen.similarity == ((union - apart) / union if union else 1)
                assert seen.quantity == ((total - difference - executed) / total if total else 1)
                assert seen.ambiguous == (ambiguous / notional if notional else 0) <= 1
                assert seen.ambiguous_orders == count <= seen.orders
                assert seen.working == union + over
                assert (symbol in watch.symbols()) == (symbol is not None and count > 0)

    @invariant()
    def deadlines_are_those_of_what_does_not_count_yet(self) -> None:
        orders = self.script.orders
        records = [*self.all(), *self.mass_cancels()]
        for grace_ns, hard_ns in WATCHED:
            watch = orders.watch(grace_ns, hard_ns)
            sent = [r.sent_ns + grace_ns for o in records for r in o.requests if not r.acknowledged]
            entry = [w.at_ns + grace_ns for o in records if o.doubt for w in o.doubt.entry_lacks]
            young = [at_ns for at_ns in sent + entry if at_ns > watch.now_ns]
            for word in [w for o in records if o.doubt for w in o.doubt.copy_lacks]:
                heard = self.covered_ns is not None and word.at_ns + grace_ns < self.covered_ns
                if (
                    self.covered_ns is not None
                    and not heard
                    and word.at_ns + hard_ns > watch.now_ns
                ):
                    young.append(word.at_ns + hard_ns)
            assert watch.next_deadline_ns == min(young, default=None)

    @invariant()
    def its_own_check_agrees(self) -> None:
        check(self.script.orders.book)

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
            for watched in WATCHED:
                mine, its = (s.orders.watch(*watched) for s in (self.script, self.twin))
                assert mine.agreement() == its.agreement()
                for symbol in self.script.orders.symbols():
                    assert mine.symbol(symbol) == its.symbol(symbol)
                assert mine.next_deadline_ns == its.next_deadline_ns


Course.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestCourse = Course.TestCase
