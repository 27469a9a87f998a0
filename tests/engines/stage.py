"""The stage of one recording: the engine processes, the book between them, and one event loop.

Everything happens on the caller's thread: `pause` and `until` take events off the queue, answer
requests from the book and send reports to both streams. `until` waits for a condition with a
deadline; `pause` shapes the timeline and is never used to wait for something.
"""

import contextlib
import queue
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.engines.book import Book
from tests.engines.link import Child, Event
from tests.engines.messages import (
    CL_ORD_ID,
    INACTIVE,
    LAST_RPT_REQUESTED,
    LEAVES_QTY,
    MSG_TYPE,
    ORD_STATUS,
    ORDER_ID,
    Fields,
    Report,
    Request,
    Version,
    as_request,
    execution_report,
)

CONDITION_DEADLINE_S = 20.0
VENUE, CLIENT = "tests.engines.venue", "tests.engines.client"
STATUS_REQUESTS = frozenset({"H", "AF"})
FIRM, PRIMARY, BACKUP, DROP_COPY = "firm", "primary", "backup", "drop-copy"
Expected = dict[str, int]


@contextlib.contextmanager
def reserved_port() -> Iterator[int]:
    """A free loopback port, kept bound but not listening, so that only the engine can take it."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


class Stage:
    """Processes, book, and what either side has said so far."""

    def __init__(self, version: Version, directory: Path, book: Book) -> None:
        self.version: Version = version
        self.book = book
        self.gateway: Child | None = None  # the entry gateway in charge, if any
        self._outbox: list[tuple[Fields, str]] = []  # what waits for one, with the ExecID to lose
        self.held: list[Request] | None = None  # requests inside the venue, unanswered
        self.drop_copy_lag_s = 0.0
        self.counts: Counter[tuple[str, str, str]] = Counter()  # (process, event, stream)
        self.slow: set[str] = set()  # ClOrdIDs that get a pending report before their answer
        self.answers: Counter[str] = Counter()  # messages the firm heard on the entry path
        self.belief: dict[str, int] = {}  # OrderID -> leaves, as the entry path told the firm
        self.last: dict[tuple[str, str], Event] = {}  # newest event of a kind, by process
        self.requests: dict[str, Fields] = {}  # what the firm sent, by ClOrdID
        self.reports: dict[str, Fields] = {}  # what the venue published, by ExecID
        self.snapshots_complete = 0  # mass status answers whose last report has arrived
        self.message_types: Counter[str] = Counter()  # MsgTypes the firm received on entry
        self.directory = directory
        self._inbox: queue.Queue[tuple[str, Event]] = queue.Queue()
        self._children: dict[str, Child] = {}
        self._drop_copies: deque[tuple[float, Fields]] = deque()  # (due, message), in order

    def start(self, name: str, module: str, **config: object) -> Child:
        """Start one engine process under its name; a given `store` is shared with others."""
        directory = self.directory / name
        directory.mkdir()
        config = {"store": str(directory / "store")} | config
        config |= {"version": self.version, "directory": str(directory)}
        child = Child(name, module, config, self._inbox)
        self._children[name] = child
        return child

    def close(self) -> None:
        """End every process that is still there."""
        for child in self._children.values():
            child.close()

    def tell_firm(self, do: str, stream: str = "order-entry", **data: object) -> None:
        self._children[FIRM].tell(do, stream=stream, **data)

    def request(self, fields: Fields) -> None:
        """Let the firm send one request, and wait until its engine has handed it to the socket."""
        before = self.counts[FIRM, "sent", ""]
        with contextlib.suppress(KeyError):  # a mass status request names no order
            self.requests[as_request(fields)[CL_ORD_ID]] = fields
        self.tell_firm("send", fields=fields)
        self.until_said(FIRM, "sent", before=before)

    def ask(self, fields: Fields, *, slowly: bool = False) -> None:
        """Let the firm send one request and wait until all of the venue's answer has arrived."""
        cl_ord_id = as_request(fields)[CL_ORD_ID]
        due = self.answers[cl_ord_id] + 1 + slowly
        if slowly:
            self.slow.add(cl_ord_id)
        self.request(fields)
        self.until(lambda: self.answers[cl_ord_id] >= due, f"an answer to {cl_ord_id}")

    def publish(self, report: Report, *, lost: bool = False) -> None:
        """Send one execution report on both paths; a lost one is never replayed on entry."""
        fields = execution_report(self.version, report)
        self.reports[report.exec_id] = fields
        self.answer(fields, lose=report.exec_id if lost else "")
        self._drop_copies.append((time.monotonic() + self.drop_copy_lag_s, fields))

    def answer(self, fields: Fields, *, lose: str = "") -> None:
        """Send one message on the entry path only, or keep it until a gateway is in charge."""
        if self.gateway is None:
            self._outbox.append((fields, lose))
            return
        if lose:
            self.gateway.tell("lose", exec_id=lose)
        self.gateway.tell("send", fields=fields)

    def put_in_charge(self, gateway: Child) -> None:
        """Let a gateway send what the venue says from now on, and what had to wait."""
        self.gateway = gateway
        waiting, self._outbox = self._outbox, []
        for fields, lose in waiting:
            self.answer(fields, lose=lose)

    def release_held(self) -> None:
        """Let the book process what it had taken in but not answered."""
        held, self.held = self.held or [], None
        for request in held:
            self._process(request)

    def expected(self, name: str, stream: str = "order-entry") -> Expected:
        """Ask an engine which numbers it sends and expects next."""
        kind = stream if name == FIRM else ""
        before = self.counts[name, "expected", kind]
        self._children[name].tell("expected", stream=stream)
        self.until_said(name, "expected", kind, before)
        event = self.last[name, "expected"]
        return {"sender": event["sender"], "target": event["target"]}

    def in_step(self, name: str, stream: str) -> bool:
        """Whether the firm and one gateway expect of each other what the other will send."""
        if stream == DROP_COPY and self._drop_copies:
            return False
        firm, venue = self.expected(FIRM, stream), self.expected(name, stream)
        return firm == {"sender": venue["target"], "target": venue["sender"]}

    def pause(self, seconds: float) -> None:
        """Let time pass on the scenario's timeline while events are being handled."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._step(left)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Handle events until the condition holds; raise with what was missing after a deadline."""
        end = time.monotonic() + CONDITION_DEADLINE_S
        while not condition():
            left = end - time.monotonic()
            if left <= 0:
                errors = {name: child.errors() for name, child in self._children.items()}
                raise TimeoutError(f"waited in vain for {what}; standard error: {errors}")
            self._step(min(left, 0.05))

    def until_said(self, name: str, event: str, stream: str = "", before: int = 0) -> None:
        """Wait until a process has reported an event more than `before` times."""
        self.until(
            lambda: self.counts[name, event, stream] > before, f"{event} {stream} from {name}"
        )

    def _step(self, wait_s: float) -> None:
        """Send the drop copies that are due, then handle at most one event."""
        now = time.monotonic()
        while self._drop_copies and self._drop_copies[0][0] <= now:
            self._children[DROP_COPY].tell("send", fields=self._drop_copies.popleft()[1])
        if self._drop_copies:
            wait_s = min(wait_s, self._drop_copies[0][0] - now)
        with contextlib.suppress(queue.Empty):
            self._handle(*self._inbox.get(timeout=wait_s))

    def _handle(self, name: str, event: Event) -> None:
        kind = event["event"]
        self.counts[name, kind, event.get("stream", "")] += 1
        self.last[name, kind] = event
        if kind == "exit" and not self._children[name].killed:
            raise ChildProcessError(f"{name} died: {self._children[name].errors()}")
        if kind == "request":
            request = as_request(event["fields"])
            if self.held is None:
                self._process(request)
            else:
                self.held.append(request)
        elif kind in {"message", "admin"} and event["stream"] == "order-entry":
            self._hear(as_request(event["fields"]))

    def _process(self, request: Request) -> None:
        status = request[MSG_TYPE] in STATUS_REQUESTS
        slowly = request.get(CL_ORD_ID) in self.slow
        replies = (
            self.book.statuses(request) if status else self.book.handle(request, slowly=slowly)
        )
        for reply in replies:
            if not isinstance(reply, Report):
                self.answer(reply)
            elif status:  # a status answers a question of this session: no drop copy of it
                self.answer(execution_report(self.version, reply))
            else:
                self.publish(reply)

    def _hear(self, message: dict[int, Any]) -> None:
        """Note what the entry path told the firm."""
        self.message_types[message[MSG_TYPE]] += 1
        if message[MSG_TYPE] in {"8", "9"}:
            self.answers[message[CL_ORD_ID]] += 1
        if message[MSG_TYPE] == "8":
            dead = message[ORD_STATUS] in INACTIVE
            self.snapshots_complete += message.get(LAST_RPT_REQUESTED) == "Y"
            self.belief[message[ORDER_ID]] = 0 if dead else int(message[LEAVES_QTY])
