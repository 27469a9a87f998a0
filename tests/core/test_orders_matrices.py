"""Appendix D of FIX, row by row: what works is what has leaves and has not ended (R20)."""

import pytest

from reconverge.core.messages.events import ExecutionReport
from tests.core.order_matrices import MATRICES
from tests.core.order_script import Script

ENDED = {"canceled", "expired", "rejected", "done_for_day", "calculated"}


def expected(report: ExecutionReport, working: set[str]) -> None:
    """What the row itself says of its order: leaves above zero, and not ended."""
    ended = report.ord_status in ENDED or (report.exec_type in ENDED and report.leaves_qty == "0")
    assert report.order_id is not None
    (working.discard if ended or report.leaves_qty == "0" else working.add)(report.order_id)


@pytest.mark.parametrize("channel", ["", "DC"])
@pytest.mark.parametrize("name", MATRICES)
def test_after_every_row_working_is_leaves_and_not_ended(name: str, channel: str) -> None:
    """R20, R21, R23, R25-R28: in the entry view, and in the venue's from drop copy."""
    script = Script()
    working: set[str] = set()
    for line in MATRICES[name].strip().splitlines():
        words = line.partition("!")[0].split()
        if words:
            event = script.event([channel + words[0] if words[0] == "<" else words[0], *words[1:]])
            script.orders.apply(event, script.now_ns)
            if isinstance(event, ExecutionReport):
                expected(event, working)
            assert set(script.orders.working(venue=bool(channel))) == working, line
    assert not script.orders.working(venue=not channel)


@pytest.mark.parametrize("name", MATRICES)
def test_every_request_of_a_matrix_is_answered_in_it(name: str) -> None:
    """R27: rejects answer too, and an end for good leaves nothing to wait for.

    F.1.b answers a second order under the first one's id; D.2.d and G.1.a leave nothing open.
    """
    orders = Script().run(MATRICES[name])
    assert orders.in_flight_total == 0
