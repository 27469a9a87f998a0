"""The command `explain`: why a session's cap was what it was at one moment."""

from dataclasses import asdict
from typing import Annotated, Any, Final

import orjson
import typer

from reconverge.audit import Explanation, opened
from reconverge.audit import explain as explained
from reconverge.audit.compare import utc
from reconverge.audit.explain import Moved, Watched
from reconverge.cli import history, inputs
from reconverge.config.settings import Settings

LOOK_BACK_NS: Final = 15 * 60 * 1_000_000_000
"""How far before the moment the inputs are looked at, at least: what last moved a thing longer ago
than this is seldom what one asks about."""


def explain(
    *,
    session: history.Session,
    at_ns: Annotated[int, history.moment("--at", "The moment.")],
    bootstrap_servers: history.Brokers = None,
    topic_prefix: history.Prefix = None,
    as_json: history.AsJson = False,
) -> None:
    """Print why a session's cap was what it was at some moment.

    The cap in force, the state and how it got there, the components of the confidence with the one
    that binds, the gaps of each source, the orders on which the views disagree; and for each of
    these the input that last moved it, by topic and offset. TIME is ISO 8601 or nanoseconds.

        reconverge explain --session DESK-A --at 2026-01-05T14:00:12.5Z
    """
    settings = inputs.settings(bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix)
    found = history.perform(_explain(settings, session, at_ns))
    typer.echo(orjson.dumps(_as_json(found)) if as_json else _told(found))


async def _explain(settings: Settings, session: str, at_ns: int) -> Explanation:
    folds = Watched(inputs.venues(), session)
    async with (
        history.reading(settings, session) as (log, options),
        opened(log, options, folds, max(0, at_ns - LOOK_BACK_NS), at_ns) as past,
    ):
        return await explained(past, folds.watch, session, at_ns)


def _as_json(found: Explanation) -> dict[str, Any]:
    fields = asdict(found)
    fields["components"] = {
        name: {"value": value, "moved": _moved(moved)}
        for name, (value, moved) in found.components.items()
    }
    fields["state_moved"] = _moved(found.state_moved)
    for gaps, one in zip(fields["gaps"], found.gaps, strict=True):
        gaps |= {"moved": _moved(one.moved), "heard": _moved(one.heard)}
    for row, order in zip(fields["orders"], found.orders, strict=True):
        row["entry_moved"] = _moved(order.entry_moved)
        row["venue_moved"] = _moved(order.venue_moved)
    return fields


def _moved(moved: Moved | None) -> dict[str, Any] | None:
    return moved and moved._asdict()


def _told(found: Explanation) -> str:
    return "\n".join([*_cap(found), *_state(found), *_confidence(found), *_rest(found)])


def _cap(found: Explanation) -> list[str]:
    lines = [f"{found.session} at {utc(found.at_ns)} (journal offset {found.journal})"]
    cap = found.cap
    if cap is None:
        return [*lines, "no cap was published: the router was on its own"]
    bound = f"bound by {cap['reason']}, published for {cap['cause']} at {utc(cap['publish_ns'])}"
    lines.append(f"cap {cap['cap']} (epoch {cap['epoch']}, sequence {cap['sequence']}): {bound}")
    if found.expired:
        expired = f"expired at {utc(cap['valid_until_ns'])}"
        lines.append(f"  it had {expired}: the router was on its own")
    return lines


def _state(found: Explanation) -> list[str]:
    path = (f"  {utc(step['at_ns'])} {step['state']}: {step['signal']}" for step in found.path)
    lines = [f"state {found.state}", *path]
    lines.append(f"  link, latch and parking last moved by {_by(found, found.state_moved)}")
    lines += [f"  parked: {found.parked}"] * bool(found.parked)
    lines += ["  the safe-mode latch is set"] * found.safe_mode
    return lines


def _confidence(found: Explanation) -> list[str]:
    lines = [f"confidence {found.confidence:g}, {found.binding or 'nothing'} binds"]
    for name, (value, moved) in found.components.items():
        lines.append(f"  {name} {value:g}: {_by(found, moved)}")
    return lines


def _rest(found: Explanation) -> list[str]:
    lines = ["sources"]
    for one in found.gaps:
        gaps = ", ".join(f"{a}-{'' if b is None else b}" for a, b in one.open_gaps) or "no gap"
        lost = f", {one.unrecoverable} unrecoverable" if one.unrecoverable else ""
        lines.append(f"  {one.source}: {gaps}{lost}: {_by(found, one.moved)}")
        lines.append(f"    last heard: {_by(found, one.heard)}")
    lines.append(f"{found.disagreeing} orders disagree")
    for order in found.orders:
        waiting = f", in flight {', '.join(order.in_flight)}" if order.in_flight else ""
        since = f"since {utc(order.since_ns)}"
        lines.append(f"  {order.order} {order.symbol} {since}{waiting}")
        lines.append(f"    entry {order.entry}: {_by(found, order.entry_moved)}")
        lines.append(f"    venue {order.venue}: {_by(found, order.venue_moved)}")
    policy = found.policy
    lines.append(f"policy {policy['id']} version {policy['version']} ({policy['hash']})")
    return lines + [f"note: {notice}" for notice in found.notices]


def _by(found: Explanation, moved: Moved | None) -> str:
    if moved is None:
        return "nothing" if found.begin_ns < 0 else f"nothing since {utc(found.begin_ns)}"
    if moved.topic is None:
        return f"{moved.event}, {utc(moved.at_ns)}"
    return f"{moved.topic}@{moved.offset} {moved.event}, {utc(moved.at_ns)}"
