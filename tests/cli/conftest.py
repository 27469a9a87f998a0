"""The command as a user runs it: in this process, which is quick, or in one of its own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple, Protocol

import pytest
from typer.testing import CliRunner

from reconverge.cli import app
from tests.embedded import Embedded


class Done(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


class Run(Protocol):
    """Runs `reconverge` with these arguments, in an empty folder, without anybody's settings."""

    def __call__(self, *args: object, **env: str) -> Done: ...


@pytest.fixture(autouse=True)
def nobodys_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("RECONVERGE_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def run() -> Run:
    def call(*args: object, **env: str) -> Done:
        result = CliRunner().invoke(app, list(map(str, args)), env={"COLUMNS": "200"} | env)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Done(result.exit_code, result.stdout, result.stderr)

    return call


@pytest.fixture
def run_process() -> Run:
    def call(*args: object, **env: str) -> Done:
        command = [sys.executable, "-c", "from reconverge.cli import main; main()"]
        done = subprocess.run(
            [*command, *map(str, args)],
            env=os.environ | env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def embedded() -> Embedded:
    return Embedded()
