"""The AsyncAPI 3.1 document: which message travels on which topic, and how the topic is kept."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final, get_args

import reconverge
from reconverge.config.topics import INPUTS, QUARANTINE, TOPICS, Topic
from reconverge.contract.examples import WRITTEN
from reconverge.contract.schemas import FOLDERS, paragraph
from reconverge.core.messages.events import ControlEvent, OrderStreamEvent, ParentsEvent
from reconverge.core.messages.marks import MarkEvent
from reconverge.core.messages.wire import SCHEMA_MAJOR, Message, kind

_BINDING: Final = "0.5.0"
"""Version of AsyncAPI's Kafka bindings."""

_DESCRIPTION: Final = f"""\
Order truth in, participation caps out. Every record's key is the session, and all topics have the
same partition count, but for `marks`, which is keyed by symbol. Contract major version
{SCHEMA_MAJOR}: unknown fields are ignored; an unknown type or major version is quarantined, never
guessed. docs/contract.md holds the conventions."""


def _types(union: object) -> tuple[str, ...]:
    return tuple(map(kind, get_args(union)))


CARRIES: Final = {
    "order-entry": _types(OrderStreamEvent),
    "drop-copy": _types(OrderStreamEvent),
    "parents": _types(ParentsEvent),
    "controls": _types(ControlEvent),
    "caps": ("cap", "retired"),
    "shadow-caps": ("shadow_cap",),
    "transitions": ("transition",),
    "episodes": ("episode",),
    "alerts": ("alert",),
    "control-results": ("control_applied", "control_refused"),
    "marks": _types(MarkEvent),
}
"""Message types by topic; dead letters are whatever bytes came, internal topics ours alone."""


def document() -> dict[str, Any]:
    """The whole document, with messages' payloads referring to the JSON Schema files beside it."""
    public = [topic for topic in TOPICS if topic.name in CARRIES]
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "Reconverge",
            "version": reconverge.__version__,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in public} | {"dlq": _DEAD_LETTERS},
        "operations": {_operation_name(topic): _operation(topic) for topic in public}
        | {"send-dlq": {"action": "send", "channel": {"$ref": "#/channels/dlq"}}},
        "components": {
            "messages": {
                name: _message(name, model, folder)
                for folder, models in FOLDERS.items()
                for name, model in models.items()
            }
            | {"dead_letter": _DEAD_LETTER}
        },
    }


_DEAD_LETTERS: Final[dict[str, Any]] = {
    "address": f"{QUARANTINE}{{topic}}",
    "description": "Records of an input topic that were set aside, and why.",
    "parameters": {
        "topic": {"enum": list(INPUTS), "description": "The input topic, prefix and all."}
    },
    "messages": {"dead_letter": {"$ref": "#/components/messages/dead_letter"}},
}
_HEADERS: Final = {
    "topic": "Where the record was read.",
    "partition": "Its partition there.",
    "offset": "Its offset there.",
    "timestamp_ms": "Its timestamp there. Milliseconds, UTC.",
    "disposition": "malformed, unsupported_type, unsupported_version or rejected.",
    "error": "What was wrong, for a person to read.",
}
_DEAD_LETTER: Final[dict[str, Any]] = {
    "name": "dead_letter",
    "title": "DeadLetter",
    "summary": "A record nobody could fold: key, value and headers as they came, and these.",
    "contentType": "application/octet-stream",
    "headers": {
        "type": "object",
        "properties": {
            f"reconverge.{name}": {"type": "string", "description": text}
            for name, text in _HEADERS.items()
        },
        "required": [f"reconverge.{name}" for name in _HEADERS],
    },
}


def _channel(topic: Topic) -> dict[str, Any]:
    return {
        "address": topic.name,
        "description": topic.summary,
        "messages": {
            name: {"$ref": f"#/components/messages/{name}"} for name in CARRIES[topic.name]
        },
        "bindings": {
            "kafka": {
                "topicConfiguration": {k: _typed(k, v) for k, v in topic.config.items()},
                "bindingVersion": _BINDING,
            }
        },
    }


def _typed(key: str, value: str) -> object:
    # The binding spells Kafka's lists and numbers as such; Kafka itself has only strings.
    if key == "cleanup.policy":
        return value.split(",")
    return int(value) if value.isdigit() else value


def _operation_name(topic: Topic) -> str:
    verb = "receive" if topic.role == "input" else "send"
    return f"{verb}-{topic.name}"


def _operation(topic: Topic) -> dict[str, Any]:
    return {
        "action": "receive" if topic.role == "input" else "send",
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "summary": topic.summary,
    }


_KEY: Final = {"marks": "The symbol."}


def _message(name: str, model: type[Message], folder: str) -> dict[str, Any]:
    return {
        "name": name,
        "title": model.__name__,
        "summary": paragraph(model.__doc__ or ""),
        "payload": {"$ref": f"./{folder}/{name}.json"},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": _KEY.get(folder, "The session.")},
                "bindingVersion": _BINDING,
            }
        },
        "examples": [{"name": name, "payload": WRITTEN[name]}],
    }


def yaml(value: object) -> str:
    """YAML of JSON-like data in block style. Scalars are JSON's, which YAML reads the same."""
    return "\n".join(_lines(value)) + "\n"


def _lines(value: object) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _entry(f"{_key(key)}:", item)
    elif isinstance(value, list) and value:
        for item in value:
            first, *rest = _lines(item)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
    else:
        yield json.dumps(value, ensure_ascii=False)


def _entry(label: str, item: object) -> Iterator[str]:
    if isinstance(item, dict | list) and item:
        yield label
        yield from (f"  {line}" for line in _lines(item))
    else:
        yield f"{label} {json.dumps(item, ensure_ascii=False)}"


def _key(text: str) -> str:
    # A bare word that YAML would read as anything but a string (yes, null, 1e3) must be quoted.
    plain = re.fullmatch(r"[A-Za-z_$][\w.-]*", text) and text.lower() not in _RESERVED
    return text if plain else json.dumps(text)


_RESERVED: Final = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
