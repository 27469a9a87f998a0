"""The incident, as a script: healthy trading, hard failure, backup, replay, repair, trading on.

Each phase is one method; what differs between variants is in `Variant`, as data.
"""

import time
from dataclasses import dataclass, field

from tests.engines.link import Child
from tests.engines.messages import (
    CL_ORD_ID,
    MSG_TYPE,
    POSS_RESEND,
    SIDE,
    SYMBOL,
    Fields,
    Order,
    as_request,
)
from tests.engines.stage import BACKUP, DROP_COPY, FIRM, Expected, Stage
from tests.engines.trader import Trader

STEP_S = 0.3  # one action of either side in ordinary trading
TAKEOVER_S = 0.4  # the backup holds the book's reports this long before it listens
DAY_MIN, LASTING_MIN = 6, 10  # working when the primary dies; eight or more survive
DROP_COPY_LAG_S = 0.6  # while the venue fails over


@dataclass(frozen=True, slots=True)
class Variant:
    """What one run does differently from the main incident."""

    chunk_size: int = 0  # the firm asks for a replay in ranges of this many messages
    reset_mode: bool = False  # the venue answers a resend request with a sequence reset
    reset_on_logon: bool = False  # every logon starts both directions again at 1
    in_session_reset: bool = False  # a reset logon in the middle of the recovered session
    next_expected: bool = False  # logons carry NextExpectedMsgSeqNum (789): no resend request
    possible_resend: bool = False  # business messages repeated under new numbers (97=Y)

    @property
    def resend_is_requested(self) -> bool:
        """Whether the firm has to ask for what it missed."""
        return not (self.reset_on_logon or self.next_expected)


@dataclass(slots=True)
class Facts:
    """What only the scenario knows: times (ns, UTC), casualties, and the engines' own numbers."""

    times_ns: dict[str, int] = field(default_factory=dict)
    requests_never_arrived: list[str] = field(default_factory=list)  # ClOrdID
    accepted_unheard: list[str] = field(default_factory=list)  # OrderID, accepted while down
    lost_exec_ids: list[str] = field(default_factory=list)  # never replayed on the entry path
    canceled_on_disconnect: list[str] = field(default_factory=list)  # OrderID
    believed_not_working: list[str] = field(default_factory=list)  # OrderID, at the reconnect
    working_not_believed: list[str] = field(default_factory=list)  # OrderID, at the reconnect
    expected: dict[str, dict[str, dict[str, Expected]]] = field(default_factory=dict)

    def now(self, moment: str) -> None:
        """Stamp one moment of the incident."""
        self.times_ns[moment] = time.time_ns()


class Incident:
    """One run. The phases are called in the order in which they stand here."""

    def __init__(self, stage: Stage, variant: Variant, *, pace: float, seed: int) -> None:
        self.facts = Facts()
        self._stage = stage
        self._variant = variant
        self._trader = Trader(stage, seed)
        self._pace = pace

    def logon(self) -> None:
        """Both sessions up, nothing sent yet."""
        stage = self._stage
        for stream in ("order-entry", DROP_COPY):
            stage.until_said(FIRM, "logon", stream)
        self.facts.now("logon")

    def trade(self, steps: int, *, oddities: bool = False) -> None:
        """Trade at a steady rate; `oddities` adds each kind of reject and correction once."""
        odd = self._trader.oddities() if oddities else []
        for step in range(max(steps, 2 * len(odd))):
            (odd.pop(0) if odd and step % 2 else self._trader.act)()
            self._pause(STEP_S)

    def fail(self, primary: Child, backup: Child) -> None:
        """The primary dies with orders working and five requests in flight; the book lives on."""
        stage, trader, facts = self._stage, self._trader, self.facts
        day, lasting = self._casualties()
        raced = lasting[1]
        unheard, unsent = trader.new(persistent=True), trader.new(persistent=True)
        in_flight = [unheard, trader.replace(lasting[0]), trader.cancel(day[0])]
        stage.held = []
        for fields in (*in_flight, trader.replace(raced)):
            stage.request(fields)
        stage.until(lambda: len(stage.held or []) == 4, "four requests inside the venue")
        primary.freeze()  # it hangs first: one more request goes into a socket nobody reads
        stage.gateway = None
        stage.request(unsent)
        facts.requests_never_arrived.append(_id(unsent))
        self._fill_early_in_a_second(lasting[5])
        self._pause(0.25)
        primary.kill()
        facts.now("primary_killed")
        stage.drop_copy_lag_s = DROP_COPY_LAG_S * self._pace
        backup.tell("take-over")
        stage.put_in_charge(backup)
        self._trade_unseen(raced, saved=day[1], lost=lasting[2], others=lasting[3:])
        facts.accepted_unheard.append(stage.book.chain[_id(unheard)].order_id)

    def reconnect(self) -> None:
        """The backup listens; the firm logs on, and its idea of what works is wrong twice."""
        stage, facts = self._stage, self.facts
        stage.until_said(FIRM, "logout", "order-entry")
        believed = {order_id for order_id, leaves in stage.belief.items() if leaves}
        before = stage.counts[FIRM, "logon", "order-entry"]
        self._gateway.tell("open")
        stage.until_said(FIRM, "logon", "order-entry", before)
        facts.now("reconnected")
        working = {order.order_id for order in stage.book.working()}
        facts.believed_not_working = sorted(believed - working)
        facts.working_not_believed = sorted(working - believed)

    def replay(self) -> None:
        """Fills arrive live above the gap, then the venue replays at its own pace."""
        stage, facts = self._stage, self.facts
        if self._variant.resend_is_requested:
            stage.until_said(BACKUP, "resend-request")
            for _ in range(2):
                self._pause(0.4)
                self._trader.fill_lasting()
            facts.expected["gap_open"] = {"order-entry": {"firm": stage.expected(FIRM)}}
            self._pause(0.4)
            self._gateway.tell("release-resend")
            facts.now("replay_started")
            for _ in range(3):  # the engine sends these after the replay, drop copy at once
                self._pause(1.2)
                self._trader.fill_lasting()
        stage.until(lambda: stage.in_step(BACKUP, "order-entry"), "the gap to close")
        facts.now("gap_closed")
        stage.drop_copy_lag_s = 0.0
        if self._variant.possible_resend:
            self._repeat_business()

    def repair(self) -> None:
        """A status snapshot shows what no replay could: the report lost from the entry path."""
        self._pause(1.2)
        self.facts.now("snapshot_requested")
        if self._stage.version == "4.2":
            self._ask_each_status()
        else:
            self._ask_mass_status()
        self.facts.now("snapshot_complete")
        self._pause(1.0)

    def reset_in_session(self) -> None:
        """In one variant: both sides start again at 1, by a logon in the middle of the session."""
        if not self._variant.in_session_reset:
            return
        self.finish()
        heard = self._stage.message_types
        before = heard["A"]
        self._stage.tell_firm("reset")
        self._stage.until(lambda: heard["A"] > before, "the answer to the reset")
        self.facts.now("in_session_reset")

    def finish(self) -> None:
        """Let both streams come to rest."""
        for name, stream in ((BACKUP, "order-entry"), (DROP_COPY, DROP_COPY)):
            self._stage.until(
                lambda n=name, s=stream: self._stage.in_step(n, s),  # type: ignore[misc]
                f"{stream} to come to rest",
            )

    # --- the failure's details ----------------------------------------------------------------

    def _casualties(self) -> tuple[list[Order], list[Order]]:
        """Working orders, those of the day and the persistent ones, enough of both."""
        while True:
            working = self._stage.book.working()
            day = [order for order in working if not order.persistent]
            lasting = [order for order in working if order.persistent]
            if len(day) >= DAY_MIN and len(lasting) >= LASTING_MIN:
                return day, lasting
            self._stage.ask(self._trader.new(persistent=len(lasting) < LASTING_MIN))
            self._pause(STEP_S)

    def _trade_unseen(
        self, raced: Order, *, saved: Order, lost: Order, others: list[Order]
    ) -> None:
        """What the venue does while nobody listens: fill, answer, cancel on disconnect."""
        stage, book = self._stage, self._stage.book
        stage.publish(book.trade(raced, raced.leaves))  # so its replace comes too late
        stage.release_held()
        report = book.trade(lost, lost.leaves)
        self.facts.lost_exec_ids.append(report.exec_id)
        stage.publish(report, lost=True)
        stage.publish(book.trade(saved, saved.leaves))  # a fill wins over its cancel
        self._pause(TAKEOVER_S / 2)
        for order in [order for order in book.working() if not order.persistent]:
            stage.publish(book.cancel_on_disconnect(order))
            self.facts.canceled_on_disconnect.append(order.order_id)
        self._pause(TAKEOVER_S / 2)
        stage.publish(book.trade(others[0], others[0].leaves))
        stage.publish(book.trade(others[1], 100))

    def _fill_early_in_a_second(self, order: Order) -> None:
        """Trade while the primary hangs, and wait until the firm has it from the drop copy.

        QuickFIX looks once in each whole second whether to reconnect, when something wakes it.
        Woken here, it looks again at the next second: the link is down for less than one.
        """
        stage = self._stage
        stage.pause(-time.time() % 1 + 0.05)  # beyond the grain of its coarse clock
        before = stage.counts[FIRM, "message", DROP_COPY]
        self._trader.fill(order, 100)
        stage.until_said(FIRM, "message", DROP_COPY, before)

    def _repeat_business(self) -> None:
        """New numbers, possibly old business (97=Y): an unseen and a seen fill, an unseen order."""
        stage = self._stage
        seen = [exec_id for exec_id in stage.book.fills if exec_id not in self.facts.lost_exec_ids]
        for exec_id in (*self.facts.lost_exec_ids, seen[-1]):
            stage.answer([*stage.reports[exec_id], (POSS_RESEND, "Y")])
        for cl_ord_id in self.facts.requests_never_arrived:
            stage.ask([*stage.requests[cl_ord_id], (POSS_RESEND, "Y")])
        self.facts.requests_never_arrived.clear()

    def _ask_mass_status(self) -> None:
        stage = self._stage
        stage.request(self._trader.mass_status("M1"))
        stage.until(lambda: stage.snapshots_complete > 0, "the whole mass status")

    def _ask_each_status(self) -> None:
        """FIX 4.2 has no mass status: ask for each order believed working or still unanswered."""
        stage = self._stage
        believed = [order_id for order_id, leaves in stage.belief.items() if leaves]
        chains = [stage.book.orders[order_id].cl_ord_id for order_id in believed]
        for cl_ord_id in (*chains, *self.facts.requests_never_arrived):
            about = as_request(stage.requests[cl_ord_id])
            stage.ask(self._trader.status(cl_ord_id, about[SYMBOL], about[SIDE]))

    @property
    def _gateway(self) -> Child:
        assert self._stage.gateway is not None
        return self._stage.gateway

    def _pause(self, seconds: float) -> None:
        self._stage.pause(seconds * self._pace)


def _id(fields: Fields) -> str:
    request = as_request(fields)
    assert request[MSG_TYPE] in {"D", "F", "G"}
    return request[CL_ORD_ID]
