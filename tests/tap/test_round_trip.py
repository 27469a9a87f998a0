"""Whatever the engines could say, in whatever format it was logged: the same events."""

from itertools import accumulate

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from reconverge.core.messages.decode import decode
from reconverge.core.messages.wire import encode
from reconverge.tap.framing import Frame, Origin, Prefix
from reconverge.tap.wire import FixMessage
from tests.tap.fixtext import FORMATS, MS, OURS, START_NS, Sent, Tapped, pieces, tap

text = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=1).filter(
    lambda value: "=" not in value  # "8=FIX" within a value is a message within a message
)
decimals = st.decimals(min_value=0, max_value=10**9, places=4).map(lambda d: format(d, "f"))
numbers = st.integers(1, 10**9).map(str)
sides = st.sampled_from("123456DEFGH")

order = st.tuples(
    st.tuples(st.just(11), text),
    st.tuples(st.just(55), text),
    st.tuples(st.just(54), sides),
    st.tuples(st.just(38), decimals),
    st.tuples(st.just(44), decimals),
)
report = st.tuples(
    st.tuples(st.just(37), text),
    st.tuples(st.just(17), text),
    st.tuples(st.just(150), st.sampled_from("0123456789ABCDEFGHIJKLMN")),
    st.tuples(st.just(39), st.sampled_from("0123456789ABCDE")),
    st.tuples(st.just(14), decimals),
    st.tuples(st.just(151), decimals),
    st.tuples(st.just(32), decimals),
    st.tuples(st.just(58), text),
)
bodies = st.one_of(
    st.tuples(st.just("D"), st.just(True), order),
    st.tuples(
        st.just("G"), st.just(True), order.map(lambda body: (*body, (41, "previous")))
    ),
    st.tuples(st.just("8"), st.just(False), report),
    st.tuples(
        st.sampled_from("A5012B"),
        st.booleans(),
        st.tuples(st.tuples(st.just(108), numbers), *(
            st.tuples(st.just(tag), numbers) for tag in (7, 16, 112)
        )),
    ),
    st.tuples(
        st.just("4"),
        st.booleans(),
        st.tuples(
            st.tuples(st.just(123), st.sampled_from("YN")), st.tuples(st.just(36), numbers)
        ),
    ),
)  # fmt: skip


@st.composite
def conversations(draw: st.DrawFn) -> list[Sent]:
    """Messages in the order of time, the first of them a logon of ours."""
    drawn = [("A", True, ((108, "30"),)), *draw(st.lists(bodies, max_size=8))]
    pauses = draw(st.lists(st.integers(0, 90_000), min_size=len(drawn), max_size=len(drawn)))
    begin = draw(st.sampled_from(["FIX.4.2", "FIX.4.4", "FIXT.1.1"]))
    header = draw(st.sampled_from([(), ((43, "Y"), (122, "20240102-09:29:59.5")), ((97, "Y"),)]))
    return [
        Sent(msg_type, seq, tuple(body), outbound, START_NS + at_ms * MS, begin, header)
        for seq, ((msg_type, outbound, body), at_ms) in enumerate(
            zip(drawn, accumulate(pauses), strict=True), 1
        )
    ]


def straight(messages: list[Sent]) -> Tapped:
    """The events without any text in between."""
    frames = []
    for n, m in enumerate(messages):
        fields = [field.split("=", 1) for field in m.encode().decode()[:-1].split("\x01")]
        frames.append(Frame(Origin("", n), Prefix(m.at_ns), FixMessage(fields), b""))
    return tap(frames)


@settings(max_examples=60, deadline=None)
@given(conversations())
def test_every_format_gives_the_same_events(messages: list[Sent]) -> None:
    expected = straight(messages)
    for name, render in FORMATS.items():
        if not name.startswith("one field"):  # shows the order of fields, not of time
            got = tap(pieces(b"".join(map(render, messages))), ours=None)
            assert got.rejects == [], name
            assert got.events == expected.events, name


@settings(max_examples=60, deadline=None)
@given(conversations())
def test_every_event_reads_back_from_its_bytes(messages: list[Sent]) -> None:
    for event in straight(messages).events:
        assert decode(encode(event)) == event


@settings(max_examples=60, deadline=None)
@given(conversations())
def test_every_number_is_used_up_once(messages: list[Sent]) -> None:
    """R7: whatever a message says, its number reaches the core exactly once."""
    used = [(event.outbound, event.seq) for event in straight(messages).events if event.seq]
    assert used == [(m.outbound, m.seq) for m in messages]


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=400), conversations())
def test_noise_around_messages_is_never_silent(noise: bytes, messages: list[Sent]) -> None:
    """Bytes that are no log neither raise nor vanish, and the messages after them survive."""
    assume(b"8=FIX" not in noise)
    clean = b"".join(map(FORMATS["QuickFIX C++"], messages))
    got = tap(pieces(noise + b"\n" + clean), ours=OURS)
    assert got.events == straight(messages).events
    lines = [line.strip(b" \t\r\n)]}>\"',;") for line in noise.split(b"\n")]
    spoken = [line for line in lines if line and not line.startswith(b"#")]
    assert len(got.rejects) + got.tap.counts.notes >= len(spoken)
