"""Plays a scenario against the core and writes down what the core answers.

``played(text)`` returns the same text with every answer made anew; a scenario holds when that is
what it says already. README.md describes the language.
"""

import shlex
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson

from reconverge.core.control import parse
from reconverge.core.messages.effects import (
    Alert,
    Cap,
    Effect,
    Episode,
    Retired,
    ShadowCap,
    Transition,
)
from reconverge.core.messages.wire import encode
from reconverge.core.partition import Partition, Rejected
from reconverge.core.venue import Venue, parse_venue
from tests.scenarios import probes
from tests.scenarios.words import SECOND_NS, START_NS, Place, Vocabulary, merged, value

HERE: Final = Path(__file__).resolve().parent
MARGIN: Final = "    "
BEAT_NS: Final = SECOND_NS
_PERFECT: Final = frozenset({
    "confidence 1.000", "LSS 1.0000", "quantity 1.0000", "outstanding 0", "lag 0 ms",
})  # fmt: skip
"""Figures of a transition that nobody needs to read."""
_EFFECTS: Final = msgspec.json.Decoder(Effect)
_TIME: Final = frozenset({"tick", "beats"})


def venues() -> dict[str, Venue]:
    """The profiles the product comes with, by id."""
    folder = files("reconverge").joinpath("venues")
    found = [
        parse_venue(tomllib.loads(file.read_text(encoding="utf-8")))
        for file in folder.iterdir()
        if file.name.endswith(".toml")
    ]
    return {venue.id: venue for venue in found}


VENUES: Final = venues()


class Scenario:
    """One script while it is played."""

    def __init__(self, *, restarting: bool = False) -> None:
        self.restarting = restarting
        """Hand over to another worker, through a snapshot, after every line."""
        self.document: dict[str, Any] = {}
        self.venues = dict(VENUES)
        self.partition = Partition((), self.venues)
        self.vocabulary = Vocabulary(self.document)
        self.now_ns = START_NS
        self.transitions: list[tuple[str, str]] = []
        """State left and signal of each transition so far."""
        self.effects: list[Effect] = []
        """Everything that came out so far."""
        self._shown: dict[str, str] = {}
        self._fresh: list[Effect] = []
        self._refused: list[str] = []

    # -- the text -------------------------------------------------------------------------------

    def play(self, text: str) -> str:
        """The script with every answer made anew."""
        lines: list[str] = []
        written = [line.rstrip() for line in text.splitlines() if not line[:1].isspace()]
        settings = [line for line in written if line.startswith(("policy ", "venue "))]
        for line in settings:
            self._setting(line)
        self.partition = Partition([parse(self.document)], self.venues)
        remarks: list[str] = []
        for line in written:
            if not line or line.startswith(("#", "policy ", "venue ")):
                remarks.append(line)
                continue
            lines += self._line(line, remarks)
            remarks.clear()
        lines += remarks
        return "\n".join(lines) + "\n"

    def _line(self, line: str, remarks: list[str]) -> Iterator[str]:
        """A line after the remarks that precede it, with its answers."""
        if line.startswith("?"):
            yield from remarks
            question = line.partition(" = ")[0].strip()
            yield f"{question} = {self._probe(question)}"
        else:
            yield from self._input(line, remarks)

    def _setting(self, line: str) -> None:
        """A setting other than the default, before anything happens."""
        kind, _, rest = line.partition(" ")
        if kind == "policy":
            key, _, text = rest.partition("=")
            self.document = merged(self.document, {key.strip(): text.strip()})
            self.vocabulary.policy = self.document
        else:
            name, *settings = rest.split()
            fields = {key: value(text) for key, text in (s.split("=") for s in settings)}
            self.venues[name] = Venue(id=name, **fields)

    def _probe(self, question: str) -> str:
        name, *words = question.removeprefix("?").split()
        return probes.answer(self.partition, name, words, self.now_ns)

    # -- inputs ---------------------------------------------------------------------------------

    def _input(self, line: str, remarks: list[str]) -> Iterator[str]:
        """A line and its answers; those of the time before it come first, unless it is time."""
        delay, source, *rest = split(line)
        for_ns = round(float(delay) * SECOND_NS)
        if source == "beats":
            self._beats(for_ns, rest)
        else:
            self._pass(self.now_ns + for_ns)
        if source not in _TIME:
            yield from self._answers()
        yield from remarks
        yield line
        if source == "restart":
            self.restart()
        elif source == "park":
            self.partition.park(" ".join(rest), self.now_ns)
        elif source not in _TIME:
            for each in line.split(maxsplit=1)[1].split(" ; "):
                self._apply(*split(each))
        self._settle(self.now_ns)
        yield from self._answers()
        if self.restarting:
            self.restart()

    def _apply(self, sources: str, verb: str, *words: str) -> None:
        session, slash, names = sources.rpartition("/")
        direction = names[-1] if names[-1] in "<>" else ""
        for name in names.rstrip("<>").split("+"):
            place = Place(f"{session}{slash}{name}{direction}")
            event = self.vocabulary.event(place, verb, list(words), self.now_ns)
            try:
                self.partition.apply(event, self.now_ns)
            except Rejected as refused:
                self._refused.append(str(refused))

    def _beats(self, for_ns: int, names: list[str]) -> None:
        """Time passes with a heartbeat every second from each source, or from those named."""
        end_ns = self.now_ns + for_ns
        while self.now_ns + BEAT_NS <= end_ns:
            self._pass(self.now_ns + BEAT_NS)
            for session, state in self.partition.sessions.items():
                heard = dict.fromkeys(s.channel or "entry" for s in state.truth.sequences.sources())
                for name in names or heard:
                    self._apply(f"{session}/{name}<", "heartbeat")
            self._settle(self.now_ns)
        self._pass(end_ns)

    def _pass(self, to_ns: int) -> None:
        """Time passes: the core is woken at each of its deadlines."""
        while (due_ns := self.partition.next_deadline_ns) is not None and due_ns <= to_ns:
            self._settle(due_ns)
        self.now_ns = to_ns

    def _settle(self, now_ns: int) -> None:
        found = self.partition.settle(now_ns)
        self._fresh += found
        self.effects += found
        for effect in found:
            assert _EFFECTS.decode(encode(effect)) == effect, "the contract cannot hold it"
            if isinstance(effect, Cap):
                self.vocabulary.caps[effect.session] = effect.sequence
            elif isinstance(effect, Transition):
                self.transitions.append((effect.from_state.value, effect.signal))

    def restart(self) -> None:
        """Another worker takes over from a snapshot, which went through JSON."""
        rows = orjson.loads(orjson.dumps(list(self.partition.dump())))
        self.partition = Partition.load(rows, self.venues)

    # -- answers --------------------------------------------------------------------------------

    def _answers(self) -> Iterator[str]:
        yield from (f"{MARGIN}refused: {why}" for why in self._refused)
        found, self._fresh, self._refused = self._fresh, [], []
        for i, effect in enumerate(found):
            text = self._told(effect, found[i + 1 :])
            if text is not None:
                at = (effect.event_ns - START_NS) / SECOND_NS
                session = "" if effect.session == "S" else f"{effect.session} "
                yield f"{MARGIN}{at:.3f} {session}{text}"

    def _told(self, effect: Effect, rest: list[Effect]) -> str | None:
        if isinstance(effect, Transition):
            return _transition(effect)
        if isinstance(effect, Alert):
            return f"alert {effect.name}: {effect.detail}"
        if isinstance(effect, Episode):
            return _episode(effect)
        if isinstance(effect, Retired):
            return f"retired by {effect.actor}: {effect.reason}"
        return self._cap(effect, rest)

    def _cap(self, cap: Cap | ShadowCap, rest: list[Effect]) -> str | None:
        """A cap, unless the last one told says the same, or time alone goes on to another."""
        kind = f"{cap.session} {cap.type}"
        text = ("shadow cap " if cap.type == "shadow_cap" else "cap ") + _cap(cap)
        if text == self._shown.get(kind) or cap.cause == "heartbeat":
            return None
        later = next((e for e in rest if e.session == cap.session and e.type == cap.type), None)
        moved = next((e for e in rest if e.session == cap.session and e.type == "transition"), None)
        if (
            isinstance(later, Cap | ShadowCap)
            and cap.event_ns != self.now_ns
            and later.cause != "heartbeat"
            and (moved is None or rest.index(moved) > rest.index(later))
        ):
            return None
        self._shown[kind] = text
        return text


def _transition(effect: Transition) -> str:
    parts = [part for part in effect.detail.split(", ") if part not in _PERFECT]
    detail = f" ({', '.join(parts)})" if parts else ""
    return f"{effect.from_state} -> {effect.to_state} on {effect.signal}{detail}"


def _episode(effect: Episode) -> str | None:
    if effect.status == "update":
        return None
    if effect.status == "open":
        return f"episode {effect.episode_id} opens, cause {effect.cause}"
    return f"episode {effect.episode_id} closes: {probes.clocks(effect)}"


def _cap(cap: Cap | ShadowCap) -> str:
    parts = [f"{cap.cap:g} {cap.reason}"]
    if cap.instrument_cap is not None and cap.instrument_cap != cap.cap:
        parts.append(f"instruments {cap.instrument_cap:g}")
    if cap.confidence < 1:
        parts.append(f"confidence {cap.confidence:.3g}")
    parts += [f"{name} {own.cap:g}" for name, own in cap.symbols.items()]
    if cap.policy.version > 1 or cap.policy.id != "default":
        parts.append(f"policy {cap.policy.id} {cap.policy.version}")
    return ", ".join(parts)


def split(text: str) -> list[str]:
    """Words as a shell takes them; quickly where nothing is quoted."""
    return shlex.split(text) if '"' in text or "'" in text else text.split()


def played(text: str) -> str:
    """The script with every answer made anew."""
    return Scenario().play(text)
