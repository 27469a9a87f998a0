"""The commands by which an operator acts: `policy apply`, `safe-mode`, `attest`, `session retire`.

Each publishes to the topic `controls` what the core then takes as an input like any other, so that
who did what, when and why lies in the same record as everything else; and waits until the service
says that it took effect.
"""

import asyncio
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

import orjson
import typer
from msgspec import ValidationError

from reconverge.cli import inputs
from reconverge.cli.acting import RESULT_S, Acted, Results, Unknown, Unpublished, act, refusals
from reconverge.cli.exits import Exit, leave
from reconverge.cli.kafka import Unreachable
from reconverge.config.settings import SettingsRefused
from reconverge.core.messages.decode import checked, told
from reconverge.core.messages.desk import RetireSession
from reconverge.core.messages.events import Attestation, ControlEvent, PolicyChange, SafeMode
from reconverge.core.messages.wire import BROADCAST, encode

E = TypeVar("E", PolicyChange, SafeMode, Attestation, RetireSession)

Actor = Annotated[str, typer.Option(metavar="WHO", help="Who acts; kept with what it does.")]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why; kept with what it does.")]
BootstrapServers = Annotated[
    str | None, typer.Option(metavar="HOST:PORT,...", help="Kafka brokers.")
]
TopicPrefix = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Put before every topic's name.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object, for machines.")]
NoWait = Annotated[
    bool, typer.Option("--no-wait", help="Publish, and do not wait until it took effect.")
]
EvenUnknown = Annotated[
    bool, typer.Option("--unknown", help="Though nobody knows the session, or an order named.")
]


class Latch(StrEnum):
    """What becomes of the safe mode."""

    ON = "on"
    OFF = "off"


# --------------------------------------------------------------------------------------------------
# ------------- Acting -----------------------------------------------------------------------------
# ----------------------------------


class How(NamedTuple):
    """The options of every command that acts."""

    bootstrap_servers: str | None
    topic_prefix: str | None
    wait: bool
    as_json: bool
    known: bool = True
    """Only where the session is known."""


def _act(event: ControlEvent, words: str, how: How) -> None:
    """Publish, wait, and say what became of it; ends the command when it took no effect."""
    settings = inputs.settings(
        bootstrap_servers=how.bootstrap_servers, topic_prefix=how.topic_prefix
    )
    try:
        acted = asyncio.run(act(settings, event, wait=how.wait, known=how.known))
    except SettingsRefused as refused:
        leave(Exit.USAGE, refused.problems)
    except Unknown as unknown:
        leave(Exit.FOUND, [unknown])
    except (Unreachable, Unpublished) as error:
        leave(Exit.ENVIRONMENT, [f"Kafka: {error}"])
    if how.as_json:
        typer.echo(orjson.dumps(_as_json(event, acted)))
    if reasons := refusals(acted.results):
        leave(Exit.FOUND, [f"refused, and nothing changed: {reason}" for reason in reasons])
    where = _where(acted.topic, acted.results)
    if acted.waited and None in acted.results.values():
        so_far = f"{words}: published to {where}, but no service said within {RESULT_S:g} s that it"
        later = "it does when the service is back, so do not repeat the command"
        leave(Exit.FOUND, [f"{so_far} took effect: {later}"])
    if not how.as_json:
        typer.echo(f"{words}: {'in effect' if acted.waited else f'published to {where}'}")


def _where(topic: str, results: Results) -> str:
    numbers = ", ".join(str(partition) for partition, _ in results)
    return f"{topic}, partition{'s' if len(results) > 1 else ''} {numbers}"


def _as_json(event: ControlEvent, acted: Acted) -> dict[str, Any]:
    results = [
        {
            "partition": partition,
            "offset": offset,
            "result": None if result is None else result.type.removeprefix("control_"),
            "detail": getattr(result, "detail", None),
        }
        for (partition, offset), result in acted.results.items()
    ]
    return {"event": orjson.Fragment(encode(event)), "topic": acted.topic, "results": results}


def _event(kind: type[E], session: str, **fields: Any) -> E:
    """An event of now; ends the command when a text is empty or too long for the contract."""
    now_ns = time.time_ns()
    given = {name: value for name, value in fields.items() if value is not None}
    try:
        return checked(kind(session=session, event_ns=now_ns, ingest_ns=now_ns, **given))
    except ValidationError as error:
        leave(Exit.USAGE, [told(error)])


# --------------------------------------------------------------------------------------------------
# ------------- The commands -----------------------------------------------------------------------
# ---------------------------------------


def apply_policy(  # noqa: PLR0913 - one parameter an option
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", exists=True, dir_okay=False, show_default=False),
    ] = None,
    *,
    actor: Actor,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="Evaluate it beside the one in force, acting on none.")
    ] = False,
    retire_shadow: Annotated[
        str | None,
        typer.Option(metavar="ID", show_default=False, help="Evaluate this shadow no longer."),
    ] = None,
    bootstrap_servers: BootstrapServers = None,
    topic_prefix: TopicPrefix = None,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Put a policy in force in a running service, or beside it as a shadow; or retire a shadow.

    The file is checked first, as `policy check` does, and nothing is published unless it holds
    together. Every partition gets the change; where it applies is for the policy's `scope` to say.
    It stays in force over restarts. Naming both a file and a shadow promotes the shadow: both
    happen at once. It ends when every partition says that it took effect; exit code 1 if it was
    refused, or if nothing is said within 5 s: then it takes effect when the service is back.

        reconverge policy apply desk.toml --actor j.doe

        reconverge policy apply strict.toml --shadow --actor j.doe

        reconverge policy apply strict.toml --retire-shadow strict --actor j.doe
    """
    if file is None and (retire_shadow is None or shadow):
        leave(Exit.USAGE, ["nothing to apply: name a FILE, or a shadow with --retire-shadow"])
    fields: dict[str, Any] = {"actor": actor}
    words = []
    if file is not None:
        policy = inputs.policy_or_end(file)
        fields |= {"policy": policy.model_dump(mode="json"), "shadow": shadow}
        role = "in the shadow" if shadow else "in force"
        words.append(f"{policy.id} version {policy.version} ({policy.ref.hash}) {role}")
    if retire_shadow is not None:
        fields["retire_shadow"] = retire_shadow
        words.append(f"shadow {retire_shadow} retired")
    _act(
        _event(PolicyChange, BROADCAST, **fields),
        ", ".join(words),
        How(bootstrap_servers, topic_prefix, not no_wait, as_json),
    )


def safe_mode(  # noqa: PLR0913 - one parameter an option
    latch: Annotated[Latch, typer.Argument(metavar="on|off", show_default=False)],
    *,
    session: Annotated[
        str, typer.Option(metavar="ID|*", help="Session; `*` (quoted) is every one, new ones too.")
    ],
    reason: Reason,
    actor: Actor,
    unknown: EvenUnknown = False,
    bootstrap_servers: BootstrapServers = None,
    topic_prefix: TopicPrefix = None,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Latch a session's cap to the policy's safe-mode cap, or release the latch.

    It lowers the cap at once and only ever lowers it; released, the cap rises by the ramp. Cancels
    are never restricted. `off` for `*` releases every session, those latched one by one included.

        reconverge safe-mode on --session EQ-1 --reason "venue drill" --actor j.doe

        reconverge safe-mode off --session '*' --reason "drill over" --actor j.doe
    """
    event = _event(SafeMode, session, on=latch is Latch.ON, actor=actor, reason=reason)
    who = "every session" if session == BROADCAST else session
    _act(
        event,
        f"safe mode {latch.value} for {who}",
        How(bootstrap_servers, topic_prefix, not no_wait, as_json, known=not unknown),
    )


OrdersOver = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ID",
        show_default=False,
        help="Order vouched to be working in neither view, by the venue's id or ours; repeatable.",
    ),
]
OrdersAdopted = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ID",
        show_default=False,
        help="Order that drop copy alone tells of, and that is ours; repeatable.",
    ),
]
ChannelsGone = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ID",
        show_default=False,
        help="Drop-copy channel that is gone, until it is heard again; repeatable.",
    ),
]


def attest(  # noqa: PLR0913 - one parameter an option
    *,
    session: Annotated[str, typer.Option(metavar="ID", help="Session it is about.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="On what evidence; kept with it.")],
    actor: Actor,
    channel: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="Drop-copy channel of the range; the entry stream if none."
        ),
    ] = None,
    segment: Annotated[
        str | None, typer.Option(metavar="S", help="Numbering segment of the range.")
    ] = None,
    from_seq: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="First number vouched for.")
    ] = None,
    to_seq: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Last number vouched for, inclusive.")
    ] = None,
    order: OrdersOver = None,
    adopt_order: OrdersAdopted = None,
    retire_channel: ChannelsGone = None,
    unknown: EvenUnknown = False,
    bootstrap_servers: BootstrapServers = None,
    topic_prefix: TopicPrefix = None,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Vouch for what no replay can prove any more: the way out of an unrecoverable gap (R17).

    Say which numbers carried nothing that matters, and which orders work nowhere: ask the venue
    first. Who, when and why stay in the episode's record. An attestation that names neither numbers
    nor orders nor channels vouches for the session as it stands: it releases one that is parked.

        reconverge attest --session EQ-1 --from-seq 6 --to-seq 7 --reason "ticket 42" --actor me

        reconverge attest --session EQ-1 --order V00015 --reason "told by phone" --actor me

        reconverge attest --session EQ-1 --adopt-order V77 --reason "placed by hand" --actor me

        reconverge attest --session EQ-1 --retire-channel DC2 --reason "a typing error" --actor me
    """
    if session == BROADCAST:
        leave(Exit.USAGE, ["an attestation names one session"])
    _check_range(from_seq, to_seq, [channel, segment])
    event = _event(
        Attestation,
        session,
        actor=actor,
        reason=reason,
        channel=channel,
        segment=segment,
        from_seq=from_seq,
        to_seq=to_seq,
        orders_not_working=tuple(order or ()),
        orders_adopted=tuple(adopt_order or ()),
        channels_retired=tuple(retire_channel or ()),
        known_only=not unknown,
    )
    _act(
        event,
        f"{session}: {_vouched(event)} vouched for by {actor}",
        How(bootstrap_servers, topic_prefix, not no_wait, as_json, known=not unknown),
    )


def retire_session(  # noqa: PLR0913 - one parameter an option
    session: Annotated[str, typer.Argument(metavar="ID", show_default=False)],
    *,
    reason: Reason,
    actor: Actor,
    bootstrap_servers: BootstrapServers = None,
    topic_prefix: TopicPrefix = None,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Have a session forgotten: its caps end, and routers are on their own safe caps.

    For one that is gone for good, or that a typing error made. Refused while an order of it works.
    A later message of the session opens it anew.

        reconverge session retire EQ-1 --reason "moved to EQ-2" --actor j.doe
    """
    if session == BROADCAST:
        leave(Exit.USAGE, ["name one session"])
    event = _event(RetireSession, session, actor=actor, reason=reason)
    _act(event, f"{session} retired", How(bootstrap_servers, topic_prefix, not no_wait, as_json))


def _check_range(first: int | None, last: int | None, scope: Sequence[str | None]) -> None:
    if (first is None) != (last is None):
        leave(Exit.USAGE, ["--from-seq and --to-seq belong together"])
    if first is None and any(scope):
        leave(Exit.USAGE, ["--channel and --segment say where a range is: give --from-seq too"])
    if first is not None and last is not None and first > last:
        leave(Exit.USAGE, [f"--from-seq {first} is above --to-seq {last}"])


def _vouched(event: Attestation) -> str:
    parts = []
    if event.from_seq is not None:
        source = event.channel or "entry"
        segment = "" if event.segment is None else f" segment {event.segment}"
        parts.append(f"{source}{segment} {event.from_seq} to {event.to_seq}")
    if event.orders_not_working:
        parts.append(f"{', '.join(event.orders_not_working)} not working")
    if event.orders_adopted:
        parts.append(f"{', '.join(event.orders_adopted)} adopted")
    if event.channels_retired:
        parts.append(f"{', '.join(event.channels_retired)} retired")
    return " and ".join(parts) or "the session as it stands"
