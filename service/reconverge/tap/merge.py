"""Several logs as one, in the order of time."""

from collections.abc import Iterable, Iterator
from heapq import merge

from reconverge.tap import tags
from reconverge.tap.framing import Frame, Piece
from reconverge.tap.wire import FixError


def by_time(logs: Iterable[Iterable[Piece]]) -> Iterator[Piece]:
    """Merge logs, each in its own order; equal times go by the order of the logs."""
    for _, piece in merge(*(_timed(log) for log in logs), key=_time):
        yield piece


def _time(timed: tuple[int, Piece]) -> int:
    return timed[0]


def _timed(log: Iterable[Piece]) -> Iterator[tuple[int, Piece]]:
    """Each piece with its time; one without, or with an earlier one, goes with its predecessor."""
    now_ns = 0
    for piece in log:
        now_ns = max(now_ns, _own_time_ns(piece) or 0)
        yield now_ns, piece


def _own_time_ns(piece: Piece) -> int | None:
    if not isinstance(piece, Frame):
        return getattr(piece, "at_ns", None)
    if piece.prefix.at_ns is not None:
        return piece.prefix.at_ns
    try:
        return piece.message.time_ns(tags.SENDING_TIME)
    except FixError:
        return None  # rejected when its turn comes
