"""Orders in doubt, and the settled readings (DOMAIN §6).

Three kinds of doubt, each with a clock of its own:

* **unanswered**: a request of ours waits for its answer on order entry;
* **entry lacks** a word that drop copy, or a snapshot, has said;
* **copy lacks** a word that order entry has said.

When a doubt counts is a policy's business, so each policy has a ``Watch``. What order entry lacks,
or has not answered, counts by age alone. What drop copy lacks counts when every required channel
has been heard late enough after the word to have told it, or the word is very old.
"""

from bisect import insort
from operator import itemgetter
from typing import Final

from reconverge.core.orders.doubt import (
    AMOUNT,
    COPY_LACKS,
    ENTRY_LACKS,
    EXECUTED,
    KINDS,
    NEVER,
    UNANSWERED,
    WORDS_MAX,
    Doubt,
    Word,
    reached,
)
from reconverge.core.orders.index import Figures, Order
from reconverge.core.orders.log import Log
from reconverge.core.orders.similarity import (
    NO_PART,
    NO_SUMS,
    Agreement,
    Part,
    Sums,
    Tally,
    agreement,
)


class Doubts:
    """All doubts of a session, and the watches that read along."""

    __slots__ = (
        "covered_ns", "echo_ns", "logs", "settled_ns", "tallies", "total", "unknown", "watches",
    )  # fmt: skip

    def __init__(self, total: Tally, tallies: dict[str, Tally], unknown: Tally) -> None:
        self.total = total
        self.tallies = tallies
        self.unknown = unknown
        self.logs = (Log(UNANSWERED), Log(ENTRY_LACKS), Log(COPY_LACKS))
        self.watches: list[Watch] = []
        self.settled_ns = 0
        """When a watch was last settled."""
        self.covered_ns: int | None = None
        """Up to when every required drop-copy channel had its chance to speak, as of the latest
        such moment: what once counted goes on counting until drop copy says it. None while no
        channel is required."""
        self.echo_ns: int | None = None
        """When order entry told the newest fact that drop copy has now told too; reset by the
        caller. Nanoseconds, the core's clock."""

    # -- one order ------------------------------------------------------------------------------

    def weigh(self, order: Order, was: Figures, now_ns: int, *, differs: bool) -> None:
        """An order changed, and is or was in doubt. ``was``: its figures before the change."""
        doubt = order.doubt
        if doubt is None:
            doubt = order.doubt = Doubt()
            self.total.disagreeing += 1
            order.tally.disagreeing += 1
        if differs:
            if doubt.entry_lacks or doubt.copy_lacks:
                self._compare(order, doubt, was, now_ns)
            else:
                self._begin(order, doubt, was, now_ns)
        elif doubt.entry_lacks or doubt.copy_lacks:
            if doubt.copy_lacks and was[2:4] != (order.venue.open, order.venue.cum):
                self.echo_ns = doubt.copy_lacks[-1].at_ns
            doubt.entry_lacks.clear()
            doubt.copy_lacks.clear()
        doubt.unanswered_ns = order.unanswered_ns if order.requests else NEVER
        if not doubt.copy_lacks and not doubt.entry_lacks and doubt.unanswered_ns < 0:
            order.doubt = None
            self.total.disagreeing -= 1
            order.tally.disagreeing -= 1
        if doubt.counted:
            self.refresh(order)

    def refresh(self, order: Order) -> None:
        """Count an order in every watch as it is now."""
        for watch in self.watches:
            watch.refresh(order)

    def touch(self, symbol: str) -> None:
        """The tally of an instrument changed, and a doubt of it counts somewhere."""
        for watch in self.watches:
            watch.touch(symbol)

    def drop(self, order: Order) -> Doubt | None:
        """Take an order's doubt out of every sum: it is forgotten, or changes its nature."""
        doubt = order.doubt
        if doubt is not None:
            order.doubt = None
            self.total.disagreeing -= 1
            order.tally.disagreeing -= 1
            if doubt.counted:
                self.refresh(order)
        return doubt

    def resume(self, order: Order, doubts: list[Doubt], now_ns: int, *, differs: bool) -> None:
        """Doubts that were one or two records' until now go on as this order's (R22)."""
        doubt = order.doubt = Doubt()
        self.total.disagreeing += 1
        order.tally.disagreeing += 1
        for former in doubts:
            for mine, its in (
                (doubt.entry_lacks, former.entry_lacks),
                (doubt.copy_lacks, former.copy_lacks),
            ):
                for word in its:
                    insort(mine, word)
        self.weigh(order, order.figures(), now_ns, differs=differs)
        self.enter(order)

    def restore(self, orders: list[Order]) -> None:
        """Take up the doubts of stored orders, into logs that are empty."""
        for order in orders:
            if order.doubt is not None:
                order.doubt.unanswered_ns = order.unanswered_ns
        for kind, log in enumerate(self.logs):
            began = [(at_ns, order) for order in orders for at_ns in begun(order, kind)]
            log.entries = sorted(began, key=itemgetter(0))

    def enter(self, order: Order) -> None:
        """Put all that is in doubt about an order, if anything is, into the logs."""
        if order.doubt is None:
            return
        for kind, log in enumerate(self.logs):
            for at_ns in begun(order, kind):
                log.insert(at_ns, order)
        for watch in self.watches:
            watch.advance()
            watch.refresh(order)

    # -- who lacks what -------------------------------------------------------------------------

    def _begin(self, order: Order, doubt: Doubt, was: Figures, now_ns: int) -> None:
        """Until now the views agreed. As nearly always one side told something: the other owes it.

        What ``_compare`` would find, at a third of its cost: half of all events begin a doubt.
        """
        entry_open, entry_cum, venue_open, venue_cum, _, _ = was
        teller, other, kind = order.entry, order.venue, COPY_LACKS
        open_was, cum_was, owed = entry_open, entry_cum, doubt.copy_lacks
        if teller.open == entry_open and teller.cum == entry_cum:
            teller, other, kind = other, teller, ENTRY_LACKS
            open_was, cum_was, owed = venue_open, venue_cum, doubt.entry_lacks
        elif other.open != venue_open or other.cum != venue_cum:  # a snapshot told both
            self._compare(order, doubt, was, now_ns)
            return
        cum, amount = teller.cum, teller.open + teller.cum
        if cum not in {cum_was, other.cum}:
            owed.append(Word(now_ns, EXECUTED, cum))
        if amount not in {open_was + cum_was, other.open + other.cum}:
            owed.append(Word(now_ns, AMOUNT, amount))
        if owed:
            self.logs[kind].add(now_ns, order)
        else:
            self._compare(order, doubt, was, now_ns)

    def _compare(self, order: Order, doubt: Doubt, was: Figures, now_ns: int) -> None:
        """The views differ: see what was told, and what was caught up with."""
        entry_open, entry_cum, venue_open, venue_cum = was[:4]
        entry, venue = order.entry, order.venue
        entry_amount, venue_amount = entry.open + entry.cum, venue.open + venue.cum
        if entry.cum != entry_cum:
            self._told(order, ENTRY_LACKS, EXECUTED, entry_cum, entry.cum, venue.cum, now_ns)
        if entry_amount != entry_open + entry_cum:
            was_amount = entry_open + entry_cum
            self._told(order, ENTRY_LACKS, AMOUNT, was_amount, entry_amount, venue_amount, now_ns)
        if venue.cum != venue_cum:
            self._told(order, COPY_LACKS, EXECUTED, venue_cum, venue.cum, entry.cum, now_ns)
        if venue_amount != venue_open + venue_cum:
            was_amount = venue_open + venue_cum
            self._told(order, COPY_LACKS, AMOUNT, was_amount, venue_amount, entry_amount, now_ns)
        if not doubt.entry_lacks and not doubt.copy_lacks:
            # They differed before without being compared. The less executed is the less told, and
            # in doubt it is order entry that is not excused.
            behind = venue.cum < entry.cum or (venue.cum == entry.cum and not venue_amount)
            kind, level = (COPY_LACKS, entry_amount) if behind else (ENTRY_LACKS, venue_amount)
            self._owe(order, kind, Word(now_ns, AMOUNT, level))

    def _told(  # noqa: PLR0913, PLR0917 - one fact, as it was, is, and is told elsewhere
        self,
        order: Order,
        mine: int,
        fact: int,
        was: int,
        level: int,
        elsewhere: int,
        now_ns: int,
    ) -> None:
        """One side told a fact anew. ``mine``: the kind of doubt that is about what it lacks."""
        doubt = order.doubt
        if doubt is None:
            return
        owed = doubt.entry_lacks if mine == ENTRY_LACKS else doubt.copy_lacks
        told = reached(owed, fact, was, level)
        if told:
            if mine == COPY_LACKS:
                self.echo_ns = owed[told - 1].at_ns
            owed[:told] = [word for word in owed[:told] if word.fact != fact]
        if level == elsewhere:
            others = doubt.copy_lacks if mine == ENTRY_LACKS else doubt.entry_lacks
            for words in (owed, others):
                words[:] = [word for word in words if word.fact != fact]
            return
        lacks_more = any(word.fact == fact for word in owed)
        on_its_way = fact == EXECUTED and was < level < elsewhere
        if not (lacks_more and (told or on_its_way)):
            other = COPY_LACKS if mine == ENTRY_LACKS else ENTRY_LACKS
            self._owe(order, other, Word(now_ns, fact, level))

    def _owe(self, order: Order, kind: int, word: Word) -> None:
        doubt = order.doubt
        if doubt is None:
            return
        owed = doubt.entry_lacks if kind == ENTRY_LACKS else doubt.copy_lacks
        if len(owed) >= WORDS_MAX:
            owed[-1] = word._replace(at_ns=owed[-1].at_ns)
            return
        owed.append(word)
        self.logs[kind].add(word.at_ns, order)

    # -- readings -------------------------------------------------------------------------------

    def watch(self, grace_ns: int, hard_ns: int) -> "Watch":
        """The settled reading of one grace and hard lag, made when first asked for."""
        for watch in self.watches:
            if (watch.grace_ns, watch.hard_ns) == (grace_ns, hard_ns):
                return watch
        made = Watch(grace_ns, hard_ns, self, len(self.watches))
        self.watches.append(made)
        for log in self.logs:
            log.places.append(0)
        made.settle(self.settled_ns, self.covered_ns)
        made.executed_found.clear()
        return made

    @property
    def oldest_ns(self) -> int | None:
        """When the oldest doubt that still holds began; None without one."""
        found = [log.oldest_ns for log in self.logs]
        return min((at_ns for at_ns in found if at_ns is not None), default=None)

    def first(self, limit: int) -> list[Order]:
        """The orders in doubt longest, and those that began with the last. Never O(orders)."""
        found: dict[Order, None] = {}
        for log in self.logs:
            found.update(dict.fromkeys(log.first(limit)))
        return list(found)


class Watch:
    """The settled reading of one policy: which doubts count by now, and what they come to.

    Amortised O(1) for every doubt that begins, whatever the number of orders or instruments.
    """

    __slots__ = (
        "_changed", "_counted", "_doubts", "_due_ns", "_reader", "_symbols", "executed_found",
        "grace_ns", "hard_ns", "now_ns", "session",
    )  # fmt: skip

    def __init__(self, grace_ns: int, hard_ns: int, doubts: Doubts, reader: int) -> None:
        self.grace_ns = grace_ns
        """Age from which a doubt counts, where age alone decides."""
        self.hard_ns = hard_ns
        """Age from which a word that drop copy lacks counts, whether it was heard or not."""
        self.now_ns = 0
        """When it was last settled."""
        self.session = Sums()
        """What counts, over the whole session."""
        self.executed_found: list[Order] = []
        """Orders with nothing open whose executed quantities came to count as different, since
        whoever tells a person of them last took them away."""
        self._doubts = doubts
        self._due_ns = [NEVER, NEVER, NEVER]
        """By kind: what began by then counts."""
        self._reader = reader
        """Which reader of the logs it is."""
        self._counted: dict[Order, tuple[Tally, Part]] = {}
        """Orders whose doubt counts, and what was counted of them."""
        self._symbols: dict[str, Sums] = {}
        """By instrument, only where something counts."""
        self._changed: dict[str, None] = {}

    # -- time -----------------------------------------------------------------------------------

    def settle(self, now_ns: int, covered_ns: int | None) -> None:
        """Let time pass: doubts that are old enough begin to count.

        ``covered_ns``: the core's time up to which every required drop-copy channel has had its
        chance to speak; None where none is required or was ever heard, and then its silence is
        no evidence (R29). ``now_ns`` never decreases.
        """
        doubts = self._doubts
        if covered_ns is not None and doubts.covered_ns is not None:
            covered_ns = max(covered_ns, doubts.covered_ns)
        doubts.covered_ns, doubts.settled_ns = covered_ns, now_ns
        self.now_ns = now_ns
        # What began at this very moment never counts, whatever the grace.
        aged_ns = now_ns - max(self.grace_ns, 1)
        heard_ns = NEVER
        if covered_ns is not None:
            heard_ns = max(covered_ns - self.grace_ns - 1, now_ns - self.hard_ns)
        excused = heard_ns < self._due_ns[COPY_LACKS]
        self._due_ns = [aged_ns, aged_ns, heard_ns]
        if excused:  # no drop copy is required any more: what it lacks is no evidence
            self._doubts.logs[COPY_LACKS].places[self._reader] = 0
            for order in list(self._counted):
                self.refresh(order)
        self.advance()

    def advance(self) -> None:
        """Read on in the logs, up to what counts as of the last settling."""
        for log, due_ns in zip(self._doubts.logs, self._due_ns, strict=True):
            entries, place = log.entries, log.places[self._reader]
            while place < len(entries) and entries[place][0] <= due_ns:
                order = entries[place][1]
                place += 1
                if order.doubt is not None:
                    self.refresh(order)
            log.places[self._reader] = place

    @property
    def next_deadline_ns(self) -> int | None:
        """When a doubt that does not count yet may come to count by time alone; None for never."""
        found = []
        for kind in KINDS:
            wait_ns = self.hard_ns if kind == COPY_LACKS else max(self.grace_ns, 1)
            if kind != COPY_LACKS or self._doubts.covered_ns is not None:
                at_ns = self._doubts.logs[kind].next_ns(self._reader)
                if at_ns is not None:
                    found.append(at_ns + wait_ns)
        return min(found, default=None)

    # -- one order ------------------------------------------------------------------------------

    def refresh(self, order: Order) -> None:
        """Count an order as it is now: the one place where the sums move."""
        part = self._part(order)
        was = self._counted.get(order)
        if was is not None:
            if part is not None and was[1] == part and was[0] is order.tally:
                return
            self._add(was[0], was[1], -1)
            del self._counted[order]
        if part is not None:
            self._counted[order] = (order.tally, part)
            self._add(order.tally, part, 1)
            if part.executed and (was is None or not was[1].executed):
                self.executed_found.append(order)
        doubt = order.doubt
        if doubt is not None:
            doubt.counted += (part is not None) - (was is not None)

    def _part(self, order: Order) -> Part | None:
        """What an order takes away by now; None if its doubt does not count."""
        doubt = order.doubt
        if doubt is None:
            return None
        due_ns = self._due_ns
        unanswered = 0 <= doubt.unanswered_ns <= due_ns[UNANSWERED]
        words = doubt.entry_lacks
        lacking = bool(words) and words[0].at_ns <= due_ns[ENTRY_LACKS]
        words = doubt.copy_lacks
        lacking = lacking or (bool(words) and words[0].at_ns <= due_ns[COPY_LACKS])
        if lacking:
            return order.part(unanswered=unanswered)
        if unanswered:
            return NO_PART._replace(ambiguous=order.exposure * order.price)
        return None

    def _add(self, tally: Tally, part: Part, sign: int) -> None:
        self.session.add(part, sign)
        symbol = tally.symbol
        sums = self._symbols.get(symbol)
        if sums is None:
            sums = self._symbols[symbol] = Sums()
            tally.watched += 1
        sums.add(part, sign)
        if not sums.orders:
            del self._symbols[symbol]
            tally.watched -= 1
        self._changed[symbol] = None

    def touch(self, symbol: str) -> None:
        """The tally of an instrument changed, and a doubt of it counts here or in another watch."""
        if symbol in self._symbols:
            self._changed[symbol] = None

    # -- readings -------------------------------------------------------------------------------

    @property
    def disagreeing(self) -> int:
        """Orders whose doubt counts."""
        return self.session.orders

    def agreement(self) -> Agreement:
        """The reading of the whole session."""
        return agreement(self._doubts.total, self.session)

    def symbol(self, symbol: str) -> Agreement:
        """The reading of one instrument; of orders of unknown instrument for ``""``."""
        doubts = self._doubts
        tally = doubts.tallies.get(symbol) if symbol else doubts.unknown
        if tally is None:
            return agreement(_NO_ORDERS, NO_SUMS)
        return agreement(tally, self._symbols.get(symbol, NO_SUMS))

    def symbols(self) -> list[str]:
        """Instruments in which a doubt counts, in alphabetical order; ``""`` stands for unknown."""
        return sorted(self._symbols)

    @property
    def unknown_in_doubt(self) -> bool:
        """A doubt counts whose instrument is unknown: it may be of any (R37)."""
        return "" in self._symbols

    def changed_symbols(self) -> list[str]:
        """Instruments whose reading may have changed since this was last asked, with a doubt that
        counts or did. O(changed).
        """
        found = list(self._changed)
        self._changed.clear()
        return found


def begun(order: Order, kind: int) -> list[int]:
    """When everything of one kind that is in doubt about an order began."""
    if kind == UNANSWERED:
        return sorted({r.sent_ns for r in order.requests if not r.acknowledged})
    doubt = order.doubt
    if doubt is None:
        return []
    words = doubt.entry_lacks if kind == ENTRY_LACKS else doubt.copy_lacks
    return sorted({word.at_ns for word in words})


_NO_ORDERS: Final = Tally("")
