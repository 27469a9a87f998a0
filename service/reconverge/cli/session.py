"""The commands `session ...`: what an operator does with a session as a whole."""

from typer import Typer

from reconverge.cli.control import retire_session

app = Typer(add_completion=False, no_args_is_help=True, help="Retire sessions.")
app.command("retire")(retire_session)


@app.callback()
def _group() -> None:
    """Keeps the group a group while it has one command."""


__all__ = ["app"]
