"""An independent reading of the recorded logs: simplefix and plain folds, nothing of ours."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import simplefix

from tests.engines.messages import (
    EXEC_TYPE,
    INACTIVE,
    LEAVES_QTY,
    MSG_SEQ_NUM,
    MSG_TYPE,
    ORD_STATUS,
    ORDER_ID,
    POSS_DUP_FLAG,
)
from tests.engines.record import Recording

SENDER_COMP_ID, SENDING_TIME = 49, 52


@dataclass(frozen=True, slots=True)
class Line:
    """One message of a log: when QuickFIX wrote it, and its fields."""

    time: datetime
    fields: dict[int, str]

    @property
    def seq(self) -> int:
        return int(self.fields[MSG_SEQ_NUM])

    @property
    def type(self) -> str:
        return self.fields[MSG_TYPE]

    @property
    def ours(self) -> bool:
        return self.fields[SENDER_COMP_ID] == "FIRM"

    @property
    def poss_dup(self) -> bool:
        return self.fields.get(POSS_DUP_FLAG) == "Y"


def read_log(path: Path) -> list[Line]:
    """Read a QuickFIX message log; every line has to be one whole FIX message."""
    return [_line(raw) for raw in path.read_bytes().splitlines()]


def fix_time(stamp: str) -> datetime:
    """Read a UTC timestamp of FIX, to the microsecond."""
    return datetime.strptime(stamp, "%Y%m%d-%H:%M:%S.%f").replace(tzinfo=UTC)


def _line(raw: bytes) -> Line:
    stamp, _, encoded = raw.partition(b" : ")
    parser = simplefix.FixParser()
    parser.append_buffer(encoded)
    message = parser.get_message()
    assert message is not None
    assert message.encode(raw=True) == encoded
    fields = {int(tag): value.decode() for tag, value in message.pairs}
    return Line(fix_time(stamp.decode()[:-3]), fields)


def first(lines: Iterable[Line], msg_type: str, **criteria: object) -> Line:
    """The first message of a type whose properties are as given."""
    return next(
        line
        for line in lines
        if line.type == msg_type and all(getattr(line, k) == v for k, v in criteria.items())
    )


def working(reports: Iterable[Line]) -> set[str]:
    """OrderIDs still open after a fold of execution reports, each order's last word counting."""
    leaves = {
        line.fields[ORDER_ID]: 0
        if line.fields[ORD_STATUS] in INACTIVE
        else int(line.fields[LEAVES_QTY])
        for line in reports
        if line.type == "8"
    }
    return {order_id for order_id, quantity in leaves.items() if quantity}


def of_exec_type(lines: Iterable[Line], exec_type: str) -> list[Line]:
    """Execution reports of one ExecType."""
    return [line for line in lines if line.type == "8" and line.fields[EXEC_TYPE] == exec_type]


class Run:
    """One recording, read."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.truth = recording.truth
        self.entry = read_log(recording.entry_log)
        self.drop_copy = read_log(recording.drop_copy_log)
        self.from_venue = [line for line in self.entry if not line.ours]
        self.reports = [line for line in self.drop_copy if line.type == "8"]

    def after(self, moment: str) -> list[Line]:
        """The order-entry log from one moment of the incident on."""
        start = self._time(moment)
        return [line for line in self.entry if line.time >= start]

    @property
    def expected_before(self) -> int:
        """The number the firm expected when the link broke."""
        broken = self._time("primary_killed")
        return 1 + max(line.seq for line in self.from_venue if line.time < broken)

    def _time(self, moment: str) -> datetime:
        return datetime.fromtimestamp(self.truth["times_ns"][moment] / 1e9, UTC)


def assert_in_step(run: Run) -> None:
    """Each engine expects what its peer will send, and the logs end there."""
    for stream, log in (("order-entry", run.entry), ("drop-copy", run.drop_copy)):
        firm, venue = (run.truth["expected"]["end"][stream][side] for side in ("firm", "venue"))
        assert firm == {"sender": venue["target"], "target": venue["sender"]}
        last = [line for line in log if not line.ours and not line.poss_dup][-1]
        assert firm["target"] == last.seq + 1
