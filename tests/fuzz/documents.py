"""Messages at the bounds of their schemas: the smallest and largest that each field admits, and
names few enough for messages to meet.
"""

from typing import Any

from hypothesis import strategies as st

from reconverge.contract.schemas import EVENTS, message_schema, policy_schema
from reconverge.core.messages.wire import BROADCAST, NAME_LENGTH_MAX
from tests.contract.generate import documents, integer, number, string

SESSIONS = ("S", "\x01" * NAME_LENGTH_MAX, BROADCAST)
"""A plain name, one as long as a name may be that JSON writes six times as long, and everybody."""
NAMES = ("A", "B", "\x01" * NAME_LENGTH_MAX)
DECIMALS = ("0", "1", "0.000000001", "9" * 18 + "." + "9" * 9)
BASE_NS = 1_700_000_000_000_000_000
STEP_NS = 100_000_000
"""Times close to one another are drawn as well, so that messages of a history meet."""


def _string(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    if "pattern" in schema:
        signs = ("", "-") if schema["pattern"].startswith("^-") else ("",)
        bounds = [sign + text for sign in signs for text in DECIMALS]
        return st.sampled_from(bounds) | string(schema)
    length_max: int = schema.get("maxLength", 0)
    if length_max == NAME_LENGTH_MAX:
        return st.sampled_from(NAMES)
    return st.sampled_from(("", "reason", "\x00" * length_max))


def _integer(schema: dict[str, Any]) -> st.SearchStrategy[int]:
    low, high = schema.get("minimum", -(2**64)), schema.get("maximum", 2**64)
    near = [n for n in (low, low + 1, low + 2, high - 1, high) if low <= n <= high]
    if high > BASE_NS:
        near += [BASE_NS + n * STEP_NS for n in range(8)]
    return st.sampled_from(near) | integer(schema)


def _number(schema: dict[str, Any]) -> st.SearchStrategy[float]:
    ends = [schema[end] for end in ("minimum", "maximum") if end in schema]
    return st.sampled_from(ends) | number(schema) if ends else number(schema)


_LEAVES = {"string": _string, "integer": _integer, "number": _number}
_MESSAGES = {
    name: documents(message_schema(model), leaves=_LEAVES) for name, model in EVENTS.items()
}
_POLICY = policy_schema()
_SECTIONS = {
    name: documents(part, _POLICY, _LEAVES) for name, part in _POLICY["properties"].items()
}


@st.composite
def policies(draw: st.DrawFn) -> dict[str, Any]:
    """A policy of which a few sections are at their bounds; many contradict themselves."""
    names = draw(st.lists(st.sampled_from(sorted(_SECTIONS)), max_size=2, unique=True))
    return {name: draw(_SECTIONS[name]) for name in names}


@st.composite
def messages(draw: st.DrawFn) -> dict[str, Any]:
    """One message, of a session that others are of as well."""
    name = draw(st.sampled_from(sorted(_MESSAGES)))
    message = {**draw(_MESSAGES[name]), "type": name, "session": draw(st.sampled_from(SESSIONS))}
    if name == "policy_change" and draw(st.booleans()):
        message["policy"] = draw(policies())
    return message
