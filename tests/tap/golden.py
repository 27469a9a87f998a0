"""The golden logs and how each is read.

``python -m tests.tap.golden`` writes what is expected anew: on purpose only, and to be read line by
line before it is committed.
"""

from dataclasses import dataclass, field
from pathlib import Path

from reconverge.core.messages.wire import encode
from reconverge.tap.framing import Unreadable
from reconverge.tap.pipeline import Tap
from reconverge.tap.run import read
from reconverge.tap.source import Log
from reconverge.tap.translate import Identity

LOGS = Path(__file__).parent / "logs"


@dataclass(frozen=True)
class Case:
    """Log files and the options to read them with."""

    name: str
    files: tuple[str, ...]
    identity: Identity = field(default_factory=lambda: Identity("S1"))
    ours: str | None = None
    peers: tuple[str, ...] = ()
    utc_offset_ns: int = 0

    @property
    def expected(self) -> Path:
        return LOGS / f"{self.name}.jsonl"

    def lines(self) -> list[str]:
        """The events as lines, then the rejects as comments."""
        rejects: list[Unreadable] = []
        tap = Tap(self.identity, ours=self.ours, peers=self.peers, on_reject=rejects.append)
        logs = [Log(LOGS / name, self.utc_offset_ns) for name in self.files]
        lines = [encode(event).decode() for event in read(tap, logs)]
        lines += [
            f"# {Path(each.origin.file).name}:{each.origin.line}: {each.reason}" for each in rejects
        ]
        for log in logs:
            log.close()
        return lines


CASES = (
    Case(
        "fix42-quickfix-cpp",
        ("FIX.4.2-DESK-VENUE.messages.current.log", "FIX.4.2-DESK-VENUE.event.current.log"),
        Identity("S1", endpoints={"10.0.0.1:5001": "primary", "10.0.0.2:5001": "backup"}),
    ),
    Case("fix42-without-event-log", ("FIX.4.2-DESK-VENUE.messages.current.log",)),
    Case("fix44-quickfixj-screen", ("quickfixj-screen.log",)),
    Case(
        "fix50sp2-quickfixn-drop-copy",
        ("FIXT.1.1-DESK-DROP.messages.current.log",),
        Identity("S1", is_drop_copy=True, channel="DC1"),
    ),
    Case(
        "fix44-slf4j",
        ("app.log",),
        Identity("S1", gateway="primary"),
        peers=("VENUE",),
        utc_offset_ns=3_600_000_000_000,
    ),
    Case("fix44-pasted", ("pipes.txt",), ours="DESK"),
)

if __name__ == "__main__":
    for case in CASES:
        case.expected.write_text("\n".join(case.lines()) + "\n")
