"""The rule of docs/router.md, read a second time: slowly, literally, and without the client.

It keeps everything it was ever told and works each view out anew from the beginning. It shares no
line with `reconverge.client`, not even the JSON reader, so where the two or a vector differ, one of
them has misread the page, or the page can be misread.
"""

import json
import math
from typing import Any, NamedTuple

STATES = (
    "HEALTHY",
    "FAILOVER_DETECTED",
    "STATE_DIVERGED",
    "REPLAY_SYNCING",
    "CONTROLLED_REENTRY",
    "STABLE",
)
INTEGER_MAX = 2**63 - 1
S = 10**9


class Heard(NamedTuple):
    """One record as it came, and both clocks then."""

    key: str | None
    value: bytes | None
    wall_ns: int
    monotonic_ns: int


class Unreadable(Exception):
    """C2."""


def require(holds: bool) -> None:
    if not holds:
        raise Unreadable


def is_number(value: object, least: float, most: float) -> bool:
    return type(value) in (int, float) and least <= value <= most  # type: ignore[operator] # narrowed by type()


def is_integer(value: object, least: int) -> bool:
    return type(value) is int and least <= value <= INTEGER_MAX


def no_constant(name: str) -> None:
    """Python reads NaN and Infinity, which are no JSON."""
    raise Unreadable(name)


def read(value: bytes) -> dict[str, Any]:
    """C1 and C2: the fields of a record, those absent with what the table puts in their place."""
    try:
        found = json.loads(value.decode("utf-8"), parse_constant=no_constant)
    except (ValueError, RecursionError):
        raise Unreadable from None
    require(type(found) is dict)
    fields: dict[str, Any] = {
        "v": 1,
        "epoch": 0,
        "instrument_cap": None,
        "symbols": {},
        "publish_ns": None,
    } | found
    require(fields.get("type") == "cap")
    require(type(fields["v"]) is int and fields["v"] == 1)
    session = fields.get("session")
    require(type(session) is str and 1 <= len(session) <= 256)
    require(is_integer(fields["epoch"], 0))
    require(is_integer(fields.get("sequence"), 1))
    require(fields.get("state") in STATES)
    for share in ("cap", "participation_max"):
        require(is_number(fields.get(share), 0, 1))
    require(fields["instrument_cap"] is None or is_number(fields["instrument_cap"], 0, 1))
    require(type(fields["symbols"]) is dict)
    for entry in fields["symbols"].values():
        require(type(entry) is dict and is_number(entry.get("cap"), 0, 1))
    multiple = fields.get("catchup_multiple_max")
    require(is_number(multiple, 1, math.inf) and multiple != math.inf)
    for flag in ("freeze_expansion", "safe_mode"):
        require(type(fields.get(flag)) is bool)
    require(type(fields.get("reason")) is str)
    require(fields["publish_ns"] is None or is_integer(fields["publish_ns"], 0))
    require(is_integer(fields.get("valid_until_ns"), 0))
    return fields


class SecondReading:
    """A router's memory that forgets nothing."""

    def __init__(self, cap: float, participation_max: float) -> None:
        self.safe = {"cap": cap, "participation_max": participation_max}
        self.heard: list[Heard] = []
        self.connected = True

    def offer(self, key: str | None, value: bytes | None, wall_ns: int, monotonic_ns: int) -> None:
        self.heard.append(Heard(key, value, wall_ns, monotonic_ns))

    def kept(self, session: str) -> list[tuple[dict[str, Any], Heard]]:
        """C3 and C4: the records that were the session's newest when they came.

        Those since its last tombstone; none if that was the last thing.
        """
        newest: list[tuple[dict[str, Any], Heard]] = []
        floor = (0, 0)  # any record is above it: sequences begin at 1
        for heard in self.heard:
            if heard.value is None:
                if heard.key == session:
                    newest, floor = [], (floor[0], 0)
                continue
            try:
                fields = read(heard.value)
            except Unreadable:
                continue
            order = (fields["epoch"], fields["sequence"])
            if fields["session"] == session and order > floor:
                newest.append((fields, heard))
                floor = order
        return newest

    def view(self, session: str, symbol: str | None, monotonic_ns: int) -> dict[str, Any]:
        """What the page says of this moment."""
        kept = self.kept(session)
        if not kept:
            return self.own("never_heard" if self.connected else "not_connected")
        fields, heard = kept[-1]
        since = monotonic_ns - heard.monotonic_ns
        grant, life = lifetime(fields, heard)
        if since < life:
            return word(fields, symbol)
        if not self.connected:
            return self.own("not_connected")
        if fields["reason"] == "closed":
            return self.own("closed")
        if grant > 0 and since < grant:
            if fields["publish_ns"] - heard.wall_ns >= grant:
                return self.own("clock_behind")
            if ahead(kept):
                return self.own("clock_ahead")
        return self.own("expired")

    def own(self, why: str) -> dict[str, Any]:
        rest = {"catchup_multiple_max": 1, "freeze_expansion": True, "state": None}
        return self.safe | rest | {"epoch": 0, "sequence": 0, "why": why}


def lifetime(fields: dict[str, Any], heard: Heard) -> tuple[int, int]:
    """C5: the grant and the life; both 0 for a record that has none."""
    if fields["publish_ns"] is None:
        return 0, 0
    grant = min(fields["valid_until_ns"] - fields["publish_ns"], 600 * S)
    if grant <= 0:
        return 0, 0
    if fields["publish_ns"] - heard.wall_ns >= grant:
        return grant, 0
    return grant, max(0, min(fields["valid_until_ns"] - heard.wall_ns, grant))


def ahead(kept: list[tuple[dict[str, Any], Heard]]) -> bool:
    """C7: whether the last of them says that the clock is ahead, its anchor found anew."""
    anchor: tuple[int, int] | None = None
    said = False
    for fields, heard in kept:
        grant, life = lifetime(fields, heard)
        said = False
        came_past_its_end = grant > 0 and fields["valid_until_ns"] - heard.wall_ns <= 0
        if life > 0 or not came_past_its_end:
            anchor = None
            continue
        here = (fields["publish_ns"], heard.monotonic_ns)
        if anchor is None or here[0] - anchor[0] > 2 * (here[1] - anchor[1]):
            anchor = here
        else:
            said = here[1] - anchor[1] >= S
    return said


def word(fields: dict[str, Any], symbol: str | None) -> dict[str, Any]:
    """C6: the service's word."""
    cap = fields["cap"]
    if symbol is not None:
        if fields["instrument_cap"] is not None:
            cap = fields["instrument_cap"]
        if symbol in fields["symbols"]:
            cap = fields["symbols"][symbol]["cap"]
    names = ("participation_max", "catchup_multiple_max", "freeze_expansion", "state")
    shown = {name: fields[name] for name in (*names, "epoch", "sequence")}
    return shown | {"cap": cap, "why": None}
