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
    """Knows or learns our CompID.

    Given, it is believed. Otherwise, in this order: the line says incoming or outgoing; the file is
    named as QuickFIX names it (``FIX.4.4-OURS-THEIRS.messages...``); the first Logon was sent by
    us, as in an initiator's log.
    """

    ours: str | None = None
    seen: dict[tuple[str, str], int] = field(
        default_factory=dict
    )  # CompIDs met before ours was known

    def learn(self, frame: Frame) -> bool:
        """Try to tell our CompID from one message; true once it is known."""
        if self.ours is None:
            sender, target = comp_ids(frame.message)
            outgoing = _is_outgoing(frame, sender, target)
            if outgoing is None:
                self.seen[sender, target] = self.seen.get((sender, target), 0) + 1
            else:
                self.ours = sender if outgoing else target
        return self.ours is not None

    def of(self, m: FixMessage) -> tuple[bool, str] | None:
        """Whether we sent a message, and the counterparty; None for a message between others."""
        sender, target = comp_ids(m)
        if sender == self.ours:
            return True, target
        return (False, sender) if target == self.ours else None


def _is_outgoing(frame: Frame, sender: str, target: str) -> bool | None:
    if frame.prefix.outgoing is not None:
        return frame.prefix.outgoing
    name, begin = PurePath(frame.origin.file).name, frame.message.get(tags.BEGIN_STRING)
    if name.startswith(f"{begin}-{sender}-{target}"):
        return True
    if name.startswith(f"{begin}-{target}-{sender}"):
        return False
    return True if frame.message.get(tags.MSG_TYPE) == "A" else None
