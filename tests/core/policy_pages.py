"""The table of the default policy, made from the model."""

from collections.abc import Iterator

from pydantic import BaseModel

from reconverge.core.control.policy import Policy

_ARROWS = {"up": "higher", "down": "lower", None: ""}


def defaults() -> str:
    """Every setting, its default, its meaning and which way is more cautious."""
    rows = [f"| `{key}` | {value} | {text} | {way} |" for key, value, text, way in _rows(Policy())]
    head = ["| setting | default | meaning | more cautious |", "|---|---|---|---|"]
    return "\n".join([*head, *rows])


def _rows(section: BaseModel, prefix: str = "") -> Iterator[tuple[str, object, str, str]]:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            if name != "scope":
                yield from _rows(value, f"{prefix}{name}.")
        elif prefix:
            extra = field.json_schema_extra
            assert isinstance(extra, dict)
            tighter = extra["tighter"]
            assert tighter is None or isinstance(tighter, str)
            yield f"{prefix}{name}", _said(value), field.description or "", _ARROWS[tighter]


def _said(value: object) -> str:
    if isinstance(value, float | int):
        return f"{value:g}"
    return str(value) if isinstance(value, str) else "none"
