"""From a FIX message to its events: the mapping, and the little a message alone does not say."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from msgspec import ValidationError
from msgspec.structs import replace

from reconverge.core.messages.decode import checked, told
from reconverge.core.messages.events import (
    Logon,
    MassStatusBegin,
    RequestReject,
    ResendRejected,
    ResendRequested,
    StreamEvent,
)
from reconverge.tap import admin, mapping, snapshot, tags
from reconverge.tap.orders import Envelope
from reconverge.tap.wire import FixError, FixMessage

_RESENDS_REMEMBERED: Final = 64
"""Numbers of our latest resend requests, to know one that is rejected by number alone; venues allow
one at a time."""
_RESEND_REQUEST: Final = "2"
_OF_THE_CHANNEL: Final = frozenset("012345Aj")
"""What a venue says to the connection and not about an order."""
_OUTBOUND: Final[dict[mapping.Way, tuple[bool, ...]]] = {
    "sent": (True,),
    "received": (False,),
    "both": (True, False),
}


@dataclass(frozen=True, slots=True)
class Identity:
    """What every event is marked with; channel and gateway None: the counterparty's CompID."""

    session: str
    is_drop_copy: bool = False
    channel: str | None = None
    gateway: str | None = None
    endpoints: Mapping[str, str] = field(default_factory=dict)  # gateways by HOST:PORT
    venue: str | None = None  # profile stamped on logons
    parent_tags: tuple[str, ...] = mapping.PARENT_TAGS
    only: tuple[tuple[str, str], ...] = ()  # (tag, value): which reports are of this session

    def marks(self, peer: str, endpoint: str | None, segment: str | None) -> Envelope:
        """What tells the events of one counterparty, connected to at some address."""
        return {
            "session": self.session,
            "gateway": self.endpoints.get(endpoint or "") or self.gateway or peer,
            "channel": (self.channel or peer) if self.is_drop_copy else None,
            "segment": segment,
        }

    def is_ours(self, m: FixMessage) -> bool:
        """Whether a report on a channel that serves several sessions is about this one."""
        return not self.only or any(m.get(tag) == value for tag, value in self.only)


class Translator:
    """Translates one session's messages in order; remembers open requests, nothing else."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._snapshots = snapshot.Snapshots()
        self._resends: deque[int] = deque(maxlen=_RESENDS_REMEMBERED)
        self._builds = {
            (row.msg_type, outbound): row.build
            for row in mapping.rows(identity.parent_tags)
            for outbound in _OUTBOUND[row.way]
        }

    def events(
        self, m: FixMessage, marks: Envelope, *, outbound: bool, ingest_ns: int
    ) -> list[StreamEvent]:
        """The events of one message; raises ``FixError`` when the contract cannot hold it."""
        envelope = marks | _header(m, outbound=outbound, ingest_ns=ingest_ns)
        try:
            return list(map(checked, self._translate(m, envelope, outbound=outbound)))
        except ValidationError as error:
            raise FixError(told(error)) from None

    def number_only(self, m: FixMessage, marks: Envelope, *, ingest_ns: int) -> list[StreamEvent]:
        """A message of ours of which only the header counts."""
        return [admin.other(m, marks | _header(m, outbound=True, ingest_ns=ingest_ns))]

    def _translate(self, m: FixMessage, envelope: Envelope, *, outbound: bool) -> list[StreamEvent]:
        msg_type = m.require(tags.MSG_TYPE, "MsgType")
        if not outbound and msg_type not in _OF_THE_CHANNEL and not self._identity.is_ours(m):
            return [admin.other(m, envelope)]
        if msg_type == "8" and not outbound and tags.MASS_STATUS_REQ_ID in m.fields:
            answer = self._snapshots.answer(m, envelope, self._identity.parent_tags)
            if answer is not None:
                return answer
        event = self._builds.get((msg_type, outbound), admin.other)(m, envelope)
        match event:
            case MassStatusBegin():
                self._snapshots.begin(event.request_id, envelope["seq"])
            case ResendRequested(outbound=True):
                self._resends.append(envelope["seq"])
            case RequestReject():
                return self._rejected(event, envelope)
            case Logon() if self._identity.venue is not None:
                return [replace(event, venue=self._identity.venue)]
        return [event]

    def _rejected(self, event: RequestReject, envelope: Envelope) -> list[StreamEvent]:
        """A refused resend releases its range (R12), a refused mass status has failed (R29)."""
        is_resend = event.ref_seq in self._resends
        if event.ref_msg_type == _RESEND_REQUEST or (event.ref_msg_type is None and is_resend):
            return [ResendRejected(**envelope, reason=event.reason)]
        request_id = self._snapshots.refused(event.ref_seq, event.ref_id)
        if request_id is None:
            return [event]
        failed = snapshot.end(envelope, request_id, failed=event.reason or "rejected")
        return [event, failed]


def _header(m: FixMessage, *, outbound: bool, ingest_ns: int) -> Envelope:
    """The envelope of the standard header. A resent message happened when it was first sent."""
    seq, sent_ns = m.integer(tags.MSG_SEQ_NUM), m.time_ns(tags.SENDING_TIME)
    if seq is None:
        raise FixError("no MsgSeqNum (34)")
    if sent_ns is None:
        raise FixError("no SendingTime (52)")
    poss_dup = m.flag(tags.POSS_DUP_FLAG)
    first_sent_ns = m.time_ns(tags.ORIG_SENDING_TIME) if poss_dup else None
    return {
        "event_ns": sent_ns if first_sent_ns is None else first_sent_ns,
        "ingest_ns": ingest_ns,
        "seq": seq,
        "outbound": outbound,
        "poss_dup": poss_dup,
        "poss_resend": m.flag(tags.POSS_RESEND),
    }
