"""What the simulated installation is fed, and the truth that it must arrive at.

`ToyLoad` is fast and merciless about order and counts. `DeskLoad` trades: orders, fills and cancels
as both streams see them, messages lost and replayed, disconnects, policy changes; it drives the
real core through the same misfortunes, which shows that the core's state survives dump and load and
is a function of the journal alone.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

import orjson

from reconverge.stream.core_fold import CoreFold, CoreFolds
from reconverge.stream.folding import Fold, Folds
from reconverge.stream.options import INPUTS
from tests.sim.toy import POISON, RETIRE, ToyFold, ToyFolds, ToySession, event

Send = Callable[[str, int, bytes, bytes | None], None]
"""Topic, partition, key, value."""

POLICIES: tuple[Mapping[str, Any], ...] = ({"id": "base"},)
BROKEN = (b"{", None, b'{"type":"x"}', b"x" * 50_001)


class Load(Protocol):
    """Writes input, a little at a time."""

    @property
    def folds(self) -> Folds:
        """The core it is meant for."""

    def step(self, now_ns: int) -> None:
        """Write something."""

    def end(self, now_ns: int) -> None:
        """Write what makes the truth knowable: nothing more is coming."""

    def sessions(self, partition: int) -> Iterable[str]:
        """The sessions that must have caps."""

    def disagreement(self, partition: int, fold: Fold) -> str:
        """How the state differs from the truth; empty when it does not."""


class ToyLoad:
    """Numbered events for the toy core."""

    folds = ToyFolds()

    def __init__(self, random: Random, partitions: int, send: Send) -> None:
        self._random = random
        self._partitions = partitions
        self._send = send
        self._truth: dict[tuple[int, str], ToySession] = {}

    def step(self, now_ns: int) -> None:
        random = self._random
        partition = random.randrange(self._partitions)
        topic, kind = random.choice(INPUTS), random.random()
        if kind < 0.05:
            self._send(topic, partition, b"k", random.choice(BROKEN))
            return
        if kind > 0.97:
            name, oddity = random.choice((("p", POISON), ("r", RETIRE)))
            self._end(f"{name}-{partition}", oddity, topic, partition)
            return
        session = f"s{random.randrange(3)}-{partition}"
        truth = self._truth.setdefault((partition, session), ToySession())
        if kind < 0.1:
            number = -1  # refused by the core
        else:
            number = truth.last[topic] = truth.last.get(topic, 0) + 1
            truth.count += 1
        policy = "changed" if kind > 0.95 else None
        self._send(topic, partition, session.encode(), event(session, topic, number, policy))

    def _end(self, session: str, oddity: int, topic: str, partition: int) -> None:
        """An event that ends a session's truth, with others about it; of a session apart."""
        for number in self._random.sample((1, oddity, 2), 3):
            self._send(topic, partition, session.encode(), event(session, topic, number))

    def end(self, now_ns: int) -> None:
        """There is no more to know."""

    def sessions(self, partition: int) -> list[str]:
        return [name for (p, name), truth in self._truth.items() if p == partition and truth.count]

    def disagreement(self, partition: int, fold: Fold) -> str:
        assert isinstance(fold, ToyFold)
        for name in [name for name in fold.sessions if name.startswith("p-")]:
            if not fold.sessions[name].parked:
                return f"{name} is trusted, though it was half changed"
        held = {
            name: (session.last, session.count)
            for name, session in fold.sessions.items()
            if name.startswith("s")
        }
        for name in held:
            if fold.sessions[name].disorder:
                return f"{name}: events of one stream were folded in another order"
        truth = {
            n: (self._truth[partition, n].last, self._truth[partition, n].count)
            for n in self.sessions(partition)
        }
        return "" if held == truth else f"holds {held}, the truth is {truth}"


@dataclass
class Desk:
    """One session, as the venue knows it."""

    session: str
    partition: int
    sent: int = 0
    """Our last number."""
    said: dict[str | None, int] = field(default_factory=lambda: {None: 0, "DC": 0})
    """The venue's last number, by channel; None is the order-entry stream."""
    lost: dict[str | None, list[dict[str, Any]]] = field(
        default_factory=lambda: {None: [], "DC": []}
    )
    working: dict[str, int] = field(default_factory=dict)
    """Open quantity by client order id."""
    orders: int = 0
    executions: int = 0
    up: bool = False


class DeskLoad:
    """Sessions that trade, for the real core."""

    folds = CoreFolds()

    def __init__(self, random: Random, partitions: int, send: Send) -> None:
        self._random = random
        self._send = send
        self._now_ns = 0
        self._desks = [Desk(f"s{n}-{p}", p) for p in range(partitions) for n in range(2)]
        self._versions = 1

    def step(self, now_ns: int) -> None:
        self._now_ns = now_ns
        desk, chance = self._random.choice(self._desks), self._random.random()
        if chance < 0.03:
            self._send(
                self._random.choice(INPUTS), desk.partition, b"k", self._random.choice(BROKEN)
            )
        elif chance < 0.05:
            self._change_policy(desk)
        elif not desk.up:
            self._log_on(desk)
        elif chance < 0.10:
            self._disconnect(desk)
        elif chance < 0.20:
            self._replay(desk)
        elif chance < 0.50 or not desk.working:
            self._new_order(desk)
        else:
            self._execute(desk)

    def end(self, now_ns: int) -> None:
        self._now_ns = now_ns
        for desk in self._desks:
            if desk.orders:
                if not desk.up:
                    self._log_on(desk)
                self._replay(desk)
                self._both(desk, {"type": "heartbeat"})

    def sessions(self, partition: int) -> list[str]:
        return [desk.session for desk in self._desks if desk.partition == partition and desk.sent]

    def disagreement(self, partition: int, fold: Fold) -> str:
        assert isinstance(fold, CoreFold)
        for desk in self._desks:
            session = fold.partition.sessions.get(desk.session)
            if desk.partition != partition or session is None:
                continue
            truth = sorted(f"V{name}" for name in desk.working)
            entry, venue = (sorted(session.truth.orders.working(venue=v)) for v in (False, True))
            if not entry == venue == truth:
                return f"{desk.session}: entry {entry}, venue {venue}, the truth is {truth}"
        return ""

    def _log_on(self, desk: Desk) -> None:
        desk.up = True
        desk.sent += 1
        self._write(
            desk,
            None,
            {"type": "logon", "outbound": True, "seq": desk.sent, "heartbeat_ms": 30_000},
        )
        self._say(desk, None, {"type": "logon", "heartbeat_ms": 30_000}, lose=False)

    def _disconnect(self, desk: Desk) -> None:
        desk.up = False
        self._write(desk, None, {"type": "disconnect", "reason": "simulated"})

    def _replay(self, desk: Desk) -> None:
        """All that was lost comes again, as possible duplicates."""
        for channel, lost in desk.lost.items():
            if lost and channel is None:
                desk.sent += 1
                request = {"type": "resend_requested", "outbound": True, "seq": desk.sent}
                self._write(desk, None, {**request, "from_seq": lost[0]["seq"], "to_seq": None})
            for fields in lost:
                self._write(desk, channel, {**fields, "poss_dup": True})
            lost.clear()

    def _new_order(self, desk: Desk) -> None:
        desk.orders += 1
        desk.sent += 1
        name, qty = f"C{desk.orders}", self._random.randint(1, 9) * 100
        order = {"type": "new_order", "outbound": True, "seq": desk.sent, "cl_ord_id": name}
        self._write(
            desk, None, {**order, "symbol": "ABC", "side": "buy", "qty": str(qty), "price": "10.5"}
        )
        desk.working[name] = qty
        self._report(desk, name, "new", "new", qty, {})

    def _execute(self, desk: Desk) -> None:
        name = self._random.choice(list(desk.working))
        open_qty = desk.working[name]
        if self._random.random() < 0.3:
            del desk.working[name]
            self._report(desk, name, "canceled", "canceled", 0, {})
            return
        last = min(open_qty, self._random.randint(1, 4) * 100)
        if last == open_qty:
            del desk.working[name]
        else:
            desk.working[name] = open_qty - last
        status = "filled" if last == open_qty else "partially_filled"
        self._report(
            desk, name, "trade", status, open_qty - last, {"last_qty": str(last), "last_px": "10.5"}
        )

    def _report(
        self,
        desk: Desk,
        name: str,
        exec_type: str,
        status: str,
        leaves: int,
        more: Mapping[str, Any],
    ) -> None:
        desk.executions += 1
        fields = {
            "type": "execution_report", "cl_ord_id": name, "order_id": f"V{name}",
            "symbol": "ABC", "side": "buy", "price": "10.5", "leaves_qty": str(leaves),
            "exec_type": exec_type, "ord_status": status, "exec_id": f"E{desk.executions}", **more,
        }  # fmt: skip
        self._both(desk, fields)

    def _both(self, desk: Desk, fields: Mapping[str, Any]) -> None:
        for channel in (None, "DC"):
            self._say(desk, channel, fields, lose=self._random.random() < 0.1)

    def _say(
        self, desk: Desk, channel: str | None, fields: Mapping[str, Any], *, lose: bool
    ) -> None:
        desk.said[channel] += 1
        numbered = {**fields, "seq": desk.said[channel]}
        if lose or (channel is None and not desk.up):
            desk.lost[channel].append(numbered)
        else:
            self._write(desk, channel, numbered)

    def _change_policy(self, desk: Desk) -> None:
        self._versions += 1
        policy = {
            "id": "changed",
            "version": self._versions,
            "cap": {"ramp_up_per_s": self._random.choice((0.1, 0.5))},
        }
        change = {"type": "policy_change", "policy": policy, "actor": "simulation", "session": "*"}
        self._put("controls", desk, change)

    def _write(self, desk: Desk, channel: str | None, fields: Mapping[str, Any]) -> None:
        self._put("drop-copy" if channel else "order-entry", desk, {**fields, "channel": channel})

    def _put(self, topic: str, desk: Desk, fields: Mapping[str, Any]) -> None:
        whole = {
            "session": desk.session,
            "event_ns": self._now_ns,
            "ingest_ns": self._now_ns,
            **fields,
        }
        self._send(topic, desk.partition, desk.session.encode(), orjson.dumps(whole))
