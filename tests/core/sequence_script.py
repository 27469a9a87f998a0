"""Scripts of what happens to a session's numbers: the scenarios' words, one event a line.

    < #10               ! gap_opened     the venue sent number 10; exactly this is found
    < #10 dup           => ignored       possible-duplicate; its content is not processed
    < #5-8                               four lines: 5 to 8
    < fill #5 10 dup                     gap fill 5, the next is 10
    > resend 5-9                         we asked for 5 to 9 (5- : everything from 5)
    dc< #7 seg=a                         on drop-copy channel dc, in segment a
    +31 tick                             31 seconds pass, deadlines fire
    snapshot 10 | vouch 5-9              what else proves numbers harmless
    ? next 11 open 5-9,12- lost 3 ...    readings; of another source: ? on=dc seg=a next 8

`tests/scenarios/README.md` has the other verbs. A line that gives no number has none, and what a
line finds is of its channel. Time stands still but for `tick`.
"""

from collections.abc import Callable

from reconverge.core.messages.events import StreamEvent
from reconverge.core.sequences import Sequences
from reconverge.core.venue import Limits, Venue
from tests.scenarios.words import Fields, Place, Vocabulary, Words, span

SECOND_NS = 1_000_000_000


class Numbers(Vocabulary):
    """The scenarios' words, assuming no number."""

    def _number(self, fields: Fields, given: str | None) -> None:
        fields["seq"] = None if given in {None, "-"} else int(given)


def event(line: str, now_ns: int = 0, channel: str | None = None) -> StreamEvent:
    """The event that a line describes; ``channel`` is where a line is that names none."""
    source, *words = line.split()
    place = Place(source)
    place.channel = place.channel or channel
    if words[0].startswith("#"):
        words.insert(0, "heartbeat")
    built = Numbers({}).event(place, words[0], words[1:], now_ns)
    assert isinstance(built, StreamEvent)
    return built


def ranges_text(gaps: list[tuple[int, int | None]]) -> str:
    """``5-9,12-``; ``none`` for no gap."""
    texts = [
        f"{first}-" if last is None else f"{first}" if first == last else f"{first}-{last}"
        for first, last in gaps
    ]
    return ",".join(texts) or "none"


def _each(line: str) -> list[str]:
    """``< #5-8 dup`` is four lines."""
    source, first, *rest = line.split()
    low, dash, high = first.removeprefix("#").partition("-")
    if not (first.startswith("#") and dash):
        return [line]
    return [" ".join([source, f"#{seq}", *rest]) for seq in range(int(low), int(high) + 1)]


class Script:
    """Runs lines against one session's numbers and checks what each says.

    ``channel``: where a line is that names none; None is order entry.
    """

    def __init__(
        self,
        venue: Venue | None = None,
        limits: Limits | None = None,
        channel: str | None = None,
    ) -> None:
        self.sequences = Sequences(venue or Venue(), limits)
        self.channel = channel
        self.now_ns = 0

    def run(self, text: str) -> "Script":
        """Play every line; the first that is not as it says fails, named."""
        for line in text.strip().splitlines():
            if line.strip():
                self._line(line.strip())
        return self

    def _line(self, line: str) -> None:
        head, _, found = line.partition("!")
        head, _, verdict = head.partition("=>")
        verb, *words = head.split()
        if verb == "?":
            self._check(Words(words), line)
            return
        accepted = self._play(verb, words)
        kinds = [finding.kind for finding in self.sequences.findings]
        told_of = {finding.about for finding in self.sequences.findings}
        self.sequences.findings.clear()
        assert kinds == found.split(), f"{line}: found {kinds}"
        of_a_message = verb.endswith(("<", ">"))
        channel = (Place(verb).channel if of_a_message else None) or self.channel
        assert told_of <= {channel}, f"{line}: told of {told_of}"
        if accepted is not None:
            assert accepted == (verdict.strip() != "ignored"), f"{line}: accepted {accepted}"

    def _play(self, verb: str, words: list[str]) -> bool | None:
        if verb.endswith(("<", ">")):
            return [self._pass(line) for line in _each(" ".join([verb, *words]))][-1]
        if verb[0] in "+-":
            self.now_ns += round(float(verb) * SECOND_NS)
            due_ns = self.sequences.next_deadline_ns
            if due_ns is not None and due_ns <= self.now_ns:
                self.sequences.expire(self.now_ns)
        elif verb == "snapshot":
            self.sequences.snapshot_proven(int(words[0]) * SECOND_NS, self.now_ns)
        else:
            assert verb == "vouch", verb
            vouched = Words(words)
            fields = span(vouched.take())
            segment = vouched.settings.get("seg")
            self.sequences.vouch(
                self.channel, segment, fields["from_seq"], fields["to_seq"], self.now_ns
            )
        return None

    def _pass(self, line: str) -> bool | None:
        event_ = event(line, self.now_ns, self.channel)
        if event_.outbound:
            self.sequences.sent(event_, self.now_ns)
            return None
        return self.sequences.accept(event_, self.now_ns)

    def _check(self, words: Words, line: str) -> None:
        channel = words.settings.get("on", self.channel)
        numbering = self.sequences.get(channel, words.settings.get("seg"))
        assert numbering is not None, line
        readings: dict[str, Callable[[], object]] = {
            "next": lambda: numbering.next_expected,
            "open": lambda: ranges_text(numbering.open_gaps()),
            "gaps": lambda: numbering.open_gap_count,
            "out": lambda: numbering.outstanding,
            "lost": lambda: numbering.unrecoverable,
            "epoch": lambda: numbering.epoch,
            "replayed": lambda: numbering.recovery.total,
            "resends": lambda: ranges_text(numbering.outstanding_resends),
            "complete": lambda: f"{numbering.complete_up_to_ns / SECOND_NS:g}",
            "oldest": lambda: f"{(numbering.oldest_gap_ns or 0) / SECOND_NS:g}",
            "refused": lambda: numbering.refused,
            "cold": lambda: "yes" if numbering.cold else "no",
            "lacks": lambda: ranges_text(
                [span for span in [self.sequences.peer_lacks(channel)] if span]
            ),
        }
        for name, value in zip(words.rest[::2], words.rest[1::2], strict=True):
            assert str(readings[name]()) == value, f"{line}: {name} is {readings[name]()}"


def parked(sequences: Sequences) -> bool:
    """Whether the session is told to park."""
    return sequences.gaps_full
