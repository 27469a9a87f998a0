"""The tables of docs/orders.md that are made from the tests."""

from tests.core.order_matrices import MATRICES


def matrices() -> str:
    """The courses of events of FIX's Appendix D that are tests."""
    return "\n".join(f"- {name}" for name in MATRICES)
