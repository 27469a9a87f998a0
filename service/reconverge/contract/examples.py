"""One example of every message, kept as data beside this file: the lines of one small incident.

Session ``DESK-A`` has an order working on the primary gateway when the path fails; ``DC1`` is the
venue's drop copy. Each line is decoded by the models here, so an example cannot contradict them.
"""

from importlib.resources import files
from typing import Any, Final

from msgspec import convert, json

from reconverge.contract.schemas import FOLDERS
from reconverge.core.messages.wire import Message

WRITTEN: Final[dict[str, dict[str, Any]]] = {
    line["type"]: line
    for line in json.Decoder().decode_lines(
        files(__package__).joinpath("examples.jsonl").read_bytes()
    )
}
"""By the message's ``type``: the fields that its line gives, and no defaults."""

_MESSAGES: Final = {name: model for models in FOLDERS.values() for name, model in models.items()}

EXAMPLES: Final[dict[str, Message]] = {
    name: convert(line, _MESSAGES[name]) for name, line in WRITTEN.items()
}
"""The messages themselves."""
