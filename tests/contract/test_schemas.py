"""The published contract is current, complete, valid, and agrees with the models."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator

from reconverge.contract import publish
from reconverge.contract.examples import WRITTEN
from reconverge.contract.schemas import EVENTS, FOLDERS, MARKS, OUTPUTS
from reconverge.core.messages.decode import Undecodable, decode
from reconverge.core.messages.effects import Published
from reconverge.core.messages.marks import MarkEvent
from reconverge.core.messages.wire import Message, encode
from tests.contract.generate import documents

SCHEMAS = Path(__file__).parents[2] / "schemas"
MODELS: dict[str, type[Message]] = EVENTS | OUTPUTS | MARKS


def read(path: str) -> Any:
    return json.loads((SCHEMAS / path).read_text())


def schema_of(name: str) -> Any:
    (folder,) = (folder for folder, models in FOLDERS.items() if name in models)
    return read(f"{folder}/{name}.json")


def test_the_committed_contract_is_the_one_the_models_make() -> None:
    assert publish.differences(SCHEMAS) == []


def test_writing_mends_a_folder_and_names_what_it_changed(tmp_path: Path) -> None:
    publish.write(tmp_path)
    (tmp_path / "events/heartbeat.json").write_text("{}")
    (tmp_path / "outputs/cap.json").unlink()
    (tmp_path / "events/of_old.json").write_text("{}")
    (tmp_path / "mine.json").write_text("not the contract's business")
    changed = ["events/heartbeat.json", "events/of_old.json", "outputs/cap.json"]
    assert publish.differences(tmp_path) == changed
    assert publish.write(tmp_path) == changed
    assert publish.differences(tmp_path) == []
    assert (tmp_path / "mine.json").exists()


@pytest.mark.parametrize("path", sorted(p for p in publish.contents() if p.endswith(".json")))
def test_every_schema_is_a_valid_schema(path: str) -> None:
    if not path.startswith("examples/"):
        Draft202012Validator.check_schema(read(path))


@pytest.mark.parametrize("name", MODELS)
def test_every_field_says_what_it_means(name: str) -> None:
    schema = schema_of(name)
    parts = {name: schema, **schema.get("$defs", {})}
    silent = [
        f"{title}.{field}"
        for title, part in parts.items()
        for field, spec in part.get("properties", {}).items()
        if not spec.get("description")
    ]
    assert silent == []
    assert all("description" in part for part in parts.values())


@pytest.mark.parametrize("name", MODELS)
def test_every_message_has_an_example_that_schema_and_model_accept(name: str) -> None:
    example = read(f"examples/{name}.json")
    Draft202012Validator(schema_of(name)).validate(example)
    raw = json.dumps(example).encode()
    others: Any = MarkEvent if name in MARKS else Published
    decoded = decode(raw) if name in EVENTS else msgspec.json.decode(raw, type=others)
    assert type(decoded) is MODELS[name]


def ordered(document: dict[str, Any]) -> dict[str, Any]:
    """The one rule that a schema cannot say: a schedule ascends from zero, in time and quantity."""
    if "schedule" in document:
        at_ns = sorted(point["at_ns"] for point in document["schedule"])
        due = (point["cum_qty"].lstrip("-") for point in document["schedule"])
        cum_qty = sorted(due, key=float)
        points = zip(at_ns, cum_qty, strict=True)
        document["schedule"] = [{"at_ns": at, "cum_qty": qty} for at, qty in points]
    return document


@pytest.mark.parametrize("schedule", [[(5, "1"), (4, "2")], [(4, "2"), (5, "1")], [(4, "-1")]])
def test_a_schedule_that_does_not_ascend_is_refused(schedule: list[tuple[int, str]]) -> None:
    points = [{"at_ns": at_ns, "cum_qty": qty} for at_ns, qty in schedule]
    with pytest.raises(Undecodable, match="schedule"):
        decode(json.dumps(WRITTEN["parent_order"] | {"schedule": points}).encode())


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=30)
@given(data=st.data())
def test_what_a_schema_admits_is_decoded_and_survives_a_round_trip(
    name: str, data: st.DataObject
) -> None:
    schema = schema_of(name)
    document = ordered(data.draw(documents(schema)))
    read_as = msgspec.json.Decoder(MODELS[name])
    model = read_as.decode(json.dumps(document))
    again = encode(model)
    assert read_as.decode(again) == model
    Draft202012Validator(schema).validate(json.loads(again))


DECIMALS = [
    (name, field)
    for name in MODELS
    for field, spec in schema_of(name)["properties"].items()
    if "pattern" in str(spec)
]


@pytest.mark.parametrize(("name", "field"), DECIMALS)
@pytest.mark.parametrize(
    "text", ["", "1x", "1e3", "NaN", "1.", "12\n", "٣", "1" * 19, "0.1234567890"]
)
def test_a_decimal_that_is_none_is_refused(name: str, field: str, text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(json.dumps(WRITTEN[name] | {field: text}), type=MODELS[name])


def test_the_asyncapi_document_follows_the_official_schema() -> None:
    official = json.loads(Path(__file__).with_name("asyncapi-3.1.0.json").read_text())
    document = yaml.safe_load((SCHEMAS / "asyncapi.yaml").read_text())
    Draft7Validator(official).validate(document)


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = yaml.safe_load((SCHEMAS / "asyncapi.yaml").read_text())
    for reference in references(document):
        if reference.startswith("#/"):
            part = document
            for step in reference[2:].split("/"):
                part = part[step]
        else:
            assert (SCHEMAS / reference).is_file(), reference


def references(part: Any) -> list[str]:
    if isinstance(part, list):
        return [found for item in part for found in references(item)]
    if isinstance(part, dict):
        own = [part["$ref"]] if "$ref" in part else []
        return own + [found for item in part.values() for found in references(item)]
    return []


def test_every_message_travels_on_some_topic() -> None:
    document = yaml.safe_load((SCHEMAS / "asyncapi.yaml").read_text())
    travelling = {name for channel in document["channels"].values() for name in channel["messages"]}
    assert travelling == set(document["components"]["messages"])
    assert travelling == {*MODELS, "dead_letter"}
