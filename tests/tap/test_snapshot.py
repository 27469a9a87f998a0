"""Mass status: FIX marks neither begin nor end; a part, a failure and nothing are three things."""

import pytest

from reconverge.core.messages.events import MassStatusBegin, MassStatusEnd, MassStatusRow
from reconverge.tap import snapshot
from tests.tap.fixtext import Sent, Tapped, inn, out, tap_messages

Pairs = tuple[tuple[int, str], ...]

ASK = out("AF", 2, (584, "M1"), (585, "7"))


def row(seq: int, order_id: str, *fields: tuple[int, str], header: Pairs = ()) -> Sent:
    body = ((37, order_id), (17, f"X{seq}"), (150, "I"), (39, "0"), (11, f"c-{order_id}"))
    return inn("8", seq, *body, (55, "IBM"), (584, "M1"), *fields, header=header)


def kinds(tapped: Tapped) -> list[str]:
    assert tapped.rejects == []
    return [event.type for event in tapped.events]


def end(tapped: Tapped) -> MassStatusEnd:
    event = tapped.events[-1]
    assert isinstance(event, MassStatusEnd)
    return event


def test_it_ends_with_the_row_that_completes_the_count() -> None:
    """R33."""
    tapped = tap_messages(ASK, row(7, "V1", (911, "2")), row(8, "V2", (911, "2")))
    assert kinds(tapped) == [
        "mass_status_begin", "mass_status_row", "mass_status_row", "mass_status_end",
    ]  # fmt: skip
    assert (end(tapped).rows_total, end(tapped).failed, end(tapped).seq) == (2, False, None)
    rows = [event for event in tapped.events if isinstance(event, MassStatusRow)]
    assert [(each.seq, each.order_id, each.request_id) for each in rows] == [
        (7, "V1", "M1"), (8, "V2", "M1"),
    ]  # fmt: skip


def test_it_ends_with_the_row_that_says_it_is_the_last() -> None:
    tapped = tap_messages(ASK, row(7, "V1", (912, "N")), row(8, "V2", (912, "Y")))
    assert end(tapped).rows_total is None
    assert kinds(tapped).count("mass_status_row") == 2


def test_a_last_row_that_came_too_early_does_not_hide_what_is_missing() -> None:
    """R33: the end states the venue's count, not ours."""
    tapped = tap_messages(ASK, row(7, "V1", (911, "3")), row(9, "V3", (911, "3"), (912, "Y")))
    assert end(tapped).rows_total == 3
    assert kinds(tapped).count("mass_status_row") == 2


def test_a_resent_row_is_the_same_row() -> None:
    again = ((43, "Y"), (122, "20240102-09:29:00"))
    tapped = tap_messages(
        ASK, row(7, "V1", (911, "2")), row(7, "V1", (911, "2"), header=again)
    )  # fmt: skip
    assert kinds(tapped) == ["mass_status_begin", "mass_status_row", "mass_status_row"]


def test_nothing_is_an_answer() -> None:
    """R29: an empty snapshot is complete."""
    nothing = inn("8", 7, (37, "NONE"), (150, "I"), (39, "8"), (584, "M1"), (911, "0"))
    tapped = tap_messages(ASK, nothing)
    assert kinds(tapped) == ["mass_status_begin", "mass_status_end"]
    assert (end(tapped).rows_total, end(tapped).failed, end(tapped).seq) == (0, False, 7)


@pytest.mark.parametrize(
    "refusal",
    [
        inn("8", 7, (37, "NONE"), (150, "8"), (39, "8"), (584, "M1"), (58, "not now")),
        inn("8", 7, (37, "NONE"), (150, "I"), (39, "8"), (584, "M1"), (911, "0"), (103, "0"),
            (58, "not now")),
        inn("j", 7, (45, "2"), (372, "AF"), (379, "M1"), (380, "4"), (58, "not now")),
        inn("j", 7, (45, "2"), (372, "AF"), (380, "4"), (58, "not now")),
        inn("3", 7, (45, "2"), (372, "AF"), (373, "11"), (58, "not now")),
    ],
    ids=["report", "report of none with a reason", "business, by id", "business", "session"],
)  # fmt: skip
def test_a_failed_snapshot_is_not_an_empty_one(refusal: Sent) -> None:
    """R29."""
    tapped = tap_messages(ASK, refusal)
    assert end(tapped).failed
    assert end(tapped).rows_total is None
    assert str(end(tapped).reason).endswith("not now")
    assert [event.seq for event in tapped.events if event.seq == 7] == [7]
    assert kinds(tap_messages(ASK, refusal, row(8, "V1")))[-1] == "execution_report"


@pytest.mark.parametrize(
    "narrowing",
    [
        ((585, "3"), (460, "5")),
        ((585, "8"),),
        ((585, "1"),),
        ((585, "7"), (54, "1")),
        ((585, "7"), (1, "ACC")),
        ((585, "7"), (453, "1"), (448, "ME")),
        ((585, "7"), (336, "DAY")),
    ],
)
def test_a_part_is_no_snapshot(narrowing: Pairs) -> None:
    """R29: orders that a narrowed answer leaves out are not gone."""
    tapped = tap_messages(
        out("AF", 2, (584, "M1"), *narrowing), row(7, "V1", (911, "1"), (912, "Y"))
    )
    assert kinds(tapped) == ["other_message", "execution_report"]


def test_one_instrument_is() -> None:
    begin = tap_messages(out("AF", 2, (584, "M1"), (585, "1"), (55, "IBM"))).events[0]
    assert isinstance(begin, MassStatusBegin)
    assert (begin.request_id, begin.symbol) == ("M1", "IBM")


def test_rows_that_nobody_asked_for_are_reports() -> None:
    assert kinds(tap_messages(row(7, "V1", (911, "1")))) == ["execution_report"]


def test_an_order_reported_meanwhile_is_no_row() -> None:
    filled = inn("8", 7, (37, "V1"), (17, "X"), (150, "F"), (39, "2"), (584, "M1"), (32, "1"))
    assert kinds(tap_messages(ASK, filled))[-1] == "execution_report"


def test_two_snapshots_at_once() -> None:
    tapped = tap_messages(
        ASK, out("AF", 3, (584, "M2"), (585, "7")),
        row(7, "V1", (911, "1")),
        inn("8", 8, (37, "V1"), (17, "X"), (150, "I"), (39, "0"), (584, "M2"), (911, "1")),
    )  # fmt: skip
    ends = [event.request_id for event in tapped.events if isinstance(event, MassStatusEnd)]
    assert ends == ["M1", "M2"]


def test_a_venue_that_never_answers_does_not_fill_the_memory() -> None:
    asked = [out("AF", n, (584, f"M{n}"), (585, "7")) for n in range(1, snapshot.OPEN_MAX + 2)]
    tapped = tap_messages(*asked, row(7, "V1", (911, "1")))
    assert kinds(tapped)[-1] == "execution_report"
