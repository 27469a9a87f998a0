"""What one session looks like from outside at one moment: read from the core, changing nothing."""

from dataclasses import asdict, dataclass
from typing import Any, Final

from reconverge.core.control import DIGITS, FROZEN, catchup_multiple, confidence
from reconverge.core.messages.wire import plain
from reconverge.core.sequences import Numbering
from reconverge.core.session import IDLE_NS, Session
from reconverge.core.truth import Truth

_S: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """The replay watermark horizon of one source (DOMAIN §7)."""

    next_expected: int
    """The lowest number not yet seen nor proven empty."""
    open_gaps: list[tuple[int, int | None]]
    """Missing numbers, both ends inclusive; the end is null while unknown."""
    outstanding: int
    unrecoverable: int
    silence_s: float | None
    """Time since the source last spoke; none if it never did."""
    refused: int
    """Messages whose content was refused for their number, ever (R36)."""


@dataclass(frozen=True, slots=True)
class SessionStatus:
    """One session, as metrics and the status page tell it."""

    session: str
    life_cycle: str
    """`open`; or `closed`: both sides logged out in order, and caps are silent."""
    retires_ns: int | None
    """When it is forgotten if nothing is heard until then; null while an order works. UTC."""
    link: str
    """The order-entry path: up, down, unknown or closed."""
    logged_on: bool | None
    """The venue answers on order entry; null until it is next heard."""
    gateway: str | None
    """What the path was last said to run over; null where no source says so."""
    venue: str | None
    """Venue profile in force."""
    witness: dict[str, Any]
    """What proves that the views agree (`mode`), whether a drop copy was ever heard (`heard`), and
    which channels are waited for (`required`)."""
    state: str
    cap: float
    """The last one published."""
    catchup_multiple_max: float
    freeze_expansion: bool
    safe_mode: bool
    parked: bool
    parked_reason: str | None
    confidence: float
    components: dict[str, float]
    binding: str | None
    """The component that binds; null when all are 1."""
    lss: dict[str, float]
    """Live-set similarity: raw, settled, quantity."""
    working: dict[str, int]
    """Orders working in both views, and in at least one."""
    in_flight: int
    rwh: dict[str, SourceStatus]
    """By source: `entry` or the drop-copy channel."""
    oldest_gap_s: float
    divergence_s: float
    symbol_caps: int
    policy: dict[str, Any]
    episode_id: str | None
    event_ns: int
    """Latest event time seen."""


def status(session: Session, now_ns: int) -> SessionStatus:
    """A settled session at a moment not before its settling. Nanoseconds, UTC."""
    truth, control = session.truth, session.control
    orders, sequences, state = truth.orders, truth.sequences, control.machine.state
    reading = control.read(now_ns)
    trust = confidence(reading, control.policy)
    diverging = reading.outstanding or reading.unrecoverable or orders.total.disagreeing
    since_ns = truth.diverged_since_ns(now_ns) if diverging else now_ns
    required = truth.summary(now_ns, 0).required
    return SessionStatus(
        session=truth.session,
        life_cycle="closed" if truth.closed else "open",
        retires_ns=None if session.working else session.word_ns + IDLE_NS,
        link=truth.path.link.value,
        logged_on=truth.path.up,
        gateway=truth.path.gateway,
        venue=truth.venue,
        witness={
            "mode": control.policy.witness.mode,
            "heard": truth.sources.witnessed,
            "required": sorted(str(one.channel) for one in required if one.channel is not None),
        },
        state=state.value,
        cap=control.cap,
        catchup_multiple_max=catchup_multiple(
            state, truth.parents.sigma_bps(control.policy.catch_up.sigma_bps), control.policy
        ),
        freeze_expansion=state in FROZEN,
        safe_mode=truth.safe_mode,
        parked=truth.parked is not None,
        parked_reason=truth.parked,
        confidence=trust.value,
        components=plain(trust.components),
        binding=trust.binding,
        lss={
            "raw": round(orders.total.similarity, DIGITS),
            "settled": round(reading.similarity, DIGITS),
            "quantity": round(reading.quantity, DIGITS),
        },
        working={"both": orders.total.both, "either": orders.total.union},
        in_flight=orders.in_flight_total,
        rwh={name(source): _source(truth, source, now_ns) for source in sequences.sources()},
        oldest_gap_s=reading.gap_age_ms / 1_000,
        divergence_s=max(0, now_ns - since_ns) / _S,
        symbol_caps=len(control.publisher.instruments.listed),
        policy=plain(control.policy.ref),
        episode_id=control.episode.episode_id if control.episode else None,
        event_ns=truth.event_ns,
    )


def name(source: Numbering) -> str:
    """`entry` or the drop-copy channel; with its segment, where the source has several."""
    channel = source.channel or "entry"
    return channel if source.segment is None else f"{channel}/{source.segment}"


def _source(truth: Truth, source: Numbering, now_ns: int) -> SourceStatus:
    heard_ns = truth.sources.heard_ns(source.channel, source.segment)
    return SourceStatus(
        next_expected=source.next_expected,
        open_gaps=source.open_gaps(),
        outstanding=source.outstanding,
        unrecoverable=source.unrecoverable,
        silence_s=max(0, now_ns - heard_ns) / _S if heard_ns >= 0 else None,
        refused=source.refused,
    )


def as_json(status: SessionStatus) -> dict[str, Any]:
    """The status as JSON-able data."""
    return asdict(status)
