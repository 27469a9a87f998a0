"""Log lines: JSON for machines on standard error, the libraries' like our own."""

import json
import subprocess
import sys

SCRIPT = """
import logging, sys, structlog
from reconverge.ops.logging import configure
configure("{level}", "{style}")
log = structlog.get_logger("reconverge.test")
log.debug("quiet")
log.warning("met", partition=3, detail="caf\\u00e9")
logging.getLogger("library").warning("said %s", "so")
logging.getLogger("aiokafka.conn").info("chatter")
try:
    raise ValueError("why")
except ValueError:
    log.exception("failed")
"""


def logged(level: str, style: str) -> str:
    script = SCRIPT.format(level=level, style=style)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""  # it belongs to a command's result
    return done.stderr


def test_json_is_one_object_a_line_with_level_logger_and_utc_time() -> None:
    lines = [json.loads(line) for line in logged("info", "json").splitlines()]
    assert [line["event"] for line in lines] == ["met", "said so", "failed"]
    met, said, failed = lines
    assert (met["level"], met["logger"]) == ("warning", "reconverge.test")
    assert (met["partition"], met["detail"]) == (3, "café")
    assert met["timestamp"].endswith("Z")
    assert said["logger"] == "library"
    assert "ValueError: why" in failed["exception"]


def test_without_a_terminal_auto_is_json() -> None:
    assert all(json.loads(line) for line in logged("debug", "auto").splitlines())


def test_pretty_is_for_people() -> None:
    shown = logged("info", "pretty")
    assert "met" in shown
    assert "partition" in shown
    assert not shown.startswith("{")
