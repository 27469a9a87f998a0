"""The commands that print and check what others rely on: `schema` and `policy`."""

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from reconverge.cli import inputs
from reconverge.cli.exits import Exit, leave
from reconverge.contract import publish
from reconverge.core.control import PolicyRefused, Problem, differences
from reconverge.core.messages.wire import plain

policy_app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Check, compare and apply policies."
)

PolicyFile = Annotated[
    Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead of words.")]


def schema(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", file_okay=False, help="Where the files go.")
    ] = Path("schemas"),
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 if DIR is not current.")
    ] = False,
) -> None:
    """Write the contract for other languages: JSON Schema of each message, and AsyncAPI.

    Prints the files that changed, or with --check those that would.

        reconverge schema schemas

        reconverge schema --check schemas
    """
    try:
        changed = publish.differences(folder) if check else publish.write(folder)
    except OSError as error:
        leave(Exit.ENVIRONMENT, [error])
    for path in changed:
        typer.echo(folder / path)
    raise typer.Exit(Exit.FOUND if check and changed else Exit.DONE)


@policy_app.command("check")
def check_policy(file: PolicyFile, *, as_json: AsJson = False) -> None:
    """Say whether a policy holds together; every problem at once, with file and key.

    Prints its id, version and content hash when it does.
    """
    problems: tuple[Problem, ...] = ()
    found: dict[str, Any] = {"file": str(file)}
    try:
        found["policy"] = plain(inputs.policy(file).ref)
    except PolicyRefused as refused:
        problems = refused.problems
    found["problems"] = [problem._asdict() for problem in problems]
    if as_json:
        typer.echo(orjson.dumps(found))
    elif problems:
        for key, detail in problems:
            typer.echo(f"{file}: {key}: {detail}", err=True)
    else:
        ref = found["policy"]
        typer.echo(f"{file}: {ref['id']} version {ref['version']} holds together ({ref['hash']})")
    raise typer.Exit(Exit.FOUND if problems else Exit.DONE)


@policy_app.command("diff")
def diff_policies(before: PolicyFile, after: PolicyFile, *, as_json: AsJson = False) -> None:
    """Tell in words what changes from one policy to another, and whether it becomes tighter."""
    changes = differences(inputs.policy_or_end(before), inputs.policy_or_end(after))
    if as_json:
        typer.echo(orjson.dumps([change._asdict() for change in changes]))
        return
    table = Table("setting", "before", "after", "", "meaning", box=None, pad_edge=False)
    for change in changes:
        table.add_row(
            change.key, str(change.before), str(change.after), change.direction, change.description
        )
    Console().print(table if changes else "no difference")
