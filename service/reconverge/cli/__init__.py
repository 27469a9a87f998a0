"""The command line: composes the rooms, and holds nothing that one of them should.

A command is imported when it is called: what one of them needs (Kafka, FIX, Arrow) is no burden on
the start of the others, and need not be installed for them.
"""

from importlib import import_module
from typing import Annotated, Any, Final

try:
    import typer
    from typer.core import TyperGroup
except ImportError:
    raise SystemExit(
        "reconverge: the command is not part of the client. Install the service:"
        " pip install 'reconverge[service]'"
    ) from None

import reconverge
from reconverge.cli.exits import TABLE

COMMANDS: Final = {
    "run": "run:run",
    "demo": "demo:demo",
    "tap": "tap:app",
    "replay": "replay:replay",
    "audit": "audit:audit",
    "explain": "explain:explain",
    "export": "export:export",
    "episodes": "episodes:app",
    "sink": "sink:app",
    "dlq": "dlq:app",
    "topics": "topics:topics",
    "doctor": "doctor:doctor",
    "watch": "watch:watch",
    "schema": "contract:schema",
    "policy": "policy:app",
    "safe-mode": "control:safe_mode",
    "attest": "control:attest",
    "session": "session:app",
}
"""Where each command is: a module of this room, and a function or group in it."""


class Commands(TyperGroup):
    """The commands, imported when they are asked for."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - as typer calls it
        """Their names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """One of them, or None."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(":")
        found: Any = getattr(import_module(f"reconverge.cli.{module}"), name)
        if not isinstance(found, typer.Typer):
            alone = typer.Typer(add_completion=False, rich_markup_mode="markdown")
            alone.command(cmd_name)(found)
            found = alone
        command = typer.main.get_command(found)
        command.name = cmd_name
        _show_types(command, ctx)
        return command


def _show_types(command: Any, ctx: Any) -> None:
    """Help shows no type for a flag, which takes no value."""
    for param in [*command.params, command.get_help_option(ctx)]:
        if getattr(param, "is_flag", False):
            param.metavar = ""
    for inner in getattr(command, "commands", {}).values():
        _show_types(inner, ctx)


app = typer.Typer(
    name="reconverge",
    help="Measures how far order state has converged after a failover, and turns it into a"
    " participation cap that the router obeys.",
    epilog=f"{TABLE} Settings: RECONVERGE_* variables, a .env file, or the flags of a command"
    " (docs/configuration.md).",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


def _version(*, shown: bool) -> None:
    if shown:
        units = import_module("reconverge.core.messages.units")
        compiled = not (units.__file__ or "").endswith(".py")
        typer.echo(reconverge.__version__ + ", core compiled" * compiled)
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


def main() -> None:
    """The `reconverge` command."""
    app()
