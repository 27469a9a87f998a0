"""Reports that another message carries, and reports on the legs of an order."""

from collections.abc import Callable

import pytest
import simplefix

from reconverge.core.messages.events import (
    CancelReject,
    ExecutionReport,
    OrderStreamEvent,
    OtherMessage,
)
from reconverge.tap.translate import Identity
from tests.tap.fixtext import FORMATS, START_NS, Sent, Tapped, inn, pieces, tap, tap_messages

DC = Identity("S1", is_drop_copy=True, channel="DC")
FILL = (
    (37, "V1"), (11, "A1"), (17, "E2"), (20, "0"), (150, "1"), (39, "1"), (55, "ACME"), (54, "1"),
    (38, "100"), (32, "40"), (31, "10.5"), (14, "40"), (151, "60"),
)  # fmt: skip

Wrap = Callable[[bytes], bytes]
WRAPS: dict[str, Wrap] = {
    "as CME documents it": lambda inner: b"<RTRF>" + inner + b"</RTRF>",
    "bare": lambda inner: inner,
    "a document": lambda inner: b'<?xml version="1.0"?><RTRF>' + inner + b"</RTRF>",
    "its last delimiter stripped": lambda inner: b"<RTRF>" + inner[:-1] + b"</RTRF>",
    "pipes within": lambda inner: b"<RTRF>" + inner.replace(b"\x01", b"|") + b"</RTRF>",
}


def carrier(
    seq: int, inner: Sent, wrap: Wrap, *, at_ms: int = 0, header: tuple[tuple[int, str], ...] = ()
) -> Sent:
    """A message of the drop-copy session that carries another."""
    data = wrap(inner.encode()).decode()
    return inn("n", seq, (212, str(len(data))), (213, data), at_ms=at_ms, header=header)


def report(seq: int = 77, *header: tuple[int, str]) -> Sent:
    """The order-entry session's own report, under numbers and ids of that session."""
    return inn("8", seq, *FILL, ours="TRADER", theirs="CME", begin="FIX.4.2", header=header)


def the_fill(tapped: Tapped, seq: int) -> ExecutionReport:
    assert tapped.rejects == []
    (event,) = tapped.events
    assert isinstance(event, ExecutionReport)
    assert (event.seq, event.session, event.channel) == (seq, "S1", "DC")
    assert (event.order_id, event.exec_id, event.leaves_qty) == ("V1", "E2", "60")
    return event


@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS)
@pytest.mark.parametrize("form", FORMATS)
def test_a_carried_report_is_unwrapped_in_every_delimiter(form: str, wrap: Wrap) -> None:
    """Under the channel's number: the inner one is the order-entry session's."""
    text = FORMATS[form](carrier(5, report(), wrap))
    if wrap is not WRAPS["pipes within"] or b"\x01" in text:  # else nobody knows which were pipes
        the_fill(tap(pieces(text), DC), 5)


@pytest.mark.parametrize("form", FORMATS)
def test_what_follows_a_carried_report_is_read(form: str) -> None:
    talk = [inn("0", 4), carrier(5, report(), WRAPS["as CME documents it"]), inn("0", 6)]
    tapped = tap(pieces(b"".join(map(FORMATS[form], talk))), DC)
    assert [(event.type, event.seq) for event in tapped.events] == [
        ("heartbeat", 4), ("execution_report", 5), ("heartbeat", 6),
    ]  # fmt: skip


def test_a_length_that_is_wrong_is_no_matter_where_the_document_is_the_last_field() -> None:
    data = f"<RTRF>{report().encode().decode()}</RTRF>"
    for length in (len(data) + 3, 5):
        the_fill(tap_messages(inn("n", 5, (212, str(length)), (213, data)), identity=DC), 5)


def test_the_time_is_the_channels_own() -> None:
    late = carrier(5, report(), WRAPS["bare"], at_ms=700)
    assert the_fill(tap_messages(late, identity=DC), 5).event_ns == START_NS + 700_000_000


def test_a_report_that_was_itself_sent_again_may_have_been_seen() -> None:
    """R5: under a new number of the channel it is no duplicate of a number."""
    again = report(77, (43, "Y"), (122, "20240102-09:29:00"))
    event = the_fill(tap_messages(carrier(5, again, WRAPS["bare"]), identity=DC), 5)
    assert (event.poss_dup, event.poss_resend) == (False, True)


def test_a_carrier_sent_again_is_a_duplicate_of_its_number() -> None:
    header = ((43, "Y"), (122, "20240102-09:29:00"))
    m = carrier(5, report(), WRAPS["bare"], header=header)
    event = the_fill(tap_messages(m, identity=DC), 5)
    assert (event.poss_dup, event.poss_resend) == (True, False)


def test_a_carried_reject_of_a_cancel() -> None:
    reject = inn("9", 78, (37, "V1"), (11, "A2"), (41, "A1"), (39, "1"), (434, "1"), theirs="CME")
    (event,) = tap_messages(carrier(5, reject, WRAPS["bare"]), identity=DC).events
    assert isinstance(event, CancelReject)
    assert (event.seq, event.cl_ord_id) == (5, "A2")


@pytest.mark.parametrize("msg_type", ["A", "5", "0", "2", "4", "3", "D"])
def test_anything_else_that_is_carried_is_another_sessions(msg_type: str) -> None:
    """An inner logout ends no channel, and an inner reset restarts none."""
    inner = inn(msg_type, 1, (36, "9"), (7, "1"), (16, "0"), ours="TRADER", theirs="CME")
    (event,) = tap_messages(carrier(5, inner, WRAPS["bare"]), identity=DC).events
    assert isinstance(event, OtherMessage)
    assert (event.seq, event.msg_type, event.set_aside) == (5, "n", None)


def test_a_document_that_carries_none_is_no_report() -> None:
    for data in ("<FIXML/>", "8=FIX.4.2", "", "<RTRF></RTRF>", "8=FIX.4.2\x019=5\x01"):
        tapped = tap_messages(inn("n", 5, (212, str(len(data))), (213, data)), identity=DC)
        assert [event.type for event in tapped.events] == ["other_message"]


def test_whose_it_is_may_be_said_within() -> None:
    for value, kind in (("TRADER", "execution_report"), ("OTHER", "other_message")):
        identity = Identity("S1", is_drop_copy=True, channel="DC", only=(("56", value),))
        (event,) = tap_messages(carrier(5, report(), WRAPS["bare"]), identity=identity).events
        assert (event.type, event.seq) == (kind, 5)


def test_the_inner_message_is_read_as_it_stands() -> None:
    """Its own BodyLength and CheckSum are not the channel's: the carrier's vouch for its bytes."""
    broken = report().encode().replace(b"10=", b"10=9")[:-1] + b"\x01"
    data = broken.decode()
    parser = simplefix.FixParser()
    parser.append_buffer(data)
    the_fill(tap_messages(inn("n", 5, (212, str(len(data))), (213, data)), identity=DC), 5)


# Reports on legs.

SUMMARY = ((442, "3"), (55, "ESM6-ESU6"), (38, "10"), (32, "4"), (31, "1"), (14, "4"), (151, "6"))
LEG = ((442, "2"), (55, "ESM6"), (38, "10"), (32, "4"), (31, "5000"), (14, "4"), (151, "0"))


def leg(*changes: tuple[int, str], seq: int = 5) -> OrderStreamEvent:
    body = dict(((37, "V1"), (11, "A1"), (17, "L1"), (150, "F"), (39, "2"), (54, "1"), *LEG))
    body |= dict(changes)
    (event,) = tap_messages(inn("8", seq, *((tag, v) for tag, v in body.items() if v))).events
    return event


def test_a_fill_of_a_leg_books_on_the_leg() -> None:
    """R38: the spread is executed by its summary, and not once more by each leg."""
    event = leg()
    assert isinstance(event, ExecutionReport)
    assert (event.order_id, event.cl_ord_id, event.symbol) == ("V1/ESM6", None, "ESM6")
    assert (event.last_qty, event.last_px, event.exec_id) == ("4", "5000", "L1")
    assert (event.order_qty, event.cum_qty, event.leaves_qty) == (None, None, "0")
    assert (event.exec_type, event.ord_status) == ("trade", "filled")


def test_legs_of_one_instrument_are_told_apart_by_their_id() -> None:
    first, second = leg((654, "1")), leg((654, "2"), (17, "L2"))
    assert isinstance(first, ExecutionReport)
    assert isinstance(second, ExecutionReport)
    assert (first.order_id, second.order_id) == ("V1/1", "V1/2")


def test_the_summary_is_the_spreads() -> None:
    (event,) = tap_messages(
        inn("8", 5, (37, "V1"), (11, "A1"), (17, "S1"), (150, "F"), (39, "1"), (54, "1"), *SUMMARY)
    ).events
    assert isinstance(event, ExecutionReport)
    assert (event.order_id, event.cl_ord_id, event.leaves_qty) == ("V1", "A1", "6")


def test_a_report_on_a_leg_that_is_no_fill_says_nothing_of_quantities() -> None:
    event = leg((150, "4"), (39, "4"), (32, ""), (31, ""))
    assert isinstance(event, ExecutionReport)
    assert (event.order_id, event.exec_type) == ("V1", "canceled")
    assert (event.order_qty, event.cum_qty, event.leaves_qty) == (None, None, None)


def test_a_leg_of_no_order_is_set_aside() -> None:
    event = leg((37, ""), (11, ""))
    assert isinstance(event, OtherMessage)
    assert "442=2" in (event.set_aside or "")
