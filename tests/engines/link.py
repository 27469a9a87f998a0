"""The control link between the scenario and one engine process: JSON lines on standard streams.

The child's half reads commands and writes events; the parent's half starts the process, puts its
events on one queue, and ends it. A child whose parent is gone reads end of file and ends itself.
"""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Event = dict[str, Any]

REPOSITORY = Path(__file__).parents[2]
EXIT_DEADLINE_S = 10.0


class ChildLink:
    """The child's half: thread-safe, because engines call back from their own threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def emit(self, event: str, **data: object) -> None:
        """Tell the scenario what the engine saw or did."""
        line = json.dumps({"event": event, **data})
        with self._lock:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    def commands(self) -> Iterator[Event]:
        """Commands, until the parent is gone."""
        for line in sys.stdin:
            yield json.loads(line)


class Child:
    """The parent's half: one engine process and its place on the shared event queue."""

    def __init__(
        self, name: str, module: str, config: Event, inbox: queue.Queue[tuple[str, Event]]
    ) -> None:
        self.name = name
        self.killed = False
        self._inbox = inbox
        self._errors = Path(config["directory"]) / f"{name}.stderr"
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module],
                cwd=REPOSITORY,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._write(config)
        self._reader = threading.Thread(target=self._read, name=f"read {name}", daemon=True)
        self._reader.start()

    def tell(self, do: str, **data: object) -> None:
        """Send one command; the event "exit" tells that a child died."""
        self._write({"do": do, **data})

    def freeze(self) -> None:
        """Stop the process where it stands, and wait until the kernel says it is stopped."""
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)

    def kill(self) -> None:
        """End the process hard, without a word to its peers, and reap it."""
        self.killed = True
        self._process.kill()
        self._process.wait(EXIT_DEADLINE_S)

    def close(self) -> None:
        """End the process, if it still runs, and drain what it said."""
        if self._process.poll() is None:
            self.kill()
        self._reader.join(EXIT_DEADLINE_S)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()

    def errors(self) -> str:
        """What the process wrote on standard error."""
        return self._errors.read_text(errors="replace")

    def _write(self, data: Event) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(data) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._inbox.put((self.name, json.loads(line)))
        self._inbox.put((self.name, {"event": "exit"}))
