"""Every interleaving of two workers, a crash, a lost or late answer, and zombies at will."""

from dataclasses import replace

import pytest

from tests.sim.model import Broken, Rules, explore


@pytest.mark.slow
def test_no_interleaving_breaks_an_invariant() -> None:
    assert explore(Rules()) > 10_000, "a model in which little can happen proves little"


@pytest.mark.parametrize(
    "rule", ["check_claims", "journal_first", "only_what_counts", "send_again"]
)
def test_each_rule_is_needed(rule: str) -> None:
    with pytest.raises(Broken):
        explore(replace(Rules(), **{rule: False}))
