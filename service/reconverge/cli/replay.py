"""The fold without Kafka: files of events in, effects out. Time comes from the events alone, or
from the journal where the file is an exported incident.

Files are merged by ingest time; within a file lines keep their order, so an earlier time after a
later one counts as the later. Deadlines that pass between two events fire in between, at their own
time, as they do in the service.
"""

import heapq
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, NoReturn

import orjson
import typer

from reconverge.audit import Foreign, Incident, Step, is_incident
from reconverge.cli import inputs
from reconverge.cli.exits import Exit, leave
from reconverge.core.messages.decode import Undecodable, decode
from reconverge.core.messages.effects import Effect
from reconverge.core.messages.events import Event
from reconverge.core.messages.wire import plain
from reconverge.core.partition import CORE_VERSION, Partition, Rejected
from reconverge.core.session import Session
from reconverge.ops.status import status
from reconverge.stream import CoreFold, CoreFolds

if TYPE_CHECKING:
    from reconverge.sink import Offline, Stamp

Settled = Callable[[int, Sequence[Effect], int, int], None]
"""Told of each settling: its time, what was decided, input records folded, how many were refused.
"""
Refuse = Callable[[str, int, str], None]
"""Told of a line that is set aside: file, line number from 1, why."""

_HORIZON: Final = ("next_expected", "open_gaps", "outstanding", "unrecoverable")
"""What the summary tells of a source."""


class Line(NamedTuple):
    """One readable line of a file."""

    at_ns: int
    """The latest ingest time in the file so far."""
    file: str
    number: int
    event: Event


def read(file: Path, refuse: Refuse) -> Iterator[Line]:
    """The events of one file, in its order; empty lines are skipped, unreadable ones refused."""
    at_ns = 0
    with file.open("rb") as stream:
        for number, raw in enumerate(stream, 1):
            if not raw.strip():
                continue
            try:
                event = decode(raw)
            except Undecodable as fault:
                refuse(str(file), number, str(fault))
                continue
            at_ns = max(at_ns, event.ingest_ns)
            yield Line(at_ns, str(file), number, event)


def fold(
    folded: CoreFold, files: Iterable[Path], settled: Settled, refuse: Refuse, until_ns: int = 0
) -> None:
    """Fold files, telling after each event and deadline what was decided; then let time run on.

    ``until_ns`` is where time ends if the events end earlier. Nanoseconds, UTC.
    """
    merged = heapq.merge(*(read(file, refuse) for file in files), key=attrgetter("at_ns"))
    for line in merged:
        _pass_time(folded, line.at_ns, settled)
        refused = 0
        try:
            folded.apply(line.event, line.at_ns)
        except Rejected as fault:
            refused = 1
            refuse(line.file, line.number, f"rejected: {fault}")
        settled(line.at_ns, folded.settle(line.at_ns), 1, refused)
    _pass_time(folded, until_ns, settled)
    if until_ns > folded.partition.now_ns:
        settled(until_ns, folded.settle(until_ns), 0, 0)


def _pass_time(folded: CoreFold, to_ns: int, settled: Settled) -> None:
    while (due_ns := folded.next_deadline_ns) is not None and due_ns < to_ns:
        settled(due_ns, folded.settle(due_ns), 0, 0)


def summary(partition: Partition, malformed: int) -> dict[str, Any]:
    """The last line: where every session stands. ``malformed`` counts the lines set aside."""
    sessions = {
        name: _end(session, partition.now_ns) for name, session in partition.sessions.items()
    }
    return {"effect": "summary", "sessions": sessions, "malformed": malformed}


def _end(session: Session, now_ns: int) -> dict[str, Any]:
    seen, orders = status(session, now_ns), session.truth.orders
    return {
        "state": seen.state,
        "cap": seen.cap,
        "confidence": seen.confidence,
        "lss": seen.lss,
        "rwh": {
            source: {field: getattr(horizon, field) for field in _HORIZON}
            for source, horizon in seen.rwh.items()
        },
        "working": {"entry": orders.working(venue=False), "venue": orders.working(venue=True)},
    }


def replay(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="EVENTS.jsonl...",
            exists=True,
            dir_okay=False,
            readable=True,
            show_default=False,
            help="Files of events, one JSON object a line, as `reconverge tap` writes them; or one"
            " file of `reconverge export`.",
        ),
    ],
    policy: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", exists=True, dir_okay=False, help="Policy (TOML); else the default."
        ),
    ] = None,
    at_end: Annotated[
        int | None,
        typer.Option(
            metavar="NANOSECONDS",
            min=0,
            max=(1 << 63) - 1,
            help="Let time run on to this moment after the last event (UTC since the epoch), with"
            " a heartbeat a second.",
        ),
    ] = None,
    tables: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="Also write what happened as tables (docs/tables.md); a folder."
        ),
    ] = None,
) -> None:
    """Fold files of events with no Kafka at all, and print every effect in order.

    Deterministic: time comes from the events, and the same files give the same bytes. One JSON
    object a line; the last one, `summary`, says where every session stands.

    A file that `reconverge export` wrote is recognised, and replayed as the service did it: same
    times, same epochs, same bytes; exit code 1 if they are not.

    Lines that cannot be read are reported on standard error with file and line number and counted;
    everything readable is folded all the same, and the exit code is then 1.

        reconverge tap fix-log entry.log --session DESK-A --stream order-entry > entry.jsonl

        reconverge replay entry.jsonl drop-copy.jsonl | jq 'select(.effect == "transition")'
    """
    if any(map(is_incident, files)):
        _replay_incident(files, tables, given=policy is not None or at_end is not None)
    folded = CoreFold(Partition([inputs.policy_or_end(policy)], inputs.venues()))
    refused = _replay_events(folded, files, tables, at_end or 0)
    if at_end is not None and at_end < folded.partition.now_ns:
        typer.echo(f"--at-end is before the last event, at {folded.partition.now_ns}", err=True)
    raise typer.Exit(Exit.FOUND if refused else Exit.DONE)


def _replay_events(folded: CoreFold, files: list[Path], tables: str | None, until_ns: int) -> int:
    """Fold and print, and write tables if asked to. Returns how many lines were refused."""
    recorded = None if tables is None else _recorded(tables)
    if recorded is not None:
        folded = recorded.recorder.over(folded)
    refused = 0

    def refuse(file: str, number: int, why: str) -> None:
        nonlocal refused
        refused += 1
        typer.echo(f"{file}:{number}: {why}", err=True)

    def settled(now_ns: int, effects: Sequence[Effect], records: int, refusals: int) -> None:
        _show(effects)
        if recorded is not None:
            recorded.batch(now_ns, effects, folded.policy_hash, records, refusals)

    with _readable():
        fold(folded, files, settled, refuse, until_ns)
        _print(summary(folded.partition, refused))
    if recorded is not None:
        recorded.close()
    return refused


def _recorded(folder: str) -> "Offline":
    """What writes the tables."""
    from reconverge.sink import Offline, Store  # noqa: PLC0415 - Arrow takes half a second

    return Offline(Store(folder))


def _show(effects: Iterable[Effect]) -> None:
    for effect in effects:
        fields = plain(effect)
        _print({"effect": fields.pop("type"), **fields})


def _print(fields: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(fields) + b"\n")


@contextmanager
def _readable() -> Iterator[None]:
    """Standard output, to whoever reads it, for as long as they do."""
    try:
        yield
        sys.stdout.buffer.flush()
    except BrokenPipeError:  # whoever read has seen enough; nothing is left to flush at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _replay_incident(files: list[Path], tables: str | None, *, given: bool) -> NoReturn:
    """What `reconverge export` wrote: effects as they were published, epochs and all."""
    if len(files) > 1 or given:
        leave(Exit.USAGE, ["an exported incident is replayed alone, under its own policies"])
    recorded = None if tables is None else _recorded(tables)
    try:
        incident = Incident(files[0], _folds(recorded))
        refused, inexact = 0, 0
        with _readable():
            for step in incident.steps():
                for output in step.folded.outputs:
                    if not output.value:  # a tombstone: the session is retired
                        continue
                    fields = orjson.loads(output.value)
                    _print({"effect": fields.pop("type"), **fields})
                for one in step.folded.refused:
                    where = f"{one.record.topic}@{one.record.offset}"
                    typer.echo(f"{where}: {one.disposition}: {one.detail}", err=True)
                refused += len(step.folded.refused)
                inexact += not step.exact
                if recorded is not None:
                    recorded.journalled(_stamp(step, incident), step.folded.effects)
            _print(summary(incident.fold.partition, refused))
        if recorded is not None:
            recorded.close()
    except Foreign as foreign:
        leave(Exit.FOUND, [foreign])
    if inexact:
        leave(Exit.FOUND, [f"{inexact} batches led to other bytes than were published"])
    raise typer.Exit(Exit.DONE)


def _folds(recorded: "Offline | None") -> CoreFolds:
    if recorded is None:
        return CoreFolds(inputs.venues())
    from reconverge.sink import RecordedFolds  # noqa: PLC0415 - as above

    return RecordedFolds(inputs.venues(), recorded.recorder)


def _stamp(step: Step, incident: Incident) -> "Stamp":
    from reconverge.sink import Stamp  # noqa: PLC0415 - as above

    batch, records = step.batch, len(step.batch.records)
    of = (batch.offset, batch.now_ns, batch.epoch, CORE_VERSION, incident.fold.policy_hash)
    return Stamp(*of, records, len(step.folded.refused), 0)
