"""R16-R34 one by one: the scripts of ``orders/``, and what a script cannot say."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core.order_script import run

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
