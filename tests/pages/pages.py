"""The pages of the documentation, taken apart: code blocks, commands, inline code, links."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.rooms import ROOT

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "tests/scenarios/README.md",
    *sorted((ROOT / "service").rglob("*.md")),
]

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?<=\n\n)(?: {4}.*\n|\n(?= {4}))+")
_INLINE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CONTINUED = re.compile(r"\\\n\s*")


class Command(NamedTuple):
    """A line of a shell block: its words, and the file that its output goes to."""

    words: list[str]
    output: str | None


def name(page: Path) -> str:
    """A page's path from the root, for messages."""
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    """Fenced blocks of one language; indented blocks have none."""
    text = page.read_text()
    fenced = [found[2] for found in _FENCED.finditer(text) if found[1] == language]
    if language:
        return fenced
    indented = [found[0] for found in _INDENTED.finditer(_FENCED.sub("", text))]
    return [*fenced, *(re.sub("^ {4}", "", block, flags=re.MULTILINE) for block in indented)]


def commands(page: Path, program: str) -> Iterator[Command]:
    """The lines of shell blocks that call a program, in their order."""
    for block in blocks(page, ""):
        for line in _CONTINUED.sub("", block).splitlines():
            if line.startswith(f"{program} "):
                words = shlex.split(line, comments=True)
                at = words.index(">") if ">" in words else len(words)
                yield Command(words[:at], words[at + 1] if at < len(words) else None)


def inline(page: Path) -> list[str]:
    """Inline code, line breaks within it as blanks."""
    return [" ".join(found.split()) for found in _INLINE.findall(_FENCED.sub("", page.read_text()))]


def links(page: Path) -> list[str]:
    """Where its links lead, addresses on the web left out."""
    found = _LINK.findall(_FENCED.sub("", page.read_text()))
    return [link for link in found if "://" not in link]


def headings(page: Path) -> list[str]:
    """The texts of its headings."""
    return re.findall(r"^#+ (.*)$", _FENCED.sub("", page.read_text()), re.MULTILINE)


def anchor(heading: str) -> str:
    """The name by which a link reaches a heading, as GitHub makes it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
