"""Every notice of truth has one consequence, and every alert is one that somebody can act on."""

from typing import get_args

from reconverge.core.control import notices
from reconverge.core.control.alarms import ALARMS, AlarmName
from reconverge.core.control.notices import CONSEQUENCES, alerts
from reconverge.core.findings import (
    ORDER_FINDINGS,
    SEQUENCE_FINDINGS,
    OrderKind,
    SequenceKind,
    SessionKind,
)

SEQUENCE, ORDER, SESSION = (get_args(kinds) for kinds in (SequenceKind, OrderKind, SessionKind))


def test_every_kind_has_its_rule_below_and_its_consequence_here() -> None:
    assert tuple(SEQUENCE_FINDINGS) == SEQUENCE
    assert tuple(ORDER_FINDINGS) == ORDER
    assert set(CONSEQUENCES) == {*SEQUENCE, *ORDER, *SESSION}
    assert len({*SEQUENCE, *ORDER, *SESSION}) == len(SEQUENCE) + len(ORDER) + len(SESSION)


def test_only_the_session_as_a_whole_is_reacted_to_at_once() -> None:
    reacted = {kind for kind, row in CONSEQUENCES.items() if row.reaction != "none"}
    assert reacted == {
        "hard_failure", "failure_repeated", "witness_violated", "path_down", "path_up", "attested",
        "venue_followed",
    }  # fmt: skip


def test_an_alarm_has_a_name_of_its_own() -> None:
    assert set(ALARMS) == set(get_args(AlarmName))
    assert not set(ALARMS) & set(CONSEQUENCES)


def test_the_page_names_each_once_in_order() -> None:
    rows = [line.split("`")[1] for line in notices.table().splitlines()[2:]]
    assert rows == sorted(alerts())
