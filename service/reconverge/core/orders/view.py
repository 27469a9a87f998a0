"""One view of one order: what one side's messages say of it, and nothing from the other side.

``take`` is where an execution report, or a snapshot's row, becomes quantities (R20-R28). What each
type of report does is data, in ``table``.
"""

from collections.abc import Callable
from typing import Final

from reconverge.core.messages.events import ExecutionReport, OrderReport
from reconverge.core.messages.units import nanos
from reconverge.core.orders.states import OUTCOMES, ViewState, Word
from reconverge.core.orders.table import INACTIVE, ExecRow, Newer

SOURCE_SHIFT: Final = 48
"""A mark is ``(source << SOURCE_SHIFT) + seq``: two of one source compare by number."""
NUMBER_MAX: Final = 1 << SOURCE_SHIFT
"""Nobody has counted this far; such a number is taken as none."""
UNNUMBERED: Final = -1
Missing = Callable[[str | None, str | None, int, int], bool]
"""Channel, segment and two of its numbers: was any number between them never received?"""
FORMER: Final = -1
"""A report is of a leg that this view has seen replaced (R30)."""
NEXT: Final = 1
"""A report is of a later leg than the view's, and shows that leg to be in force."""
OTHERS_MAX: Final = 4
"""Sources remembered for one order in one view beside the last: order entry's snapshots, redundant
drop copies, and one whose numbers began anew. Of a source forgotten, nothing compares as older."""
FILLS_MAX: Final = 10_000
"""Executions remembered for one order in one view. Beyond it the older half is forgotten: their
duplicates are then kept out by the cumulative quantity alone."""


class View:
    """What one side says of one order. Quantities in nanos."""

    __slots__ = ("booked", "cum", "fills", "leg", "mark", "open", "others", "qty", "state")

    def __init__(  # noqa: PLR0913, PLR0917 - a stored view is taken up in one go
        self,
        state: ViewState = ViewState.UNKNOWN,
        mark: int = UNNUMBERED,
        leg: int = 0,
        open_qty: int = 0,
        qty: int = 0,
        cum: int = 0,
        booked: int = 0,
    ) -> None:
        self.state = state
        """Moved by ``say``; by ``mirror`` and ``follow`` where the other view tells."""
        self.mark = mark
        """Source and number of the last word on it; -1 for none, or one without a number. A later
        number of that source is newer than all that is known. A late word, which the view
        contradicts, does not take the place of another source's."""
        self.others: tuple[int, ...] = ()
        """The last message of each other source, the longest unheard first: an older one of its
        source changes little (R10), whoever had the last word."""
        self.leg = leg
        """Place in the order's client ids of the one in force here (R21, R30)."""
        self.open = open_qty
        """Open quantity if the order works here, else 0 (R20): above 0 only in ``OPEN``."""
        self.qty = qty
        """Total quantity in force (R21)."""
        self.cum = cum
        """Executed quantity: the highest the venue said, lowered by busts only."""
        self.booked = booked
        """Executed quantity known execution by execution; less than ``cum`` while some are not
        (R24, R32)."""
        self.fills: dict[str, int | str] | None = None
        """Booked quantity by execution id; 0 once busted, the successor's id once corrected."""

    def say(self, word: Word) -> None:
        """A message says this of the order: the table tells the state that follows."""
        self.state = OUTCOMES[word][self.state]
        if self.state is not ViewState.OPEN:
            self.open = 0

    def mirror(self, other: "View") -> None:
        """Say the same as the other view: an order that only that one hears of (R17)."""
        self.state, self.leg = other.state, other.leg
        self.open, self.qty, self.cum = other.open, other.qty, other.cum

    def follow(self, entry: "View") -> None:
        """Of a drop copy that tells fills only, all but the executions is as order entry says it
        (R31).
        """
        if entry.state in {ViewState.UNKNOWN, ViewState.SENT}:
            return
        self.open = max(entry.open + entry.cum - self.cum, 0)
        self.state = ViewState.OPEN if self.open else entry.state
        self.qty, self.leg = entry.qty, entry.leg

    def is_past(self, mark: int) -> bool:
        """Was a message heard that the same source numbered later (R10)?"""
        return is_older(mark, self.mark) or any(is_older(mark, of) for of in self.others)

    def heard(self, mark: int, *, last_word: bool) -> None:
        """A message, not older than another of its source, was applied."""
        if not (mark ^ self.mark) >> SOURCE_SHIFT:
            self.mark = mark
            return
        others = [of for of in self.others if (of ^ mark) >> SOURCE_SHIFT]
        if last_word:
            self.mark, mark = mark, self.mark
        if mark >= 0:
            others.append(mark)
        self.others = tuple(others[-OTHERS_MAX:])

    def clamp(self) -> None:
        """No more is open than is not executed, of a quantity that is known."""
        if self.qty and self.open > self.qty - self.cum:
            self.open = max(self.qty - self.cum, 0)
            if not self.open:
                self.say(Word.ADDS_UP)


def is_older(mark: int, than: int) -> bool:
    """Does a message precede another? Known only if one source numbered both."""
    return mark < than and not (mark ^ than) >> SOURCE_SHIFT


def take(  # noqa: C901, PLR0912, PLR0913, PLR0917 - one report, read top to bottom
    view: View,
    report: OrderReport,
    row: ExecRow,
    mark: int,
    qty_elsewhere: int,
    leg: int,
    missing: Missing,
) -> bool:
    """Apply a report to a view. True when it is the newest word on the leg in force.

    ``leg``: the leg that it is of, as ``FORMER``, 0 for the one in force, or ``NEXT``. A first word
    on the next leg is its newest, whatever was said of the former one meanwhile (R30).
    ``qty_elsewhere``: the order's quantity as the other side knows it, for reports that state none.
    ``missing``: whether numbers between two of a source were never received.
    """
    before = view.mark
    comparable = not (mark ^ before) >> SOURCE_SHIFT
    older = mark < before if comparable else view.is_past(mark)
    newer = comparable and mark > before
    stated, was = report.cum_qty, view.cum
    cum = UNNUMBERED if stated is None else nanos(stated)
    if row.books is not None and isinstance(report, ExecutionReport):
        cum = _book(view, report, row, cum, older=older)
    if older and leg != NEXT:
        view.clamp()
        return False
    current = leg != FORMER
    if cum > view.cum:
        view.cum = cum
    elif 0 <= cum < view.cum:
        if not _lowers(view, report, row, missing, newer=newer):  # stale
            word = ending(report, row)
            if word is not None and current:
                view.say(word)
            current = False
        else:  # this is after a bust that has not come: the present state, or more is booked
            view.cum = view.booked = cum
    stands = cum > was
    if current:
        if row.quantities and report.order_qty is not None:
            view.qty = nanos(report.order_qty)
        elif not view.qty:
            view.qty = qty_elsewhere
        stands = _set_open(view, report, row, newer=newer)
    else:
        view.clamp()
    if older:
        return current
    if comparable:
        view.mark = mark
    else:
        view.heard(mark, last_word=stands and (cum == view.cum or not view.cum))
    return current


def ending(report: OrderReport, row: ExecRow) -> Word | None:
    """What this report says of the order's end; None if nothing (R20, R28)."""
    word = INACTIVE.get(report.ord_status)
    if word is not None:
        return row.ends or word
    stated = report.leaves_qty
    works_on = not row.ends_with_leaves and stated is not None and nanos(stated) > 0
    return None if works_on else row.ends


def _lowers(
    view: View, report: OrderReport, row: ExecRow, missing: Missing, *, newer: bool
) -> bool:
    """Does a CumQty below what is known stand? An older or repeated report lowers nothing (R38)."""
    if row.lowers in {"yes", "no"}:
        return row.lowers == "yes" or view.booked > view.cum
    seq = report.seq
    if not newer or seq is None or (row.lowers == "bust" and view.booked <= view.cum):
        return False
    return missing(report.channel, report.segment, view.mark & (NUMBER_MAX - 1), seq)


def _set_open(view: View, report: OrderReport, row: ExecRow, *, newer: bool) -> bool:
    """Open quantity and state, from a report that is current (R20, R35).

    False if the order stays ended, although the report shows it working.
    """
    if row.ends is not None or report.ord_status in INACTIVE:
        word = ending(report, row)
        if word is not None:
            view.say(word)
            return True
    filled, stated = report.ord_status == "filled", report.leaves_qty
    ordered = view.qty > 0 or (row.quantities and report.order_qty is not None)
    rest = 0 if filled else view.qty - view.cum
    leaves = rest if stated is None or (ordered and rest > 0 and not nanos(stated)) else 0
    leaves = leaves or (0 if stated is None else nanos(stated))
    if leaves > 0:
        if view.state is not ViewState.OPEN:  # else both words leave it as it is
            view.say(Word.WORKS_NOW if _said(row.reopens, newer=newer) else Word.WORKS)
        if view.state is not ViewState.OPEN:
            return False
        view.open = leaves
        if not view.qty:
            view.qty = view.cum + leaves
    elif filled or (ordered and (stated is not None or report.cum_qty is not None)):
        view.say(Word.FILLED)
    else:
        view.say(Word.ADDS_UP if ordered or stated is not None else Word.KNOWN)
    return True


def _said(when: Newer, *, newer: bool) -> bool:
    """A property that a report has always, never, or if it is numbered later than the last word."""
    return when == "yes" or (when == "newer" and newer)


# -- booking ------------------------------------------------------------------------------------


def _book(view: View, report: ExecutionReport, row: ExecRow, cum: int, *, older: bool) -> int:
    """Book, unbook or rebook an execution. Returns the cumulative quantity to go by, -1 for none.

    Of an older bust or correction that is none: what came after it has told what it amounts to.
    """
    if row.books == "fill":
        _fill(view, report, cum, older=older)
        return cum
    last = 0
    exec_id = None
    if row.books == "correct":
        last = 0 if report.last_qty is None else nanos(report.last_qty)
        exec_id = report.exec_id
    changed = _rebook(view, report.exec_ref_id, exec_id, last)
    if changed is None or (older and cum >= 0):
        return cum
    view.cum = cum if cum >= 0 else max(view.cum + changed, 0)
    return view.cum


def _fill(view: View, report: ExecutionReport, cum: int, *, older: bool) -> None:
    """Book a fill unless its id is consumed (R23). What cannot be booked consumes no id (R24).

    Where the source states what has been executed, an older fill books and raises nothing: a newer
    report has told what it amounts to by now, unless that was a mass report, which states none.
    """
    exec_id, fills = report.exec_id, view.fills
    if fills is not None and exec_id in fills:
        return
    if report.last_qty is not None:
        last = nanos(report.last_qty)
    elif cum >= 0 and not older:
        last = max(cum - view.cum, 0)
    else:
        return
    view.booked += last
    untold = cum < 0 or (older and view.state is ViewState.MASS_CANCELED)
    if untold and view.booked > view.cum:
        view.cum = view.booked
    if exec_id is not None:
        _remember(view, exec_id, last)


def _rebook(view: View, ref: str | None, exec_id: str | None, last: int) -> int | None:
    """Replace what the referenced execution booked by ``last`` (R25).

    Returns by how much the executed quantity changed, None when it was said before.
    """
    fills = view.fills or {}
    if exec_id is not None and exec_id in fills:
        return None
    known: int | str | None = None
    if ref is not None:
        ref = _newest(fills, ref)
        known = fills.get(ref)
        if known == last and exec_id is None:
            return None
        _remember(view, ref, last if exec_id is None else exec_id)
    if exec_id is not None:
        _remember(view, exec_id, last)
    booked = known if isinstance(known, int) else 0
    view.booked += last - booked
    return 0 if known is None else last - booked


def _newest(fills: dict[str, int | str], ref: str) -> str:
    """The last correction of an execution: a bust may refer to the first of the chain."""
    known = fills.get(ref)
    while isinstance(known, str):
        ref = known
        known = fills.get(ref)
    return ref


def _remember(view: View, exec_id: str, booked: int | str) -> None:
    fills = view.fills
    if fills is None:
        fills = view.fills = {}
    elif len(fills) >= FILLS_MAX:
        fills = view.fills = dict(list(fills.items())[FILLS_MAX // 2 :])
    fills[exec_id] = booked
