"""The mapping file of raw FIX in Kafka: whose a message is, and what is wrong with a mapping."""

import tomllib

import pytest

from reconverge.tap.routing import MappingRefused, Owner, Record, Routes, parse_routes

ENTRY = """
[[rule]]
ours = "DESK"
session = "EQ-1"
stream = "order-entry"
"""


def routes(text: str) -> Routes:
    return parse_routes(tomllib.loads(text))


def record(topic: str = "raw", key: str | None = None, **headers: str) -> Record:
    return Record(topic, headers, key)


def owners(text: str, sender: str, target: str, of: Record | None = None) -> list[Owner]:
    return [owner for owner, _ in routes(text).owners(of or record(), sender, target)]


def test_comp_ids_say_whose_it_is_whichever_way_it_went() -> None:
    owner = Owner("order-entry", "EQ-1", None, "DESK")
    assert owners(ENTRY, "DESK", "VENUE") == [owner]
    assert owners(ENTRY, "VENUE", "DESK") == [owner]
    assert owners(ENTRY, "VENUE", "OTHER") == []
    assert str(owner) == "EQ-1 order-entry (DESK)"


def test_counterparties_narrow_it() -> None:
    text = ENTRY + 'theirs = ["VENUE", "BACKUP"]\n'
    assert owners(text, "DESK", "BACKUP")
    assert owners(text, "OTHER", "DESK") == []


def test_topic_and_headers_narrow_it() -> None:
    text = ENTRY + 'topic = "raw"\nheader = { desk = "A", site = "LD4" }\n'
    assert owners(text, "DESK", "V", record(desk="A", site="LD4", more="x"))
    assert owners(text, "DESK", "V", record(desk="A")) == []
    assert owners(text, "DESK", "V", record("other", desk="A", site="LD4")) == []


def test_every_rule_that_fits_counts() -> None:
    """One drop-copy feed, two sessions."""
    text = "".join(
        f'[[rule]]\nours = "DC"\nsession = "{name}"\nstream = "drop-copy"\nchannel = "DC1"\n'
        f'only = {{ "128" = "{name}" }}\n'
        for name in ("A", "B")
    )
    found = routes(text).owners(record(), "VENUE", "DC")
    assert [owner.session for owner, _ in found] == ["A", "B"]
    identity = found[1][1].identity(found[1][0])
    assert (identity.session, identity.is_drop_copy, identity.channel) == ("B", True, "DC1")
    assert identity.only == (("128", "B"),)


@pytest.mark.parametrize(
    ("session", "name"),
    [
        ("{ours}", "DESK"),
        ("{theirs}", "VENUE"),
        ("{ours}-{theirs}", "DESK-VENUE"),
        ("{key}", "K"),
        ("{header:fix-session}", "H"),
    ],
)
def test_names_may_be_taken_from_the_message(session: str, name: str) -> None:
    text = ENTRY.replace('"EQ-1"', f'"{session}"')
    of = Record("raw", {"fix-session": "H"}, "K")
    assert [owner.session for owner in owners(text, "VENUE", "DESK", of)] == [name]


def test_a_name_that_a_record_does_not_say_fits_no_rule() -> None:
    for session in ("{key}", "{header:x}"):
        assert owners(ENTRY.replace('"EQ-1"', f'"{session}"'), "DESK", "VENUE") == []
    long = ENTRY.replace('"EQ-1"', '"{key}"')
    assert owners(long, "DESK", "VENUE", record(key="x" * 257)) == []


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(MappingRefused) as refused:
        routes('[[rule]]\nours = []\nsession = ""\nstream = "both"\n[[rule]]\nsesion = "x"\n')
    told = "\n".join(refused.value.problems)
    for place in ("rule.1.ours", "rule.1.session", "rule.1.stream", "rule.2.sesion", "rule.2.ours"):
        assert place in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "rule"),
        (ENTRY + 'channel = "DC1"\n', "only a drop-copy stream has one"),
        (ENTRY.replace("EQ-1", "{mine}"), "{mine} is none of {ours}, {theirs}, {key}"),
        (ENTRY + "only = { x = 1 }\n", "rule.1.only.x"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, told: str) -> None:
    with pytest.raises(MappingRefused) as refused:
        routes(text)
    assert told in str(refused.value)
