"""The tables of docs/orders.md that are made from the tests."""

import re

from tests.core.order_matrices import MATRICES
from tests.core.test_orders import RULES


def rules() -> str:
    """Each rule with the scripts that show it."""
    rows = ["| rule | shown by a script |", "|---|---|"]
    for name in RULES:
        found = re.match(r"((?:R\d+ )*)(.*)", name)
        assert found is not None
        rows.append(f"| {found[1].strip() or '-'} | {found[2].replace('|', '/')} |")
    return "\n".join(rows)


def matrices() -> str:
    """The courses of events of FIX's Appendix D that are tests."""
    return "\n".join(f"- {name}" for name in MATRICES)
