"""The vocabulary of scenarios: the words of one line become one event, with what a reader would
assume filled in.

One function a verb, and the little that they must remember of each other: which request belongs to
which order, and how many each order asks for. README.md lists the words.
"""

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec
import orjson

from reconverge.core.messages.events import Event

SECOND_NS: Final = 1_000_000_000
START_NS: Final = 1_700_000_000 * SECOND_NS
"""Time zero of every scenario."""

Fields = dict[str, Any]

_SHORT: Final = {
    "sym": "symbol", "id": "order_id", "exec": "exec_id", "ref": "exec_ref_id",
    "status": "ord_status", "seg": "segment", "gw": "gateway", "expects": "next_expected",
    "parent": "parent_id",
}  # fmt: skip
_ACTIVE: Final = frozenset({
    "new", "trade", "replaced", "restated", "order_status", "trade_cancel", "trade_correct",
    "triggered",
})  # fmt: skip
"""Reports whose status follows from what is executed and open."""
_FILLS: Final = frozenset({"trade", "trade_cancel", "trade_correct"})
"""Reports of an execution: its quantity stands behind the order's name."""
AMOUNTS: Final = re.compile(r"^(-|[\d.]+)/(-|[\d.]+)$")
PRICE: Final = re.compile(r"^@(-?[\d.]+)$")
_NUMBER: Final = re.compile(r"^[\d.]+$")


class Words:
    """The words of one line, taken one by one."""

    def __init__(self, words: list[str]) -> None:
        self.settings = dict(w.split("=", 1) for w in words if "=" in w)
        self.rest = [w for w in words if "=" not in w]

    def take(self) -> str:
        """The next word."""
        return self.rest.pop(0)

    def flag(self, name: str) -> bool:
        """Whether a word is there; it is taken."""
        there = name in self.rest
        if there:
            self.rest.remove(name)
        return there

    def after(self, name: str) -> str | None:
        """The word after another; both are taken."""
        if name not in self.rest:
            return None
        at = self.rest.index(name)
        del self.rest[at]
        return self.rest.pop(at)

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """The first word of a form; it is taken."""
        for word in self.rest:
            found = pattern.match(word)
            if found:
                self.rest.remove(word)
                return found
        return None


def span(text: str) -> Fields:
    """``5-9``, ``5`` for one number, ``5-`` for no end."""
    first, dash, last = text.partition("-")
    to_seq = int(last) if last else None
    return {"from_seq": int(first), "to_seq": to_seq if dash else int(first)}


def text(word: str) -> str | None:
    """A word, ``-`` for null."""
    return None if word == "-" else word


def value(word: str) -> Any:
    """A setting's value: JSON where it is, text where not, ``-`` for null."""
    try:
        return orjson.loads(word)
    except orjson.JSONDecodeError:
        return text(word)


def _event(fields: Fields) -> Event:
    event: Event = msgspec.convert(fields, Event)
    return event


class Vocabulary:
    """Turns words into events; remembers what earlier lines said of orders."""

    symbol = "ACME"
    """The instrument, where none is given."""

    def __init__(self, policy: Fields) -> None:
        self.policy = policy
        """The document in force, for changes to start from."""
        self.roots: dict[str, str] = {}
        """Each client id's first one of the chain."""
        self.qty: dict[str, str] = {}
        """Quantity by client id; by chain, the last one confirmed."""
        self.symbols: dict[str, str] = {}
        self.prices: dict[str, str] = {}
        self.caps: dict[str, int] = {}
        """Last cap published, by session: what ``ack`` means."""
        self.numbers: dict[tuple[str, str | None, str | None, bool], int] = {}
        """Next number of each stream."""

    # -- envelope -------------------------------------------------------------------------------

    def event(self, place: "Place", verb: str, texts: list[str], now_ns: int) -> Event:
        """The event of one line. Raises KeyError for a word that is not in the vocabulary."""
        words = Words(texts)
        session = place.session
        ago_ns = round(float(words.settings.pop("ago", 0)) * SECOND_NS)
        fields: Fields = {"session": session, "event_ns": now_ns - ago_ns, "ingest_ns": now_ns}
        if place.room == "desk":
            fields |= _DESK[verb](self, words, session)
            fields |= {key: value(word) for key, word in words.settings.items()}
            return _event(fields)
        fields |= {"channel": place.channel, "outbound": place.outbound}
        fields |= {"poss_dup": words.flag("dup"), "poss_resend": words.flag("possresend")}
        given = words.match(re.compile(r"^#(\d+|-)$"))
        handle = _SENT.get(verb) if place.outbound else None
        handle = handle or _SESSION.get(verb) or Vocabulary._report
        fields |= handle(self, words, verb)
        for short, word in words.settings.items():
            key = _SHORT.get(short, short)
            fields[key] = text(word) if key in _TEXTS else value(word)
        for key in _TEXTS & fields.keys():
            fields[key] = None if fields[key] is None else str(fields[key])
        assert not words.rest, f"not understood: {words.rest}"
        self._number(fields, None if given is None else given[1])
        return _event(fields)

    def _number(self, fields: Fields, given: str | None) -> None:
        kind, channel, segment = fields["type"], fields["channel"], fields.get("segment")
        if kind in _OBSERVED or given == "-":
            return
        stream = (fields["session"], channel, segment, fields["outbound"])
        if fields.get("reset_numbers"):
            self.numbers[stream] = 1
        following = self.numbers.get(stream, 1)
        seq = fields["seq"] = following if given is None else int(given)
        if not fields["poss_dup"]:
            self.numbers[stream] = max(following, fields.get("new_seq", seq + 1))

    # -- orders ---------------------------------------------------------------------------------

    def _new_order(self, words: Words, _: str) -> Fields:
        name = words.take()
        self.roots[name] = name
        price, qty = words.match(PRICE), words.match(_NUMBER)
        self.qty[name] = qty[0] if qty else "100"
        self.prices[name] = price[1] if price else "10"
        self.symbols[name] = words.settings.pop("sym", self.symbol)
        return {
            "type": "new_order", "cl_ord_id": name, "qty": self.qty[name],
            "price": self.prices[name], "symbol": self.symbols[name],
            "side": "sell" if words.flag("sell") else "buy",
            "persistent": words.flag("persistent"),
        }  # fmt: skip

    def _request(self, words: Words, verb: str) -> Fields:
        former = words.after("of")
        assert former is not None, "which order is it about? say: of ORDER"
        name = words.take()
        self.roots[name] = self.roots.get(former, former)
        fields: Fields = {"type": f"{verb}_request"}
        fields |= {"cl_ord_id": name, "orig_cl_ord_id": former}
        if verb == "replace":
            price = words.match(PRICE)
            qty = words.match(_NUMBER)
            assert qty is not None, "replace by how many?"
            fields |= {"qty": qty[0], "price": price[1] if price else self._price(name)}
        return fields

    def _mass_cancel(self, words: Words, _: str) -> Fields:
        return {"type": "mass_cancel_request", "cl_ord_id": words.take()}

    def _unmodelled(self, words: Words, _: str) -> Fields:
        former, name = words.after("of"), words.take()
        self.roots[name] = self.roots.get(former or name, former or name)
        return {
            "type": "unmodelled_request", "cl_ord_id": name, "orig_cl_ord_id": former,
            "msg_type": words.settings.pop("msg_type", "s"), "reason": "a cross",
        }  # fmt: skip

    def _venue_id(self, root: str) -> str:
        """The venue's id of an order, from its first client id."""
        return f"V{root}"

    def _price(self, name: str) -> str | None:
        return self.prices.get(self.roots.get(name, name), "10")

    def _said(self, words: Words) -> tuple[Fields, str]:
        """What every report and snapshot row says of an order, and its first client id."""
        former, name = words.after("of"), words.take()
        root = self.roots.get(former or name, former or name)
        self.roots.setdefault(name, root)
        amounts = words.match(AMOUNTS)
        cum, leaves = amounts.groups() if amounts else ("0", "0")
        cum, leaves = value(cum), value(leaves)
        if leaves:
            self.qty[root] = str((cum or 0) + leaves)
        price = words.match(PRICE)
        fields = {
            "order_id": self._venue_id(root), "cl_ord_id": name, "orig_cl_ord_id": former,
            "symbol": self.symbols.setdefault(root, self.symbol), "side": "buy",
            "order_qty": self.qty.get(root), "cum_qty": cum, "leaves_qty": leaves,
            "price": price[1] if price else self._price(root),
        }  # fmt: skip
        return fields, root

    def _report(self, words: Words, verb: str) -> Fields:
        fields, root = self._said(words)
        fields |= {"type": "execution_report", "exec_type": verb, "ord_status": verb}
        if verb in _ACTIVE:
            fields["ord_status"] = _status(fields)
        if verb in _FILLS:
            fields |= {"last_qty": text(words.take()), **self._filled(verb, fields, root)}
        return fields

    def _filled(self, verb: str, fields: Fields, root: str) -> Fields:
        """What is assumed of an execution."""
        exec_id = f"{root}.{fields['cum_qty']}" if verb == "trade" else None
        return {"last_px": self._price(root), "exec_id": exec_id}

    def _row(self, words: Words, _: str) -> Fields:
        request_id = words.take()
        fields, _root = self._said(words)
        return fields | {
            "type": "mass_status_row", "request_id": request_id, "ord_status": _status(fields),
        }  # fmt: skip

    def _mass_status(self, words: Words, _: str) -> Fields:
        return {"type": "mass_status_begin", "request_id": words.take()}

    def _mass_end(self, words: Words, _: str) -> Fields:
        failed = words.flag("failed")
        fields = {"type": "mass_status_end", "request_id": words.take(), "failed": failed}
        return fields | ({"rows_total": int(words.take())} if words.rest else {})

    def _cancel_reject(self, words: Words, _: str) -> Fields:
        former, name = words.after("of"), words.take()
        to = "replace" if words.flag("replace") else "cancel"
        return {
            "type": "cancel_reject", "cl_ord_id": text(name), "orig_cl_ord_id": former,
            "order_id": self._venue_id(self.roots.get(former or "", former or "")),
            "response_to": to,
        }  # fmt: skip

    def _mass_cancel_report(self, words: Words, _: str) -> Fields:
        fields: Fields = {"type": "mass_cancel_report", "accepted": not words.flag("refused")}
        fields["last_fragment"] = not words.flag("more")
        fields["cl_ord_id"] = text(words.take())
        total = words.match(_NUMBER)
        fields["affected_total"] = int(total[0]) if total else None
        fields["affected_orders"] = tuple(words.rest)
        words.rest.clear()
        return fields

    # -- the session ----------------------------------------------------------------------------

    def _logon(self, words: Words, _: str) -> Fields:
        heartbeat_s = float(words.settings.pop("hb", "30"))
        return {
            "type": "logon", "heartbeat_ms": int(heartbeat_s * 1_000) or None,
            "reset_numbers": words.flag("reset"),
        }  # fmt: skip

    def _plain(self, words: Words, verb: str) -> Fields:
        fields: Fields = {"type": _PLAIN[verb]}
        if verb in {"logout", "disconnect"} and words.rest:
            fields["reason"] = words.take()
        if verb == "reject":
            fields["reason"] = words.take() if words.rest else None
        if verb == "other":
            fields["msg_type"] = "TestRequest"
        return fields

    def _ranged(self, words: Words, verb: str) -> Fields:
        return {"type": {"gap": "gap_opened", "resend": "resend_requested"}[verb]} | span(
            words.take()
        )

    def _resend_rejected(self, words: Words, _: str) -> Fields:
        return {"type": "resend_rejected", "unrecoverable": words.flag("forever")}

    def _next(self, words: Words, verb: str) -> Fields:
        kind = {"fill": "gap_fill", "reset": "sequence_reset"}[verb]
        return {"type": kind, "new_seq": int(words.take())}

    def _switched(self, words: Words, _: str) -> Fields:
        clean = words.flag("clean")
        return {"type": "gateway_switched", "clean": clean, "gateway": words.take()}

    def _not_applied(self, words: Words, _: str) -> Fields:
        return {
            "type": "not_applied", "from_seq": int(words.take()), "count": int(words.take()),
        }  # fmt: skip

    # -- the desk -------------------------------------------------------------------------------

    def _safe_mode(self, words: Words, _: str) -> Fields:
        on = {"on": True, "off": False}[words.take()]
        return {"type": "safe_mode", "on": on, "actor": words.take(), "reason": words.take()}

    def _attest(self, words: Words, _: str) -> Fields:
        fields: Fields = {"type": "attestation", "actor": words.take(), "reason": words.take()}
        for field, name in (
            ("orders_not_working", "orders"),
            ("orders_adopted", "adopted"),
            ("channels_retired", "retired"),
        ):
            listed = words.settings.pop(name, None)
            fields[field] = tuple(listed.split(",")) if listed else ()
        numbers = words.match(re.compile(r"^\d+(-\d+)?$"))
        if numbers is not None:
            fields |= span(numbers[0])
        if words.rest:
            fields["channel"] = words.take()
        return fields

    def _policy(self, words: Words, _: str) -> Fields:
        if retired := words.after("retire"):
            return {"type": "policy_change", "retire_shadow": retired, "actor": "desk"}
        shadow = words.flag("shadow")
        document = merged(self.policy, words.settings)
        document["version"] = document.get("version", 1) + (not shadow)
        if not shadow:
            self.policy = document
        words.settings.clear()
        return {
            "type": "policy_change", "policy": document, "actor": "desk", "shadow": shadow,
        }  # fmt: skip

    def _parent(self, words: Words, _: str) -> Fields:
        name, qty = words.take(), words.take()
        points = [point.split(":") for point in words.rest]
        words.rest.clear()
        return {
            "type": "parent_order", "parent_id": name, "symbol": "ACME", "side": "buy", "qty": qty,
            "schedule": tuple(
                {"at_ns": START_NS + int(float(at) * SECOND_NS), "cum_qty": cum}
                for at, cum in points
            ),
        }  # fmt: skip

    def _done(self, words: Words, _: str) -> Fields:
        return {"type": "parent_done", "parent_id": words.take()}

    def _ack(self, words: Words, session: str) -> Fields:
        sequence = int(words.take()) if words.rest else self.caps.get(session, 0)
        return {"type": "profile_ack", "cap_epoch": 0, "cap_sequence": sequence}


class Place:
    """Where a line comes from."""

    def __init__(self, text: str) -> None:
        session, slash, source = text.rpartition("/")
        self.session = session if slash else "S"
        self.room = "desk" if source in {"control", "parents"} else "stream"
        self.outbound = source.endswith(">")
        name = source.rstrip("<>")
        self.channel = None if name in {"entry", ""} else name


def merged(document: Fields, settings: dict[str, str]) -> Fields:
    """A policy document with dotted settings put in."""
    result: Fields = orjson.loads(orjson.dumps(document))
    for key, word in settings.items():
        *tables, name = key.split(".")
        table = result
        for each in tables:
            table = table.setdefault(each, {})
        table[name] = value(word)
    return result


def _status(fields: Fields) -> str:
    """The order status that goes with an executed and an open quantity."""
    executed = fields["cum_qty"] not in {None, 0, "0"}
    if fields["leaves_qty"] not in {0, "0"}:
        return "partially_filled" if executed else "new"
    return "filled" if executed else "canceled"


_TEXTS: Final = frozenset({
    "qty", "price", "order_qty", "cum_qty", "leaves_qty", "last_qty", "last_px", "mid",
    "order_id", "cl_ord_id", "exec_id", "exec_ref_id", "parent_id", "ref_id",
    "ref_msg_type", "segment", "symbol",
})  # fmt: skip
"""Fields that are text even where they look like numbers."""
_OBSERVED: Final = frozenset({
    "disconnect", "heartbeat_missed", "gap_opened", "resend_completed", "gateway_switched",
})  # fmt: skip
"""Events that our side observed: they use up no number."""
_PLAIN: Final = {
    "logout": "logout", "disconnect": "disconnect", "missed": "heartbeat_missed",
    "heartbeat": "heartbeat", "other": "other_message", "resend-completed": "resend_completed",
    "reject": "request_reject",
}  # fmt: skip
Handler = Callable[[Vocabulary, Words, str], Fields]
_SENT: Final[dict[str, Handler]] = {
    "new": Vocabulary._new_order, "replace": Vocabulary._request, "cancel": Vocabulary._request,
    "mass-cancel": Vocabulary._mass_cancel, "unmodelled": Vocabulary._unmodelled,
}  # fmt: skip
_SESSION: Final[dict[str, Handler]] = {
    **dict.fromkeys(_PLAIN, Vocabulary._plain),
    "logon": Vocabulary._logon, "gap": Vocabulary._ranged, "resend": Vocabulary._ranged,
    "resend-rejected": Vocabulary._resend_rejected, "fill": Vocabulary._next,
    "reset": Vocabulary._next, "switched": Vocabulary._switched,
    "not-applied": Vocabulary._not_applied, "cancel-reject": Vocabulary._cancel_reject,
    "mass-status": Vocabulary._mass_status, "row": Vocabulary._row,
    "mass-end": Vocabulary._mass_end, "mass-cancel-report": Vocabulary._mass_cancel_report,
}  # fmt: skip
_DESK: Final[dict[str, Handler]] = {
    "safe-mode": Vocabulary._safe_mode, "attest": Vocabulary._attest, "policy": Vocabulary._policy,
    "parent": Vocabulary._parent, "done": Vocabulary._done, "ack": Vocabulary._ack,
}  # fmt: skip
