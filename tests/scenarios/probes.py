"""What a scenario may ask of the core between two lines, and how the answer reads."""

from collections.abc import Callable
from typing import Final

from reconverge.core.control import TruthReading, catchup_multiple, confidence, shortfall_expected
from reconverge.core.messages.effects import Episode
from reconverge.core.messages.units import decimal_text
from reconverge.core.messages.wire import plain
from reconverge.core.orders import Order, View
from reconverge.core.partition import Partition
from reconverge.core.session import Session

SECOND_MS: Final = 1_000


def answer(partition: Partition, name: str, words: list[str], now_ns: int) -> str:
    """The answer to one probe; a first word may name another session than ``S``."""
    session = words.pop(0) if words and words[0] in partition.sessions else "S"
    return _PROBES[name](partition.sessions[session], words, now_ns)


def _state(session: Session, _: list[str], __: int) -> str:
    path = {True: "up", False: "down", None: "unknown"}[session.truth.path.up]
    latch = ", safe mode" if session.truth.safe_mode else ""
    parked = f", parked: {session.truth.parked}" if session.truth.parked else ""
    return f"{session.control.machine.state}, path {path}{latch}{parked}"


def _settled(session: Session, now_ns: int) -> TruthReading:
    """What counts by now, for a probe between two settlings."""
    return session.control.weigh(max(now_ns, session.now_ns))


def _cap(session: Session, _: list[str], __: int) -> str:
    return f"{session.control.cap:g}"


def _lss(session: Session, words: list[str], now_ns: int) -> str:
    settled = _settled(session, now_ns).agreement
    total = session.truth.orders.symbol(words[0]) if words else session.truth.orders.total
    if words:
        settled = session.control.watch.symbol(words[0])
    return (
        f"raw {total.similarity:.4g}, settled {settled.similarity:.4g},"
        f" quantity {settled.quantity:.4g}"
    )


def _rwh(session: Session, _: list[str], __: int) -> str:
    told = []
    for source in session.truth.sequences.sources():
        name = source.channel or "entry"
        name += f" {source.segment}" if source.segment else ""
        parts = [f"{name} next {source.next_expected}"]
        if source.outstanding:
            parts.append(f"missing {_ranges(source.open_gaps())}")
        if source.unrecoverable:
            parts.append(f"unrecoverable {source.unrecoverable}")
        if source.awaiting:
            parts.append(f"resending {_ranges(source.outstanding_resends)}")
        if source.epoch:
            parts.append(f"epoch {source.epoch}")
        told.append(", ".join(parts))
    return "; ".join(told)


def _ranges(gaps: list[tuple[int, int | None]]) -> str:
    texts = [
        f"{first}-" if last is None else f"{first}" if first == last else f"{first}-{last}"
        for first, last in gaps
    ]
    return " ".join(texts)


def _working(session: Session, _: list[str], __: int) -> str:
    orders = session.truth.orders
    views = (("entry", orders.working(venue=False)), ("venue", orders.working(venue=True)))
    return "; ".join(f"{name} {' '.join(working) or 'none'}" for name, working in views)


def _orders(session: Session, words: list[str], _: int) -> str:
    found = [session.truth.orders.find(word) for word in words]
    return "; ".join("unknown" if order is None else _order(order) for order in found)


def _order(order: Order) -> str:
    views = (
        f"{name} {_view(view)}" for name, view in (("entry", order.entry), ("venue", order.venue))
    )
    waiting = " ".join(f"{request.kind} {request.cl_ord_id}" for request in order.requests)
    return f"{order.name} {', '.join(views)}" + (f", in flight {waiting}" if waiting else "")


def _view(view: View) -> str:
    amounts = f"{decimal_text(view.cum)}/{decimal_text(view.open)}"
    return view.state if view.state == "unknown" else f"{view.state} {amounts}"


def _confidence(session: Session, _: list[str], now_ns: int) -> str:
    found = confidence(_settled(session, now_ns), session.control.policy)
    parts = plain(found.components)
    low = [f"{name} {part:.3g}" for name, part in parts.items() if part < 1]
    return ", ".join([f"{found.value:.3g}", *low])


def _episode(session: Session, _: list[str], __: int) -> str:
    episode = session.control.episode
    if episode is None:
        return "none"
    steps = " ".join(state for state, _, _ in episode.path)
    return f"{episode.episode_id} from {episode.cause}, cycle {episode.cycles}: {steps}"


def _shadow(session: Session, _: list[str], __: int) -> str:
    told = [
        f"{name}: {shadow.machine.state}, cap {shadow.cap:g}"
        for name, shadow in session.shadows.items()
    ]
    return "; ".join(told) or "none"


def _backlog(session: Session, _: list[str], now_ns: int) -> str:
    told = []
    for owed in session.truth.backlogs(now_ns):
        multiple = _multiple(session)
        late = shortfall_expected(owed.qty, owed.normal_per_s, multiple, owed.horizon_s)
        told.append(
            f"{owed.parent_id} {decimal_text(owed.qty)} behind"
            + (f", {decimal_text(late)} of it for good" if late else "")
        )
    return "; ".join(told) or "none"


def _multiple(session: Session) -> float:
    control = session.control
    sigma_bps = session.truth.parents.sigma_bps(control.policy.catch_up.sigma_bps)
    return catchup_multiple(control.machine.state, sigma_bps, control.policy)


def _catchup(session: Session, _: list[str], __: int) -> str:
    return f"{_multiple(session):g}"


def _decisions(session: Session, _: list[str], __: int) -> str:
    episode = session.control.episode
    kept = [] if episode is None else episode.decisions
    return "; ".join(
        f"{child} of {parent} under {cap:g}" + (f", acting on cap {sequence}" if sequence else "")
        for _, child, parent, sequence, cap in kept
    )


def clocks(episode: Episode) -> str:
    """The clocks of a closed episode, and what it left."""
    always = {"link down": episode.link_down_ms, "diverged": episode.divergence_ms}
    parts = [f"{name} {_seconds(ms)}" for name, ms in always.items()]
    known = {
        "FDS": episode.fds_ms,
        "dark": episode.dark_ms,
        "re-entry": episode.reentry_ms,
        "SDL re-entry": episode.sdl_reentry_ms,
        "SDL": episode.sdl_ms,
    }
    parts += [f"{name} {_seconds(ms)}" for name, ms in known.items() if ms is not None]
    if episode.cycles > 1:
        parts.append(f"{episode.cycles} cycles")
    parts += [f"attested by {who}" for who in episode.attestations]
    parts += [f"unresolved {what}" for what in episode.unresolved]
    return ", ".join(parts)


def _seconds(ms: float | None) -> str:
    return "never" if ms is None else f"{ms / SECOND_MS:g} s"


_PROBES: Final[dict[str, Callable[[Session, list[str], int], str]]] = {
    "state": _state, "cap": _cap, "lss": _lss, "rwh": _rwh, "working": _working, "orders": _orders,
    "confidence": _confidence, "episode": _episode, "shadow": _shadow,
    "backlog": _backlog, "catchup": _catchup, "decisions": _decisions,
}  # fmt: skip
