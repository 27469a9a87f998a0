"""What is in doubt about one order: which words each side still lacks (DOMAIN §6).

A *word* is one fact that one side told and the other has not: what was executed, or what the order
amounts to. A side owes the words it lacks in the order they were told, and the oldest is the clock
of that doubt: when the side catches up with it, the next one is. So a clock never starts anew by
what the *other* side says, nor by another fact.
"""

from typing import Final, NamedTuple

UNANSWERED: Final = 0
ENTRY_LACKS: Final = 1
COPY_LACKS: Final = 2
KINDS: Final = (UNANSWERED, ENTRY_LACKS, COPY_LACKS)

EXECUTED: Final = 0
"""A fact: the executed quantity."""
AMOUNT: Final = 1
"""A fact: executed and open quantity together. What ends, restates or replaces an order moves it,
and a fill does not."""

WORDS_MAX: Final = 16
"""Words one side may owe for one order. A further one takes the place of the newest and keeps its
age, so that a doubt can only seem older than it is."""
NEVER: Final = -1


class Word(NamedTuple):
    """A fact that one side told and the other has not."""

    at_ns: int
    """When it was told, by the core's clock."""
    fact: int
    level: int
    """The quantity it says. Nanos."""


class Doubt:
    """What is in doubt about one order. There is none while nothing is."""

    __slots__ = ("copy_lacks", "counted", "entry_lacks", "unanswered_ns")

    def __init__(self) -> None:
        self.unanswered_ns = NEVER
        """When the oldest request without an answer was sent; -1 for none."""
        self.entry_lacks: list[Word] = []
        """Words that order entry owes, oldest first."""
        self.copy_lacks: list[Word] = []
        """Words that drop copy owes, oldest first."""
        self.counted = 0
        """In how many watches it counts."""

    def since_ns(self, kind: int) -> int:
        """The clock of a kind of doubt; -1 while there is none."""
        if kind == UNANSWERED:
            return self.unanswered_ns
        words = self.entry_lacks if kind == ENTRY_LACKS else self.copy_lacks
        return words[0].at_ns if words else NEVER

    @property
    def oldest_ns(self) -> int:
        """The oldest of its clocks."""
        return min(at for at in map(self.since_ns, KINDS) if at >= 0)


def reached(owed: list[Word], fact: int, was: int, level: int) -> int:
    """How many of the words that a side owes are told by its now saying ``level``, oldest first.

    Those up to the last that says just this. Executed quantity that rises also tells the rises it
    passes, because sources sum fills up differently.
    """
    place, before = 0, was
    for at, word in enumerate(owed, 1):
        if word.fact == fact:
            passed = fact == EXECUTED and max(before, was) < word.level <= level
            if passed or word.level == level:
                place = at
            before = word.level
    return place
