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


class Firm(fix.Application):  # type: ignore[misc]
    """The initiator's callbacks for both sessions, on the engine's thread."""

    def __init__(self, link: ChildLink, config: Event) -> None:
        super().__init__()
        self.link = link
        self.sessions: dict[str, Any] = {}
        self._chunk_size: int = config["chunk_size"]
        self._gap_end = 0  # last missing number of the gap that a logon opened
        self._chunk_end = 0  # last number of the chunk on its way; 0 when none is

    def onCreate(self, session_id: Any) -> None:
        self.sessions[_stream(session_id)] = engine.kept(session_id)

    def onLogon(self, session_id: Any) -> None:
        self.link.emit("logon", stream=_stream(session_id))

    def onLogout(self, session_id: Any) -> None:
        self.link.emit("logout", stream=_stream(session_id))

    def toAdmin(self, message: Any, session_id: Any) -> None:
        """Cut the engine's open-ended resend request down to the first chunk."""
        if message.getHeader().getField(MSG_TYPE) != "2":
            return
        begin = int(message.getField(BEGIN_SEQ_NO))
        if self._chunk_size and begin <= self._gap_end:
            self._chunk_end = min(begin + self._chunk_size - 1, self._gap_end)
            message.setField(fix.StringField(END_SEQ_NO, str(self._chunk_end)))
        self.link.emit("resend-requested", stream=_stream(session_id), begin=begin)

    def fromAdmin(self, message: Any, session_id: Any) -> None:
        fields = as_request(engine.read(message))
        if fields[MSG_TYPE] == "A":
            self._gap_end = int(fields[MSG_SEQ_NUM]) - 1
        last = int(fields.get(NEW_SEQ_NO, "1")) - 1 if fields[MSG_TYPE] == "4" else 0
        self._ask_for_next_chunk(session_id, last)
        self.link.emit("admin", stream=_stream(session_id), fields=list(fields.items()))

    def toApp(self, message: Any, session_id: Any) -> None:
        """Stale requests are not replayed: the engine gap-fills over them."""
        if message.getHeader().isSetField(POSS_DUP_FLAG):
            raise fix.DoNotSend

    def fromApp(self, message: Any, session_id: Any) -> None:
        fields = engine.read(message)
        self._ask_for_next_chunk(session_id, int(as_request(fields)[MSG_SEQ_NUM]))
        self.link.emit("message", stream=_stream(session_id), fields=fields)

    def _ask_for_next_chunk(self, session_id: Any, last: int) -> None:
        """Request the next range once the number that ends this one has arrived."""
        if not self._chunk_end or last < self._chunk_end:
            return
        begin, self._chunk_end = self._chunk_end + 1, 0
        if begin <= self._gap_end:
            request = [(MSG_TYPE, "2"), (BEGIN_SEQ_NO, str(begin)), (END_SEQ_NO, "0")]
            fix.Session.sendToTarget(engine.message(request), session_id)


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
    """Connect both sessions and obey commands until told to stop."""
    settings = engine.settings(config, sessions(config))
    firm = Firm(link, config)
    store, log = fix.FileStoreFactory(settings), fix.FileLogFactory(settings)
    initiator = fix.SocketInitiator(firm, store, settings, log)
    initiator.start()
    for command in link.commands():
        session_id = firm.sessions[command["stream"]]
        match command["do"]:
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
