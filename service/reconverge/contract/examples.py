"""One example of every message, kept as data beside this file: the lines of one small incident.

Session ``DESK-A`` has an order working on the primary gateway when the path fails; ``DC1`` is the
venue's drop copy. Each line is decoded by the models here, so an example cannot contradict them.
"""

from importlib.resources import files
from typing import Any, Final

import orjson

from reconverge.contract.schemas import EVENTS, OUTPUTS
from reconverge.core.wire import Message


def _load() -> dict[str, Message]:
    models = EVENTS | OUTPUTS
    examples = {}
    for line in files(__package__).joinpath("examples.jsonl").read_bytes().splitlines():
        name = orjson.loads(line)["type"]
        examples[name] = models[name].model_validate_json(line)
    return examples


EXAMPLES: Final = _load()
"""By the message's ``type``."""


def as_written(example: Message) -> dict[str, Any]:
    """The example as JSON with the fields its line gives, and no defaults."""
    return example.model_dump(mode="json", exclude_unset=True)
