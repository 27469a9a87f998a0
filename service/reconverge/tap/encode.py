"""Events as the bytes that travel: compact JSON, ``type`` first, defaults and nulls left out."""

from reconverge.core.wire import Message


def encode(event: Message) -> bytes:
    """One event; ``core.events.EVENTS.validate_json`` gives it back."""
    rest: bytes = event.__pydantic_serializer__.to_json(event, exclude_defaults=True)
    kind: str = type(event).model_fields["type"].default
    return b'{"type":"' + kind.encode() + b'",' + rest[1:]
