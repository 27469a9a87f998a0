"""Our own numbers as the peer's answers bear on them: what it lacks, who asked for a restart."""

from typing import Any, Final

from reconverge.core.messages.events import Logon

_FIELDS: Final = (
    "next_seq", "logon_seq", "logon_sent", "reset_sent", "reset_owed", "expects", "lacks_from",
    "lacks_to", "seen", "logout_sent", "logout_came",
)  # fmt: skip


class Outbound:
    """Our side of one numbering. Numbers are 0 while unknown."""

    __slots__ = _FIELDS

    def __init__(self) -> None:
        self.next_seq = 0
        """The number that our next message will carry. Never falls but with a restart."""
        self.logon_seq = 0
        """Number of our last logon, until the peer logs on for another reason."""
        self.logon_sent = False
        """Our logon is not answered yet. Until an answer, or the end of the connection."""
        self.reset_sent = False
        """That logon asked for a restart: only while ``logon_sent``."""
        self.reset_owed = False
        """The peer restarted: our next logon with the flag answers it."""
        self.expects = 0
        """The peer's number that our last logon expected next (FIX 789)."""
        self.lacks_from = 0
        """First number of ours that the peer says it has not received; 0: it lacks none."""
        self.lacks_to = 0
        """The last of them: at least ``lacks_from``, and 0 with it."""
        self.seen = False
        """Any message of ours was seen; some logs hold the venue's side only."""
        self.logout_sent = False
        """We logged out. Until the peer logs on."""
        self.logout_came = False
        """The peer logged out. Until it logs on."""

    def sent(self, first: int, last: int) -> None:
        """We sent these numbers, again perhaps: that takes from what the peer lacks."""
        self.seen = True
        if self.lacks_from and first <= self.lacks_to and last >= self.lacks_from:
            self.lacks_from = last + 1
            if last >= self.lacks_to:
                self.lacks_from = self.lacks_to = 0
        if last >= (self.next_seq or 1):  # R15: zero is no number
            self.next_seq = last + 1

    def logon(self, event: Logon) -> None:
        """We sent a logon."""
        if event.reset_numbers:
            self.restarted()
        self.reset_sent = event.reset_numbers and not self.reset_owed
        self.reset_owed = False
        self.logon_sent = True
        self.expects = 0 if event.reset_numbers else event.next_expected or 0
        self.logon_seq = event.seq or 0
        self.sent(self.logon_seq, self.logon_seq)

    def begins_again(self, seq: int | None, *, new_day: bool) -> bool:
        """Whether a peer's logon restarts the numbers without saying so (R36): both sides log on
        with number one after both logged out, or on a new day of the venue.

        Where our side was never seen, the peer's side has to do.
        """
        ours = not self.seen or (self.logon_sent and self.logon_seq == 1)
        ended = self.logout_came and (self.logout_sent or not self.seen)
        return seq == 1 and ours and (ended or new_day)

    def logon_answered(self, event: Logon) -> tuple[bool, bool]:
        """The peer's logon came: whether numbers restart, and whether it answers one of ours."""
        asked, self.logon_sent = self.logon_sent, False
        granted, self.reset_sent = self.reset_sent, False
        self.logout_sent = self.logout_came = False
        restarts = event.reset_numbers or (granted and event.seq == 1)
        self.reset_owed = restarts and not asked
        if self.reset_owed:
            self.restarted()
        if not asked:
            self.logon_seq = 0
        return restarts, asked

    def restarted(self) -> None:
        """Our numbers begin again at one."""
        self.next_seq = 1
        self.lacks_from = self.lacks_to = 0

    def path_lost(self) -> None:
        """The connection ended: no logon is under way any more."""
        self.logon_sent = self.reset_sent = self.reset_owed = False

    def peer_expects(self, seq: int) -> bool | None:
        """The peer's logon says which number of ours it expects next. True: it lacks some; None: it
        is ahead of us.

        It has seen the logon of ours that it answers, so what it lacks ends before that (FIX 4.4,
        NextExpectedMsgSeqNum).
        """
        if self.next_seq and seq > self.next_seq:
            return None
        return self.peer_lacks(seq, self.logon_seq - 1 if self.logon_seq else None)

    def peer_lacks(self, from_seq: int, to_seq: int | None) -> bool:
        """The peer has not received a range of ours, up to now where no end is given.

        False when that is empty.
        """
        sent = self.next_seq - 1
        last = sent if to_seq is None else min(to_seq, sent)
        if from_seq == 0 or from_seq > last:  # R15: zero is no number
            return False
        self.lacks_from, self.lacks_to = from_seq, last
        return True

    def dump(self) -> list[Any]:
        """Its state; ``load`` restores it."""
        return [getattr(self, name) for name in _FIELDS]

    def load(self, row: list[Any]) -> None:
        """Inverse of ``dump``."""
        for name, value in zip(_FIELDS, row, strict=False):
            setattr(self, name, value)
