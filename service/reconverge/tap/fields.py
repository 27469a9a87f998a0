"""What single fields say in the terms of the contract, for requests and reports alike.

Codes are those of FIX 5.0 SP2 with FIX 4.2's where they differ; a code not listed is never guessed.
"""

from typing import Any, Final, get_args

from reconverge.core.messages.events import OrdStatus
from reconverge.core.messages.wire import Side
from reconverge.tap import tags
from reconverge.tap.wire import FixMessage

Envelope = dict[str, Any]

ORD_STATUSES: Final[dict[str, OrdStatus]] = dict(
    zip("0123456789ABCDE", get_args(OrdStatus), strict=True)
)

SIDES: Final[dict[str, Side]] = {
    "1": "buy",
    "2": "sell",
    "3": "buy",  # buy minus
    "4": "sell",  # sell plus
    "5": "sell",  # sell short
    "6": "sell",  # sell short exempt
    "D": "buy",  # subscribe
    "E": "sell",  # redeem
    "F": "sell",  # lend
    "G": "buy",  # borrow
    "H": "sell",  # sell undisclosed
}
"""Undisclosed and the crosses (7, 8, 9, A, B, C) have no direction of their own."""

_PERSISTENT_TIMES: Final = frozenset({"1", "6"})  # good till cancel, good till date
_KEPT_INSTRUCTIONS: Final = frozenset({"H", "n"})  # reinstate on system failure, on connection loss
_PULLED_INSTRUCTIONS: Final = frozenset({"Q", "o"})  # cancel on system failure, on connection loss
_PRICELESS: Final = frozenset({"1", "3"})  # market and stop orders: a zero price is no price
_NO_ORDER_ID: Final = "NONE"  # FIX's word for an order the venue does not know: an id of nothing
_NO_SYMBOL: Final = "[N/A]"  # FIX 4.4: the instrument is in SecurityID


def order_id(m: FixMessage) -> str | None:
    """The venue's id of an order."""
    found = m.name(tags.ORDER_ID)
    return None if found == _NO_ORDER_ID else found


def symbol(m: FixMessage) -> str | None:
    """The instrument: its symbol, else its security id."""
    found = m.name(tags.SYMBOL)
    return m.name(tags.SECURITY_ID) if found is None or found == _NO_SYMBOL else found


def side(m: FixMessage) -> Side | None:
    """The direction, if it has one."""
    return SIDES.get(m.get(tags.SIDE) or "")


def price(m: FixMessage) -> str | None:
    """The limit price, if there is one."""
    return None if m.get(tags.ORD_TYPE) in _PRICELESS else m.price(tags.PRICE)


def persistent(m: FixMessage) -> bool | None:
    """Whether the order survives cancel-on-disconnect (R26); None where it is not said."""
    time_in_force = m.get(tags.TIME_IN_FORCE)
    instructions = set((m.get(tags.EXEC_INST) or "").split())
    if instructions & _PULLED_INSTRUCTIONS:
        return False
    if instructions & _KEPT_INSTRUCTIONS:
        return True
    return None if time_in_force is None else time_in_force in _PERSISTENT_TIMES


def first(m: FixMessage, wanted: tuple[str, ...]) -> str | None:
    """The value of the first of some tags that is there."""
    return next((value for tag in wanted if (value := m.name(tag)) is not None), None)


def reason(m: FixMessage, code_tag: str) -> str | None:
    """A venue's reason: its code as ``tag=code`` and its words."""
    code, text = m.get(code_tag), m.free_text(tags.TEXT)
    parts = [] if code is None else [f"{code_tag}={code}"]
    return " ".join([*parts, *([] if text is None else [text])]) or None
