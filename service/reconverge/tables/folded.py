"""Tables of folded history: requests, reports, beliefs, caps and the rest, by journal offset."""

from typing import Final

from reconverge.tables.schema import Column, Table, columns

PLACE: Final = (
    Column("journal_offset", "int", "Journal offset of the batch that folded it."),
    Column("position", "int", "Place within the batch; with the offset and partition a key."),
    Column("batch_ns", "time", "The batch's time: when the service knew it. By the core's clock."),
    Column("session", "text", "Order-entry session."),
)
"""Where every row of folded history comes from."""

_HEARD: Final = (
    *PLACE,
    *columns(
        "text",
        channel="Drop-copy channel that said it; null on order entry.",
        gateway="Path that carried it.",
    ),
    Column("seq", "int", "Sequence number (FIX 34) in its sender's numbering."),
    *columns(
        "flag",
        outbound="We sent it.",
        poss_dup="FIX 43: sent again under its number: a replay.",
        poss_resend="FIX 97: sent again under a new number.",
    ),
    Column("event_ns", "time", "When it happened, by its sender's clock."),
    Column("ingest_ns", "time", "When the adapter saw it."),
)
"""What every row made from one message of the order streams has."""

_IDS: Final = columns(
    "text",
    cl_ord_id="Client order id (FIX 11).",
    orig_cl_ord_id="Client order id it changes (FIX 41).",
    order_id="Venue's order id (FIX 37).",
)

_DECISION: Final = (
    Column("decision_ns", "time", "When the router decided."),
    *columns("exact", mid="Mid price stamped at decision.", spread="Spread stamped at decision."),
    *columns(
        "int",
        cap_epoch="Epoch of the cap in force at decision.",
        cap_sequence="Sequence of the cap in force at decision.",
    ),
    *columns(
        "ratio",
        confidence="Confidence the router acted on.",
        cap_applied="Cap that the router really applied, its own safe cap included.",
    ),
    *columns(
        "text",
        intent="Why it was sent, as the router says it.",
        intent_id="Intention that several orders may serve.",
        repost_of="Client order id, cancelled, that it takes the place of.",
    ),
)

_BATCHES: Final = Table(
    "batches",
    "one journalled batch; its file is written last and makes a window whole",
    (
        *PLACE[:1],
        Column("batch_ns", "time", "The batch's time, by the core's clock."),
        *columns(
            "int",
            previous_offset="Journal offset of the batch before it; -1 for none.",
            epoch="Claim of the worker that wrote it.",
            records="Input records that it folded.",
            refused="Records of it that were set aside (dlq).",
            lost="Records of inputs that nobody can read any more.",
        ),
        *columns(
            "text", core="Version of the core.", policy="Hash of the policies in force after it."
        ),
    ),
)

_REQUESTS: Final = Table(
    "requests",
    "one request of ours on the order-entry stream, when it was heard",
    (
        *_HEARD,
        Column("kind", "text", "new, replace, cancel, mass_cancel or unmodelled."),
        *_IDS,
        *columns("text", parent_id="Parent order.", symbol="Instrument.", side="buy or sell."),
        *columns("exact", qty="Quantity requested.", price="Limit; null for a market order."),
        *_DECISION,
    ),
)

_REPORTS: Final = Table(
    "reports",
    "one word of the venue on an order (report, snapshot row, reject), on either stream",
    (
        *_HEARD,
        Column("kind", "text", "execution_report, mass_status_row, cancel_reject, request_reject."),
        *_IDS,
        *columns(
            "text",
            parent_id="Parent order, where the venue echoes it.",
            symbol="Instrument.",
            side="buy or sell.",
            exec_type="FIX 150 by name.",
            ord_status="FIX 39 by name.",
            exec_id="Execution id (FIX 17).",
            exec_ref_id="Execution referred to (FIX 19).",
        ),
        *columns(
            "exact",
            order_qty="Total quantity.",
            price="Limit price.",
            cum_qty="Executed so far, as stated.",
            leaves_qty="Open, as stated.",
            last_qty="Quantity of this fill.",
            last_px="Price of this fill.",
            queue_ahead="Quantity ahead of it in the book.",
        ),
        Column("transact_ns", "time", "Venue's own time (FIX 60)."),
        Column("reason", "text", "Why it was refused."),
    ),
)

_FILLS: Final = Table(
    "fills",
    "one execution, bust or correction as one stream told it; `booked_qty` is what it booked",
    (
        *_HEARD,
        *columns(
            "text",
            order="What the order is called: the venue's id, else our first id.",
            exec_type="trade, trade_cancel or trade_correct.",
        ),
        *_IDS,
        *columns(
            "text",
            parent_id="Parent order.",
            symbol="Instrument.",
            side="buy or sell.",
            exec_id="Execution id (FIX 17).",
            exec_ref_id="Execution it busts or corrects (FIX 19).",
        ),
        Column("first_word", "flag", "No stream had told this execution of this order before."),
        *columns(
            "exact",
            booked_qty="Change of the executed quantity in this stream's view; negative for a bust,"
            " 0 for what was known.",
            last_qty="Quantity stated.",
            last_px="Price stated.",
            mid="Mid price stamped at the fill.",
            spread="Spread stamped at the fill.",
            fee="Fees of it, quote currency; positive is paid.",
        ),
        Column("liquidity", "text", "added, removed or auction."),
        Column("transact_ns", "time", "Venue's own time (FIX 60)."),
        Column("at_ns", "time", "When it happened; null if only re-sent reports tell of it (T7)."),
        Column("at_basis", "text", "stated (FIX 60), derived (a live report's time) or unknown."),
    ),
)

_BELIEFS: Final = Table(
    "beliefs",
    "what the two views held of an order after an event that changed one of them",
    (
        *PLACE,
        *columns(
            "text",
            order="What the order is called: the venue's id, else our first id.",
            order_id="Venue's order id.",
            cl_ord_id="Our first id of it.",
            parent_id="Parent order.",
            symbol="Instrument.",
        ),
        Column("order_no", "int", "Its place in the session, by first appearance."),
        *columns(
            "exact",
            entry_open="Open quantity in the entry view.",
            entry_cum="Executed quantity in the entry view.",
            venue_open="Open quantity in the venue view.",
            venue_cum="Executed quantity in the venue view.",
        ),
        Column("event_ns", "time", "Event time of what changed it."),
    ),
)

_SESSION_EVENTS: Final = Table(
    "session_events",
    "one event of a session itself: logons, losses, gaps, replay and gap-fill markers",
    (
        *_HEARD,
        Column("kind", "text", "Type of the event, as the contract names it."),
        *columns(
            "int",
            from_seq="First number of a range.",
            to_seq="Last number of a range.",
            new_seq="Next number after a gap fill or reset.",
            heartbeat_ms="Heartbeat interval. Milliseconds.",
        ),
        *columns(
            "text",
            venue="Venue profile named at logon.",
            session_type="Kind of session, as the desk names it.",
            reason="Why, as the source says it.",
        ),
    ),
)

_PARENTS: Final = Table(
    "parents",
    "one word on a parent order; a later one with its id replaces it",
    (
        *PLACE,
        Column("event_ns", "time", "When the desk said it."),
        *columns("text", parent_id="Parent order.", symbol="Instrument.", side="buy or sell."),
        *columns(
            "exact",
            qty="Quantity on this session.",
            total_qty="Quantity over all sessions.",
            arrival_mid="Mid price at arrival.",
            arrival_spread="Spread at arrival.",
            limit_price="Limit of the parent.",
            adv_qty="Average daily volume. Units a day.",
            decision_mid="Mid when it was decided, before it arrived.",
            multiplier="Contract multiplier.",
        ),
        *columns(
            "ratio",
            sigma_bps="Daily volatility. Basis points.",
            participation="Planned share of market volume.",
        ),
        Column("decision_ns", "time", "When it was decided, before it arrived."),
        *columns(
            "text",
            schedule_shape="step or linear.",
            urgency="The desk's label.",
            bucket="Liquidity bucket.",
            currency="Quote currency.",
        ),
    ),
)

_SCHEDULE: Final = Table(
    "schedule",
    "one point of the schedule that came with a row of `parents`",
    (
        *PLACE,
        Column("parent_id", "text", "Parent order."),
        Column("point", "int", "Place in the schedule, from 0."),
        Column("at_ns", "time", "By when."),
        Column("cum_qty", "exact", "Quantity meant to be executed by then."),
    ),
)

_PARENT_ENDS: Final = Table(
    "parent_ends",
    "the end of a parent order",
    (
        *PLACE,
        Column("event_ns", "time", "When the desk said it."),
        *columns(
            "text",
            parent_id="Parent order.",
            reason="filled, cancelled, expired, limit or other.",
        ),
        *columns(
            "exact",
            mid="Mid price at the end.",
            executed_qty="Executed, as the desk has it.",
            fees="Fees of the whole parent.",
        ),
    ),
)

_ACKS: Final = Table(
    "acks",
    "the router's acknowledgement of a cap that it applies",
    (
        *PLACE,
        Column("event_ns", "time", "When the router said it."),
        *columns("int", cap_epoch="Epoch of the cap.", cap_sequence="Sequence of the cap."),
    ),
)

_CONTROLS: Final = Table(
    "controls",
    "what operators and guardrails did: safe mode, attestations, policies, retired sessions",
    (
        *PLACE,
        Column("event_ns", "time", "When they did it."),
        Column("kind", "text", "Type of the event."),
        *columns("text", actor="Who.", reason="Why.", role="operator or guardrail.",
                  evidence="Id of the guardrail's record."),
        Column("on", "flag", "Safe mode: set or released."),
        Column("document", "nested", "The event whole."),
    ),
)  # fmt: skip

_CAPS: Final = Table(
    "caps",
    "a cap as published: one row for the session, one for each instrument it names",
    (
        *PLACE,
        Column("symbol", "text", "Instrument; null for the session as a whole."),
        *columns("int", epoch="Epoch.", sequence="Sequence within the epoch."),
        Column("state", "text", "State of the session."),
        *columns(
            "ratio",
            cap="Share of normal participation allowed.",
            instrument_cap="Cap of an instrument with no doubt of its own.",
            confidence="Confidence.",
            catchup_multiple_max="Highest multiple of the normal rate.",
            participation_max="Absolute participation never to be exceeded.",
        ),
        Column("components", "nested", "Parts of the confidence."),
        *columns("text", reason="What binds it.", cause="Why it was published."),
        *columns(
            "flag", freeze_expansion="No expansion that needs exact truth.", safe_mode="Latched."
        ),
        *columns(
            "text",
            policy_id="Policy that decided.",
            policy_hash="Hash of its content.",
            episode_id="Episode it belongs to.",
        ),
        Column("policy_version", "int", "Version of that policy."),
        Column("valid_until_ns", "time", "After this it says nothing."),
    ),
)

_TRANSITIONS: Final = Table(
    "transitions",
    "one move of a session from state to state",
    (
        *PLACE,
        *columns(
            "text",
            id="Deterministic id.",
            from_state="State before.",
            to_state="State after.",
            signal="Signal that moved it.",
            detail="The figures behind it.",
            episode_id="Episode.",
            policy_id="Policy that decided.",
            policy_hash="Hash of its content.",
        ),
        *columns("int", cycle="Failover cycle.", policy_version="Version of the policy."),
        Column("event_ns", "time", "When, by the core's clock."),
        Column("trigger_event_ns", "time", "Event time of what triggered it."),
    ),
)

_EPISODES: Final = Table(
    "episodes",
    "one record of an episode: opened, updated, closed",
    (
        *PLACE,
        *columns(
            "text",
            id="Id of the record.",
            episode_id="Episode.",
            status="open, update or closed.",
            cause="Signal that opened it.",
            cause_detail="What the source said.",
            venue="Venue profile.",
            policy_id="Policy in force.",
            policy_hash="Hash of its content.",
        ),
        *columns("int", cycles="Hard failures so far.", policy_version="Version of the policy."),
        *columns(
            "time",
            start_ns="First signal, by the core's clock.",
            failed_event_ns="First signal, by its source's clock.",
            end_ns="When it closed.",
        ),
        *columns(
            "ratio",
            link_down_ms="Downtime of the link. Milliseconds.",
            divergence_ms="First disagreement to lasting parity. Milliseconds.",
            fds_ms="Failover detection skew. Milliseconds.",
            dark_ms="Last proof of life to detection. Milliseconds.",
            reentry_ms="First signal to controlled re-entry. Milliseconds.",
            sdl_ms="State decision lag; null while censored. Milliseconds.",
            sdl_reentry_ms="To the first acknowledged re-entry cap. Milliseconds.",
        ),
        *columns(
            "nested",
            path="States entered.",
            gaps="Sequence-gap trajectory: at_ns, outstanding, unrecoverable.",
            similarity="Live-set similarity (LSS): at_ns, raw, settled, quantity.",
            decisions="Caps in force at child-order decisions.",
            backlog="Backlog against schedule by parent.",
            unresolved="What was still open.",
        ),
    ),
)

_ALERTS: Final = Table(
    "alerts",
    "one alert",
    (
        *PLACE,
        *columns("text", id="Deterministic id.", name="What happened.", detail="The figures."),
        Column("event_ns", "time", "When, by the core's clock."),
    ),
)

JOURNAL_SPINE: Final = _BATCHES.name
"""The table whose file makes a window whole: it is written last, and there is one a window."""
FOLDED: Final = (
    _BATCHES, _REQUESTS, _REPORTS, _FILLS, _BELIEFS, _SESSION_EVENTS, _PARENTS, _SCHEDULE,
    _PARENT_ENDS, _ACKS, _CONTROLS, _CAPS, _TRANSITIONS, _EPISODES, _ALERTS,
)  # fmt: skip
"""Tables of folded history, named by journal offsets."""
