"""The tables of docs/sequences.md, made from the code, the venue profiles and the tests."""

from collections.abc import Iterator

from reconverge.core.findings import SEQUENCE_FINDINGS
from reconverge.core.venue import Venue, parse_venue
from tests.core.test_sequence_venues import PROFILES, SETTINGS

HEAD = {
    "replay_range_max": "numbers an answer",
    "retained_max": "numbers kept",
    "window_ns": "window",
    "in_flight_max": "requests at a time",
    "gap_fill_scope": "gap fill scope",
    "resend_timeout_ns": "resend timeout",
    "attempts_max": "attempts before the alert",
    "attempts_window_ns": "counted in",
    "heartbeat_ms": "heartbeat",
    "numberings": "several numberings",
    "stamp_resolution_ns": "resolution of event times",
    "drop_copy": "drop copy tells",
    "daily_start_s": "numbers restart daily at",
    "purges_daily": "no order survives that",
}
UNBOUNDED = {"heartbeat_ms": "agreed at logon", "daily_start_s": "not fixed"}


def findings() -> str:
    """Kind and meaning."""
    rows = [f"| `{kind}` | {meaning} |" for kind, meaning in SEQUENCE_FINDINGS.items()]
    return "\n".join(["| finding | what it says |", "|---|---|", *rows])


def _span(ns: int) -> str:
    for unit, size_ns in (("h", 3_600_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000)):
        if ns >= size_ns:
            return f"{ns // size_ns} {unit}"
    return f"{ns} ns"


def _text(name: str, value: object) -> str:
    if value is None:
        return UNBOUNDED.get(name, "no bound")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int):
        return f"`{value}`"
    if name == "daily_start_s":
        return f"{value // 3_600:02}:{value // 60 % 60:02} UTC"
    if name.endswith("_ns"):
        return _span(value)
    return f"{value:,} ms" if name == "heartbeat_ms" else f"{value:,}"


def _profile(venue: Venue) -> Iterator[str]:
    yield f"### {venue.title} (`{venue.id}`)"
    yield ""
    yield "| setting | value | source |"
    yield "|---|---|---|"
    for name in Venue.model_fields:
        if name in SETTINGS:
            yield f"| {HEAD[name]} | {_text(name, getattr(venue, name))} | {venue.sources[name]} |"
    yield ""
    yield from (f"- {note}" for note in venue.notes)
    yield ""


def venues() -> str:
    """Each profile: values, sources, notes."""
    lines = [line for name in sorted(PROFILES) for line in _profile(parse_venue(PROFILES[name]))]
    return "\n".join(lines).rstrip()
