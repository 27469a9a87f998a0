"""One partition of raw FIX: the same records give the same events, from wherever it goes on."""

import json
from random import Random

import orjson
import pytest

from reconverge.core.messages.events import StreamEvent
from reconverge.core.messages.wire import encode
from reconverge.tap.feed import Feed, Raw
from reconverge.tap.framing import Unreadable
from reconverge.tap.routing import Record, parse_routes
from tests.tap.fixtext import FORMATS, START_NS, Sent, inn, out, tap_messages

MAPPING = parse_routes({
    "rule": [
        {"ours": "DESK", "theirs": ["VENUE", "BACKUP"], "session": "S1", "stream": "order-entry"},
        {"ours": "DC", "session": "{header:desk}", "stream": "drop-copy", "channel": "DC1"},
    ]
})  # fmt: skip
ORDER = ((11, "c1"), (55, "X"), (54, "1"), (38, "10"), (40, "2"), (44, "9.5"))
FILL = (
    (37, "V1"), (17, "x1"), (11, "c1"), (150, "F"), (39, "1"), (55, "X"), (54, "1"), (38, "10"),
    (32, "4"), (31, "9.5"), (14, "4"), (151, "6"),
)  # fmt: skip
ROW = (*FILL[:1], (11, "c1"), (150, "I"), (39, "1"), (584, "r"), (911, "2"))


def talk() -> list[Sent]:
    """A day with everything that must be remembered from one message to the next."""
    return [
        out("A", 1, (108, "30"), at_ms=0), inn("A", 1, (108, "30"), at_ms=1),
        inn("0", 2, at_ms=2), out("D", 2, *ORDER, at_ms=3), inn("8", 3, *FILL, at_ms=4),
        out("E", 3, (66, "L"), *ORDER, at_ms=5), inn("j", 4, (45, "3"), (372, "E"), at_ms=6),
        out("2", 4, (7, "1"), (16, "0"), at_ms=7), inn("3", 5, (45, "4"), at_ms=8),
        out("AF", 5, (584, "r"), (585, "7"), at_ms=9), inn("8", 6, *ROW, at_ms=10),
        inn("8", 7, *ROW, at_ms=11),
        inn("0", 8, at_ms=120_000),  # after two minutes of silence: a heartbeat was missed
        out("A", 6, (108, "30"), at_ms=120_001), inn("A", 9, (108, "30"), at_ms=120_002),
        out("5", 7, at_ms=120_003), inn("5", 10, at_ms=120_004),
        out("A", 1, (108, "30"), theirs="BACKUP", at_ms=120_005),
        inn("A", 1, (108, "30"), theirs="BACKUP", at_ms=120_006),
    ]  # fmt: skip


def raw(m: Sent | bytes, offset: int, **headers: str) -> Raw:
    value = m.encode() if isinstance(m, Sent) else m
    at_ms = (m.at_ns if isinstance(m, Sent) else START_NS) // 1_000_000
    return Raw(offset, at_ms, value, Record("raw", headers, None))


def feed() -> tuple[Feed, list[Unreadable]]:
    rejects: list[Unreadable] = []
    return Feed("raw-0", MAPPING, rejects.append), rejects


def events(made: Feed, *raws: Raw) -> list[tuple[str, StreamEvent]]:
    return [each for one in raws for each in made.events(one)]


def test_a_record_is_what_a_line_of_a_log_is() -> None:
    made, rejects = feed()
    found = [event for _, event in events(made, *(raw(m, n) for n, m in enumerate(talk())))]
    assert rejects == []
    expected = tap_messages(*talk(), ours="DESK", peers=("VENUE", "BACKUP"))
    assert found == expected.events
    kinds = {event.type for event in found}
    assert {"heartbeat_missed", "disconnect", "resend_rejected", "mass_status_end"} <= kinds
    assert "gateway_switched" in kinds


@pytest.mark.parametrize("form", FORMATS)
def test_a_record_may_have_the_prefix_of_a_log(form: str) -> None:
    made, _ = feed()
    ((stream, event),) = events(made, raw(FORMATS[form](inn("0", 7, at_ms=5)), 1))
    assert (stream, event.seq) == ("order-entry", 7)
    assert event.event_ns == START_NS + 5_000_000


def test_without_a_time_on_its_line_a_record_has_kafkas() -> None:
    made, _ = feed()
    late = raw(inn("0", 7), 1)._replace(timestamp_ms=START_NS // 1_000_000 + 70)
    ((_, event),) = events(made, late)
    assert (event.event_ns, event.ingest_ns) == (START_NS, START_NS + 70_000_000)


def test_from_any_record_it_goes_on_as_if_nothing_had_happened() -> None:
    """What is remembered goes through JSON, as it does through Kafka."""
    raws = [raw(m, n) for n, m in enumerate(talk())]
    whole = events(feed()[0], *raws)
    for cut in range(len(raws) + 1):
        first, second = feed()[0], feed()[0]
        found = events(first, *raws[:cut])
        second.load(json.loads(orjson.dumps(first.dump())))
        assert second.dump() == first.dump()
        assert found + events(second, *raws[cut:]) == whole


@pytest.mark.parametrize("seed", range(10))
def test_what_is_delivered_twice_is_told_once(seed: int) -> None:
    random = Random(seed)
    sent, delivered = talk(), list[Sent]()
    position = 0
    while position < len(sent):
        back, position = position - random.randint(0, 6), position + random.randint(1, 5)
        delivered += sent[max(0, back) : position]
    made, _ = feed()
    found = [
        encode(event) for _, event in events(made, *(raw(m, n) for n, m in enumerate(delivered)))
    ]
    assert found == [encode(event) for _, event in events(feed()[0], *(raw(m, 0) for m in sent))]
    assert made.tally.copies == len(delivered) - len(sent)


def test_what_no_rule_fits_is_counted_by_its_pair() -> None:
    made, _ = feed()
    strangers = [raw(inn("0", n, ours="X", theirs="Y"), n) for n in (1, 2)]
    assert events(made, *strangers, raw(inn("0", 1, ours="DC"), 3)) == []
    assert made.tally.unrouted == {"Y->X": 2, "VENUE->DC": 1}  # DC's desk is not said


def test_headers_say_whose_it_is() -> None:
    made, _ = feed()
    found = events(
        made, *(raw(inn("0", 1, ours="DC"), n, desk=name) for n, name in enumerate("AB"))
    )
    assert [(stream, e.session, e.channel) for stream, e in found] == [
        ("drop-copy", "A", "DC1"), ("drop-copy", "B", "DC1"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"what?", "neither a FIX message"),
        (inn("0", 1).encode()[:-9], "the message breaks off"),
        (inn("0", 1).encode().replace(b"34=1", b"34=2"), "CheckSum (10)"),
        (b"8=FIX.4.4\x019=5\x0135=0\x0110=163\x01", "no SenderCompID (49)"),
    ],
)
def test_what_cannot_be_used_is_told_with_its_place(value: bytes, reason: str) -> None:
    made, rejects = feed()
    assert events(made, raw(value, 77)) == []
    assert str(rejects[0].origin) == "raw-0:77"
    assert rejects[0].reason.startswith(reason)
    assert made.tally.rejects == 1
    assert [e.seq for _, e in events(made, raw(inn("0", 1), 78))] == [1]


def test_empty_records_say_nothing() -> None:
    made, rejects = feed()
    assert events(made, raw(b"", 1), raw(b"\n", 2)) == []
    assert rejects == []


def test_an_engines_word_concerns_the_session_it_names() -> None:
    made, _ = feed()
    note = b"<20240102-09:30:01, FIX.4.4:DESK->VENUE, event> (Disconnecting: gone)"
    before = events(made, *(raw(m, n) for n, m in enumerate(talk()[:2])))
    ((stream, event),) = events(made, raw(note, 3))
    assert len(before) == 2
    assert (stream, event.type, event.session) == ("order-entry", "disconnect", "S1")
    other = note.replace(b"DESK", b"ELSE")
    assert events(made, raw(other, 4)) == []
