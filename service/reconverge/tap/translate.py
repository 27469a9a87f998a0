"""From a FIX message to its events: the mapping, and the little a message alone does not say."""

from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from msgspec import ValidationError
from msgspec.structs import replace

from reconverge.core.messages.decode import checked, told
from reconverge.core.messages.events import (
    Logon,
    MassStatusBegin,
    NewOrder,
    OtherMessage,
    RequestReject,
    ResendRejected,
    ResendRequested,
    StreamEvent,
    UnmodelledRequest,
)
from reconverge.tap import admin, fields, mapping, snapshot, tags
from reconverge.tap.fields import Envelope
from reconverge.tap.wire import FixError, FixMessage, unwrapped

_RESENDS_REMEMBERED: Final = 64
"""Numbers of our latest resend requests, to know one that is rejected by number alone; venues allow
one at a time."""
_LISTS_REMEMBERED: Final = 64
"""Lists of orders sent lately, which a venue may refuse as one."""
_RESEND_REQUEST, _LIST, _CARRIER = "2", "E", "n"
_UNTYPED: Final = "?"  # for a message that does not say its type
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

    def is_ours(self, *messages: FixMessage) -> bool:
        """Whether a report on a channel that serves several sessions is about this one."""
        said = (m.get(tag) == value for m in messages for tag, value in self.only)
        return not self.only or any(said)


class Translator:
    """Translates one session's messages in order; remembers open requests, nothing else."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._snapshots = snapshot.Snapshots()
        self._resends: deque[int] = deque(maxlen=_RESENDS_REMEMBERED)
        self._lists: OrderedDict[int, tuple[str, ...]] = OrderedDict()  # ids by the list's number
        self._builds = {
            (row.msg_type, outbound): row.build
            for row in mapping.rows(identity.parent_tags)
            for outbound in _OUTBOUND[row.way]
        }

    def dump(self) -> dict[str, Any]:
        """Its state as JSON values; ``load`` restores it."""
        lists = [[seq, list(ids)] for seq, ids in self._lists.items()]
        resends = list(self._resends)
        return {"snapshots": self._snapshots.dump(), "resends": resends, "lists": lists}

    def load(self, state: dict[str, Any]) -> None:
        """Inverse of ``dump``."""
        self._snapshots.load(state["snapshots"])
        self._resends.extend(state["resends"])
        self._lists = OrderedDict((seq, tuple(ids)) for seq, ids in state["lists"])

    def envelope(
        self, m: FixMessage, marks: Envelope, *, outbound: bool, ingest_ns: int
    ) -> Envelope:
        """What the standard header says. A resent message happened when it was first sent.

        Raises ``FixError`` where there is no number: then the message cannot be placed at all.
        """
        seq = m.integer(tags.MSG_SEQ_NUM)
        if seq is None:
            raise FixError(str(m.faults[-1]) if m.faults else "no MsgSeqNum (34)")
        sent_ns, poss_dup = m.time_ns(tags.SENDING_TIME), m.flag(tags.POSS_DUP_FLAG)
        if sent_ns is None and tags.SENDING_TIME not in m.fields:
            m.fault(tags.SENDING_TIME, "no SendingTime; the line's time stands in")
        first_sent_ns = m.time_ns(tags.ORIG_SENDING_TIME) if poss_dup else None
        return marks | {
            "event_ns": next((ns for ns in (first_sent_ns, sent_ns) if ns is not None), ingest_ns),
            "ingest_ns": ingest_ns,
            "seq": seq,
            "outbound": outbound,
            "poss_dup": poss_dup,
            "poss_resend": m.flag(tags.POSS_RESEND),
        }

    def events(self, m: FixMessage, envelope: Envelope) -> list[StreamEvent]:
        """The events of one message; raises ``FixError`` when its content cannot be used."""
        if m.is_torn:
            raise FixError("the fields cannot be told apart: a raw data length is wrong")
        try:
            return list(map(checked, self._translate(m, envelope)))
        except ValidationError as error:
            raise FixError(told(error)) from None

    def set_aside(self, m: FixMessage, envelope: Envelope, why: str) -> StreamEvent:
        """A message whose content cannot be used has used its number all the same (R19)."""
        return OtherMessage(
            **envelope,
            msg_type=m.get(tags.MSG_TYPE) or _UNTYPED,
            set_aside=why,
            order_id=fields.order_id(m),
            cl_ord_id=m.name(tags.CL_ORD_ID),
            orig_cl_ord_id=m.name(tags.ORIG_CL_ORD_ID),
        )

    def _translate(self, m: FixMessage, envelope: Envelope) -> list[StreamEvent]:
        msg_type, outbound = m.require(tags.MSG_TYPE, "MsgType"), envelope["outbound"]
        if outbound:
            found = self._builds.get((msg_type, True), mapping.venues_own)(m, envelope)
            return self._asked(msg_type, found if isinstance(found, list) else [found])
        carrier, m = m, self._carried(m) or m
        if m is not carrier:
            msg_type, envelope = m.fields[tags.MSG_TYPE], _as_carried(m, envelope)
        if msg_type not in _OF_THE_CHANNEL and not self._identity.is_ours(m, carrier):
            return [admin.other(carrier, envelope)]
        if msg_type == "8" and tags.MASS_STATUS_REQ_ID in m.fields:
            answer = self._snapshots.answer(m, envelope, self._identity.parent_tags)
            if answer is not None:
                return answer
        found = self._builds.get((msg_type, False), admin.other)(m, envelope)
        carrier.faults += m.faults if m is not carrier else ()
        return self._told(found) if isinstance(found, StreamEvent) else found

    def _carried(self, m: FixMessage) -> FixMessage | None:
        """The report that a message of a channel carries as XML, as CME's drop copy does."""
        if m.get(tags.MSG_TYPE) != _CARRIER:
            return None
        inner = unwrapped(m, tags.XML_DATA)
        return None if inner is None or inner.get(tags.MSG_TYPE) not in mapping.CARRIED else inner

    def _asked(self, msg_type: str, events: list[StreamEvent]) -> list[StreamEvent]:
        """What we sent, remembered as far as an answer may refer to it by number."""
        match events[0]:
            case MassStatusBegin(request_id=request_id, seq=int(seq)):
                self._snapshots.begin(request_id, seq)
            case ResendRequested(seq=int(seq)):
                self._resends.append(seq)
            case NewOrder(seq=int(seq)) | UnmodelledRequest(seq=int(seq)) if msg_type == _LIST:
                orders = (each for each in events if isinstance(each, NewOrder | UnmodelledRequest))
                self._lists[seq] = tuple(each.cl_ord_id for each in orders)
                if len(self._lists) > _LISTS_REMEMBERED:
                    self._lists.popitem(last=False)
        return self._logged_on(events)

    def _told(self, event: StreamEvent) -> list[StreamEvent]:
        """What the venue said."""
        return (
            self._rejected(event) if isinstance(event, RequestReject) else self._logged_on([event])
        )

    def _logged_on(self, events: list[StreamEvent]) -> list[StreamEvent]:
        """A logon names the venue's profile."""
        venue = self._identity.venue
        if venue is None or not isinstance(events[0], Logon):
            return events
        return [replace(events[0], venue=venue)]

    def _rejected(self, event: RequestReject) -> list[StreamEvent]:
        """A refused resend releases its range (R12), a refused mass status has failed (R29), and of
        a refused list every order is.
        """
        envelope = {name: getattr(event, name) for name in _ENVELOPE}
        is_resend = event.ref_seq in self._resends
        if event.ref_msg_type == _RESEND_REQUEST or (event.ref_msg_type is None and is_resend):
            return [ResendRejected(**envelope, reason=event.reason)]
        listed = self._lists.pop(event.ref_seq, ()) if event.ref_seq is not None else ()
        if listed:
            unnumbered = replace(event, seq=None, ref_seq=None)
            return [event, *(replace(unnumbered, ref_id=each) for each in listed)]
        request_id = self._snapshots.refused(event.ref_seq, event.ref_id)
        if request_id is None:
            return [event]
        failed = snapshot.end(envelope, request_id, failed=event.reason or "rejected")
        return [event, failed]


_ENVELOPE: Final = tuple(name for name in StreamEvent.__struct_fields__ if name != "v")


def _as_carried(m: FixMessage, envelope: Envelope) -> Envelope:
    """The number is the carrier's; a message that was itself sent again may have been seen."""
    was_resent = m.flag(tags.POSS_DUP_FLAG) or m.flag(tags.POSS_RESEND)
    return envelope | {"poss_resend": envelope["poss_resend"] or was_resent}
