"""Lag, coverage and required channels against brute force over every word that was heard (§8)."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reconverge.core.messages.events import Disconnect, Heartbeat, HeartbeatMissed, Logon, Logout
from reconverge.core.source import NEVER
from reconverge.core.sources import SPECIAL, Moment, Sources, summarize
from reconverge.core.venue import Limits, Venue
from tests.scenarios.words import SECOND_NS, START_NS

CHANNELS = (None, "A", "B")
LIMITS = Limits(heartbeat_default_ns=3 * SECOND_NS)

words = st.fixed_dictionaries({
    "wait": st.integers(0, 9),
    "channel": st.sampled_from(CHANNELS),
    "segment": st.sampled_from([None, "x"]),
    "kind": st.sampled_from([
        "word", "word", "word", "resent", "old", "logon", "logout", "missed", "disconnect",
        "echo", "echo", "ours",
    ]),
    "age": st.integers(0, 4),
    "interval": st.sampled_from([0, 1, 5]),
})  # fmt: skip
histories = st.lists(words, max_size=25)  # below five minutes: nothing is forgotten


class Oracle:
    """One channel as the list of what was heard of it."""

    def __init__(self, channel: str | None, history: list[dict[str, Any]]) -> None:
        self.channel = channel
        self.words = [word for word in history if word["channel"] == channel]

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        return [word for word in self.words if word["kind"] in kinds]

    @property
    def newer(self) -> list[dict[str, Any]]:
        return self.of("word", "old", "logon", "logout")

    @property
    def spoken(self) -> list[dict[str, Any]]:
        return self.of("word", "old", "logon", "logout", "resent")

    @property
    def interval_ns(self) -> int:
        stated = [word["interval"] for word in self.of("logon") if word["interval"]]
        return stated[-1] * SECOND_NS if stated else LIMITS.heartbeat_default_ns

    @property
    def state(self) -> str:
        """``up``, ``down`` or ``retired``, told word by word."""
        state, seen, asked = "up", False, False
        for at, word in enumerate(self.words):
            kind = word["kind"]
            known = any(former["kind"] in KNOWN for former in self.words[:at])
            if kind == "ours" and known:
                seen = asked = True
            elif kind in {"disconnect", "missed"}:
                state = "retired and down" if state.startswith("retired") else "down"
            elif kind == "resent":
                state = "retired" if state.startswith("retired") else "up"
            elif kind == "logout":
                state = "retired" if asked or not seen else "down"
            elif kind in {"word", "old", "logon"}:
                state = "up"
                asked = asked and kind != "logon"
        return state

    def lag_ns(self, now_ns: int) -> float:
        """Of its least fresh numbering, or of order entry's freshest."""
        segments = {word["segment"] for word in self.spoken}
        return max((self._lag_ns(segment, now_ns) for segment in segments), default=float("inf"))

    def _lag_ns(self, segment: str | None, now_ns: int) -> float:
        newer = [word for word in self.newer if word["segment"] == segment]
        if not newer:
            return float("inf")
        down = "down" in self.state
        allowance_ns = 0 if down else round(self.interval_ns * LIMITS.heartbeat_tolerance)
        silence_ns = max(0, now_ns - newer[-1]["at"] - allowance_ns)
        newest: dict[str, Any] | None = None
        ages = []
        for word in newer:
            if newest is None or word["event"] >= newest["event"]:
                newest = word
                ages.append(word["at"] - word["event"])
        late_ns: int = ages[-1] - min(ages)
        return float(max(silence_ns + late_ns, self.lateness_ns(now_ns)))

    def lateness_ns(self, now_ns: int) -> int:
        told = [
            word for at, word in enumerate(self.words)
            if word["kind"] == "echo" and any(w["kind"] in KNOWN for w in self.words[:at])
        ]  # fmt: skip
        fresh = told and now_ns - told[-1]["at"] <= LIMITS.lag_hard_ns
        return int(told[-1]["age"]) * SECOND_NS if fresh else 0


KNOWN = {"word", "old", "logon", "logout", "resent", "missed", "disconnect"}
KINDS = {
    "word": Heartbeat, "old": Heartbeat, "resent": Heartbeat, "logon": Logon, "logout": Logout,
    "missed": HeartbeatMissed, "disconnect": Disconnect,
}  # fmt: skip


def tell(sources: Sources, word: dict[str, Any]) -> None:
    """Let the sources hear a word."""
    at_ns, channel = word["at"], word["channel"]
    if word["kind"] == "echo":
        sources.echoed(channel, word["age"] * SECOND_NS, at_ns)
        return
    fields: dict[str, Any] = {
        "session": "S", "ingest_ns": at_ns, "event_ns": word["event"], "channel": channel,
        "segment": word["segment"],
    }  # fmt: skip
    if word["kind"] == "ours":
        sources.sent(Logout(**fields, outbound=True))
        return
    if word["kind"] == "logon":
        fields["heartbeat_ms"] = word["interval"] * 1_000
    event = KINDS[word["kind"]](**fields, poss_dup=word["kind"] == "resent")
    sources.heard(event, at_ns, True, type(event) in SPECIAL)


@settings(max_examples=400, deadline=None)
@given(histories, st.integers(0, 9))
def test_lag_and_required_channels_are_those_of_brute_force(
    history: list[dict[str, Any]], wait: int
) -> None:
    sources, now_ns = Sources(), START_NS
    for word in history:
        now_ns += word["wait"] * SECOND_NS
        old_s = 60 if word["kind"] == "old" else word["age"]
        word |= {"at": now_ns, "event": now_ns - old_s * SECOND_NS}
        tell(sources, word)
    now_ns += wait * SECOND_NS
    moment = Moment(now_ns, 0, NEVER, path_up=True, owed_ns=None, set_aside=0)
    found = summarize(sources, [], moment, Venue(), LIMITS)
    oracles = [Oracle(channel, history) for channel in CHANNELS[1:]]
    required = [o for o in oracles if o.spoken and not o.state.startswith("retired")]
    assert {each.channel for each in found.required[1:]} == {o.channel for o in required}
    by_channel = {each.channel: each for each in found.required}
    for oracle in required:
        reading = by_channel[oracle.channel]
        assert reading.lag_ns == oracle.lag_ns(now_ns), oracle.words
        assert reading.down == ("down" in oracle.state)
        assert reading.heard_ns == oracle.spoken[-1]["at"]
        assert reading.covered_ns <= max((word["at"] for word in oracle.newer), default=NEVER)
    lags = [oracle.lag_ns(now_ns) for oracle in required]
    assert found.witness_lag_ns == max(lags, default=float("inf"))
    assert found.best_witness_lag_ns == min(lags, default=float("inf"))
