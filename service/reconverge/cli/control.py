"""The commands by which an operator acts: `policy apply`, `safe-mode` and `attest`.

Each publishes to the topic `controls` what the core then takes as an input like any other, so that
who did what, when and why lies in the same record as everything else.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import orjson
import typer
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from msgspec import ValidationError

from reconverge.cli import inputs
from reconverge.cli.exits import Exit, leave
from reconverge.cli.kafka import Unreachable, administration, partition_counts
from reconverge.config.connection import connection
from reconverge.config.settings import Settings, SettingsRefused
from reconverge.core.messages.decode import checked, told
from reconverge.core.messages.events import Attestation, ControlEvent, PolicyChange, SafeMode
from reconverge.core.messages.wire import BROADCAST, encode

TOPIC: Final = "controls"
_SEND_S: Final = 15.0
"""Every replica of every partition has it by then, or the operator must hear that this is not
known."""
_STOP_S: Final = 5.0


E = TypeVar("E", PolicyChange, SafeMode, Attestation)


class Unpublished(Exception):
    """Not every partition is known to have the event."""


Actor = Annotated[str, typer.Option(metavar="WHO", help="Who acts; kept with what it does.")]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why; kept with what it does.")]
BootstrapServers = Annotated[
    str | None, typer.Option(metavar="HOST:PORT,...", help="Kafka brokers.")
]
TopicPrefix = Annotated[str | None, typer.Option(help="Put before every topic's name.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object, for machines.")]


class Latch(StrEnum):
    """What becomes of the safe mode."""

    ON = "on"
    OFF = "off"


# --------------------------------------------------------------------------------------------------
# ------------- Publishing -------------------------------------------------------------------------
# -------------------------------------


async def publish(settings: Settings, event: ControlEvent) -> list[int]:
    """Send one control event: to the session's partition, or to every one. The partitions it is in.

    Every replica has it on return. Raises Unreachable, Unpublished and SettingsRefused.
    """
    topic = settings.topic(TOPIC)
    async with administration(settings) as admin:
        count = (await partition_counts(admin, [topic]))[topic]
    if not count:
        raise Unpublished(f"there is no topic {topic}: see `reconverge topics --create`")
    # A broadcast's own key would lead to one partition: each is named instead.
    targets = range(count) if event.session == BROADCAST else [None]
    key, value = event.session.encode(), encode(event)
    async with _producer(settings) as producer:
        try:
            async with asyncio.timeout(_SEND_S):
                sent = [
                    await producer.send(topic, value, key=key, partition=target)
                    for target in targets
                ]
                return [record.partition for record in await asyncio.gather(*sent)]
        except (KafkaError, TimeoutError) as error:
            reason = str(error) or f"not acknowledged within {_SEND_S:g} s"
            told = "some partitions may have it; repeating the command does no harm"
            raise Unpublished(f"{topic}: {reason}: {told}") from None


@asynccontextmanager
async def _producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        **connection(settings), acks="all", enable_idempotence=True, client_id="reconverge-control"
    )
    try:
        await producer.start()
        yield producer
    except KafkaError as error:
        raise Unreachable(f"{settings.bootstrap_servers}: {error}") from None
    finally:
        await asyncio.wait([asyncio.ensure_future(producer.stop())], timeout=_STOP_S)


def _act(event: ControlEvent, words: str, *, as_json: bool, **flags: str | None) -> None:
    """Publish, and say so; ends the command when that fails."""
    settings = inputs.settings(**flags)
    try:
        partitions = asyncio.run(publish(settings, event))
    except SettingsRefused as refused:
        leave(Exit.USAGE, refused.problems)
    except (Unreachable, Unpublished) as error:
        leave(Exit.ENVIRONMENT, [f"Kafka: {error}"])
    topic = settings.topic(TOPIC)
    if as_json:
        told = {"event": orjson.Fragment(encode(event)), "topic": topic, "partitions": partitions}
        typer.echo(orjson.dumps(told))
        return
    where = ", ".join(map(str, partitions))
    plural = "s" if len(partitions) > 1 else ""
    typer.echo(f"{words}: published to {topic}, partition{plural} {where}")


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
    as_json: AsJson = False,
) -> None:
    """Put a policy in force in a running service, or beside it as a shadow; or retire a shadow.

    The file is checked first, as `policy check` does, and nothing is published unless it holds
    together. Every partition gets the change; where it applies is for the policy's `scope` to say.
    It stays in force over restarts. Naming both a file and a shadow promotes the shadow: both
    happen at once.

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
        as_json=as_json,
        bootstrap_servers=bootstrap_servers,
        topic_prefix=topic_prefix,
    )


def safe_mode(  # noqa: PLR0913 - one parameter an option
    latch: Annotated[Latch, typer.Argument(metavar="on|off", show_default=False)],
    *,
    session: Annotated[
        str, typer.Option(metavar="ID|*", help="Session; `*` (quoted) is every one, new ones too.")
    ],
    reason: Reason,
    actor: Actor,
    bootstrap_servers: BootstrapServers = None,
    topic_prefix: TopicPrefix = None,
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
        as_json=as_json,
        bootstrap_servers=bootstrap_servers,
        topic_prefix=topic_prefix,
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
    bootstrap_servers: BootstrapServers = None,
    topic_prefix: TopicPrefix = None,
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
    )
    _act(
        event,
        f"{session}: {_vouched(event)} vouched for by {actor}",
        as_json=as_json,
        bootstrap_servers=bootstrap_servers,
        topic_prefix=topic_prefix,
    )


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
