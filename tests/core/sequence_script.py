"""Scripts of what happens to a session's numbers, one event a line, and their runner.

    < 10                ! gap_opened     the venue sent number 10; exactly this is found
    < 10 dup            => ignored       possible-duplicate; its content is not processed
    < 11 again                           possible-resend
    < fill 5 10 dup                      gap fill 5, the next is 10
    < reset 50                           sequence reset, reset mode
    < logon 7 reset expects 3            ResetSeqNumFlag, NextExpectedMsgSeqNum; - for no number
    > resend 5-9                         we asked for 5 to 9 (5- : everything from 5)
    @ 31                                 31 seconds from the start, deadlines fire
    snapshot 10 | vouch 5-9              what else proves numbers harmless
    ? next 11 open 5-9,12- lost 3 ...    readings

A word `on:NAME` puts a line on drop-copy channel NAME, `seg:NAME` in a segment; what a line finds
is of its channel. Time stands still but for `@`.
"""

from collections.abc import Callable
from typing import Any

from reconverge.core.messages.events import (
    Disconnect,
    GapFill,
    GapOpened,
    GatewaySwitched,
    Heartbeat,
    HeartbeatMissed,
    Logon,
    Logout,
    RequestReject,
    ResendCompleted,
    ResendRejected,
    ResendRequested,
    SequenceReset,
    StreamEvent,
)
from reconverge.core.sequences import Sequences
from reconverge.core.venue import Limits, Venue

SECOND_NS = 1_000_000_000


def span(text: str) -> tuple[int, int | None]:
    """``5-9``, ``5`` for one number, ``5-`` for no end."""
    first, dash, last = text.partition("-")
    if not dash:
        return int(first), int(first)
    return int(first), int(last) if last else None


def _span_event(cls: type[Any]) -> Callable[[list[str]], tuple[type[Any], dict[str, Any]]]:
    def build(words: list[str]) -> tuple[type[Any], dict[str, Any]]:
        first, last = span(words.pop(0))
        return cls, {"from_seq": first, "to_seq": last}

    return build


def _logon(words: list[str]) -> tuple[type[Any], dict[str, Any]]:
    seq = words.pop(0)
    fields: dict[str, Any] = {"seq": None if seq == "-" else int(seq), "heartbeat_ms": 30_000}
    if "reset" in words:
        words.remove("reset")
        fields["reset_numbers"] = True
    if "expects" in words:
        at = words.index("expects")
        fields["next_expected"] = int(words[at + 1])
        del words[at : at + 2]
    return Logon, fields


def _rejected(words: list[str]) -> tuple[type[Any], dict[str, Any]]:
    return ResendRejected, {"unrecoverable": bool(words) and words.pop(0) == "forever"}


BUILDERS: dict[str, Callable[[list[str]], tuple[type[Any], dict[str, Any]]]] = {
    "logon": _logon,
    "logout": lambda words: (Logout, {"seq": int(words.pop(0))}),
    "fill": lambda words: (GapFill, {"seq": int(words.pop(0)), "new_seq": int(words.pop(0))}),
    "reset": lambda words: (SequenceReset, {"new_seq": int(words.pop(0))}),
    "resend": _span_event(ResendRequested),
    "gap": _span_event(GapOpened),
    "rejected": _rejected,
    "reject-of": lambda words: (RequestReject, {"ref_msg_type": words.pop(0)}),
    "completed": lambda _: (ResendCompleted, {}),
    "disconnect": lambda _: (Disconnect, {}),
    "missed": lambda _: (HeartbeatMissed, {}),
    "switched": lambda _: (GatewaySwitched, {"gateway": "backup"}),
    "unnumbered": lambda _: (Heartbeat, {}),
}


def event(
    words: list[str], now_ns: int, *, outbound: bool, channel: str | None = None
) -> StreamEvent:
    """The event that a line's words describe."""
    fields: dict[str, Any] = {"channel": channel}
    for word in [word for word in words if ":" in word]:
        words.remove(word)
        key, _, value = word.partition(":")
        fields[{"on": "channel", "seg": "segment", "seq": "seq"}[key]] = (
            int(value) if key == "seq" else value
        )
    for word, flag in (("dup", "poss_dup"), ("again", "poss_resend")):
        if word in words:
            words.remove(word)
            fields[flag] = True
    if words[0] in BUILDERS:
        cls, more = BUILDERS[words.pop(0)](words)
    else:
        cls, more = Heartbeat, {"seq": int(words.pop(0))}
    assert not words, words
    built = cls(session="s", event_ns=now_ns, ingest_ns=now_ns, outbound=outbound, **fields, **more)
    assert isinstance(built, StreamEvent)
    return built


def ranges_text(gaps: list[tuple[int, int | None]]) -> str:
    """``5-9,12-``; ``none`` for no gap."""
    texts = [
        f"{first}-" if last is None else f"{first}" if first == last else f"{first}-{last}"
        for first, last in gaps
    ]
    return ",".join(texts) or "none"


def _each(words: list[str]) -> list[list[str]]:
    """``5..8 dup`` is four lines."""
    first, dots, last = words[0].partition("..")
    if not dots:
        return [words]
    return [[str(seq), *words[1:]] for seq in range(int(first), int(last) + 1)]


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
            self._check(words, line)
            return
        channel = next((word[3:] for word in words if word.startswith("on:")), self.channel)
        accepted = self._play(verb, words)
        kinds = [finding.kind for finding in self.sequences.findings]
        told_of = {finding.about for finding in self.sequences.findings}
        self.sequences.findings.clear()
        assert kinds == found.split(), f"{line}: found {kinds}"
        assert told_of <= {channel}, f"{line}: told of {told_of}"
        if accepted is not None:
            assert accepted == (verdict.strip() != "ignored"), f"{line}: accepted {accepted}"

    def _play(self, verb: str, words: list[str]) -> bool | None:
        if verb in "<>":
            return [self._pass(verb, line) for line in _each(words)][-1]
        if verb == "@":
            self.now_ns = int(float(words[0]) * SECOND_NS)
            due_ns = self.sequences.next_deadline_ns
            if due_ns is not None and due_ns <= self.now_ns:
                self.sequences.expire(self.now_ns)
        elif verb == "snapshot":
            self.sequences.snapshot_proven(int(words[0]) * SECOND_NS, self.now_ns)
        else:
            assert verb == "vouch", verb
            segment = words[1].removeprefix("seg:") if len(words) > 1 else None
            first, last = span(words[0])
            assert last is not None
            self.sequences.vouch(self.channel, segment, first, last, self.now_ns)
        return None

    def _pass(self, verb: str, words: list[str]) -> bool | None:
        event_ = event(words, self.now_ns, outbound=verb == ">", channel=self.channel)
        if verb == "<":
            return self.sequences.accept(event_, self.now_ns)
        self.sequences.sent(event_, self.now_ns)
        return None

    def _check(self, words: list[str], line: str) -> None:
        channel, segment = self.channel, None
        for word in [word for word in words if ":" in word]:
            words.remove(word)
            key, _, value = word.partition(":")
            channel, segment = (value, segment) if key == "on" else (channel, value)
        numbering = self.sequences.get(channel, segment)
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
        for name, value in zip(words[::2], words[1::2], strict=True):
            assert str(readings[name]()) == value, f"{line}: {name} is {readings[name]()}"


def parked(sequences: Sequences) -> bool:
    """Whether the session is told to park."""
    return sequences.gaps_full
