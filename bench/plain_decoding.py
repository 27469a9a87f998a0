"""The events as pydantic models: the reference for what it costs to decode, fold and restore them.

Made from the messages themselves, with their types and without their bounds: the least that a
service built on pydantic would do for each event. The floor of the end-to-end figures uses it.
"""

from functools import cache, reduce
from operator import or_
from types import GenericAlias
from typing import Annotated, Any, Final, Literal, get_args, get_type_hints

import msgspec
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model

from reconverge.core.messages.desk import SchedulePoint
from reconverge.core.messages.events import Event
from reconverge.core.messages.wire import Message, Part, kind

_CONFIG: Final = ConfigDict(frozen=True, extra="ignore", strict=True)


@cache
def _model(part: type[Part]) -> type[BaseModel]:
    hints = get_type_hints(part)  # without annotations: no bounds
    fields: dict[str, Any] = {
        field.name: (_plain(hints[field.name]), ... if field.required else field.default)
        for field in msgspec.structs.fields(part)
    }
    if issubclass(part, Message):
        fields["type"] = Literal[kind(part)], kind(part)
    return create_model(part.__name__, __config__=_CONFIG, **fields)


def _plain(hint: Any) -> Any:
    if SchedulePoint in get_args(hint):
        return GenericAlias(tuple, (_model(SchedulePoint), ...))
    return hint


_union: Final[Any] = reduce(or_, map(_model, get_args(Event)))
plain_decode: Final = TypeAdapter[Any](
    Annotated[_union, Field(discriminator="type")]
).validator.validate_json
"""An event's model, from its bytes."""
