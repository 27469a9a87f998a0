"""What a call says of itself: the rejects kept in a file, the summary on standard error."""

from collections.abc import Iterator
from dataclasses import fields
from typing import IO, Any, Final

import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from reconverge.tap.framing import Unreadable
from reconverge.tap.pipeline import Counts

SHOWN_MAX: Final = 10
"""Rejects shown on standard error; all of them go to the rejects file."""
_SHOWN_BYTES: Final = 160


class Rejects:
    """Keeps every line that could not be read: the first ones to show, all of them verbatim in a
    file.

    The file reads ``# FILE:LINE: REASON`` and then the line as it was. The tap skips lines that
    start with ``#``, so the file can be mended and read again.
    """

    def __init__(self, file: IO[bytes] | None = None) -> None:
        self._file = file
        self.first: list[Unreadable] = []

    def __call__(self, unreadable: Unreadable) -> None:
        """Keep one."""
        if len(self.first) < SHOWN_MAX:
            self.first.append(unreadable)
        if self._file is not None:
            note = f"# {unreadable.origin}: {unreadable.reason}\n".encode()
            self._file.write(note + unreadable.raw + b"\n")
            self._file.flush()


def as_json(counts: Counts, rejects: Rejects) -> bytes:
    """The summary for machines, one line."""
    shown: list[dict[str, Any]] = [
        {"at": str(each.origin), "reason": each.reason} for each in rejects.first
    ]
    totals = {field.name: getattr(counts, field.name) for field in fields(counts)}
    return orjson.dumps(totals | {"first_rejects": shown})


def show(console: Console, counts: Counts, rejects: Rejects) -> None:
    """The summary for people."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(justify="right", style="bold")
    table.add_column()
    for count, text, style in _rows(counts):
        table.add_row(str(count), escape(text), style=style)
    console.print(table)
    if counts.lenient:
        console.print(
            "[red]What --lenient took was altered after it was sent: it proves nothing.[/]"
        )
    for each in rejects.first:
        text = _printable(each.raw[:_SHOWN_BYTES].replace(b"\x01", b"|"))
        console.print(
            f"[red]{escape(str(each.origin))}[/]: {escape(each.reason)}\n  {escape(text)}",
            soft_wrap=True,  # so that file and line can be searched for
        )
    more = counts.rejects + counts.set_aside + counts.unmodelled - len(rejects.first)
    if more > 0:
        console.print(f"... and {more} more")


def _rows(counts: Counts) -> Iterator[tuple[int, str, str | None]]:
    """What became of everything, in the order of reading: how many, of what, and its colour."""
    yield counts.messages, "FIX messages", None
    for kind, count in counts.events.most_common():
        yield count, f"  {kind}", None
    yield counts.notes, "engine notes and other text", None
    if counts.published is not None:
        yield counts.published, "events published; the topic had the others", None
    for pair, count in counts.other_sessions.most_common():
        yield count, f"messages of another session, {pair}, left out", None
    if counts.unmodelled:
        yield counts.unmodelled, "requests of ours in flight with an unknown size", "yellow"
    for fault, count in counts.degraded.most_common():
        yield count, f"{fault}, first at {counts.first_degraded[fault]}", "yellow"
    for altered, count in counts.lenient.most_common():
        yield count, f"altered messages taken by --lenient: {altered}", "red"
    if counts.set_aside:
        yield counts.set_aside, "messages of which only the number could be used", "red"
    yield counts.rejects, "lines that could not be read", "red" if counts.rejects else None


def _printable(raw: bytes) -> str:
    """A line of anything as text that cannot steer a terminal."""
    text = raw.decode(errors="replace")
    return "".join(character if character.isprintable() else "\N{MIDDLE DOT}" for character in text)
