"""Events as the bytes that travel: compact JSON, ``type`` first, defaults and nulls left out."""

from functools import cache

from reconverge.core.wire import Message


def encode(event: Message) -> bytes:
    """One event; ``core.events.EVENTS.validate_json`` gives it back."""
    rest: bytes = event.__pydantic_serializer__.to_json(event, exclude_defaults=True)
    return b'{"type":"%b",%b' % (kind(type(event)).encode(), rest[1:])


@cache
def kind(model: type[Message]) -> str:
    """The ``type`` of a model's messages."""
    default: str = model.model_fields["type"].default
    return default
