"""Each message type and each code: what it becomes, in both directions."""

import typing

import pytest

from reconverge.contract.schemas import EVENTS
from reconverge.core.messages.events import (
    CancelReject,
    ExecType,
    ExecutionReport,
    GapFill,
    Logon,
    MassCancelReport,
    NewOrder,
    OrderStreamEvent,
    OrdStatus,
    OtherMessage,
    ReplaceRequest,
    ResendRejected,
    ResendRequested,
    SequenceReset,
    UnmodelledRequest,
)
from reconverge.tap import fields, mapping, reports
from reconverge.tap.merge import by_time
from reconverge.tap.translate import Identity
from tests.tap.fixtext import START_NS, Sent, inn, out, pieces, tap, tap_messages

Pairs = tuple[tuple[int, str], ...]

ORDER: Pairs = ((11, "c1"), (55, "IBM"), (54, "1"), (38, "100"), (40, "2"), (44, "9.5"))
REPORT: Pairs = ((37, "V1"), (17, "X1"), (39, "1"), (11, "c1"), (55, "IBM"), (54, "1"))
QUANTITIES: Pairs = ((38, "100"), (14, "40"), (151, "60"), (32, "40"), (31, "9.5"))


def one(m: Sent, identity: Identity | None = None) -> OrderStreamEvent:
    """The only event of a message."""
    tapped = tap_messages(m, identity=identity)
    assert tapped.rejects == []
    (event,) = tapped.events
    return event


def report(*changes: tuple[int, str]) -> ExecutionReport:
    body = dict((*REPORT, *QUANTITIES, (150, "F"))) | dict(changes)
    event = one(inn("8", 5, *((tag, value) for tag, value in body.items() if value)))
    assert isinstance(event, ExecutionReport)
    return event


@pytest.mark.parametrize(("code", "exec_type"), reports.EXEC_TYPES.items())
def test_every_exec_type(code: str, exec_type: ExecType) -> None:
    assert report((150, code)).exec_type == exec_type


def test_no_exec_type_of_the_contract_is_left_out() -> None:
    reached = {*reports.EXEC_TYPES.values(), *reports.EXEC_TRANS_TYPES.values()}
    assert reached == set(typing.get_args(ExecType))


@pytest.mark.parametrize(
    ("trans", "exec_type"), [("0", "trade"), *reports.EXEC_TRANS_TYPES.items()]
)
def test_fix42_transaction_types_come_first(trans: str, exec_type: ExecType) -> None:
    assert report((150, "1"), (20, trans)).exec_type == exec_type


@pytest.mark.parametrize(("code", "status"), fields.ORD_STATUSES.items())
def test_every_order_status(code: str, status: OrdStatus) -> None:
    assert report((39, code)).ord_status == status


def test_no_order_status_of_the_contract_is_left_out() -> None:
    assert set(fields.ORD_STATUSES.values()) == set(typing.get_args(OrdStatus))
    assert fields.ORD_STATUSES["8"] == "rejected"
    assert fields.ORD_STATUSES["E"] == "pending_replace"


def test_only_fills_have_a_last_quantity() -> None:
    """FIX 4.2 requires 31 and 32 on every report."""
    for code in reports.EXEC_TYPES:
        event = report((150, code), (32, "0"), (31, "0"))
        is_fill = event.exec_type in {"trade", "trade_correct", "trade_cancel"}
        assert (event.last_qty, event.last_px) == (("0", "0") if is_fill else (None, None))


@pytest.mark.parametrize(("code", "side"), fields.SIDES.items())
def test_every_side_with_a_direction(code: str, side: str) -> None:
    event = one(out("D", 2, *(dict(ORDER) | {54: code}).items()))
    assert isinstance(event, NewOrder)
    assert event.side == side


@pytest.mark.parametrize("code", ["7", "8", "9", "A", "B", "C", "Z"])
def test_a_side_without_a_direction_is_not_guessed(code: str) -> None:
    assert report((54, code)).side is None
    tapped = tap_messages(out("D", 2, *(dict(ORDER) | {54: code}).items()))
    assert isinstance(tapped.events[0], UnmodelledRequest)
    assert tapped.events[0].seq == 2
    assert tapped.rejects[0].reason.endswith(f"Side (54) {code} has no direction")
    assert (tapped.tap.counts.unmodelled, tapped.tap.counts.rejects) == (1, 0)


@pytest.mark.parametrize(
    ("fields", "persistent"),
    [
        (((59, "0"),), False),
        (((59, "1"),), True),
        (((59, "6"),), True),
        (((59, "3"),), False),
        (((59, "0"), (18, "1 H")), True),
        (((59, "0"), (18, "n")), True),
        (((59, "1"), (18, "Q G")), False),
        (((59, "1"), (18, "o")), False),
    ],
)
def test_orders_that_survive_a_disconnect(fields: Pairs, persistent: bool) -> None:
    """R26: cancel-on-disconnect excludes them."""
    order = one(out("D", 2, *ORDER, *fields))
    assert isinstance(order, NewOrder)
    assert order.persistent == report(*fields).persistent == persistent


def test_a_report_that_does_not_say_so_is_not_taken_for_either() -> None:
    assert report().persistent is None


def test_market_orders_have_no_price() -> None:
    assert report((40, "1"), (44, "0")).price is None
    assert report((40, "2"), (44, "0")).price == "0"
    assert report((40, "4"), (44, "7"), (99, "8")).price == "7"


def test_an_order_id_of_none_is_no_id() -> None:
    """R22: the venue's id identifies an order; NONE would make all unknown orders one."""
    assert report((37, "NONE")).order_id is None


def test_the_security_id_stands_in_for_a_symbol() -> None:
    assert report((55, "[N/A]"), (48, "US4592001014")).symbol == "US4592001014"
    assert report((55, ""), (48, "IBM.N")).symbol == "IBM.N"


def test_the_parents_id_is_where_the_desk_puts_it() -> None:
    fields = (*ORDER, (583, "P1"), (526, "P2"), (7001, "P3"))
    for tags, parent in ((mapping.PARENT_TAGS, "P1"), (("7002", "7001"), "P3"), (("7002",), None)):
        event = one(out("D", 2, *fields), Identity("S1", parent_tags=tags))
        assert isinstance(event, NewOrder)
        assert event.parent_id == parent
    order = one(out("D", 2, *ORDER, (526, "P2")))
    assert isinstance(order, NewOrder)
    assert order.parent_id == "P2"


def test_requests_need_what_the_contract_needs() -> None:
    """R37: what lacks it is in flight all the same; without an id nobody can say what it is."""
    lacking = {55: "Symbol (55)", 54: "Side (54)", 38: "OrderQty (38)"}
    for tag, name in lacking.items():
        event = one_of(out("D", 2, *(pair for pair in ORDER if pair[0] != tag)))
        assert isinstance(event, UnmodelledRequest)
        assert event.reason == f"no {name}"
    event = one_of(out("D", 2, *ORDER[1:]))
    assert isinstance(event, OtherMessage)
    assert event.seq == 2
    assert (event.set_aside or "").startswith("no ClOrdID (11); and no id")


def one_of(m: Sent) -> OrderStreamEvent:
    """The only event of a message of which something is told."""
    tapped = tap_messages(m)
    assert tapped.rejects
    (event,) = tapped.events
    return event


@pytest.mark.parametrize(
    ("field", "written", "reason"),
    [
        ("34", "", "no MsgSeqNum (34)"),
        ("34", "34=-5", "tag 34 left out: '-5' is not a number"),
        ("34", "34=9223372036854775808", "tag 34 left out: '9223372036854775808' is larger"),
        ("49", "", "no SenderCompID (49)"),
    ],
)
def test_what_cannot_be_placed_leaves_a_gap(field: str, written: str, reason: str) -> None:
    """R19: only what cannot be read at all."""
    for line in altered(field, written):
        tapped = tap(by_time([pieces(line)]))
        assert tapped.events == []
        (reject,) = tapped.rejects
        assert reject.reason.startswith(reason)


@pytest.mark.parametrize(
    ("field", "written", "why"),
    [("35", "", "no MsgType (35)"), ("35", "35=0|nonsense", "the fields cannot be told apart")],
)
def test_what_cannot_be_used_has_used_its_number(field: str, written: str, why: str) -> None:
    """R19: no gap is opened that no resend could close."""
    for line in altered(field, written):
        tapped = tap(by_time([pieces(line)]))
        (event,) = tapped.events
        assert isinstance(event, OtherMessage)
        assert event.seq == 5
        assert (event.set_aside or "").startswith(why)
        assert (tapped.tap.counts.set_aside, tapped.tap.counts.rejects) == (1, 0)


@pytest.mark.parametrize(
    ("field", "written", "tag"),
    [
        ("52", "", "52"),
        ("52", "52=yesterday", "52"),
        ("52", "52=16000101-00:00:00", "52"),
        ("35", "35=0|43=maybe", "43"),
        ("35", "35=0|x=1", "?"),
    ],
)
def test_one_odd_field_of_the_header_degrades_that_field(
    field: str, written: str, tag: str
) -> None:
    """R19. Where the line has no time either, the time is that of the line before."""
    for line in altered(field, written):
        tapped = tap(by_time([pieces(line)]))
        (event,) = tapped.events
        assert (event.type, event.seq, tapped.rejects) == ("heartbeat", 5, [])
        assert tapped.tap.counts.degraded == {f"tag {tag} left out": 1}
        if line.startswith(b"2024"):
            assert event.event_ns == START_NS


def altered(field: str, written: str) -> tuple[bytes, bytes]:
    """A heartbeat with one field of the header otherwise, on a line without a time and with one."""
    fields = inn("0", 5).encode().decode()[:-1].split("\x01")[2:-1]
    kept = (written if each.split("=")[0] == field else each for each in fields)
    body = "".join(f"{each}\x01" for each in "|".join(filter(None, kept)).split("|"))
    text = f"8=FIX.4.4\x019={len(body)}\x01{body}".encode()
    text += b"10=%03d\x01\n" % (sum(text) % 256)
    return text, b"20240102-09:30:00 : " + text


@pytest.mark.parametrize("body", [((7, "1"),), ((16, "1"),), ()])
def test_a_resend_request_without_a_range_says_nothing(body: Pairs) -> None:
    event = one_of(inn("2", 5, *body))
    assert isinstance(event, OtherMessage)
    assert event.set_aside in {"no EndSeqNo (16)", "no BeginSeqNo (7)"}


def test_a_resent_message_happened_when_it_was_first_sent() -> None:
    again = ((43, "Y"), (122, "20240102-09:29:00"))
    event = one(inn("0", 5, header=again))
    assert event.poss_dup
    assert event.ingest_ns - event.event_ns == 60 * 10**9
    assert not event.poss_resend
    assert one(inn("0", 5, header=((97, "Y"),))).poss_resend


def test_our_own_resends_are_marked() -> None:
    event = one(out("D", 5, *ORDER, header=((43, "Y"), (122, "20240102-09:29:00"))))
    assert (event.outbound, event.poss_dup) == (True, True)


@pytest.mark.parametrize(("end", "to_seq"), [("0", None), ("999999", None), ("12", 12)])
def test_resend_requests(end: str, to_seq: int | None) -> None:
    for m in (out("2", 5, (7, "3"), (16, end)), inn("2", 5, (7, "3"), (16, end))):
        event = one(m)
        assert isinstance(event, ResendRequested)
        assert (event.outbound, event.from_seq, event.to_seq) == (m.outbound, 3, to_seq)


def test_both_reset_modes() -> None:
    """R1-R3: a gap fill uses its own number, a reset does not."""
    fill = one(inn("4", 5, (123, "Y"), (36, "9")))
    assert isinstance(fill, GapFill)
    assert (fill.seq, fill.new_seq) == (5, 9)
    for mode in (((123, "N"),), ()):
        reset = one(inn("4", 5, *mode, (36, "9")))
        assert isinstance(reset, SequenceReset)
        assert reset.new_seq == 9


def test_logons() -> None:
    event = one(inn("A", 5, (108, "30"), (141, "Y"), (789, "77")), Identity("S1", venue="cme"))
    assert isinstance(event, Logon)
    assert (event.heartbeat_ms, event.reset_numbers, event.next_expected) == (30_000, True, 77)
    assert event.venue == "cme"


def test_cancel_rejects() -> None:
    body = ((37, "NONE"), (11, "c2"), (41, "c1"), (39, "8"), (102, "1"), (58, "unknown"))
    for code, response_to in (("1", "cancel"), ("2", "replace")):
        event = one(inn("9", 5, *body, (434, code)))
        assert isinstance(event, CancelReject)
        assert (event.response_to, event.reason) == (response_to, "102=1 unknown")
        assert event.order_id is None
    for code in ("3", ""):  # FIX 4.0 does not have it; what it does is the same (R27)
        event = one(inn("9", 5, *body, *(((434, code),) if code else ())))
        assert isinstance(event, CancelReject)
        assert event.response_to == "cancel"


def test_replaces() -> None:
    event = one(out("G", 5, *ORDER, (41, "c0"), (37, "V1")))
    assert isinstance(event, ReplaceRequest)
    assert (event.orig_cl_ord_id, event.qty, event.order_id) == ("c0", "100", "V1")


@pytest.mark.parametrize(
    "fields",
    [
        ((372, "2"), (45, "9")),
        ((45, "3"),),  # FIX 4.2 need not name the type: our request had this number
    ],
)
@pytest.mark.parametrize("msg_type", ["3", "j"])
def test_a_refused_resend_releases_its_range(msg_type: str, fields: Pairs) -> None:
    """R12."""
    request = out("2", 3, (7, "1"), (16, "0"))
    event = tap_messages(request, inn(msg_type, 5, *fields, (58, "too old"))).events[-1]
    assert isinstance(event, ResendRejected)
    assert (event.seq, event.reason) == (5, "too old")


def test_mass_cancel_reports_in_each_version() -> None:
    """R33: fragments say so."""
    group = ((534, "2"), (41, "c1"), (535, "V1"), (41, "c2"), (535, "V2"))
    for m, orders_ in (
        (inn("r", 5, (11, "m"), (530, "7"), (531, "7"), (533, "2"), *group), ("V1", "V2")),
        (inn("r", 5, (11, "m"), (531, "7"), (534, "1"), (41, "c1")), ("c1",)),
        (inn("BZ", 5, (11, "m"), (1373, "3"), (1375, "1"), (893, "N"), *group), ("V1", "V2")),
    ):
        event = one(m)
        assert isinstance(event, MassCancelReport)
        assert event.accepted
        assert event.affected_orders == orders_
        assert event.last_fragment == (m.msg_type == "r")
    refused = one(inn("r", 5, (11, "m"), (531, "0"), (532, "1")))
    assert isinstance(refused, MassCancelReport)
    assert not refused.accepted
    for m in (inn("BZ", 5, (1373, "1"), (1375, "1")), out("CA", 5, (11, "m"), (1373, "1"))):
        assert isinstance(one(m), OtherMessage)
    assert one(out("CA", 5, (11, "m"), (1373, "3"))).type == "mass_cancel_request"


@pytest.mark.parametrize("row", mapping.rows(), ids=lambda row: row.msg_type)
def test_what_goes_the_other_way_only_uses_its_number(row: mapping.Row) -> None:
    """An acceptor's log, or the copy of a request: nothing that we asked of this venue."""
    if row.way != "both":
        wrong_way = inn(row.msg_type, 5) if row.way == "sent" else out(row.msg_type, 5)
        event = one(wrong_way)
        assert isinstance(event, OtherMessage)
        assert (event.seq, event.msg_type) == (5, row.msg_type)


@pytest.mark.parametrize("msg_type", ["1", "B", "H", "AE", "K", "S", "U1", "n"])
def test_any_other_message_uses_up_its_number(msg_type: str) -> None:
    for m in (inn(msg_type, 5), out(msg_type, 5)):
        event = one(m)
        assert isinstance(event, OtherMessage)
        assert (event.seq, event.msg_type, event.outbound) == (5, msg_type, m.outbound)


def test_every_event_the_table_names_is_one_of_the_contract() -> None:
    assert {row.event for row in mapping.rows()} <= EVENTS.keys()


def test_a_channel_of_several_sessions_is_told_apart() -> None:
    """The reports of others use up their numbers; what concerns the channel concerns them all."""
    identity = Identity("S1", is_drop_copy=True, only=(("128", "DESK-A"), ("57", "A")))
    body = (*REPORT, *QUANTITIES, (150, "F"))
    for field, kind in (
        ((128, "DESK-A"), "execution_report"),
        ((57, "A"), "execution_report"),
        ((128, "DESK-B"), "other_message"),
        ((58, "A"), "other_message"),
    ):
        event = one(inn("8", 5, *body, header=(field,)), identity)
        assert (event.type, event.seq) == (kind, 5)
    for msg_type, kind in (("0", "heartbeat"), ("5", "logout"), ("A", "logon")):
        assert one(inn(msg_type, 5), identity).type == kind


def test_another_pair_of_comp_ids_has_numbers_of_its_own() -> None:
    """R14."""
    talk = [inn("0", 5), inn("0", 1, theirs="BACKUP"), inn("0", 6)]
    assert [event.segment for event in tap_messages(*talk).events] == [None, "BACKUP", None]
    tapped = tap_messages(*talk, peers=("BACKUP", "VENUE"))
    assert [event.segment for event in tapped.events] == ["VENUE", None, "VENUE"]


def test_marks() -> None:
    entry = one(inn("0", 5))
    assert (entry.session, entry.gateway, entry.channel) == ("S1", "VENUE", None)
    copy = one(inn("0", 5), Identity("S2", is_drop_copy=True))
    assert (copy.session, copy.gateway, copy.channel) == ("S2", "VENUE", "VENUE")
    named = one(inn("0", 5), Identity("S2", is_drop_copy=True, channel="DC1", gateway="p"))
    assert (named.gateway, named.channel) == ("p", "DC1")
