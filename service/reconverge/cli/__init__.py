"""The command line: composes the rooms, and holds nothing that one of them should."""

from typing import Annotated

import typer

import reconverge
from reconverge.cli import (
    audit,
    contract,
    control,
    demo,
    dlq,
    doctor,
    explain,
    export,
    replay,
    run,
    topics,
    watch,
)
from reconverge.cli.exits import TABLE
from reconverge.cli.tap import app as tap_app
from reconverge.core.messages import units

app = typer.Typer(
    name="reconverge",
    help="Measures how far order state has converged after a failover, and turns it into a"
    " participation cap that the router obeys.",
    epilog=f"{TABLE} Settings: RECONVERGE_* variables, a .env file, or the flags of a command"
    " (docs/configuration.md).",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


def _version(*, shown: bool) -> None:
    if shown:
        compiled = not units.__file__.endswith(".py")
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


app.command()(run.run)
app.command()(demo.demo)
app.add_typer(tap_app, name="tap")
app.command()(replay.replay)
app.command()(audit.audit)
app.command()(explain.explain)
app.command()(export.export)
app.add_typer(dlq.app, name="dlq")
app.command()(topics.topics)
app.command()(doctor.doctor)
app.command()(watch.watch)
app.command()(contract.schema)
app.add_typer(contract.policy_app, name="policy")
contract.policy_app.command("apply")(control.apply_policy)
app.command()(control.safe_mode)
app.command()(control.attest)


def main() -> None:
    """The `reconverge` command."""
    app()
