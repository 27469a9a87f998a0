"""The firm's process: a QuickFIX initiator for order entry, which fails over, and for drop copy.

It never replays a stale order: asked to resend, it gap-fills over its own requests. Run as
`python -m tests.engines.client`; configuration and commands come on standard input.
"""

# ruff: noqa: N802 (QuickFIX names its callbacks)

import json
import sys
from typing import Any

import quickfix as fix

from tests.engines import engine
from tests.engines.link import ChildLink, Event
from tests.engines.messages import MSG_SEQ_NUM, MSG_TYPE, POSS_DUP_FLAG, Fields, as_request

# A gateway that replays slowly reads nothing meanwhile, and would call a shorter silence a timeout.
ENTRY_HEARTBEAT_S = 5
DROP_COPY_HEARTBEAT_S = 2
BEGIN_SEQ_NO, END_SEQ_NO, NEW_SEQ_NO, RESET_SEQ_NUM_FLAG = 7, 16, 36, 141


class ChunkedResend:
    """Asks for a gap that a logon opened in ranges of `size` messages; the engine asks for all."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._gap_end = 0  # last missing number
        self._chunk_end = 0  # last number of the range on its way; 0 when none is

    def first(self, request: Any) -> None:
        """Cut the engine's open-ended request down to the first range."""
        begin = int(request.getField(BEGIN_SEQ_NO))
        if self.size and begin <= self._gap_end:
            self._chunk_end = min(begin + self.size - 1, self._gap_end)
            request.setField(fix.StringField(END_SEQ_NO, str(self._chunk_end)))

    def next(self, received: dict[int, str]) -> Fields:
        """Return the request for the next range once this one's last number is in, else nothing."""
        last = int(received[MSG_SEQ_NUM])
        match received[MSG_TYPE]:
            case "A":
                self._gap_end = last - 1
                return []
            case "2":  # handed up even when its own number is too high
                return []
            case "4":
                last = int(received[NEW_SEQ_NO]) - 1
        if not self._chunk_end or last < self._chunk_end:
            return []
        begin, self._chunk_end = self._chunk_end + 1, 0
        if begin > self._gap_end:
            return []
        return [(MSG_TYPE, "2"), (BEGIN_SEQ_NO, str(begin)), (END_SEQ_NO, "0")]


class Firm(fix.Application):  # type: ignore[misc]
    """The initiator's callbacks for both sessions, on the engine's thread."""

    def __init__(self, link: ChildLink, config: Event) -> None:
        super().__init__()
        self.link = link
        self.sessions: dict[str, Any] = {}
        self._resend = ChunkedResend(config["chunk_size"])

    def onCreate(self, session_id: Any) -> None:
        self.sessions[_stream(session_id)] = engine.kept(session_id)

    def onLogon(self, session_id: Any) -> None:
        self.link.emit("logon", stream=_stream(session_id))

    def onLogout(self, session_id: Any) -> None:
        self.link.emit("logout", stream=_stream(session_id))

    def toAdmin(self, message: Any, session_id: Any) -> None:
        if message.getHeader().getField(MSG_TYPE) == "2":
            self._resend.first(message)

    def fromAdmin(self, message: Any, session_id: Any) -> None:
        self._received("admin", message, session_id)

    def toApp(self, message: Any, session_id: Any) -> None:
        """Stale requests are not replayed: the engine gap-fills over them."""
        if message.getHeader().isSetField(POSS_DUP_FLAG):
            raise fix.DoNotSend

    def fromApp(self, message: Any, session_id: Any) -> None:
        self._received("message", message, session_id)

    def _received(self, event: str, message: Any, session_id: Any) -> None:
        fields, stream = engine.read(message), _stream(session_id)
        if stream == "order-entry" and (request := self._resend.next(as_request(fields))):
            fix.Session.sendToTarget(engine.message(request), session_id)
        self.link.emit(event, stream=stream, fields=fields)


def _stream(session_id: Any) -> str:
    drop_copy = session_id.getTargetCompID().getString().endswith("-DC")
    return "drop-copy" if drop_copy else "order-entry"


def sessions(config: Event) -> list[dict[str, object]]:
    """QuickFIX session settings: order entry with its fail-over addresses, drop copy with one."""
    entry: dict[str, object] = {
        "ConnectionType": "initiator",
        "SenderCompID": "FIRM",
        "TargetCompID": "VENUE",
        "HeartBtInt": ENTRY_HEARTBEAT_S,
        "SendNextExpectedMsgSeqNum": "Y" if config["next_expected"] else "N",
        "ResetOnLogon": "Y" if config["reset_on_logon"] else "N",
    }
    for index, port in enumerate(config["entry_ports"]):
        entry |= {
            f"SocketConnectHost{index or ''}": "127.0.0.1",
            f"SocketConnectPort{index or ''}": port,
        }
    drop_copy = {
        "ConnectionType": "initiator",
        "SenderCompID": "FIRM",
        "TargetCompID": "VENUE-DC",
        "HeartBtInt": DROP_COPY_HEARTBEAT_S,
        "SocketConnectHost": "127.0.0.1",
        "SocketConnectPort": config["drop_copy_port"],
    }
    return [entry, drop_copy]


def reset_logon(config: Event) -> Fields:
    """A logon in the middle of the session that starts both directions again at 1."""
    logon = [(MSG_TYPE, "A"), (98, "0"), (108, str(ENTRY_HEARTBEAT_S)), (RESET_SEQ_NUM_FLAG, "Y")]
    return [*logon, (1137, "9")] if config["version"] == "5.0SP2" else logon


def trade(link: ChildLink, config: Event) -> None:
    """Obey commands until the scenario is gone; the first is to connect both sessions."""
    settings = engine.settings(config, sessions(config))
    firm = Firm(link, config)
    store, log = fix.FileStoreFactory(settings), fix.FileLogFactory(settings)
    initiator = fix.SocketInitiator(firm, store, settings, log)
    link.emit("ready")
    for command in link.commands():
        session_id = firm.sessions[command["stream"]]
        match command["do"]:
            case "connect":
                initiator.start()
            case "send":
                fix.Session.sendToTarget(engine.message(command["fields"]), session_id)
                link.emit("sent", fields=command["fields"])
            case "reset":
                fix.Session.sendToTarget(engine.message(reset_logon(config)), session_id)
            case "expected":
                link.emit("expected", stream=command["stream"], **engine.expected(session_id))
    initiator.stop()


if __name__ == "__main__":
    trade(ChildLink(), json.loads(sys.stdin.readline()))
