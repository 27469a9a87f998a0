"""Regions of the documentation that are made from the code, and the command that writes them.

A region stands between ``<!-- generated: NAME -->`` and ``<!-- /generated -->``. Run
``python -m tests.generated`` to write all of them; ``test_generated.py`` holds them current.
"""

import re
from collections.abc import Callable
from pathlib import Path

from reconverge.config import settings
from reconverge.contract import tables
from reconverge.core.control import diagram, notices
from reconverge.core.orders import table as order_table
from reconverge.ops import catalogue
from reconverge.tap import mapping
from tests import rooms
from tests.core import order_pages, policy_pages, sequence_pages
from tests.demo import pages as demo_pages

DOCS = Path(__file__).resolve().parent.parent / "docs"

REGIONS: dict[str, Callable[[], str]] = {
    "alerts": notices.table,
    "contract-messages": tables.messages,
    "contract-topics": tables.topics,
    "demo-story": demo_pages.story,
    "machine-diagram": diagram.mermaid,
    "machine-signals": diagram.signals_table,
    "machine-table": diagram.transitions_table,
    "metrics-audit": lambda: catalogue.table(catalogue.AUDIT),
    "metrics-outputs": lambda: catalogue.table(catalogue.OUTPUTS),
    "metrics-session": lambda: catalogue.table(catalogue.SESSION),
    "metrics-shell": lambda: catalogue.table(catalogue.SHELL),
    "policy": policy_pages.defaults,
    "orders-exec": order_table.exec_table,
    "orders-matrices": order_pages.matrices,
    "orders-messages": order_table.message_table,
    "orders-rules": order_pages.rules,
    "sequence-findings": sequence_pages.findings,
    "sequence-rules": sequence_pages.rules,
    "sequence-venues": sequence_pages.venues,
    "rooms": lambda: rooms.table(rooms.HOUSE),
    "rooms-core": lambda: rooms.table(rooms.CORE),
    "rooms-stream": lambda: rooms.table(rooms.STREAM),
    "settings": settings.table,
    "tap-mapping": mapping.table,
}

_REGION = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- /generated -->)", re.DOTALL)


def rendered(text: str) -> str:
    """The page with every region made anew. Raises KeyError for a region nobody makes."""
    return _REGION.sub(lambda found: f"{found[1]}{REGIONS[found[2]]()}\n{found[3]}", text)


def main() -> None:
    """Write every page anew."""
    for page in sorted(DOCS.glob("*.md")):
        page.write_text(rendered(page.read_text()))


if __name__ == "__main__":
    main()
