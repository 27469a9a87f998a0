"""Hypothesis strategies made from our own JSON Schemas: what a foreign producer may send."""

from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import strategies as st

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


Leaf = Callable[[dict[str, Any]], st.SearchStrategy[Any]]
"""Values of a schema that has no parts."""


def documents(
    schema: dict[str, Any],
    root: dict[str, Any] | None = None,
    leaves: Mapping[str, Leaf] | None = None,
) -> st.SearchStrategy[Any]:
    """JSON values that a schema of ours admits. Raises KeyError for a keyword not used so far.

    `leaves` draws the values of a type in another way than at random.
    """
    root, leaves = root or schema, {**_LEAVES, **(leaves or {})}
    if "$ref" in schema:
        part = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
        return documents(part, root, leaves)
    if "anyOf" in schema:
        return st.one_of(*(documents(option, root, leaves) for option in schema["anyOf"]))
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema["type"] == "array":
        return st.lists(documents(schema["items"], root, leaves), max_size=3)
    if schema["type"] == "object":
        return _object(schema, root, leaves)
    return leaves[schema["type"]](schema)


def _object(
    schema: dict[str, Any], root: dict[str, Any], leaves: Mapping[str, Leaf]
) -> st.SearchStrategy[dict[str, Any]]:
    if "properties" not in schema:
        extra = schema.get("additionalProperties", True)
        values = JSON if extra is True else documents(extra, root, leaves)
        return st.dictionaries(st.text(), values, max_size=3)
    fields = {name: documents(part, root, leaves) for name, part in schema["properties"].items()}
    required = schema.get("required", ())
    return st.fixed_dictionaries(
        {name: fields[name] for name in required},
        optional={name: part for name, part in fields.items() if name not in required},
    )


def string(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    """Texts, decimals among them, of any admitted length."""
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True, alphabet="-.0123456789")
    length_max = min(300, schema.get("maxLength", 300))  # longer ones are the fuzzer's
    return st.text(min_size=schema.get("minLength", 0), max_size=length_max)


def integer(schema: dict[str, Any]) -> st.SearchStrategy[int]:
    """Integers between the bounds."""
    highest = schema.get("exclusiveMaximum", 2**63) - 1
    return st.integers(
        schema.get("minimum", -(2**63)), min(highest, schema.get("maximum", highest))
    )


def number(schema: dict[str, Any]) -> st.SearchStrategy[float]:
    """Finite numbers between the bounds."""
    return st.floats(
        schema.get("minimum", schema.get("exclusiveMinimum")),
        schema.get("maximum"),
        exclude_min="exclusiveMinimum" in schema,
        allow_nan=False,
        allow_infinity=False,
    )


_LEAVES: dict[str, Leaf] = {
    "string": string,
    "integer": integer,
    "number": number,
    "boolean": lambda _: st.booleans(),
    "null": lambda _: st.none(),
}
