"""Policies: refused as a whole with every fault named, compared in words, resolved in one order."""

from typing import Any

import orjson
import pytest

from reconverge.core.control.book import PolicyBook
from reconverge.core.control.policy import (
    _ORDERED,
    Policy,
    PolicyRefused,
    differences,
    parse,
    read,
)
from reconverge.core.messages.effects import State


def problems(document: dict[str, Any]) -> list[tuple[str, str]]:
    """What is wrong with a document: key and detail."""
    with pytest.raises(PolicyRefused) as refused:
        parse(document)
    return [(problem.key, problem.detail) for problem in refused.value.problems]


def keys(document: dict[str, Any]) -> list[str]:
    """What is wrong with a document, by key."""
    return [key for key, _ in problems(document)]


def scoped(policy_id: str, **scope: Any) -> Policy:
    """A policy for somewhere."""
    return parse({"id": policy_id, "scope": scope})


# -- refusing ------------------------------------------------------------------------------------


def test_the_default_policy_does_not_contradict_itself() -> None:
    assert parse({}) == Policy()


def test_unknown_keys_and_wrong_values_are_all_named() -> None:
    document = {
        "similarty": {},
        "cap": {"floor": 1.5, "celing": {}, "ramp_per_s": 0},
        "recovery": {"probation_ms": "a minute"},
    }
    found = problems(document)
    assert [key for key, _ in found] == [
        "recovery.probation_ms", "cap.floor", "cap.ramp_per_s", "cap.celing", "similarty",
    ]  # fmt: skip
    unknown = [key for key, detail in found if detail == "there is no such setting"]
    assert unknown == ["cap.celing", "similarty"]
    assert ("cap.floor", "Input should be less than or equal to 1") in found


def test_an_unknown_key_hides_no_contradiction() -> None:
    document = {"similarty": {}, "cap": {"celing": {}, "validity_ms": 100}}
    assert keys(document) == ["cap.celing", "similarty", "cap.validity_ms"]


def test_a_document_that_is_no_json_is_refused() -> None:
    ((key, detail),) = problems({"cap": {"floor": object()}})
    assert key == "(document)"
    assert "not JSON serializable: object" in detail


@pytest.mark.parametrize(("lower", "upper", "strict"), _ORDERED)
def test_each_pair_that_cannot_both_be_meant_is_a_contradiction(
    lower: str, upper: str, strict: bool
) -> None:
    default = Policy()
    low, high = read(default, lower), read(default, upper)
    kind = int if lower.endswith("_ms") else float
    if lower.startswith("guardrails."):  # multiples: nothing is above the limit of either
        assert told(_nested(lower, high + 1), upper)
    elif high < 1 or kind is int:
        assert told(_nested(lower, kind(high + (1 if kind is int else (1 - high) / 2))), upper)
    else:  # nothing is above 1: pull the upper one down instead
        assert told(_nested(upper, low / 2), upper)
    assert told(_nested(lower, kind(high)), upper) == strict


def told(document: dict[str, Any], upper: str) -> bool:
    """Whether a document is refused for being above a setting."""
    try:
        parse(document)
    except PolicyRefused as refused:
        return any(f"{upper} = " in problem.detail for problem in refused.problems)
    return False


def _nested(key: str, value: float) -> dict[str, Any]:
    document: Any = value
    for name in reversed(key.split(".")):
        document = {name: document}
    assert isinstance(document, dict)
    return document


def test_validity_survives_one_lost_heartbeat() -> None:
    assert keys({"cap": {"validity_ms": 2_000}}) == ["cap.validity_ms"]
    assert parse({"cap": {"validity_ms": 2_001}}).cap.validity_ms == 2_001


def test_the_message_reads_as_one_sentence_a_problem() -> None:
    with pytest.raises(PolicyRefused, match=r"^cap.validity_ms: 100 must be above .* = 1000$"):
        parse({"cap": {"validity_ms": 100}})


# -- identity ------------------------------------------------------------------------------------


def test_the_hash_is_of_the_content_with_every_default_spelt_out() -> None:
    spelt_out = orjson.loads(orjson.dumps(Policy().model_dump(mode="json")))
    assert parse(spelt_out).ref == Policy().ref
    assert parse({"cap": {"floor": 0.01}}).ref.hash != Policy().ref.hash
    assert len(Policy().ref.hash) == 16


def test_every_state_has_a_ceiling() -> None:
    assert [Policy().cap.ceiling.of(state) for state in State] == [1.0, 0.3, 0.2, 0.5, 0.9, 1.0]


def test_a_difference_says_what_it_means_and_which_way_it_goes() -> None:
    after = parse({
        "version": 2,
        "cap": {"ramp_per_s": 0.2, "ceiling": {"state_diverged": 0.1}},
        "recovery": {"reentry_confidence": 0.95},
        "catch_up": {"eta": 0.2},
    })  # fmt: skip
    found = [(d.key, d.before, d.after, d.direction) for d in differences(Policy(), after)]
    assert found == [
        ("version", 1, 2, "changed"),
        ("recovery.reentry_confidence", 0.90, 0.95, "tighter"),
        ("cap.ceiling.state_diverged", 0.20, 0.10, "tighter"),
        ("cap.ramp_per_s", 0.10, 0.20, "looser"),
        ("catch_up.eta", 0.142, 0.2, "changed"),
    ]
    assert [d.description for d in differences(Policy(), after)][-2:] == [
        "How fast a cap may rise, per second.", "Coefficient of temporary impact.",
    ]  # fmt: skip
    assert differences(after, after) == []


# -- which applies -------------------------------------------------------------------------------


def test_the_most_specific_scope_wins() -> None:
    everywhere = scoped("everywhere")
    ladder = [
        everywhere,
        scoped("venue", venue="fix"),
        scoped("session", session="S"),
        scoped("both", session="S", venue="fix"),
        scoped("symbols", symbols=["XYZ"]),
        scoped("symbols-session", symbols=["XYZ"], session="S"),
    ]
    for order in (ladder, ladder[::-1]):
        book = PolicyBook(order)
        assert book.resolve("S", "fix", "XYZ").id == "symbols-session"
        assert book.resolve("T", "fix", "XYZ").id == "symbols"
        assert book.resolve("S", "fix").id == "both"
        assert book.resolve("S", None).id == "session"
        assert book.resolve("T", "fix").id == "venue"
        assert book.resolve("T", None, "ABC").id == "everywhere"
    for order in (ladder[:-1], ladder[-2::-1]):  # instruments before all that is said of places
        assert PolicyBook(order).resolve("S", "fix", "XYZ").id == "symbols"


def test_between_equals_the_last_one_set_wins_and_a_later_version_replaces_its_own() -> None:
    book = PolicyBook([scoped("a", venue="fix"), scoped("b", venue="fix")])
    assert book.resolve("S", "fix").id == "b"
    book.set(scoped("a", venue="fix"), shadow=False)
    assert book.resolve("S", "fix").id == "a"
    book.set(parse({"id": "a", "version": 2, "scope": {"session": "T"}}), shadow=False)
    assert book.resolve("S", "fix").id == "b"
    assert book.resolve("T", None).version == 2


def test_an_unscoped_policy_replaces_the_one_that_held_everywhere_before_it() -> None:
    book = PolicyBook([scoped("a"), scoped("b", session="S"), scoped("c")])
    assert book.resolve("T", None).id == "c"
    assert book.hash == PolicyBook([scoped("b", session="S"), scoped("c")]).hash


def test_a_scoped_policy_whose_id_is_the_defaults_applies_within_its_scope_only() -> None:
    book = PolicyBook([parse({"scope": {"session": "T"}, "cap": {"safe_mode": 0.01}})])
    assert book.resolve("T", None).cap.safe_mode == 0.01
    assert book.resolve("S", None) == Policy()


def test_instruments_that_a_policy_names_have_the_policy_that_applies_to_them() -> None:
    book = PolicyBook([scoped("a", venue="fix"), scoped("b", symbols=["XYZ", "ABC"])])
    book.set(scoped("c", symbols=["ABC"], session="S"), shadow=False)
    assert {s: p.id for s, p in book.named("S", None).items()} == {"XYZ": "b", "ABC": "c"}
    assert {s: p.id for s, p in book.named("T", "fix").items()} == {"XYZ": "b", "ABC": "b"}
    assert PolicyBook([scoped("d", symbols=["XYZ"], venue="fix")]).named("S", None) == {}
    assert PolicyBook([scoped("a", venue="fix")]).named("S", "fix") == {}


def test_shadows_apply_where_their_scope_says_until_they_are_retired() -> None:
    book = PolicyBook()
    book.set(scoped("wide"), shadow=True)
    book.set(scoped("narrow", session="S"), shadow=True)
    book.set(scoped("there", venue="fix"), shadow=True)
    assert [policy.id for policy in book.shadows("S", None)] == ["wide", "narrow"]
    assert [policy.id for policy in book.shadows("T", None)] == ["wide"]
    assert [policy.id for policy in book.shadows("T", "fix")] == ["wide", "there"]
    assert book.resolve("S", None).id == "default"
    book.retire_shadow("wide")
    assert [policy.id for policy in book.shadows("S", None)] == ["narrow"]


def test_the_book_has_a_hash_of_everything_in_it() -> None:
    book = PolicyBook()
    seen = [book.hash]
    book.set(scoped("a", session="S"), shadow=False)
    seen.append(book.hash)
    book.set(scoped("b"), shadow=True)
    seen.append(book.hash)
    assert len(set(seen)) == 3
    assert seen[0] == PolicyBook([Policy()]).hash
    assert book.hash == seen[-1]
    book.retire_shadow("b")
    assert book.hash == seen[1]


def test_dump_and_load_keep_the_order_of_setting() -> None:
    book = PolicyBook([scoped("a", venue="fix"), scoped("b", venue="fix"), scoped("c")])
    book.set(scoped("d"), shadow=True)
    loaded = PolicyBook.load(orjson.loads(orjson.dumps(book.dump())))
    assert loaded.hash == book.hash
    assert loaded.resolve("S", "fix").id == "b"
    assert [policy.id for policy in loaded.shadows("S", None)] == ["d"]
