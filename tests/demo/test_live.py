"""The demo as its user runs it: broker, service, router and all, an exit code, files at the end."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.demo.pages import incident
from tests.demo.test_incident import PATH, TRUTH

SPEED = 4
DELAY_S = 0.25  # of this machine, at either end of an interval
pytestmark = [pytest.mark.live, pytest.mark.slow]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a demo has left its files; it ended with exit code 0."""
    out = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "reconverge.cli", "demo", "--speed", str(SPEED)]
    subprocess.run([*command, "--out", str(out)], check=True, timeout=120)
    return out


@pytest.fixture(scope="module")
def told(folder: Path) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads((folder / "incident.json").read_bytes())
    return figures


def test_the_socket_hid_what_the_venue_says_it_hid(told: dict[str, Any]) -> None:
    for which, orders in told["misled"].items():
        assert sorted(order["order_id"] for order in orders) == TRUTH[which]


def test_the_figures_are_those_told_without_kafka(told: dict[str, Any]) -> None:
    real = incident()
    assert told["link_down_s"] == pytest.approx(real.link_down_s, abs=0.05)
    for figure in ("diverged_s", "reentry_s", "sdl_reentry_s"):
        assert told[figure] == pytest.approx(getattr(real, figure), abs=DELAY_S * SPEED), figure
    assert [step["state"] for step in told["steps"]] == PATH


def test_story_and_picture_are_left_behind(folder: Path) -> None:
    assert (folder / "incident.txt").read_text().startswith("The link was down for")
    assert (folder / "incident.svg").stat().st_size > 10_000
    assert (folder / "incident.png").read_bytes().startswith(b"\x89PNG")
