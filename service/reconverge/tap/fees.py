"""What a fill cost in fees, as far as FIX says it in the terms of the contract: the quote currency,
positive when paid.
"""

from decimal import Decimal, localcontext
from typing import Final

from reconverge.tap import tags
from reconverge.tap.values import nearest
from reconverge.tap.wire import FixMessage

_PER_UNIT, _ABSOLUTE = "1", "3"  # CommType
_DIGITS: Final = 60
"""Enough for a sum and a product of the contract's decimals to be exact."""


class _UnknownError(Exception):
    """Something was charged, and how much is not known."""


def of_fill(m: FixMessage, last_qty: str | None, symbol: str | None) -> str | None:
    """Commission (12) and MiscFeeAmt (137) of one fill; None where nothing is said, or not in what.

    A commission in percent is left out: FIX does not say of what, nor whether 5 is 5 or 0.05.
    """
    if tags.COMMISSION not in m.fields and tags.MISC_FEE_AMT not in m.fields:
        return None
    with localcontext() as context:
        context.prec = _DIGITS
        try:
            parts = [*_commission(m, last_qty, symbol), *_misc_fees(m, symbol)]
        except _UnknownError as error:
            m.fault(tags.MISC_FEE_AMT, str(error))
            return None
        return nearest(f"{sum(parts):f}", rounds=True) if parts else None


def _commission(m: FixMessage, last_qty: str | None, symbol: str | None) -> list[Decimal]:
    amount, kind = m.get(tags.COMMISSION), m.get(tags.COMM_TYPE)
    if amount is None:
        return []
    rate = _quoted(m, amount, m.get(tags.COMM_CURRENCY), symbol)
    if kind == _ABSOLUTE or not rate:
        return [rate]
    if kind == _PER_UNIT and last_qty is not None:
        return [rate * Decimal(last_qty)]
    raise _UnknownError(f"a commission of CommType (13) {kind} is no amount")


def _misc_fees(m: FixMessage, symbol: str | None) -> list[Decimal]:
    return [
        _quoted(m, each.get(tags.MISC_FEE_AMT) or "", each.get(tags.MISC_FEE_CURR), symbol)
        for each in m.groups(tags.MISC_FEE_AMT)
    ]


def _quoted(m: FixMessage, amount: str, currency: str | None, symbol: str | None) -> Decimal:
    """An amount in the currency of the price: that of Currency (15) or, in pairs of currencies, the
    one at the end of the symbol; an amount without a currency is.
    """
    quoted = m.get(tags.CURRENCY)
    is_quoted = currency in {None, quoted} or (
        quoted is None and (symbol or "").endswith(str(currency))
    )
    if not is_quoted:
        raise _UnknownError(f"{currency} is not known to be the currency of the price")
    read = nearest(amount, rounds=True)
    if read is None:
        raise _UnknownError(f"{amount[:40]!r} is no amount")
    return Decimal(read)
