"""Hypothesis strategies made from our own JSON Schemas: what a foreign producer may send."""

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


def documents(schema: dict[str, Any], root: dict[str, Any] | None = None) -> st.SearchStrategy[Any]:
    """JSON values that a schema of ours admits. Raises KeyError for a keyword not used so far."""
    root = root or schema
    if "$ref" in schema:
        return documents(root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root)
    if "anyOf" in schema:
        return st.one_of(*(documents(option, root) for option in schema["anyOf"]))
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    return _BY_TYPE[schema["type"]](schema, root)


def _string(schema: dict[str, Any], _root: object) -> st.SearchStrategy[str]:
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True, alphabet="-.0123456789")
    return st.text(min_size=schema.get("minLength", 0), max_size=schema.get("maxLength", 300))


def _integer(schema: dict[str, Any], _root: object) -> st.SearchStrategy[int]:
    highest = schema.get("exclusiveMaximum", 2**63) - 1
    return st.integers(
        schema.get("minimum", -(2**63)), min(highest, schema.get("maximum", highest))
    )


def _number(schema: dict[str, Any], _root: object) -> st.SearchStrategy[float]:
    return st.floats(
        schema.get("minimum", schema.get("exclusiveMinimum")),
        schema.get("maximum"),
        exclude_min="exclusiveMinimum" in schema,
        allow_nan=False,
        allow_infinity=False,
    )


def _array(schema: dict[str, Any], root: dict[str, Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(documents(schema["items"], root), max_size=3)


def _object(schema: dict[str, Any], root: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    if "properties" not in schema:
        extra = schema.get("additionalProperties", True)
        values = JSON if extra is True else documents(extra, root)
        return st.dictionaries(st.text(), values, max_size=3)
    fields = {name: documents(part, root) for name, part in schema["properties"].items()}
    required = schema.get("required", ())
    return st.fixed_dictionaries(
        {name: fields[name] for name in required},
        optional={name: part for name, part in fields.items() if name not in required},
    )


_BY_TYPE = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": lambda _schema, _root: st.booleans(),
    "null": lambda _schema, _root: st.none(),
    "array": _array,
    "object": _object,
}
