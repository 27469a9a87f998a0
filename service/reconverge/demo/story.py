"""The account in plain words. Says what ``account`` found, and computes nothing of its own."""

import math
from collections.abc import Iterable, Iterator
from textwrap import wrap
from typing import Final

from reconverge.core.messages.effects import State
from reconverge.demo.account import Account, Left, Order, Replay, Snapshot

_WIDTH: Final = 88
_INDENT: Final = " " * 11
_BEFORE_S: Final = 4.0
"""Time before the failure of which the caps are told: those in force when it came."""
_REASONS: Final = {"in_flight": "requests had no answer, for too long already"}
"""What binds a cap before a failure, where that says something of it."""
_SIGNALS: Final = {
    "hard_failure": "the link broke",
    "silent_divergence": "the views parted with the link up",
    "ambiguity": "order truth is in doubt",
    "parity_unproven": "nothing proves that the views agree",
    "path_clear": "the link is back, nothing is in doubt",
    "recovery_begun": "the link is back, a replay is under way",
    "recovery_failed": "the replay came to nothing",
    "parity_lost": "the views parted again",
    "parity_proven": "no gap, both views agree, and held so",
    "sla_held": "confidence held for the SLA",
    "probation_over": "probation is over: the episode closes",
}


def tell(account: Account) -> str:
    """The incident, for a person who has never heard of it."""
    parts = ("\n".join(part) for part in _parts(account))
    return "\n\n".join(part for part in parts if part) + "\n"


def _parts(a: Account) -> Iterator[Iterable[str]]:
    yield _clocks(a)
    yield _socket(a)
    yield _unanswered(a)
    yield _recovery(a.replay, a.snapshot)
    yield _path(a)
    yield _warnings(a)
    yield _times(a)
    yield _notes(a)


def _clocks(a: Account) -> Iterator[str]:
    times = f"{a.diverged_s / a.link_down_s:.1f} times as long"
    yield f"The link was down for      {a.link_down_s:6.2f} s"
    yield f"The state was diverged for {a.diverged_s:6.2f} s    {times}"


def _socket(a: Account) -> Iterator[str]:
    phantom, unknown = a.misled.believed_not_working, a.misled.working_not_believed
    count = len(phantom) + len(unknown)
    yield f"When the socket was back, a router that trusted it was wrong about {_orders(count)}:"
    yield from _believed("believed working, and were not", phantom)
    yield from _believed("working, and not believed so", unknown)


def _believed(what: str, orders: tuple[Order, ...]) -> Iterator[str]:
    qty, notional = sum(o.qty for o in orders), sum(o.notional for o in orders)
    yield f"{len(orders):4}  {what:32}{qty:8,.0f} shares, notional {notional:,.0f}"
    if orders:
        yield from _listed([order.order_id for order in orders])


def _unanswered(a: Account) -> Iterator[str]:
    if a.in_flight:
        yield f"{len(a.in_flight):4}  requests had no answer when the link broke:"
        yield from _listed(a.in_flight)


def _recovery(replay: Replay, snapshot: Snapshot | None) -> Iterator[str]:
    ranges = " and ".join(
        f"from {first}" if last is None else f"{first} to {last}"
        for first, last in replay.requested
    )
    yield "What recovered it:"
    yield (
        f"{replay.closed_s:+7.2f} s  a replay: {replay.missing} numbers were missing; resends were"
        f" asked for, {ranges};"
    )
    yield f"{_INDENT}{replay.messages} messages came again, the rest was gap-filled"
    if snapshot:
        yield (
            f"{snapshot.complete_s:+7.2f} s  a mass status of {_orders(snapshot.rows)}, which"
            " settled what no replay brought back:"
        )
        for left in snapshot.left:
            yield f"{_INDENT}{_left(left)}"


def _left(left: Left) -> str:
    name = f"{left.order} ({left.symbol})"
    if left.in_flight and left.venue.startswith("unknown"):
        return f"{name}: sent, and the venue never had it"
    entry, venue = (view.removesuffix(" 0") for view in (left.entry, left.venue))
    return f"{name}: {entry} as far as the socket said, {venue} at the venue"


def _path(a: Account) -> Iterator[str]:
    yield "State and cap:"
    before = [cap for cap in a.caps if -_BEFORE_S < cap.at_s < a.steps[0].at_s]
    if before:
        why = _REASONS.get(before[-1].reason, "")
        yield _row("before", State.HEALTHY, [cap.cap for cap in before], why)
    for step, until_s in zip(a.steps, [*(s.at_s for s in a.steps[1:]), math.inf], strict=True):
        caps = [cap.cap for cap in a.caps if step.at_s <= cap.at_s < until_s]
        yield _row(f"{step.at_s:+.2f} s", step.state, caps, _SIGNALS[step.signal])


def _row(at: str, state: State, caps: list[float], why: str) -> str:
    return f"{at:>9}  {state:19} {_range(caps):14}  {why}".rstrip()


def _range(caps: list[float]) -> str:
    if not caps:
        return ""
    first, last = caps[0], caps[-1]
    return f"{first:.2f}" if first == last else f"{first:.2f} to {last:.2f}"


def _warnings(a: Account) -> Iterator[str]:
    if a.alerts:
        yield "It warned of:"
    for alert in a.alerts:
        yield f"{alert.at_s:+7.2f} s  {alert.name}: {alert.detail}"


def _times(a: Account) -> Iterator[str]:
    dark = f"the path had been dark for {a.dark_s:.2f} s"
    yield f"FDS     {a.fds_s:6.2f} s  from the failure to its detection; {dark}"
    yield f"Re-entry{a.reentry_s:6.2f} s  from there to controlled re-entry"
    if a.sdl_s is not None and a.sdl_reentry_s is not None:
        yield (
            f"SDL     {a.sdl_s:6.2f} s  from confidence over its threshold to the router's"
            f" acknowledgement of normal participation; of re-entry {a.sdl_reentry_s:.2f} s"
        )
    reentered = next(c for c in a.caps if c.state is State.CONTROLLED_REENTRY)
    yield (
        f"Cap at re-entry  {reentered.cap:.2f} for the session,"
        f" {reentered.instrument_cap:.2f} for an instrument that was never in doubt"
    )
    yield (
        f"Backlog  at most {a.backlog.peak:,.0f} shares behind schedule, {a.backlog.peak_s:.1f} s"
        f" after the failure; {a.backlog.end:,.0f} at the end"
    )


def _notes(a: Account) -> Iterator[str]:
    yield f"Session {a.session}, policy {a.policy}."
    yield f"Failure: {a.failure}."
    if a.speed != 1:
        yield (
            f"Played {a.speed:g} times as fast, under a policy that waits {a.speed:g} times as"
            " briefly. Figures are multiplied"
        )
        yield "back to the recording's seconds, and with them the delays of this machine."


def _orders(count: int) -> str:
    return f"{count} order" if count == 1 else f"{count} orders"


def _listed(names: Iterable[str]) -> list[str]:
    indent = " " * 6
    return wrap(", ".join(names), _WIDTH, initial_indent=indent, subsequent_indent=indent)
