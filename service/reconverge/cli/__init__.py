"""The command line: composes the rooms, and holds nothing that one of them should.

A command is imported when it is called: what one of them needs (Kafka, FIX, Arrow) is no burden on
the start of the others, and need not be installed for them.
"""

from importlib import import_module
from typing import Annotated, Any, Final

try:
    import typer
    from typer.core import TyperCommand, TyperGroup
except ImportError:
    raise SystemExit(
        "reconverge: the command is not part of the client. Install the service:"
        " pip install 'reconverge[service]'"
    ) from None

import reconverge
from reconverge.cli.exits import TABLE

COMMANDS: Final = {
    "run": (
        "run:run",
        "Run the service: fold what the inputs carry, publish caps, transitions and episodes.",
    ),
    "demo": (
        "demo:demo",
        "Play a recorded failover between real FIX engines through the whole product, and tell it.",
    ),
    "tap": ("tap:app", "Turn real feeds into events."),
    "replay": (
        "replay:replay",
        "Fold files of events with no Kafka at all, and print every effect in order.",
    ),
    "audit": (
        "audit:audit",
        "Derive a session's caps, transitions, episodes and alerts again, and compare every byte.",
    ),
    "explain": ("explain:explain", "Print why a session's cap was what it was at some moment."),
    "export": (
        "export:export",
        "Write one portable file of what a session went through in some span of time.",
    ),
    "episodes": ("episodes:app", "Divergences, with both clocks: the link's and the state's."),
    "sink": (
        "sink:app",
        "Write history as tables (Parquet), check a folder of them, compact old days.",
    ),
    "dlq": (
        "dlq:app",
        "Records that were set aside: `list` them, `show` one, `replay` a mended one.",
    ),
    "topics": (
        "topics:topics",
        "Print the topics that the service needs, with settings; or create those that are missing.",
    ),
    "doctor": (
        "doctor:doctor",
        "Look for what keeps the service from working, and say what to do about it.",
    ),
    "watch": (
        "watch:watch",
        "Show every session live: state, similarity, horizon, confidence, cap, and its age.",
    ),
    "schema": (
        "contract:schema",
        "Write the contract for other languages: JSON Schema of each message, and AsyncAPI.",
    ),
    "policy": ("policy:app", "Check, compare and apply policies."),
    "safe-mode": (
        "control:safe_mode",
        "Latch a session's cap to the policy's safe-mode cap, or release the latch.",
    ),
    "attest": (
        "control:attest",
        "Vouch for what no replay can prove any more: the way out of an unrecoverable gap (R17).",
    ),
    "session": ("session:app", "Retire sessions."),
}
"""Where each command is, a module of this room and a function or group in it; and the first line
of its help, so that the help of all of them imports none."""


class Commands(TyperGroup):
    """The commands, imported when they are asked for."""

    _listing = False
    """Names and first lines are asked for, and nothing else of the commands."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The help of all the commands."""
        self._listing = True
        for param in self.get_params(ctx):
            _show_no_type(param)
        super().format_help(ctx, formatter)
        self._listing = False

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - as typer calls it
        """Their names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """One of them, or None."""
        if cmd_name not in COMMANDS:
            return None
        place, told = COMMANDS[cmd_name]
        if self._listing:
            return TyperCommand(cmd_name, help=told)
        module, _, name = place.partition(":")
        found: Any = getattr(import_module(f"reconverge.cli.{module}"), name)
        if not isinstance(found, typer.Typer):
            alone = typer.Typer(add_completion=False, rich_markup_mode="markdown")
            alone.command(cmd_name)(found)
            found = alone
        command = typer.main.get_command(found)
        command.name = cmd_name
        _show_no_types(command, ctx)
        return command


def _show_no_type(param: Any) -> None:
    if getattr(param, "is_flag", False):
        param.metavar = ""


def _show_no_types(command: Any, ctx: Any) -> None:
    """Help shows no type for a flag, which takes no value."""
    for param in command.get_params(ctx):
        _show_no_type(param)
    for inner in getattr(command, "commands", {}).values():
        _show_no_types(inner, ctx)


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
