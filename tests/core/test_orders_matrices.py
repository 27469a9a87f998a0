"""Appendix D of FIX, row by row: what works is what has leaves and has not ended (R20)."""

import pytest

from tests.core.order_matrices import MATRICES
from tests.core.order_script import Script

ENDED = {"canceled", "expired", "rejected", "done_for_day", "calculated"}


def expected(line: str, working: set[str]) -> None:
    """What the row itself says of its order: leaves above zero, and not ended."""
    words = line.split()
    if words[:1] != ["<"] or words[1] == "no":
        return
    _, _, exec_type, status, _, _, leaves, *rest = words
    order = next((word[6:] for word in rest if word.startswith("order:")), "V")
    ended = status in ENDED or (exec_type in ENDED and leaves == "0")
    (working.discard if ended or leaves == "0" else working.add)(order)


@pytest.mark.parametrize("channel", [None, "DC"])
@pytest.mark.parametrize("name", MATRICES)
def test_after_every_row_working_is_leaves_and_not_ended(name: str, channel: str | None) -> None:
    """R20, R21, R23, R25-R28: in the entry view, and in the venue's from drop copy."""
    script = Script()
    working: set[str] = set()
    for line in MATRICES[name].strip().splitlines():
        if line.strip():
            on = f" on:{channel}" if channel and line.split()[0] == "<" else ""
            script.act((line.partition("!")[0] + on).split())
            expected(line, working)
            assert set(script.orders.working(venue=channel is not None)) == working, line
    assert not script.orders.working(venue=channel is None)


@pytest.mark.parametrize("name", MATRICES)
def test_every_request_of_a_matrix_is_answered_in_it(name: str) -> None:
    """R27: rejects answer too, and an end for good leaves nothing to wait for.

    F.1.b answers a second order under the first one's id; D.2.d and G.1.a leave nothing open.
    """
    orders = Script().run(MATRICES[name])
    assert orders.in_flight_total == 0
