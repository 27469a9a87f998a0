"""Record the incident with real FIX engines: the firm's logs, and the venue's own truth.

`python -m tests.engines.record --out DIR [--fix-version 4.4] [--seed N]`, or `run_incident`.
"""

import argparse
import contextlib
import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from tests.engines.book import Book
from tests.engines.incident import Facts, Incident, Variant
from tests.engines.link import Child
from tests.engines.messages import BEGIN_STRING, Version
from tests.engines.stage import (
    BACKUP,
    CLIENT,
    DROP_COPY,
    FIRM,
    PRIMARY,
    VENUE,
    Expected,
    Stage,
    reserved_port,
)
from tests.engines.trader import MIDS

VariantName = Literal[
    "incident",
    "chunked-resend",
    "reset-mode",
    "reset-on-logon",
    "in-session-reset",
    "next-expected",
    "possible-resend",
]
VARIANTS: dict[VariantName, Variant] = {
    "incident": Variant(),
    "chunked-resend": Variant(chunk_size=4),
    "reset-mode": Variant(reset_mode=True),
    "reset-on-logon": Variant(reset_on_logon=True),
    "in-session-reset": Variant(in_session_reset=True),
    "next-expected": Variant(next_expected=True),
    "possible-resend": Variant(possible_resend=True),
}
STEPS = 50  # of 0.3 s at pace 1, before the failure; half as many again after the repair
RESEND_INTERVAL_S = 0.2  # between two replayed messages, at pace 1


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded run: the firm's logs as QuickFIX wrote them, and the venue's truth beside them.

    The message logs hold both directions. Only the event log of order entry says when the link
    broke. The logs end with both sessions up and at rest.
    """

    entry_log: Path
    entry_event_log: Path
    drop_copy_log: Path
    truth_path: Path

    @property
    def truth(self) -> dict[str, Any]:
        """The venue's account at the end, and the facts of the incident (see README.md there).

        "expected" maps a moment ("gap_open", "end") to a stream ("order-entry", "drop-copy"), to a
        side ("firm", "venue"), to its engine's next outgoing ("sender") and next expected incoming
        ("target") number; the gap is read open where the firm has to ask for a resend.
        """
        truth: dict[str, Any] = json.loads(self.truth_path.read_text())
        return truth


def run_incident(
    out_dir: Path,
    *,
    fix_version: Version = "4.4",
    pace: float = 1.0,
    steps: int = STEPS,
    seed: int = 1,
    variant: VariantName = "incident",
) -> Recording:
    """Run one incident on loopback and leave its recording in `out_dir`.

    `pace` scales every pause (1.0 is the real timeline of about 50 s, 0.1 the fastest useful one);
    `steps` is the number of trading actions before the failure; half as many again follow the
    repair.
    Raises TimeoutError, naming what was awaited, when an engine does not do its part, and
    ChildProcessError when one dies by itself.
    """
    options = VARIANTS[variant]
    with tempfile.TemporaryDirectory(prefix="reconverge-engines-") as work:
        stage = Stage(fix_version, Path(work), Book(frozenset(MIDS)))
        incident = Incident(stage, options, pace=pace, seed=seed)
        with contextlib.closing(stage), contextlib.ExitStack() as ports:
            cast = Cast(stage, options, [ports.enter_context(reserved_port()) for _ in range(3)])
            _play(incident, cast, steps, pace)
            return _record(stage, incident.facts, out_dir)


class Cast:
    """Starts the processes of one run: who listens where, and how each is to behave."""

    def __init__(self, stage: Stage, options: Variant, ports: list[int]) -> None:
        self._stage = stage
        self._options = options
        self._ports = ports  # primary, backup, drop copy

    def assemble(self, resend_interval_s: float) -> tuple[Child, Child]:
        """Start every process and connect the firm; return the primary and the standing backup.

        The backup shares the primary's message store: taking over, it continues its numbers. The
        firm tries the primary, and later the backup twice before it tries the primary again.
        """
        stage, (primary_port, backup_port, drop_copy_port) = self._stage, self._ports
        primary = self._gateway(PRIMARY, "VENUE", primary_port)
        backup = self._gateway(
            BACKUP,
            "VENUE",
            backup_port,
            hold_resend=self._options.resend_is_requested,
            resend_interval_s=resend_interval_s,
        )
        drop_copy = self._gateway(DROP_COPY, "VENUE-DC", drop_copy_port)
        stage.start(
            FIRM,
            CLIENT,
            entry_ports=[primary_port, backup_port, backup_port],
            drop_copy_port=drop_copy_port,
            chunk_size=self._options.chunk_size,
            next_expected=self._options.next_expected,
            reset_on_logon=self._options.reset_on_logon,
        )
        for name in (PRIMARY, BACKUP, DROP_COPY, FIRM):
            stage.until_said(name, "ready")
        for child in (primary, drop_copy):
            child.tell("open")
            stage.until_said(child.name, "open")
        stage.put_in_charge(primary)
        stage.tell_firm("connect")
        return primary, backup

    def _gateway(self, name: str, sender: str, port: int, **replay: object) -> Child:
        config = {
            "sender": sender,
            "target": "FIRM",
            "port": port,
            "store": str(self._stage.directory / f"{sender}-store"),
            "hold_resend": False,
            "resend_interval_s": 0.0,
            "reset_mode": self._options.reset_mode,
            "next_expected": self._options.next_expected and sender == "VENUE",
        }
        return self._stage.start(name, VENUE, **config | replay)


def _play(incident: Incident, cast: Cast, steps: int, pace: float) -> None:
    """Call the phases of the incident in order."""
    primary, backup = cast.assemble(RESEND_INTERVAL_S * pace)
    incident.logon()
    incident.trade(steps, oddities=True)
    incident.fail(primary, backup)
    incident.reconnect()
    incident.replay()
    incident.repair()
    incident.trade(steps // 2)
    incident.reset_in_session()
    incident.trade(steps)
    incident.finish()


def _record(stage: Stage, facts: Facts, out_dir: Path) -> Recording:
    """Copy the firm's logs between two equal readings of every engine's numbers."""
    out_dir.mkdir(parents=True, exist_ok=True)
    ends = _expected(stage)
    while True:
        recording = Recording(
            entry_log=_copy_log(stage, out_dir / "entry.log", "VENUE.messages"),
            entry_event_log=_copy_log(stage, out_dir / "entry.event.log", "VENUE.event"),
            drop_copy_log=_copy_log(stage, out_dir / "drop-copy.log", "VENUE-DC.messages"),
            truth_path=out_dir / "truth.json",
        )
        ends, before = _expected(stage), ends
        if ends == before:
            break
    facts.now("end")
    facts.expected["end"] = ends
    text = json.dumps(_truth(stage, facts), indent=1, sort_keys=True)
    recording.truth_path.write_text(text + "\n")
    return recording


def _expected(stage: Stage) -> dict[str, dict[str, Expected]]:
    """Every engine's numbers, by stream and side."""
    gateways = {"order-entry": BACKUP, DROP_COPY: DROP_COPY}
    return {
        stream: {"firm": stage.expected(FIRM, stream), "venue": stage.expected(name)}
        for stream, name in gateways.items()
    }


def _copy_log(stage: Stage, target: Path, name: str) -> Path:
    """Copy one of the firm's logs, byte for byte, under a plain name."""
    prefix = f"{BEGIN_STRING[stage.version]}-FIRM"
    source = stage.directory / FIRM / "log" / f"{prefix}-{name}.current.log"
    return Path(shutil.copyfile(source, target))


def _truth(stage: Stage, facts: Facts) -> dict[str, Any]:
    """The venue's own account at the end; prices are decimal strings, quantities integers."""
    orders = [
        asdict(order) | {"leaves": order.leaves, "price": str(order.price), "paid": str(order.paid)}
        for order in stage.book.orders.values()
    ]
    fills = [asdict(fill) | {"price": str(fill.price)} for fill in stage.book.fills.values()]
    return {
        "fix_version": stage.version,
        "orders": orders,
        "working": [order.order_id for order in stage.book.working()],
        "fills": fills,
        **asdict(facts),
    }


def main() -> None:
    """Record one run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.engines.record", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="directory of the recording")
    parser.add_argument("--fix-version", choices=get_args(Version), default="4.4")
    parser.add_argument("--variant", choices=get_args(VariantName), default="incident")
    parser.add_argument("--pace", type=float, default=1.0, help="scales every pause")
    parser.add_argument(
        "--steps", type=int, default=STEPS, help="trading actions before the failure"
    )
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    recording = run_incident(
        options.out,
        fix_version=options.fix_version,
        pace=options.pace,
        steps=options.steps,
        seed=options.seed,
        variant=options.variant,
    )
    print(recording.truth_path.parent)  # noqa: T201


if __name__ == "__main__":
    main()
