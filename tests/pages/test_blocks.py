"""Every code block of the documentation does what it shows.

Python blocks run one after another, with the set-up that `SET_UP` states for their page. Every
`reconverge` command of the shell blocks is parsed, and those that need no Kafka run in their order.
Logs that a page names are those of the recorded incident.
"""

import ast
import inspect
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from reconverge.cli import app
from tests.embedded import Embedded
from tests.pages.pages import PAGES, blocks, commands, name
from tests.rooms import ROOT

INCIDENT = ROOT / "service/reconverge/demo/incident"
LOGS: Final = {
    "ENTRY.log": "entry.log", "DROPCOPY.log": "drop-copy.log",
    "entry.log": "entry.log", "entry.event.log": "entry.event.log", "dropcopy.log": "drop-copy.log",
}  # fmt: skip
"""The names that pages give to the logs of the incident."""
WORDS: Final = {"OURS": "FIRM"}
"""What a reader would put in, for the logs of the incident."""
NEED_NO_KAFKA: Final = {("tap", "fix-log"), ("replay",), ("policy", "check"), ("policy", "diff")}

PYTHON = [page for page in PAGES if blocks(page, "python")]
SHELL = [page for page in PAGES if any(commands(page, "reconverge"))]


class Provider:
    """A desk's identity provider."""

    async def access_token(self) -> str:
        return "a token"


SET_UP: Final[dict[str, Callable[[], dict[str, Any]]]] = {
    "README.md": lambda: {"normal_participation": 0.5},
    "docs/configuration.md": lambda: {"my_identity_provider": Provider()},
}


async def played(page: Path, broker: str) -> dict[str, Any]:
    """The names after the blocks of a page, its Kafka being an embedded one."""
    names = SET_UP.get(name(page), dict)()
    for block in blocks(page, "python"):
        text = block.replace("kafka:9092", broker)
        code = compile(text, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        waiting = eval(code, names)
        if inspect.isawaitable(waiting):
            await waiting
    return names


@pytest.mark.parametrize("page", PYTHON, ids=name)
async def test_python_blocks_run(page: Path) -> None:
    broker = Embedded()
    broker.touch("caps")
    names = await played(page, broker.address)
    if name(page) == "README.md":
        assert names["participation"] == 0.025, "nothing was heard yet: the router's own safe cap"
    if name(page) == "docs/configuration.md":
        assert await names["token"]() == "a token"


def parse(words: list[str]) -> None:
    """Raises UsageError for words that the command line does not take."""
    called: Any = get_command(app)  # typer carries click within it, and exports no types
    context = called.make_context(words[0], words[1:])
    while isinstance(called, TyperGroup):
        rest = [*context._protected_args, *context.args]
        if not rest and called.invoke_without_command:
            break
        name, called, words = called.resolve_command(context, rest)
        context = called.make_context(name, words, parent=context)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a reader stands who follows a page."""
    monkeypatch.chdir(tmp_path)
    for there, recorded in LOGS.items():
        shutil.copy(INCIDENT / recorded, there)
    return tmp_path


@pytest.mark.parametrize("page", SHELL, ids=name)
def test_commands_are_as_the_command_line_has_them(page: Path, folder: Path) -> None:
    for command in commands(page, "reconverge"):
        words = ["entry.log" if word.startswith("/") else word for word in command.words]
        for word in words:
            if Path(word).suffix in {".toml", ".json", ".jsonl"}:
                Path(word).touch()
        parse(words)


@pytest.mark.parametrize("page", SHELL, ids=name)
def test_commands_that_need_no_kafka_run(page: Path, folder: Path) -> None:
    for command in commands(page, "reconverge"):
        words = [WORDS.get(word, word) for word in command.words[1:]]
        called = tuple(word for word in words[:2] if not word.startswith("-") and "." not in word)
        if called not in NEED_NO_KAFKA or "--to-kafka" in words:
            continue
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, f"{command.words}: {done.stderr}"
        if command.output:
            Path(command.output).write_text(done.stdout)
