"""Rule scripts: pages of named scripts, each of which shows a rule.

A page is a text file. ``== NAME`` at the margin begins a script; NAME starts with the rules that it
shows. What stands before the first one is for the reader.
"""

import re
from pathlib import Path


def load(folder: str) -> dict[str, str]:
    """Every script of a folder beside this file, by name: its lines, in the order of the pages."""
    scripts: dict[str, str] = {}
    for page in sorted((Path(__file__).parent / folder).glob("*.txt")):
        for part in page.read_text(encoding="utf-8").split("\n== ")[1:]:
            name, _, script = part.partition("\n")
            if name in scripts:
                raise ValueError(f"{page.name}: a second script is called {name!r}")
            scripts[name] = script
    return scripts


def table(folder: str) -> str:
    """For the pages: each rule with the scripts that show it."""
    rows = ["| rule | shown by a script |", "|---|---|"]
    for name in load(folder):
        found = re.match(r"((?:R\d+ )*)(.*)", name)
        assert found is not None
        rows.append(f"| {found[1].strip() or '-'} | {found[2].replace('|', '/')} |")
    return "\n".join(rows)
