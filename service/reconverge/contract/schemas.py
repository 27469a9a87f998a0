"""JSON Schema (draft 2020-12) of every message and of the two unions."""

from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from reconverge.core.effects import Effect
from reconverge.core.events import Event
from reconverge.core.wire import Message

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def members(union: object) -> dict[str, type[Message]]:
    """The models of an annotated union (``Event``, ``Effect``) by their ``type``, as declared."""
    models = get_args(get_args(union)[0])
    return {model.model_fields["type"].default: model for model in models}


EVENTS: Final = members(Event)
OUTPUTS: Final = members(Effect)


class _Plain(GenerateJsonSchema):
    """Without a title on each field, which would only repeat its name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's
        return False


def message_schema(model: type[BaseModel]) -> dict[str, Any]:
    """JSON Schema of one model. Its ``type`` is required: no union can be read without it."""
    schema = model.model_json_schema(schema_generator=_Plain)
    if "type" in model.model_fields:
        schema["required"] = ["type", *schema.get("required", ())]
        schema["properties"]["type"]["description"] = "What the message is."
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
