"""The processes of the service in a drill, and the orchestrator that keeps their number.

As in production: what ends is started again at once, whatever ended it; how it ended is noted.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any, Self

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout

_COMMAND = [str(Path(sys.executable).with_name("reconverge")), "run"]
_LOOK_S = 0.1
_STOP_S_MAX = 40.0


class Member:
    """One process. Its log is kept beside the others', JSON lines."""

    def __init__(self, name: str, folder: Path, variables: Mapping[str, str]) -> None:
        self.name = name
        self._log = folder / f"{name}.jsonl"
        self._url = ""
        self.asked_to_leave = False
        own = {"RECONVERGE_MEMBER": name, "RECONVERGE_HTTP_PORT": "0"}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                _COMMAND,
                env={**os.environ, **variables, **own},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()

    def pause(self) -> None:
        """SIGSTOP: a zombie in the making."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT: it does not know that time has passed."""
        self._process.send_signal(signal.SIGCONT)

    def leave(self) -> None:
        """SIGTERM: it is to hand over and end."""
        self.asked_to_leave = True
        self._process.terminate()

    def ended(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.poll()

    def wait(self, seconds_max: float) -> None:
        """Return when it has ended. Raises subprocess.TimeoutExpired."""
        self._process.wait(seconds_max)

    def logged(self) -> list[dict[str, Any]]:
        """What it logged so far; lines that are not its own (a traceback's) are left out."""
        lines = self._log.read_bytes().splitlines()
        return [orjson.loads(line) for line in lines if line[:1] == b"{" and line[-1:] == b"}"]

    def page(self, path: str) -> str:
        """The address of a page; empty before it serves any."""
        if not self._url:
            serving = [line["http"] for line in self.logged() if line["event"] == "serving"]
            self._url = serving[0] if serving else ""
        return self._url and self._url + path


class Fleet:
    """As many members as wanted. A context manager that leaves none behind."""

    def __init__(self, folder: Path, settings: Mapping[str, str], size: int) -> None:
        self._folder = folder
        self._variables = {f"RECONVERGE_{name.upper()}": v for name, v in settings.items()}
        self._numbers = count(1)
        self.size = size
        self.members: list[Member] = []
        self.gone: list[Member] = []
        self.ends: Counter[str] = Counter()
        """How processes ended: `killed`, `left in order`, or `exit code N`."""

    async def __aenter__(self) -> Self:
        self._http = ClientSession(timeout=ClientTimeout(total=2.0))
        self._keeping = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._keeping.cancel()
        await asyncio.wait([self._keeping])
        for member in self.members:
            member.kill()
        for member in self.members:
            await asyncio.to_thread(member.wait, _STOP_S_MAX)
        await self._http.close()

    async def get(self, member: Member, path: str) -> tuple[int, Any]:
        """A page of a member; status 0 while it does not answer."""
        try:
            async with self._http.get(member.page(path)) as answer:
                return answer.status, orjson.loads(await answer.read())
        except (ClientError, TimeoutError, ValueError, OSError):
            return 0, None

    async def ready(self) -> bool:
        """Whether all there should be are there and serve what they are to serve."""
        members = list(self.members)
        answers = await asyncio.gather(*(self.get(member, "/readyz") for member in members))
        return len(members) == self.size and all(status == 200 for status, _ in answers)

    async def sessions(self) -> dict[str, dict[str, Any]]:
        """Every session, as the member says that serves it."""
        answers = await asyncio.gather(*(self.get(m, "/status") for m in list(self.members)))
        found: dict[str, dict[str, Any]] = {}
        for _, page in answers:
            found |= page["sessions"] if page else {}
        return found

    async def dismiss(self) -> None:
        """Ask everyone to leave in order, and wait until they have."""
        self.size = 0
        for member in self.members:
            member.leave()
        leaving = [asyncio.to_thread(member.wait, _STOP_S_MAX) for member in self.members]
        await asyncio.gather(*leaving)
        self._note_ends()

    def _note_ends(self) -> None:
        for member in [m for m in self.members if m.ended() is not None]:
            self.ends[_told(member)] += 1
            self.members.remove(member)
            self.gone.append(member)

    async def _keep(self) -> None:
        while True:
            self._note_ends()
            while len(self.members) < self.size:
                name = f"member-{next(self._numbers)}"
                self.members.append(Member(name, self._folder, self._variables))
            await asyncio.sleep(_LOOK_S)


def _told(member: Member) -> str:
    code = member.ended()
    if code == -signal.SIGKILL:
        return "killed"
    return "left in order" if member.asked_to_leave and code == 0 else f"exit code {code}"
