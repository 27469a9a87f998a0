"""Log lines that do not flood: the first of a kind at once, then one a minute with their number."""

import logging
import time
from typing import Final

log: Final = logging.getLogger("reconverge.client")
"""The client's own lines."""

_EVERY_S: Final = 60.0
"""An outage of an hour is sixty lines of each kind."""
_KINDS_MAX: Final = 1_000
"""Kinds told apart: far more than aiokafka has."""


class Throttle(logging.Filter):
    """Passes one record of a kind a minute: of one logger, with one text before its figures."""

    def __init__(self) -> None:
        super().__init__()
        self._passed: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record may be written; one that may says how many may not have been."""
        if len(self._passed) > _KINDS_MAX:
            self._passed.clear()
        kind = record.name, str(record.msg)
        now_s = time.monotonic()
        passed_s, held = self._passed.get(kind, (-_EVERY_S, 0))
        if now_s - passed_s < _EVERY_S:
            self._passed[kind] = passed_s, held + 1
            return False
        self._passed[kind] = now_s, 0
        if held:
            record.msg = f"{record.msg} ({held} more like it in the last minute)"
        return True


_throttle: Final = Throttle()


def quieten() -> None:
    """Throttle our own lines and aiokafka's, which writes thousands in an outage."""
    for name in [log.name, *logging.root.manager.loggerDict]:
        if name == log.name or name.split(".")[0] == "aiokafka":
            logging.getLogger(name).addFilter(_throttle)  # a second time it changes nothing
