"""A drill as a table: the part of docs/chaos.md that is written by `make chaos`."""

import os
import re
from pathlib import Path
from typing import Final

from tests.chaos.drill import Outcome, Seen
from tests.chaos.faults import FAULTS

_HEAD: Final = (
    "| fault | count | longest cap gap | allowed then | slowness then"
    " | longest without a valid cap |"
)
_REGION: Final = re.compile(r"(<!-- drill -->\n).*?(<!-- /drill -->)", re.DOTALL)


def render(outcome: Outcome) -> str:
    """Markdown."""
    found, plan = outcome.found, outcome.plan
    intro = (
        f"{outcome.seconds / 60:.0f} minutes, seed {plan.seed}: {len(outcome.seen)} faults under"
        f" {plan.events_per_s:.0f} events/s of {plan.desks} sessions on {plan.partitions}"
        f" partitions, session timeout {plan.session_s:g} s; load average {outcome.load:.1f} on"
        f" {os.cpu_count()} processors."
    )
    lines = [
        intro,
        "",
        _HEAD,
        "|---|---:|---:|---:|---:|---:|",
        *(_row(fault.name, of) for fault in FAULTS if (of := _of(outcome, fault.name))),
        "",
        "| inputs acknowledged | folded | lost | doubled |",
        "|---:|---:|---:|---:|",
        f"| {outcome.sent} | {found.inputs} | {found.lost} | {found.doubled} |",
        "",
        _account(outcome),
    ]
    if outcome.wrong:
        lines += ["", "**Not as promised:**", "", *(f"- {what}" for what in outcome.wrong)]
    return "\n".join(lines)


def _account(outcome: Outcome) -> str:
    found = outcome.found
    ends = ", ".join(f"{count} {how}" for how, count in sorted(outcome.ends.items()))
    met = ", ".join(f"`{name}` {count}" for name, count in sorted(outcome.conditions.items()))
    return (
        f"{found.outputs} outputs of {found.batches} batches by {found.claims} owners, each derived"
        f" again byte for byte; {found.repeated} events sent twice, {found.dropped} caps that"
        f" routers drop, {found.ignored} journal records that do not count, {found.set_aside}"
        f" inputs set aside. Processes: {ends}. Conditions met: {met or 'none'}."
    )


def write(outcome: Outcome, page: Path) -> None:
    """Put it in its place on the page."""
    text = page.read_text()
    page.write_text(_REGION.sub(lambda found: f"{found[1]}{render(outcome)}\n{found[2]}", text))


def _of(outcome: Outcome, name: str) -> list[Seen]:
    return [seen for seen in outcome.seen if seen.fault.name == name]


def _row(name: str, seen: list[Seen]) -> str:
    worst = max(seen, key=lambda one: one.silence_s)
    blind_s = max(one.blind_s for one in seen)
    gap = f"{worst.silence_s:.1f} s | {worst.allowed_s:.1f} s | {worst.slowness:.1f}"
    return f"| {name} | {len(seen)} | {gap} | {blind_s:.1f} s |"
