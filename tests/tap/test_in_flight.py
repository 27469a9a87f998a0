"""What we sent is in flight, whether or not the contract can hold it (R37)."""

import pytest

from reconverge.core.messages.events import (
    CancelRequest,
    NewOrder,
    OtherMessage,
    ReplaceRequest,
    RequestReject,
    StreamEvent,
    UnmodelledRequest,
)
from tests.tap.fixtext import Sent, inn, out, tap_messages

Fields = tuple[tuple[int, str], ...]
ORDER: Fields = ((11, "A1"), (55, "X"), (54, "1"), (38, "100"), (40, "2"), (44, "10.5"))


def events(*messages: Sent) -> list[StreamEvent]:
    tapped = tap_messages(*messages)
    assert tapped.tap.counts.rejects == 0
    return list(tapped.events)


def unmodelled(m: Sent) -> UnmodelledRequest:
    """The one request of unknown size; said, and no reason for an exit code."""
    tapped = tap_messages(m)
    (event,) = tapped.events
    assert isinstance(event, UnmodelledRequest)
    assert (event.seq, event.outbound) == (m.seq, True)
    assert (tapped.tap.counts.unmodelled, tapped.tap.counts.set_aside) == (1, 0)
    (told,) = tapped.rejects
    assert told.reason == f"in flight, of unknown size: {event.reason}"
    return event


def changed(*changes: tuple[int, str]) -> Fields:
    return tuple((tag, value) for tag, value in (dict(ORDER) | dict(changes)).items() if value)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (((38, ""), (152, "100000")), "CashOrderQty (152) 100000: a cash amount, no quantity"),
        (((38, ""),), "no OrderQty (38)"),
        (((38, "0.1234567891"),), "OrderQty (38): '0.1234567891' has more than 9 decimals"),
        (((38, "0.30000000000000004"),), "has more than 9 decimals"),  # ours: it means what it says
        (((38, "-5"),), "OrderQty (38): '-5' is no quantity"),
        (((54, "8"),), "Side (54) 8 has no direction"),
        (((54, ""),), "no Side (54)"),
        (((55, ""),), "no Symbol (55)"),
    ],
)
def test_an_order_that_cannot_be_held(changes: Fields, reason: str) -> None:
    event = unmodelled(out("D", 2, *changed(*changes)))
    assert reason in event.reason
    assert (event.cl_ord_id, event.orig_cl_ord_id, event.msg_type) == ("A1", None, "D")


def test_trailing_zeros_are_no_decimals() -> None:
    (event,) = events(out("D", 2, *changed((38, "0.12345678900"))))
    assert isinstance(event, NewOrder)
    assert event.qty == "0.123456789"


def test_a_replace_that_cannot_be_held_is_about_its_order() -> None:
    event = unmodelled(out("G", 2, *changed((38, ""), (41, "A0"))))
    assert (event.cl_ord_id, event.orig_cl_ord_id) == ("A1", "A0")


@pytest.mark.parametrize("msg_type", ["AB", "AC"])
def test_a_multileg_order(msg_type: str) -> None:
    legs = ((555, "2"), (600, "M6"), (624, "1"), (600, "U6"), (624, "2"))
    event = unmodelled(out(msg_type, 2, *ORDER, *legs))
    assert (event.cl_ord_id, event.symbol, event.reason) == ("A1", "X", "a multileg order")


def test_a_cross_has_both_sides() -> None:
    sides = ((552, "2"), (54, "1"), (11, "B"), (38, "5"), (54, "2"), (11, "S"), (38, "5"))
    event = unmodelled(out("s", 2, (548, "X1"), (55, "X"), *sides))
    assert (event.symbol, event.side, event.reason) == ("X", None, "a cross")


@pytest.mark.parametrize("msg_type", ["XCN", "U1", "UCR", "F1"])
def test_a_type_of_the_venues_own_that_names_an_order(msg_type: str) -> None:
    """Binance replaces by ``XCN``, say."""
    event = unmodelled(out(msg_type, 2, (11, "A2"), (41, "A1"), (38, "7")))
    assert (event.cl_ord_id, event.orig_cl_ord_id) == ("A2", "A1")
    assert event.msg_type == msg_type


@pytest.mark.parametrize("msg_type", ["H", "Q", "AE", "AF", "c", "CC"])
def test_a_type_of_fixs_own_that_asks_for_no_order(msg_type: str) -> None:
    (event,) = events(out(msg_type, 2, (11, "A1"), (585, "3")))
    assert isinstance(event, OtherMessage)
    assert event.set_aside is None


def test_a_request_whose_answer_could_not_be_told_leaves_its_number() -> None:
    tapped = tap_messages(out("AB", 2, (55, "X")))
    (event,) = tapped.events
    assert isinstance(event, OtherMessage)
    assert (event.seq, event.outbound) == (2, True)
    assert (event.set_aside or "").startswith("a multileg order; and no id")


@pytest.mark.parametrize("msg_type", ["F", "G"])
def test_a_request_about_the_venues_own_id(msg_type: str) -> None:
    """Some venues take no client id: the order is found by theirs all the same (R22)."""
    (event,) = events(out(msg_type, 2, *ORDER, (37, "V1")))
    assert isinstance(event, CancelRequest | ReplaceRequest)
    assert (event.orig_cl_ord_id, event.order_id) == ("V1", "V1")


LIST: Fields = (
    (66, "L1"), (394, "3"), (68, "3"), (73, "3"),
    (11, "A1"), (67, "1"), (55, "X"), (54, "1"), (38, "100"), (40, "2"), (44, "10.5"),
    (11, "A2"), (67, "2"), (55, "Y"), (54, "2"), (38, "50"), (40, "1"),
    (11, "A3"), (67, "3"), (55, "Z"), (54, "1"), (152, "5000"), (40, "1"), (583, "P1"),
)  # fmt: skip


def test_a_list_is_its_orders() -> None:
    """Its number is one, so the first order carries it."""
    first, second, third = events(out("E", 2, *LIST))
    assert isinstance(first, NewOrder)
    assert (first.seq, first.cl_ord_id, first.symbol, first.side) == (2, "A1", "X", "buy")
    assert (first.qty, first.price, first.parent_id) == ("100", "10.5", None)
    assert isinstance(second, NewOrder)
    assert (second.seq, second.cl_ord_id, second.symbol, second.side) == (None, "A2", "Y", "sell")
    assert (second.qty, second.price) == ("50", None)
    assert isinstance(third, UnmodelledRequest)
    assert (third.seq, third.cl_ord_id) == (None, "A3")


@pytest.mark.parametrize("msg_type", ["3", "j"])
def test_a_refused_list_is_every_order_of_it(msg_type: str) -> None:
    refused = inn(msg_type, 2, (45, "2"), (372, "E"), (58, "no lists"), at_ms=5)
    told = events(out("E", 2, *LIST), refused, inn("0", 3, at_ms=6))[3:-1]
    assert all(isinstance(event, RequestReject) for event in told)
    assert [event.seq for event in told] == [2, None, None, None]
    assert {getattr(event, "ref_id", None) for event in told[1:]} == {"A1", "A2", "A3"}
    assert all(getattr(event, "reason", None) == "no lists" for event in told)


def test_a_list_without_orders_leaves_its_number() -> None:
    (event,) = tap_messages(out("E", 2, (66, "L1"), (73, "0"))).events
    assert isinstance(event, OtherMessage)
    assert (event.seq, event.set_aside) == (2, "a list without orders")


def test_what_the_venue_sends_is_no_request_of_ours() -> None:
    for msg_type in ("AB", "E", "s", "XCN", "D"):
        (event,) = events(inn(msg_type, 2, *ORDER))
        assert isinstance(event, OtherMessage)
