"""A session: one event in, its effects out."""

from reconverge.core.control import PolicyBook, parse
from reconverge.core.messages.effects import Alert, Cap, Transition
from reconverge.core.messages.events import Disconnect, Logon
from reconverge.core.session import Session, step
from reconverge.core.venue import Venue

SECOND = 1_000_000_000


def logon(at_ns: int, seq: int = 1, **fields: str) -> Logon:
    return Logon(
        session="S", seq=seq, heartbeat_ms=30_000, event_ns=at_ns, ingest_ns=at_ns,
        venue=fields.get("venue"), channel=fields.get("channel"),
    )  # fmt: skip


def test_step_is_apply_and_settle() -> None:
    session = Session("S", PolicyBook(), {})
    assert [type(effect) for effect in step(session, logon(SECOND), SECOND)] == [Cap]
    down = Disconnect(session="S", event_ns=2 * SECOND, ingest_ns=2 * SECOND)
    kinds = [type(effect).__name__ for effect in step(session, down, 2 * SECOND)]
    assert kinds == ["Transition", "Episode", "Cap"]


def test_its_time_never_goes_back() -> None:
    session = Session("S", PolicyBook(), {})
    step(session, logon(5 * SECOND), 5 * SECOND)
    down = Disconnect(session="S", event_ns=SECOND, ingest_ns=SECOND)
    moved = [e for e in step(session, down, SECOND) if isinstance(e, Transition)]
    assert [move.event_ns for move in moved] == [5 * SECOND]


def test_alerts_are_numbered_within_the_session() -> None:
    session = Session("S", PolicyBook(), {})
    step(session, logon(SECOND, venue="nobody"), SECOND)
    found = step(session, logon(2 * SECOND, 2, venue="none either"), 2 * SECOND)
    assert [effect.id for effect in found if isinstance(effect, Alert)] == ["S/a2"]


def test_a_changed_shadow_goes_on_and_one_that_is_gone_is_dropped() -> None:
    book = PolicyBook()
    for name in ("one", "two"):
        book.set(parse({"id": name}), shadow=True)
    session = Session("S", book, {})
    kept = session.shadows["one"]
    book.set(parse({"id": "one", "version": 2}), shadow=True)
    book.retire_shadow("two")
    session.adopt()
    assert session.shadows == {"one": kept}
    assert kept.policy.version == 2


def test_a_shadow_for_a_venue_stands_beside_the_sessions_of_that_venue_only() -> None:
    book = PolicyBook()
    book.set(parse({"id": "shadow", "scope": {"venue": "mine"}}), shadow=True)
    venues = {name: Venue(id=name) for name in ("mine", "other")}
    for name, expected in (("mine", ["shadow"]), ("other", [])):
        session = Session("S", book, venues)
        step(session, logon(SECOND, venue=name), SECOND)
        assert list(session.shadows) == expected


def test_it_is_due_for_a_resend_as_well_as_for_its_caps() -> None:
    session = Session("S", PolicyBook([parse({"cap": _slow()})]), {})
    step(session, logon(SECOND), SECOND)
    assert session.next_deadline_ns() == 61 * SECOND
    session.truth.sequences.get(None).request(5, 9, SECOND, "asked")  # type: ignore[union-attr]
    assert session.next_deadline_ns() == 31 * SECOND


def _slow() -> dict[str, int]:
    return {"heartbeat_ms": 60_000, "validity_ms": 180_000}
