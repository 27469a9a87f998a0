"""Mass status answers, which in FIX have no begin and no end of their own (R29, R33)."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final

from reconverge.core.messages.events import MassStatusEnd, MassStatusRow, StreamEvent
from reconverge.tap import fields, reports, tags
from reconverge.tap.fields import Envelope
from reconverge.tap.wire import FixMessage

OPEN_MAX: Final = 64
"""Requests awaiting rows; a venue that never answers must not grow this without bound. The oldest
is forgotten."""

_ORDER_STATUS, _REJECTED = "I", "8"
_UNKNOWN_ORDER: Final = "5"  # OrdRejReason: the venue knows of no order, which is an answer


@dataclass(slots=True)
class _Request:
    seq: int  # our number of the request
    rows: set[int] = field(
        default_factory=set
    )  # the venue's numbers of its rows: a resent one is the same row


class Snapshots:
    """The mass status requests of one session that are still open."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, _Request] = OrderedDict()

    def dump(self) -> list[Any]:
        """Its state as JSON values; ``load`` restores it."""
        return [[request_id, r.seq, sorted(r.rows)] for request_id, r in self._open.items()]

    def load(self, state: list[Any]) -> None:
        """Inverse of ``dump``."""
        self._open = OrderedDict((each, _Request(seq, set(rows))) for each, seq, rows in state)

    def begin(self, request_id: str, seq: int) -> None:
        """We asked. A request that is sent again stays the one it is."""
        self._open.setdefault(request_id, _Request(seq))
        if len(self._open) > OPEN_MAX:
            self._open.popitem(last=False)

    def refused(self, ref_seq: int | None, ref_id: str | None) -> str | None:
        """The request that a session or business reject refers to, which is thereby over."""
        for request_id, request in self._open.items():
            if ref_id == request_id or (ref_id is None and ref_seq == request.seq):
                del self._open[request_id]
                return request_id
        return None

    def answer(
        self, m: FixMessage, envelope: Envelope, parent_tags: tuple[str, ...]
    ) -> list[StreamEvent] | None:
        """What an execution report adds to an open request; None when it answers none."""
        request_id = m.get(tags.MASS_STATUS_REQ_ID)
        request = self._open.get(request_id) if request_id else None
        if request_id is None or request is None:
            return None
        total = m.integer(tags.TOT_NUM_REPORTS)
        if total == 0 or _is_refusal(m):
            del self._open[request_id]
            return [_no_rows(m, envelope, request_id, total)]
        if m.get(tags.EXEC_TYPE) != _ORDER_STATUS:
            return None
        row = MassStatusRow(
            **envelope, **reports.order_as_reported(m, parent_tags), request_id=request_id
        )
        request.rows.add(envelope["seq"])
        if len(request.rows) != total and not m.flag(tags.LAST_RPT_REQUESTED):
            return [row]
        del self._open[request_id]
        return [row, end(envelope, request_id, rows_total=total)]


def end(
    envelope: Envelope, request_id: str, *, rows_total: int | None = None, failed: str | None = None
) -> MassStatusEnd:
    """An end that no message carries, so without a number; ``failed`` is the reason, if any."""
    unnumbered = envelope | {"seq": None, "poss_dup": False, "poss_resend": False}
    return MassStatusEnd(
        **unnumbered,
        request_id=request_id,
        rows_total=rows_total,
        failed=failed is not None,
        reason=failed or None,
    )


def _is_refusal(m: FixMessage) -> bool:
    """A report about no order at all that says rejected: the request's, not an order's."""
    return m.get(tags.ORD_STATUS) == _REJECTED and m.get(tags.ORDER_ID) in {None, "NONE"}


def _no_rows(
    m: FixMessage, envelope: Envelope, request_id: str, total: int | None
) -> MassStatusEnd:
    """The one report that stands for no rows: empty, or failed, which is not the same (R29)."""
    code = m.get(tags.ORD_REJ_REASON)
    is_empty = total == 0 and code in {None, _UNKNOWN_ORDER}
    return MassStatusEnd(
        **envelope,
        request_id=request_id,
        rows_total=0 if is_empty else None,
        failed=not is_empty,
        reason=None if is_empty else fields.reason(m, tags.ORD_REJ_REASON),
    )
