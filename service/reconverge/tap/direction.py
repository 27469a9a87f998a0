"""Which CompID is ours, and so which way each message went."""

from dataclasses import dataclass, field
from pathlib import PurePath

from reconverge.tap import tags
from reconverge.tap.framing import Frame
from reconverge.tap.wire import FixMessage


def comp_ids(m: FixMessage) -> tuple[str, str]:
    """Sender and target of a message."""
    return m.require(tags.SENDER_COMP_ID, "SenderCompID"), m.require(
        tags.TARGET_COMP_ID, "TargetCompID"
    )


@dataclass(slots=True)
class Direction:
    """Knows or learns our CompID, and with it which way a message went.

    Given, it is believed. Otherwise, in this order: the line says incoming or outgoing; the file is
    named as QuickFIX names it (``FIX.4.4-OURS-THEIRS.messages...``); the first Logon was sent by
    us, as in an initiator's log. Where ``peers`` names counterparties, only messages with them
    count.
    """

    ours: str | None = None
    peers: tuple[str, ...] = ()
    seen: set[tuple[str, str]] = field(default_factory=set)  # CompIDs met while ours was not known

    def learn(self, frame: Frame) -> bool:
        """Try to tell our CompID from one message; true once it is known."""
        if self.ours is None:
            sender, target = comp_ids(frame.message)
            outgoing = _is_outgoing(frame, sender, target)
            ours, theirs = (sender, target) if outgoing else (target, sender)
            if outgoing is not None and self._is_peer(theirs):
                self.ours = ours
            else:
                self.seen.add((sender, target))
        return self.ours is not None

    def of(self, m: FixMessage) -> tuple[bool, str] | None:
        """Whether we sent a message, and the counterparty; None for a message of others."""
        sender, target = comp_ids(m)
        if sender == self.ours and self._is_peer(target):
            return True, target
        return (False, sender) if target == self.ours and self._is_peer(sender) else None

    def is_session(self, sender: str, target: str) -> bool:
        """Whether a session that an engine names, ours first, is one of these."""
        return sender == self.ours and self._is_peer(target)

    def _is_peer(self, theirs: str) -> bool:
        return not self.peers or theirs in self.peers


def _is_outgoing(frame: Frame, sender: str, target: str) -> bool | None:
    if frame.prefix.outgoing is not None:
        return frame.prefix.outgoing
    name, begin = PurePath(frame.origin.file).name, frame.message.get(tags.BEGIN_STRING)
    if name.startswith(f"{begin}-{sender}-{target}"):
        return True
    if name.startswith(f"{begin}-{target}-{sender}"):
        return False
    return True if frame.message.get(tags.MSG_TYPE) == "A" else None
