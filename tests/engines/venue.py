"""One gateway process of the venue: a QuickFIX acceptor for order entry or for drop copy.

The book lives elsewhere and outlives any gateway. The gateway hands requests up, sends what it is
told, and replays on a resend request as slowly and as incompletely as its configuration says.
Run as `python -m tests.engines.venue`; configuration and commands come on standard input.
"""

# ruff: noqa: N802 (QuickFIX names its callbacks)

import json
import sys
import threading
import time
from typing import Any

import quickfix as fix

from tests.engines import engine
from tests.engines.link import ChildLink, Event
from tests.engines.messages import EXEC_ID, MSG_SEQ_NUM, MSG_TYPE, POSS_DUP_FLAG, as_request

ORIG_SENDING_TIME, GAP_FILL_FLAG, NEXT_EXPECTED_MSG_SEQ_NUM = 122, 123, 789
RELEASE_DEADLINE_S = 30.0
REQUESTS = frozenset("DFGH") | {"AF"}


class Gateway(fix.Application):  # type: ignore[misc]
    """The acceptor's callbacks, on the engine's thread."""

    def __init__(self, link: ChildLink, config: Event) -> None:
        super().__init__()
        self.link = link
        self.session_id: Any = None
        self.lost: set[str] = set()  # ExecIDs to gap-fill over instead of replaying
        self.replay = threading.Event()
        self._logon_seq_num = 0
        self._config = config
        if not config["hold_resend"]:
            self.replay.set()

    def onCreate(self, session_id: Any) -> None:
        self.session_id = engine.kept(session_id)

    def onLogon(self, session_id: Any) -> None:
        self.link.emit("logon")

    def onLogout(self, session_id: Any) -> None:
        self.link.emit("logout")

    def toAdmin(self, message: Any, session_id: Any) -> None:
        """Mend the next-expected number of a logon; turn gap fills into resets in reset mode."""
        msg_type = message.getHeader().getField(MSG_TYPE)
        if msg_type == "A" and message.isSetField(NEXT_EXPECTED_MSG_SEQ_NUM):
            # QuickFIX 1.16 claims one more than it has when the peer's logon is itself too high;
            # the peer would skip that number and the session would never get in step again.
            target = engine.expected(session_id)["target"]
            target += self._logon_seq_num == target
            message.setField(fix.StringField(NEXT_EXPECTED_MSG_SEQ_NUM, str(target)))
        if msg_type == "4" and self._config["reset_mode"]:
            message.removeField(GAP_FILL_FLAG)  # the same numbers, but nothing is replayed
            for tag in (POSS_DUP_FLAG, ORIG_SENDING_TIME):
                message.getHeader().removeField(tag)

    def fromAdmin(self, message: Any, session_id: Any) -> None:
        """Hold the answer to a resend request until the scenario lets it go."""
        fields = as_request(engine.read(message))
        if fields[MSG_TYPE] == "A":
            self._logon_seq_num = int(fields[MSG_SEQ_NUM])
        if fields[MSG_TYPE] == "2":
            self.link.emit("resend-request")
            if not self.replay.wait(RELEASE_DEADLINE_S):
                raise TimeoutError("nobody released the resend")

    def toApp(self, message: Any, session_id: Any) -> None:
        """Throttle replayed messages; refuse the lost ones, or all of them in reset mode."""
        if not message.getHeader().isSetField(POSS_DUP_FLAG):
            return
        if self._config["reset_mode"]:
            raise fix.DoNotSend
        if message.isSetField(EXEC_ID) and message.getField(EXEC_ID) in self.lost:
            raise fix.DoNotSend
        time.sleep(self._config["resend_interval_s"])  # the venue's own pace

    def fromApp(self, message: Any, session_id: Any) -> None:
        """Hand a request to the book, or let the engine answer with a business reject."""
        fields = engine.read(message)
        if as_request(fields)[MSG_TYPE] not in REQUESTS:
            raise fix.UnsupportedMessageType
        self.link.emit("request", fields=fields)


def serve(link: ChildLink, config: Event) -> None:
    """Stand by; on "take-over" read the message store again, on "open" listen.

    What is sent between the two is numbered and stored, and waits for the replay.
    """
    gateway = Gateway(link, config)
    session = {
        "ConnectionType": "acceptor",
        "SenderCompID": config["sender"],
        "TargetCompID": config["target"],
        "SocketAcceptPort": config["port"],
        "SendNextExpectedMsgSeqNum": "Y" if config["next_expected"] else "N",
    }
    settings = engine.settings(config, [session])
    store, log = fix.FileStoreFactory(settings), fix.FileLogFactory(settings)
    acceptor = fix.SocketAcceptor(gateway, store, settings, log)
    link.emit("ready")
    for command in link.commands():
        match command["do"]:
            case "take-over":
                fix.Session.lookupSession(gateway.session_id).refresh()
            case "open":
                acceptor.start()
                link.emit("open")
            case "send":
                fix.Session.sendToTarget(engine.message(command["fields"]), gateway.session_id)
            case "lose":
                gateway.lost.add(command["exec_id"])
            case "release-resend":
                gateway.replay.set()
            case "expected":
                link.emit("expected", **engine.expected(gateway.session_id))
    gateway.replay.set()
    acceptor.stop()


if __name__ == "__main__":
    serve(ChildLink(), json.loads(sys.stdin.readline()))
