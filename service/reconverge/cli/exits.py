"""The exit codes of every command, and how a command ends with one."""

from collections.abc import Iterable
from enum import IntEnum
from typing import NoReturn

import typer


class Exit(IntEnum):
    """What a command's end means, the same for all of them."""

    DONE = 0
    FOUND = 1
    """The command did its work and found something wrong in what it was given."""
    USAGE = 2
    """Wrong arguments or settings; nothing was done."""
    ENVIRONMENT = 3
    """A file, the broker or a port could not be used."""


TABLE = (
    "Exit codes: 0 done; 1 something wrong was found; 2 wrong usage or settings; 3 a file, the"
    " broker or a port failed."
)


def leave(code: Exit, reasons: Iterable[object]) -> NoReturn:
    """Say why on standard error, one line a reason, and end."""
    for reason in reasons:
        typer.echo(str(reason), err=True)
    raise typer.Exit(code)
