"""R16-R34 one by one: the scripts of ``orders/``, and what a script cannot say."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.order_script import Script, run

SCRIPTS = Path(__file__).parent / "orders"


def rules() -> Iterator[tuple[str, str]]:
    """Every script of the folder: its name and its lines."""
    for page in sorted(SCRIPTS.glob("*.txt")):
        for part in page.read_text().split("\n== ")[1:]:
            name, _, script = part.partition("\n")
            yield name, script


RULES = dict(rules())


@pytest.mark.parametrize("name", RULES)
def test_rule(name: str) -> None:
    run(RULES[name])


@pytest.mark.parametrize(
    ("line", "kind", "about"),
    [
        ("< NONE new new 100 0 100 order:NONE", "unidentified_report", ""),
        ("< X trade_cancel new 100 0 100 ref:a", "unknown_execution", "V"),
        ("< snapshot Q\n< end Q 1", "snapshot_incomplete", "Q"),
        ("< mass M 2 V", "mass_cancel_incomplete", "M"),
        ("< mass - 2 V", "mass_cancel_incomplete", ""),
        ("attest V,NOBODY", "unknown_order_attested", "NOBODY"),
    ],
)
def test_a_finding_names_what_it_is_about_or_nothing(line: str, kind: str, about: str) -> None:
    script = Script()
    for each in ("< X new new 100 0 100", *line.splitlines()):
        script.act(each.split())
    assert [(found.kind, found.order) for found in script.orders.findings] == [(kind, about)]
