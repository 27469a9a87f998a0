"""The contract's tables in docs/contract.md: which message is which, and which topic carries it."""

from reconverge.config.topics import TOPICS
from reconverge.contract.asyncapi import CARRIES
from reconverge.contract.schemas import FOLDERS, paragraph


def messages() -> str:
    """Every message, and what it says."""
    rows = [
        f"| [`{name}`](../schemas/{folder}/{name}.json) | {paragraph(model.__doc__ or '')} |"
        for folder, models in FOLDERS.items()
        for name, model in models.items()
    ]
    return "\n".join(["| `type` | what it says |", "|---|---|", *rows])


def topics() -> str:
    """Every topic, what it carries, and how it is kept."""
    rows = []
    for topic in TOPICS:
        carried = CARRIES.get(topic.name, ())
        # The order streams carry two dozen types: naming them all would say less than their file.
        types = ", ".join(f"`{name}`" for name in carried) if len(carried) < 5 else "order events"
        kept = ", ".join(f"`{key}={value}`" for key, value in topic.config.items())
        rows.append(f"| `{topic.name}` | {topic.role} | {topic.summary} | {types} | {kept} |")
    return "\n".join(["| topic | | carries | types | kept |", "|---|---|---|---|---|", *rows])
