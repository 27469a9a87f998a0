"""From raw bytes to an event, or to the reason why there is none.

The reader's half of the evolution rule (docs/contract.md): unknown fields are ignored, an unknown
type or major version is set aside and named as such, anything else that does not fit is
malformed. Nothing is ever guessed. A hot loop calls ``EVENTS.validate_json`` itself and comes
here only with the error.
"""

from typing import Final, Literal

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from reconverge.core.events import EVENTS, Event
from reconverge.core.wire import SCHEMA_MAJOR

Disposition = Literal["malformed", "unsupported_type", "unsupported_version"]
"""Why a record cannot be read: it breaks the contract, or it follows one newer than ours."""

_FAULTS_TOLD_MAX: Final = 3
"""Faults spelt out in the detail; one record can have as many as it has fields."""


class Undecodable(ValueError):
    """A record that is no event we know: ``disposition`` says which way, ``detail`` why."""

    def __init__(self, disposition: Disposition, detail: str) -> None:
        super().__init__(f"{disposition}: {detail}")
        self.disposition = disposition
        self.detail = detail


def decode(raw: bytes | str) -> Event:
    """The event in one record (UTF-8 JSON). Raises ``Undecodable`` and nothing else."""
    try:
        return EVENTS.validate_json(raw)
    except ValidationError as error:
        raise undecodable(error) from None


def undecodable(error: ValidationError) -> Undecodable:
    """What a failed ``EVENTS.validate_json`` means for the record it was given."""
    faults = error.errors(include_url=False, include_context=False)
    detail = "; ".join(map(_told, faults[:_FAULTS_TOLD_MAX]))
    if len(faults) > _FAULTS_TOLD_MAX:
        detail += f"; and {len(faults) - _FAULTS_TOLD_MAX} more"
    return Undecodable(_disposition(faults), detail)


def _told(fault: ErrorDetails) -> str:
    if fault["type"] == "union_tag_invalid":  # pydantic would list every type there is
        return f"type: {fault['input']['type']!r:.80} is not one of this contract"
    return f"{'.'.join(map(str, fault['loc'])) or 'record'}: {fault['msg']}"


def _disposition(faults: list[ErrorDetails]) -> Disposition:
    # Version first: under another major version even a known type may mean something else.
    for fault in faults:
        tag_unknown = fault["type"] == "union_tag_invalid"
        if tag_unknown and _foreign(fault["input"].get("v", SCHEMA_MAJOR)):
            return "unsupported_version"
        if fault["loc"][1:] == ("v",) and _foreign(fault["input"]):
            return "unsupported_version"
        if tag_unknown and isinstance(fault["input"]["type"], str):
            return "unsupported_type"
    return "malformed"


def _foreign(version: object) -> bool:
    return type(version) is int and version != SCHEMA_MAJOR
