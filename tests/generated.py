"""Regions of the documentation that are made from the code, and the command that writes them.

A region stands between ``<!-- generated: NAME -->`` and ``<!-- /generated -->``, a single figure
between ``<!-- figure: KIND NAME -->`` and ``<!-- /figure -->``, never at the start of a line, where
Markdown would take it for a block. Run ``python -m tests.generated`` to write all of them;
``test_generated.py`` holds them current.
"""

import re
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

from reconverge import tables
from reconverge.config import settings
from reconverge.config.topics import TOPICS
from reconverge.contract import tables as contract_tables
from reconverge.core.control import diagram, notices
from reconverge.core.control.policy import Policy
from reconverge.core.orders import states as order_states
from reconverge.core.orders import table as order_table
from reconverge.ops import catalogue
from reconverge.tap import mapping
from tests import rooms, rules
from tests.core import order_pages, policy_pages, rule_script, sequence_pages
from tests.demo import pages as demo_pages

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"

PAGES = [*sorted(DOCS.rglob("*.md")), ROOT / "CONTRIBUTING.md"]


def test_parts() -> str:
    """What the targets of the Makefile run, and the minutes that each part may take."""
    rows, target = ["| target | part | minutes |", "|---|---|---:|"], ""
    for line in (ROOT / "Makefile").read_text().splitlines():
        if named := re.match(r"([a-z-]+):", line):
            target = named[1]
        if part := re.search(r'tools/timed "(.*?)" (\d+)', line):
            rows.append(f"| `make {target}` | {part[1]} | {part[2]} |")
    return "\n".join(rows)


REGIONS: dict[str, Callable[[], str]] = {
    "alerts": notices.table,
    "contract-messages": contract_tables.messages,
    "contract-topics": contract_tables.topics,
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
    "orders-outcomes": order_states.outcome_table,
    "orders-matrices": order_pages.matrices,
    "orders-messages": order_table.message_table,
    "orders-rules": lambda: rule_script.table("orders"),
    "rules-ahead": rules.ahead,
    "sequence-findings": sequence_pages.findings,
    "sequence-rules": lambda: rule_script.table("sequences"),
    "sequence-venues": sequence_pages.venues,
    "rooms": lambda: rooms.table(rooms.HOUSE),
    "rooms-core": lambda: rooms.table(rooms.CORE),
    "rooms-stream": lambda: rooms.table(rooms.STREAM),
    "settings": settings.table,
    "tables": lambda: tables.described(tables.TABLES.values()),
    "tap-mapping": mapping.table,
    "test-parts": test_parts,
}

_FIGURE = re.compile(r"(<!-- figure: (\w+) ([\w.-]+) -->)[^<]*(<!-- /figure -->)")
_REGION = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- /generated -->)", re.DOTALL)


def duration(ms: int) -> str:
    """A time in the largest unit that divides it."""
    units = {"day": 86_400_000, "hour": 3_600_000, "minute": 60_000, "second": 1_000}
    unit, size = next((unit for unit in units.items() if ms % unit[1] == 0), ("ms", 1))
    count = ms // size
    return f"{count} {unit}" + ("s" if count > 1 and unit != "ms" else "")


def _kept(topic: str) -> str:
    (config,) = (each.config for each in TOPICS if each.name == topic)
    return (
        "compacted"
        if "compact" in config["cleanup.policy"]
        else duration(int(config["retention.ms"]))
    )


def _setting(name: str) -> str:
    default = settings.Settings.model_fields[name].default
    return duration(default) if name.endswith("_ms") else f"{default:,}"


def _policy(path: str) -> str:
    value: Any = reduce(getattr, path.split("."), Policy())
    return duration(value) if path.endswith("_ms") else f"{value:g}"


FIGURES: dict[str, Callable[[str], str]] = {"kept": _kept, "setting": _setting, "policy": _policy}
"""How long a topic is kept, the default of a setting, the default of a policy."""


def rendered(text: str) -> str:
    """The page with every figure and region made anew. Raises KeyError for what nobody makes."""
    text = _FIGURE.sub(lambda found: f"{found[1]}{FIGURES[found[2]](found[3])}{found[4]}", text)
    return _REGION.sub(lambda found: f"{found[1]}{REGIONS[found[2]]()}\n{found[3]}", text)


def main() -> None:
    """Write every page anew."""
    for page in PAGES:
        page.write_text(rendered(page.read_text()))


if __name__ == "__main__":
    main()
