"""R16-R34 one by one: the scripts of ``orders/``, and what a script cannot say."""

import pytest

from reconverge.core.orders.index import IDS_MAX
from tests.core.order_script import Script, run
from tests.core.rule_script import load

RULES = load("orders")


@pytest.mark.parametrize("name", RULES)
def test_rule(name: str) -> None:
    run(RULES[name])


@pytest.mark.parametrize(
    ("line", "kind", "about"),
    [
        ("< new NONE 0/100 id=NONE", "unidentified_report", ""),
        ("< trade_cancel X - 0/100 ref=a", "unknown_execution", "V"),
        ("< mass-status Q\n< mass-end Q 1", "snapshot_incomplete", "Q"),
        ("< mass-cancel-report M 2 V", "mass_cancel_incomplete", "M"),
        ("< mass-cancel-report - 2 V", "mass_cancel_incomplete", ""),
        ("attest orders=V,NOBODY", "unknown_order_attested", "NOBODY"),
    ],
)
def test_a_finding_names_what_it_is_about_or_nothing(line: str, kind: str, about: str) -> None:
    script = Script()
    for each in ("< new X 0/100", *line.splitlines()):
        script.act(each.split())
    assert [(found.kind, found.about) for found in script.orders.findings] == [(kind, about)]


TAKEN_OVER = """
    < new X 0/100 id=V0
    < restated X 0/100 id=V1
    < canceled X 0/0 qty=100 id=V1
    < new Y 0/200 id=V0
    < restated X 0/100 id=V1
"""
"""The venue's first id of X is Y's by now."""


def rename(script: Script) -> None:
    """As many more ids of the venue's for X as make it forget its first."""
    for n in range(2, IDS_MAX + 2):
        script.line(f"< restated X 0/100 id=V{n}")


def test_an_id_that_another_order_has_now_is_not_dropped_with_its_former_owners() -> None:
    """R14, R22: however many more ids the venue gives to the order that had it."""
    script = Script()
    script.run(TAKEN_OVER)
    rename(script)
    script.run("? same V0 Y\nDC< new - 0/200 id=V0\n? orders 2")


def test_a_former_id_of_the_venues_that_is_nobodys_by_now_is_dropped_like_any_other() -> None:
    script = Script()
    script.run(TAKEN_OVER)
    script.orders.counts.over_max = 0
    script.run("< canceled Y 0/0 qty=200 id=V0\n? orders 1")
    rename(script)
    assert script.orders.find("V0") is None
    script.run(f"? same V1 V{IDS_MAX + 1}\n? working entry V{IDS_MAX + 1} venue -")


def test_of_disagreements_that_began_together_the_order_seen_first_is_told_first() -> None:
    script = Script()
    script.run(
        """
        < new X 0/100 id=V
        DC< new X 0/100 id=V
        < new Y 0/100 id=W
        DC< new Y 0/100 id=W
        @0.001 tick
        < canceled Y 0/0 qty=100 id=W
        < canceled X 0/0 qty=100 id=V
        """
    )
    (first,) = script.orders.counts.first_disagreements(1)
    assert first.order == "V"
