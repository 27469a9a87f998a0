"""JSON Schema (draft 2020-12) of every message and of the two unions."""

from typing import Any, Final, get_args

import msgspec
from pydantic.json_schema import GenerateJsonSchema

from reconverge.core.control import Policy
from reconverge.core.messages.effects import Published
from reconverge.core.messages.events import Event
from reconverge.core.messages.marks import MarkEvent
from reconverge.core.messages.wire import Message, kind

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def members(union: object) -> dict[str, type[Message]]:
    """The messages of a union (``Event``, ``Published``) by their ``type``, as declared."""
    return {kind(message): message for message in get_args(union)}


EVENTS: Final = members(Event)
OUTPUTS: Final = members(Published)
MARKS: Final = members(MarkEvent)
FOLDERS: Final = {"events": EVENTS, "outputs": OUTPUTS, "marks": MARKS}
"""Where the schemas of which messages lie."""


def message_schema(message: type[Message]) -> dict[str, Any]:
    """JSON Schema of one message."""
    whole = msgspec.json.schema(message)
    parts = whole["$defs"]
    schema: dict[str, Any] = parts.pop(message.__name__)
    schema["properties"]["type"]["description"] = "What the message is."
    return _finished(schema | ({"$defs": parts} if parts else {}))


class _Plain(GenerateJsonSchema):
    """Without a title on each field, which would only repeat its name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's
        return False


def policy_schema() -> dict[str, Any]:
    """JSON Schema of a policy document."""
    return _finished(Policy.model_json_schema(schema_generator=_Plain))


def _finished(schema: dict[str, Any]) -> dict[str, Any]:
    for described in (schema, *schema.get("$defs", {}).values()):
        if "description" in described:
            described["description"] = paragraph(described["description"])
    return {"$schema": DIALECT, **schema}


def paragraph(docstring: str) -> str:
    """A docstring on one line, as Markdown: the source's line ends mean nothing to a reader."""
    return " ".join(docstring.replace("``", "`").split())


def union_schema(title: str, folder: str, models: dict[str, type[Message]]) -> dict[str, Any]:
    """JSON Schema of a union: one of the messages under ``folder``, told apart by ``type``."""
    return {
        "$schema": DIALECT,
        "title": title,
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"enum": list(models)}},
        "oneOf": [{"$ref": f"{folder}/{name}.json"} for name in models],
    }
