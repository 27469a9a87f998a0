"""A process that is stuck ends, whatever still holds its event loop."""

import subprocess
import sys

SCRIPT = """
import asyncio, sys
from reconverge.cli.run import _give_up
from reconverge.ops.logging import configure
from reconverge.stream.service import Stalled

async def holds_on():
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass

async def main():
    configure("info", "json")
    stuck = asyncio.create_task(holds_on())
    await asyncio.sleep(0)
    _give_up(Stalled("the worker of partition 3 is stuck"))

asyncio.run(main())
"""


def test_it_ends_with_its_reason_logged() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 3
    assert "the worker of partition 3 is stuck" in done.stderr
