"""Times on the command line: ISO 8601, UTC unless it says otherwise, or integer nanoseconds."""

import re
from datetime import UTC, datetime

import typer

_FRACTION = re.compile(r"(?<=:\d\d)\.(\d{1,9})")


def parse(text: str) -> int:
    """Nanoseconds since the Unix epoch, UTC; exact to the last of nine decimals.

    Raises typer.BadParameter.
    """
    if text.isdecimal():
        return int(text)
    fraction = _FRACTION.search(text)
    try:
        moment = datetime.fromisoformat(_FRACTION.sub("", text))
    except ValueError:
        example = "2026-01-05T14:00:00.25Z, or nanoseconds since 1970"
        raise typer.BadParameter(f"{text!r} is no time; say it as {example}") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    return seconds * 1_000_000_000 + (int(fraction[1].ljust(9, "0")) if fraction else 0)
