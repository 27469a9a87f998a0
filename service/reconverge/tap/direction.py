"""Which CompID is ours, and so which way each message went."""

from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Final

from reconverge.tap import tags
from reconverge.tap.framing import Frame
from reconverge.tap.wire import FixMessage

_SEEN_MAX: Final = 20
"""Pairs that are told to a user who has to choose one."""


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
    us, as in an initiator's log, unless an earlier one may have been lost. Where ``peers`` names
    counterparties, only messages with them count.
    """

    ours: str | None = None
    peers: tuple[str, ...] = ()
    seen: set[tuple[str, str]] = field(default_factory=set)  # CompIDs met while ours was not known
    lost: str | None = None  # why the first logon that can be read may not be the first one
    is_guess: bool = False  # ours is the sender of the first logon, which nothing else confirms

    def learn(self, frame: Frame) -> bool:
        """Try to tell our CompID from one message; true once it is known."""
        if self.ours is None:
            sender, target = comp_ids(frame.message)
            outgoing = _is_outgoing(frame, sender, target)
            is_guess = outgoing is None
            if is_guess and frame.message.get(tags.MSG_TYPE) == "A" and self.lost is None:
                outgoing = True
            ours, theirs = (sender, target) if outgoing else (target, sender)
            if outgoing is not None and self._is_peer(theirs):
                self.ours, self.is_guess = ours, is_guess
            elif len(self.seen) < _SEEN_MAX:
                self.seen.add((sender, target))
        return self.ours is not None

    def lose(self, why: str) -> None:
        """A message that may be the first logon cannot be read: nothing is guessed any more."""
        self.lost = self.lost or why

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
    return None
