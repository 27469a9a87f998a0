"""A venue that knows the truth, a firm's FIX engine, and misfortune between them.

``World(seed, steps, faults)`` plays some steps of trading under faults, then lets the faults end
and delivers what is outstanding, as an engine and its operator would. It writes what the core would
be told as lines of the scenario language (tests/scenarios/README.md), so that a failing run is its
own transcript, and keeps what is true. It knows nothing of the core.
"""

import random
from collections.abc import Callable
from typing import Final

from tests.core.venue_parts import Order, Stream

FAULTS: Final = (
    "drop_link", "drop_copy_link", "lose", "duplicate", "refuse", "silence", "retention", "reset",
    "snapshot", "restart", "park", "safe_mode", "policy", "delay", "anonymous", "batch", "clock",
    "switch", "astray", "coarse", "untold", "hang",
)  # fmt: skip
ANSWER_MAX: Final = 8
"""Numbers in one resend answer: small, so that chunks are common."""
ASTRAY_S: Final = (3_600, -3_600, -0.4, 2, 0, 0)
"""How far behind a source's clock may be: an hour, an hour or a little ahead, late, right."""
RETAINED: Final = 30
"""Numbers that the venue keeps, where it forgets."""
HEADER: Final = (
    f"venue small replay_range_max={ANSWER_MAX}",
    "policy replay.resend_timeout_ms = 2000",
    "policy replay.attempts_max = 1000000",
    "policy recovery.stable_dwell_ms = 2500",
    "policy recovery.probation_ms = 3000",
    "policy cap.ramp_per_s = 1.0",
)
RESEND_TIMEOUT_MS: Final = 2_000


class World:
    """One run. ``lines`` is the script; the rest is what is true at its end."""

    def __init__(
        self,
        seed: int,
        steps: int = 60,
        faults: frozenset[str] | None = None,
        *,
        proven: bool = True,
    ) -> None:
        self.proven = proven
        """A snapshot is taken in the end where replay cannot tell everything."""
        self.rng = random.Random(seed)
        mixed = self._mix()  # drawn in any case, so that what follows does not depend on it
        self.faults_mixed = self.faults = mixed if faults is None else faults
        self.lines = list(HEADER)
        self.astray: dict[str, float] = {}
        """Seconds that each source's clock is behind."""
        self.coarse = "coarse" in self.faults
        """Event times are in whole seconds, as the profile says."""
        if self.coarse:
            self.lines[0] += " stamp_resolution_ns=1000000000"
        self.now = self.told = 0
        self.entry, self.copy = Stream("entry"), Stream("DC1")
        self.orders: dict[str, Order] = {}
        self.requests: list[tuple[int, int, Callable[[], None]]] = []
        """On their way to the venue: when they arrive, our number, what they do there."""
        self.out = 0
        self.lost_requests: list[int] = []
        self.names = self.execs = self.snapshots = 0
        self.unprovable = False
        """Something was lost that no replay tells: only a snapshot can."""
        self.untold: set[str] = set()
        """Legs with a fill that drop copy never tells, by a live numbering without a hole."""
        self.latched = False
        self._connect(self.entry)
        self._connect(self.copy)
        self.wait(2_000)
        for _ in range(steps):
            self.wait(self.rng.choice((0, 1, 5, 20, 100, 400, 1_100)))
            self._step()
        self._settle_everything()

    def _mix(self) -> frozenset[str]:
        """A swarm: each run has some kinds of faults and lacks others."""
        return frozenset(fault for fault in FAULTS if self.rng.random() < 0.5)

    def _chance(self, fault: str, probability: float) -> bool:
        return fault in self.faults and self.rng.random() < probability

    # -- time and delivery ----------------------------------------------------------------------

    def tell(self, text: str) -> None:
        """A line of the script, now; in one batch with the one before where that may be."""
        batched = self.now == self.told and text[0] in "eD" and "<" in self.lines[-1]
        if batched and self._chance("batch", 0.7):
            self.lines[-1] += f" ; {text}"
            return
        self.lines.append(f"+{(self.now - self.told) / 1_000:.3f} {text}")
        self.told = self.now

    def wait(self, for_ms: int) -> None:
        """Time passes; what is due arrives, in order within each stream."""
        end = self.now + for_ms
        while True:
            due = [s.queue[0][0] for s in (self.entry, self.copy) if s.queue]
            due += [at for at, _, _ in self.requests[:1]]
            if not due or min(due) > end:
                break
            self.now = max(self.now, min(due))
            self._arrive()
        self.now = end

    def _arrive(self) -> None:
        if self.requests and self.requests[0][0] <= self.now:
            self.requests.pop(0)[2]()
            return
        for stream in (self.entry, self.copy):
            if stream.queue and stream.queue[0][0] <= self.now:
                _, text, numbers = stream.queue.pop(0)
                self.tell(f"{stream.name}< {text}{self._stamp(stream)}")
                if text.startswith("fill") and numbers[0] in stream.seen:
                    return  # R2: below the expected number it is discarded, wherever it ends
                stream.seen.update(numbers)
                stream.top = max(stream.top, *numbers)
                return

    def _stamp(self, stream: Stream) -> str:
        """How much older than its arrival a message says that it is."""
        behind_s = self.astray.get(stream.name, 0) + (self.coarse and self.now % 1_000 / 1_000)
        return f" ago={behind_s:.3f}" if behind_s else ""

    def _put(self, stream: Stream, text: str, *numbers: int) -> None:
        """On its way to us; never overtakes what was sent before."""
        lag = 1_500 if stream is self.copy and self._chance("delay", 0.2) else 5
        before = stream.queue[-1][0] if stream.queue else 0
        at = max(before, stream.hung_until, self.now + self.rng.randrange(1, 2 + lag))
        stream.queue.append((at, text, numbers))

    def publish(self, stream: Stream, text: str) -> None:
        """The venue sends a message; down, it is kept for replay only."""
        stream.log.append(text)
        if stream.up and not self._chance("lose", 0.05):
            seq = len(stream.log)
            self._put(stream, f"{text} #{seq}", seq)
            if self._chance("duplicate", 0.1) and not _is_admin(text):
                self._put(stream, f"{text} #{seq} dup", seq)

    def report(self, text: str) -> None:
        """What is told of an order goes to both streams."""
        self.publish(self.entry, text)
        if text.startswith("trade ") and self._chance("untold", 0.03):
            self.unprovable = True  # it uses up no number: nobody will ever say that it is missing
            self.untold.add(text.split()[1])
            return
        anonymous = " cl_ord_id=- orig_cl_ord_id=-" if "anonymous" in self.faults else ""
        self.publish(self.copy, text + anonymous)

    # -- trading --------------------------------------------------------------------------------

    def _step(self) -> None:
        actions: list[tuple[int, Callable[[], None]]] = [
            (6, self._new), (4, self._cancel), (3, self._replace), (8, self._fill),
            (2, self._unsolicited), (1, self._restate), (1, self._bust), (4, self._heartbeat),
            (2, self._immediate), (1, self._storm),
            (3, self._recover), (4, self._misfortune),
        ]  # fmt: skip
        weights, choices = zip(*actions, strict=True)
        self.rng.choices(choices, weights)[0]()

    def _name(self) -> str:
        self.names += 1
        return f"O{self.names}"

    def _send(self, text: str, effect: Callable[[], None]) -> None:
        """A request of ours leaves; it arrives unless the link drops first."""
        self.out += 1
        self.tell(f"entry> {text} #{self.out}")
        before = self.requests[-1][0] if self.requests else 0
        self.requests.append((max(before, self.now + self.rng.randrange(1, 30)), self.out, effect))

    def _working(self) -> Order | None:
        found = [order for order in self.orders.values() if order.working]
        return self.rng.choice(found) if found else None

    def _new(self) -> None:
        if not self.entry.up:
            return
        name, qty = self._name(), self.rng.randrange(1, 10) * 10
        persistent = self.rng.random() < 0.3
        symbol = self.rng.choice(("ACME", "XYZ"))

        def arrive() -> None:
            if self.rng.random() < 0.1:
                self.report(f"rejected {name} 0/0")
                return
            self.orders[name] = Order(name, qty, persistent=persistent)
            self.report(f"new {name} {self.orders[name].amounts}")

        self._send(f"new {name} {qty} sym={symbol}" + " persistent" * persistent, arrive)

    def _immediate(self) -> None:
        """An order that fills at once, wholly or in part, and never rests."""
        if not self.entry.up:
            return
        name, qty = self._name(), self.rng.randrange(1, 10) * 10

        def arrive() -> None:
            order = self.orders[name] = Order(name, qty, persistent=False)
            self._execute(order, self.rng.randrange(1, qty + 1))
            if order.working:
                order.working = False
                self.report(f"canceled {name} {order.amounts}")

        self._send(f"new {name} {qty} sym=ACME", arrive)

    def _storm(self) -> None:
        """Replaces of one order, each sent before the answer to the one before is here."""
        for _ in range(4):
            self._replace()
            self.wait(self.rng.randrange(1, 40))

    def _cancel(self) -> None:
        order = self._working()
        if order is None or not self.entry.up:
            return
        name, leg = self._name(), order.leg

        def arrive() -> None:
            if not order.working or self.rng.random() < 0.1:
                self.publish(self.entry, f"cancel-reject {name} of {leg}")
                return
            if self.rng.random() < 0.3:
                self.report(f"pending_cancel {name} of {order.leg} {order.amounts}")
            order.working = False
            self.report(f"canceled {name} of {order.leg} {order.amounts}")

        self._send(f"cancel {name} of {leg}", arrive)

    def _replace(self) -> None:
        order = self._working()
        if order is None or not self.entry.up:
            return
        name, leg = self._name(), order.leg
        qty = order.cum + self.rng.randrange(1, 12) * 10

        def arrive() -> None:
            if not order.working or order.leg != leg or qty <= order.cum:
                self.publish(self.entry, f"cancel-reject {name} of {leg} replace")
                return
            order.leg, order.qty = name, qty
            self.report(f"replaced {name} of {leg} {order.amounts}")

        self._send(f"replace {name} of {leg} {qty}", arrive)

    def _fill(self) -> None:
        order = self._working()
        if order is None:
            return
        self._execute(order, self.rng.randrange(1, order.leaves + 1))

    def _execute(self, order: Order, last: int) -> None:
        order.cum += last
        order.working = order.cum < order.qty
        self.execs += 1
        self.report(f"trade {order.leg} {last} {order.amounts} exec=E{self.execs}")

    def _unsolicited(self) -> None:
        order = self._working()
        if order is not None:
            order.working = False
            self.report(f"{self.rng.choice(('canceled', 'expired'))} {order.leg} {order.amounts}")

    def _restate(self) -> None:
        order = self._working()
        if order is not None and order.leaves > 1:
            order.qty -= self.rng.randrange(1, order.leaves)
            self.report(f"restated {order.leg} {order.amounts}")

    def _bust(self) -> None:
        """The last fill of a working order is undone."""
        order = self._working()
        if order is None:
            return
        self._fill_then_bust(order)

    def _fill_then_bust(self, order: Order) -> None:
        last = self.rng.randrange(1, order.leaves + 1)
        order.cum += last
        self.execs += 1
        exec_id = f"E{self.execs}"
        self.report(f"trade {order.leg} {last} {order.amounts} exec={exec_id}")
        order.cum -= last
        self.report(f"trade_cancel {order.leg} {last} {order.amounts} ref={exec_id}")

    def _heartbeat(self) -> None:
        for stream in (self.entry, self.copy):
            if stream.up:
                self.publish(stream, "heartbeat")

    # -- replay ---------------------------------------------------------------------------------

    def _recover(self) -> None:
        """The engine asks for what it misses, one request at a time."""
        for stream in (self.entry, self.copy):
            if stream.up and stream.missing and stream.awaited_until < self.now:
                self._request(stream, stream.missing[0], stream.top - 1)

    def _request(self, stream: Stream, first: int, last: int) -> None:
        number = ""
        if stream is self.entry:
            self.out += 1
            number = f" #{self.out}"
        self.tell(f"{stream.name}> resend {first}-{last}{number}")
        stream.awaited_until = self.now + RESEND_TIMEOUT_MS
        if self._chance("silence", 0.3):
            return
        if self._chance("refuse", 0.3):
            stream.awaited_until = -1
            self.publish(stream, "resend-rejected")
            return
        if "retention" in self.faults and first <= len(stream.log) - RETAINED:
            stream.awaited_until = -1
            self.unprovable = True
            stream.lost_for_good.update(s for s in stream.missing if first <= s <= last)
            self.publish(stream, "resend-rejected forever")
            return
        self._answer(stream, first, min(last, first + ANSWER_MAX - 1))

    def _answer(self, stream: Stream, first: int, last: int) -> None:
        seq = first
        while seq <= last:
            following = seq
            while following <= last and _is_admin(stream.log[following - 1]):
                following += 1
            if following > seq:
                self._put(stream, f"fill {following} #{seq} dup", *range(seq, following))
                seq = following
            else:
                self._put(stream, f"{stream.log[seq - 1]} #{seq} dup", seq)
                seq += 1
        stream.awaited_until = max(stream.awaited_until, stream.queue[-1][0])

    # -- misfortune -----------------------------------------------------------------------------

    def _misfortune(self) -> None:
        fault = self.rng.choice(FAULTS)
        if fault not in self.faults:
            return
        actions: dict[str, Callable[[], None]] = {
            "drop_link": self._toggle_link, "drop_copy_link": self._toggle_copy,
            "snapshot": self._snapshot, "restart": lambda: self.tell("restart"),
            "park": self._park, "safe_mode": self._safe_mode, "policy": self._policy,
            "clock": lambda: self.lines.append("-0.300 tick"), "switch": self._switch,
            "hang": self._hang,
            "astray": self._step_clock,
        }  # fmt: skip
        actions.get(fault, lambda: None)()

    def _toggle_link(self) -> None:
        if self.entry.up:
            self._disconnect(self.entry, self.rng.choice(("disconnect", "missed", "logout")))
        else:
            self._connect(self.entry)

    def _step_clock(self) -> None:
        stream = self.rng.choice((self.entry, self.copy))
        self.astray[stream.name] = self.rng.choice(ASTRAY_S)

    def _hang(self) -> None:
        """A feed hangs: half-open, it neither delivers nor breaks."""
        self.rng.choice((self.entry, self.copy)).hung_until = self.now + self.rng.randrange(7_000)

    def _switch(self) -> None:
        """The session moves to the backup: what was on its way is lost with the primary."""
        if self.entry.up:
            self._disconnect(self.entry, "switched backup")
            self._connect(self.entry)

    def _toggle_copy(self) -> None:
        if self.copy.up:
            self._disconnect(self.copy, "disconnect")
        else:
            self._connect(self.copy)

    def _disconnect(self, stream: Stream, how: str) -> None:
        """What is on its way is lost; the venue may cancel what is not persistent (R26)."""
        stream.queue.clear()
        stream.up = False
        stream.awaited_until = -1
        if how == "logout":
            stream.log.append("logout")
            self.tell(f"{stream.name}< logout #{len(stream.log)}")
            stream.seen.add(len(stream.log))
            stream.top = len(stream.log)
        else:
            self.tell(f"{stream.name}< {how}")
        if stream is self.copy:
            return
        self.lost_requests += [number for _, number, _ in self.requests]
        self.requests.clear()
        for order in list(self.orders.values()):
            if order.working and not order.persistent and self.rng.random() < 0.7:
                order.working = False
                self.report(f"canceled {order.leg} {order.amounts}")

    def _connect(self, stream: Stream) -> None:
        stream.up = True
        if stream.log and self._chance("reset", 0.3):
            self._restart_numbers(stream)
            return
        stream.log.append("logon venue=small")
        seq = len(stream.log)
        self.tell(f"{stream.name}< logon venue=small #{seq}{self._stamp(stream)}")
        stream.seen.add(seq)
        stream.top = seq
        if stream is self.entry and self.lost_requests:
            self._not_applied()

    def _restart_numbers(self, stream: Stream) -> None:
        """Both sides begin at one: whether all of the former numbers was heard, nobody will say."""
        self.unprovable = True
        if stream is self.copy:  # order entry has told by now what was in the former numbers
            self.entry.release()
            self.wait(0)
        stream.log = ["logon reset"]
        stream.seen, stream.top = {1}, 1
        stream.lost_for_good.clear()
        self.tell(f"{stream.name}< logon reset venue=small #1{self._stamp(stream)}")
        if stream is self.entry:
            self.lost_requests.clear()

    def _not_applied(self) -> None:
        """The venue may say which of our requests it never had (R16)."""
        numbers, self.lost_requests = sorted(self.lost_requests), []
        if self.rng.random() < 0.5:
            self.unprovable = True
            return
        for number in numbers:
            self.publish(self.entry, f"not-applied {number} 1")

    def _snapshot(self, *, whole: bool = False) -> None:
        """A mass status on the order-entry stream: of all that works at this moment."""
        if not self.entry.up:
            return
        self.snapshots += 1
        name = f"R{self.snapshots}"
        self.publish(self.entry, f"mass-status {name}")
        if not whole and self.rng.random() < 0.3:
            self.publish(self.entry, f"mass-end {name} failed")
            return
        found = [order for order in self.orders.values() if order.working]
        for order in found:
            self.publish(self.entry, f"row {name} {order.leg} {order.amounts}")
        self.publish(self.entry, f"mass-end {name} {len(found)}")

    def _park(self) -> None:
        self.unprovable = True
        self.tell("park inputs_lost")

    def _safe_mode(self) -> None:
        self.latched = not self.latched
        self.tell(f"control safe-mode {'on' if self.latched else 'off'} guardrail drill")

    def _policy(self) -> None:
        ramp = self.rng.choice(("0.3", "1.0", "2.0"))
        ceiling = self.rng.choice(("0.1", "0.2"))
        self.tell(f"control policy cap.ramp_per_s={ramp} cap.ceiling.state_diverged={ceiling}")

    # -- the end of faults ----------------------------------------------------------------------

    def _settle_everything(self) -> None:
        """Faults end, and the truth is delivered: the links are up, replay is answered, and what no
        replay can tell is asked for by a snapshot."""
        self.faults = self.faults & {"retention"}
        self.entry.release()
        self.copy.release()
        self.astray.clear()
        for stream in (self.entry, self.copy):
            if not stream.up:
                self._connect(stream)
        self.wait(RESEND_TIMEOUT_MS + 1_600)
        self._heartbeat()
        for _ in range(200):
            self.wait(RESEND_TIMEOUT_MS // 4)
            if not self.entry.missing and not self.copy.missing:
                break
            self._recover()
        if self.unprovable and self.proven:
            self._snapshot(whole=True)
            over = [o for o in self.orders.values() if o.leg in self.untold and not o.working]
            if over:
                names = ",".join(f"V{order.root}" for order in over)
                self.wait(100)
                self.tell(f'control attest desk "executions compared by hand" orders={names}')
        self.wait(2_000)
        self._heartbeat()
        self.wait(100)
        self.tell("tick")


def _is_admin(text: str) -> bool:
    return text.startswith(("heartbeat", "logon", "logout"))
