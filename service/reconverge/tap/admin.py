"""Session messages in the terms of the contract. Pure, one message at a time."""

from typing import Any, Final

from reconverge.core.messages.events import (
    GapFill,
    Heartbeat,
    Logon,
    Logout,
    OtherMessage,
    ResendRequested,
    SequenceReset,
)
from reconverge.core.messages.wire import INTERVAL_MAX_MS
from reconverge.tap import tags
from reconverge.tap.wire import FixError, FixMessage

_UP_TO_NOW: Final = frozenset({0, 999_999})
"""EndSeqNo for "everything up to now": 0, and 999999 from engines that speak as FIX 4.2's
predecessors did."""


def logon(m: FixMessage, envelope: dict[str, Any]) -> Logon:
    """Logon (A)."""
    return Logon(
        **envelope,
        heartbeat_ms=_heartbeat_ms(m),
        reset_numbers=m.flag(tags.RESET_SEQ_NUM_FLAG),
        next_expected=m.integer(tags.NEXT_EXPECTED_MSG_SEQ_NUM),
    )


def _heartbeat_ms(m: FixMessage) -> int | None:
    seconds = m.integer(tags.HEART_BT_INT)
    if seconds is not None and seconds * 1_000 > INTERVAL_MAX_MS:
        m.fault(tags.HEART_BT_INT, f"{seconds} s is longer than any interval")
        return None
    return None if seconds is None else seconds * 1_000


def logout(m: FixMessage, envelope: dict[str, Any]) -> Logout:
    """Logout (5)."""
    return Logout(**envelope, reason=m.free_text(tags.TEXT))


def heartbeat(_: FixMessage, envelope: dict[str, Any]) -> Heartbeat:
    """Heartbeat (0)."""
    return Heartbeat(**envelope)


def resend_request(m: FixMessage, envelope: dict[str, Any]) -> ResendRequested:
    """ResendRequest (2)."""
    to_seq = _number(m, tags.END_SEQ_NO, "EndSeqNo")
    return ResendRequested(
        **envelope,
        from_seq=_number(m, tags.BEGIN_SEQ_NO, "BeginSeqNo"),
        to_seq=None if to_seq in _UP_TO_NOW else to_seq,
    )


def sequence_reset(m: FixMessage, envelope: dict[str, Any]) -> GapFill | SequenceReset:
    """SequenceReset (4), in either mode (R1-R3)."""
    new_seq = _number(m, tags.NEW_SEQ_NO, "NewSeqNo")
    if m.flag(tags.GAP_FILL_FLAG):
        return GapFill(**envelope, new_seq=new_seq)
    return SequenceReset(**envelope, new_seq=new_seq)


def other(m: FixMessage, envelope: dict[str, Any]) -> OtherMessage:
    """Any other message: it uses up its number."""
    return OtherMessage(**envelope, msg_type=m.require(tags.MSG_TYPE, "MsgType"))


def _number(m: FixMessage, tag: str, name: str) -> int:
    value = m.integer(tag)
    if value is None:
        raise FixError(f"no {name} ({tag})")
    return value
