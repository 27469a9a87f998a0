"""Several logs as one, in the order of time."""

from collections.abc import Iterable, Iterator
from heapq import merge

from reconverge.tap import engine, tags
from reconverge.tap.framing import Frame, Note, Piece


def by_time(logs: Iterable[Iterable[Piece]]) -> Iterator[Piece]:
    """Merge logs, each in its own order; equal times of equal rank go by the order of the logs."""
    for _, _, piece in merge(*(_timed(log) for log in logs), key=_order):
        yield piece


def _order(timed: tuple[int, int, Piece]) -> tuple[int, int]:
    return timed[:2]


def _timed(log: Iterable[Piece]) -> Iterator[tuple[int, int, Piece]]:
    """Each piece with its time; one without, or with an earlier one, goes with its predecessor."""
    now_ns = 0
    for piece in log:
        now_ns = max(now_ns, _own_time_ns(piece) or 0)
        yield now_ns, _rank(piece), piece


def _rank(piece: Piece) -> int:
    """Among equal times, common with coarse clocks: connecting, messages, disconnecting."""
    if isinstance(piece, Note):
        return 0 if engine.connects(piece.text) else 2
    return 1


def _own_time_ns(piece: Piece) -> int | None:
    if not isinstance(piece, Frame):
        return getattr(piece, "at_ns", None)
    if piece.prefix.at_ns is not None:
        return piece.prefix.at_ns
    return piece.message.time_ns(tags.SENDING_TIME)
