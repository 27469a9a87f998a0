"""Our own numbers as far as the peer's answers depend on them: what it says it lacks, and who asked for a restart."""

from typing import Final

from reconverge.core.events import GapFill, Logon, SequenceReset, StreamEvent

FIELDS: Final = (
    "next_seq", "logon_seq", "logon_sent", "reset_sent", "reset_owed", "lacks_from", "lacks_to",
)  # fmt: skip


class Outbound:
    """Our side of one numbering. Numbers are 0 while unknown."""

    __slots__ = FIELDS

    def __init__(self) -> None:
        self.next_seq = 0  # the number our next message will carry
        self.logon_seq = 0  # of our last logon
        self.logon_sent = False  # a logon of ours is unanswered
        self.reset_sent = False  # and asked for a restart
        self.reset_owed = False  # the peer restarted: our next logon answers, it does not ask
        self.lacks_from = 0  # what the peer says it has not received of ours, inclusive
        self.lacks_to = 0

    def sent(self, event: StreamEvent) -> None:
        """Account for a message of ours."""
        seq = event.seq
        if seq is None:
            return
        last = event.new_seq - 1 if isinstance(event, GapFill | SequenceReset) else seq
        if self.lacks_from and seq <= self.lacks_to and last >= self.lacks_from:
            self.lacks_from = last + 1
            if self.lacks_from > self.lacks_to:
                self.lacks_from = self.lacks_to = 0
        if last >= self.next_seq:
            self.next_seq = last + 1

    def logon(self, event: Logon) -> None:
        """We sent a logon."""
        if event.reset_numbers:
            self.next_seq = 0
            self.lacks_from = self.lacks_to = 0
            self.reset_sent = not self.reset_owed
        self.reset_owed = False
        self.logon_sent = True
        self.sent(event)
        self.logon_seq = event.seq or 0

    def answered(self, event: Logon) -> tuple[bool, bool]:
        """The peer's logon came. Whether it restarts the numbers, and whether it answers one of ours."""
        asked, self.logon_sent = self.logon_sent, False
        granted, self.reset_sent = self.reset_sent, False
        restarts = event.reset_numbers or (granted and event.seq == 1)
        self.reset_owed = restarts and not asked
        return restarts, asked

    def restarted(self) -> None:
        """The peer restarted both sides' numbers by itself."""
        self.next_seq = 1
        self.lacks_from = self.lacks_to = 0

    @property
    def before_logon(self) -> int | None:
        """The last number before the logon being answered; none when our logon was not seen."""
        return self.logon_seq - 1 if self.logon_seq else None

    def dump(self) -> list[int]:
        """Its state; ``load`` restores it."""
        return [getattr(self, name) for name in FIELDS]

    @classmethod
    def load(cls, row: list[int]) -> "Outbound":
        """Inverse of ``dump``."""
        outbound = cls()
        for name, value in zip(FIELDS, row, strict=True):
            setattr(outbound, name, value)
        return outbound

    def lost_path(self) -> None:
        """The connection ended: no logon is under way any more."""
        self.logon_sent = self.reset_sent = self.reset_owed = False

    def peer_lacks(self, from_seq: int, to_seq: int | None = None) -> bool:
        """The peer expects ``from_seq`` next (FIX 789) or asks for it again. True when it lacks something."""
        last = self.next_seq - 1 if to_seq is None else to_seq
        if from_seq == 0 or from_seq > last:  # R15: zero is no number
            return False
        self.lacks_from, self.lacks_to = from_seq, last
        return True
