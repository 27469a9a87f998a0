"""Audits while the service runs: now and then one session, in a process of its own.

Off the hot path by construction: the audit has an interpreter, memory and Kafka clients of its own,
yields the processor to the service, and can fail without it.
"""

import asyncio
import os
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from random import SystemRandom
from typing import Any, Final

import orjson
import structlog

from reconverge.config.settings import PREFIX, Settings

_BACK_NS: Final = 15 * 60 * 1_000_000_000
"""How far back a sampled audit looks: further costs a longer fold, and was looked at before."""
_TAKES_S: Final = 600.0
"""An audit that takes longer is given up: the next one would start beside it."""
_NICENESS: Final = 10

_log = structlog.get_logger(__name__)

Audited = Callable[[bool], None]
"""Told of each audit that came to an end: whether every byte was accounted for."""


@asynccontextmanager
async def auditing(
    settings: Settings, sessions: Callable[[], Sequence[str]], audited: Audited
) -> AsyncIterator[None]:
    """Audit a random one of the sessions every so often, as the settings say, during the block."""
    if not settings.audit_every_s:
        yield
        return
    task = asyncio.create_task(_audits(settings, sessions, audited))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _audits(
    settings: Settings, sessions: Callable[[], Sequence[str]], audited: Audited
) -> None:
    while True:
        await asyncio.sleep(settings.audit_every_s)
        served = sessions()
        if not served:
            continue
        session = SystemRandom().choice(served)
        try:
            async with asyncio.timeout(_TAKES_S):
                report = await _report(settings, session)
        except (OSError, TimeoutError, ValueError) as error:
            _log.warning("audit failed", session=session, error=str(error))
            continue
        clean = bool(report["clean"])
        audited(clean)
        if not clean:
            _log.error("audit mismatch", session=session, first=report["first"])


async def _report(settings: Settings, session: str) -> dict[str, Any]:
    """What `reconverge audit` says of a session. Raises ValueError when it cannot say."""
    from_ns = max(0, time.time_ns() - _BACK_NS)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "reconverge.cli", "audit", f"--session={session}",
        f"--from={from_ns}", "--json",
        env=_environment(settings), stdout=PIPE, stderr=PIPE,
    )  # fmt: skip
    try:
        with suppress(OSError):  # it may have ended already
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICENESS)
        told, complaint = await process.communicate()
    finally:
        await _ended(process)
    try:
        report: dict[str, Any] = orjson.loads(told)
    except orjson.JSONDecodeError:
        raise ValueError(complaint.decode(errors="replace").strip()[-1_000:]) from None
    return report


async def _ended(process: Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _environment(settings: Settings) -> dict[str, str]:
    """What flags may have changed; all else is inherited."""
    return os.environ | {
        f"{PREFIX}BOOTSTRAP_SERVERS": settings.bootstrap_servers,
        f"{PREFIX}TOPIC_PREFIX": settings.topic_prefix,
    }
