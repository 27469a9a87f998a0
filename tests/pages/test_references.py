"""What pages or code refer to is there: files, sections, rules, commands, flags, metrics."""

import pkgutil
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from reconverge.cli import app
from reconverge.config.settings import PREFIX, Settings
from reconverge.ops import catalogue
from tests.pages.pages import PAGES, anchor, blocks, headings, inline, links, name
from tests.rooms import HOUSE, PACKAGE, ROOT, standing
from tests.rules import RULES, cited

SUFFIXES: Final = {
    ".json",
    ".jsonl",
    ".md",
    ".py",
    ".svg",
    ".toml",
    ".txt",
    ".xml",
    ".yaml",
    ".yml",
}
MADE: Final = {
    "incident.json", "incident.png", "incident.svg", "incident.txt",
    "entry.jsonl", "dropcopy.jsonl", "rejects.txt", "strict.toml",
}  # fmt: skip
"""Files that a reader has or a command makes."""
FOREIGN: Final = {"--numprocesses", "--help"}
"""Flags of other programs, and the one that every program has."""
NEAR: Final = 120  # characters: a line or two
NOWHERE: Final[Any] = get_command(app).make_context("reconverge", [], resilient_parsing=True)
"""The context of a command line that nobody typed."""
GLOSSARY: Final = ROOT / "docs" / "glossary.md"

_PATH = re.compile(r"^[\w.*-]+(/[\w.*-]+)*/?$")
_FILE = re.compile(r"(?<![\w/.])(?:bench|docs|service|tests|tools)/[\w/.-]+\.(?:md|py|toml|txt)\b")
_SECTION = re.compile(r"\b([A-Z]{3,})(?:\.md)?,? §(\d+)")
_FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
_SETTING = re.compile(rf"\b{PREFIX}(\w*[A-Z])\b")
_METRIC = re.compile(r"\breconverge_[a-z_]+")


def texts() -> list[Path]:
    """Committed files that people write and read."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    kinds = {".md", ".py", ".toml", ".txt", ".json", ".yaml", ".yml", ""}
    paths = [ROOT / line for line in names.splitlines() if Path(line).suffix in kinds]
    return [path for path in paths if path.is_file() and path != Path(__file__)]


@cache
def read(path: Path) -> str:
    return path.read_text(errors="replace")


def found(path: Path, page: Path) -> bool:
    """Whether a path is there: from the root, the package, the tests or the page's own folder."""
    bases = (ROOT, PACKAGE, ROOT / "service", ROOT / "schemas", page.parent)
    return any(any(base.glob(str(path))) for base in bases)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, fragment = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{name(page)}: {link}"
        if fragment:
            assert fragment in {anchor(heading) for heading in headings(target)}, link


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_files_named_in_a_page_are_there(page: Path) -> None:
    named = [word for code in inline(page) for word in code.split() if _PATH.match(word)]
    files = [word for word in named if Path(word).suffix in SUFFIXES or word.endswith("/")]
    rooms = {f"{folder.name}/" for folder in PACKAGE.rglob("*") if folder.is_dir()}
    modules = (
        {path.name for path in PACKAGE.rglob("*.py")} if page.stem == "architecture" else set()
    )
    known = MADE | rooms | modules
    assert [word for word in files if word not in known and not found(Path(word), page)] == []


def test_files_named_anywhere_are_there() -> None:
    assert [
        f"{path.relative_to(ROOT)}: {named}"
        for path in texts()
        for named in _FILE.findall(read(path))
        if not (ROOT / named).exists()
    ] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_modules_and_names_of_modules_are_there(page: Path) -> None:
    rooms = "|".join(room.name for room in standing(HOUSE))
    dotted = re.compile(rf"^(?:reconverge\.)?((?:{rooms})(?:\.[a-z_]+)+)$")
    for code in inline(page):
        if found := dotted.match(code):
            pkgutil.resolve_name(f"reconverge.{found[1]}")


def test_sections_named_anywhere_are_there() -> None:
    """`DOMAIN §6` is the section 6 of docs/domain.md."""
    missing = []
    for path in texts():
        for page, number in _SECTION.findall(read(path)):
            target = ROOT / "docs" / f"{page.lower()}.md"
            if not target.exists() or not any(
                h.startswith(f"{number}. ") for h in headings(target)
            ):
                missing.append(f"{path.relative_to(ROOT)}: {page} §{number}")
    assert missing == []


def test_rules_named_anywhere_are_there() -> None:
    people = [
        path for path in texts() if path.suffix != ".json" and "requirements" not in path.parts
    ]
    prose = [path for path in people if path.suffix != ".py" or ROOT / "tests" not in path.parents]
    assert {
        f"{path.relative_to(ROOT)}: {rule}" for path in prose for rule in cited(read(path)) - RULES
    } == set()


def walk(called: Any) -> Iterator[Any]:
    """A command and those within it; typer carries click within it, and exports no types."""
    yield called
    if isinstance(called, TyperGroup):
        for name_of in called.list_commands(NOWHERE):
            yield from walk(called.get_command(NOWHERE, name_of))


@cache
def ours(words: str) -> Any:
    """The command that words call, as far as they are subcommands; none if they are not."""
    called: Any = get_command(app)
    for word in words.split()[1:]:
        if not isinstance(called, TyperGroup) or not re.fullmatch(r"[a-z-]+", word):
            break
        called = called.get_command(NOWHERE, word)
    return called


def flags(called: Any) -> set[str]:
    return {
        flag
        for each in walk(called)
        for parameter in each.params
        for flag in [*parameter.opts, *parameter.secondary_opts]
    }


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_named_in_a_page_are_there(page: Path) -> None:
    for code in inline(page):
        if code.startswith("reconverge "):
            called = ours(code)
            assert called is not None, f"{name(page)}: {code}"
            assert set(_FLAG.findall(code)) - FOREIGN <= flags(called), f"{name(page)}: {code}"


@cache
def known_flags() -> set[str]:
    """Flags of our commands and of the programs beside them, which use argparse."""
    programs = [*(ROOT / "bench").glob("*.py"), *(ROOT / "tests").rglob("*.py")]
    argparse = re.compile(r'add_argument\(\s*"(--[a-z-]+)"')
    others = {flag for path in programs for flag in argparse.findall(read(path))}
    return flags(get_command(app)) | others | FOREIGN


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_flags_named_in_a_page_are_there(page: Path) -> None:
    ours_or_mute = [code for code in inline(page) if code.startswith(("-", "reconverge ", "make "))]
    named = {flag for code in ours_or_mute for flag in _FLAG.findall(code)}
    assert named - known_flags() == set()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_targets_scripts_and_modules_named_in_a_page_are_there(page: Path) -> None:
    code = [*inline(page), *(line for block in blocks(page, "") for line in block.splitlines())]
    makefile = read(ROOT / "Makefile")
    for text in code:
        if target := re.match(r"make ([a-z-]+)", text):
            assert f"\n{target[1]}:" in makefile, text
        if script := re.match(r"(tools/\w+)", text):
            assert (ROOT / script[1]).exists(), text
        if module := re.search(r"\bpython -m (tests|bench)((?:\.\w+)*)", text):
            path = ROOT / module[1] / module[2].strip(".").replace(".", "/")
            assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), text


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_settings_named_in_a_page_are_there(page: Path) -> None:
    named = {setting.lower() for setting in _SETTING.findall(read(page))}
    assert named - Settings.model_fields.keys() == set()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_metrics_named_in_a_page_are_there(page: Path) -> None:
    assert set(_METRIC.findall(read(page))) - metrics() == set()


@cache
def metrics() -> set[str]:
    tables = (catalogue.AUDIT, catalogue.OUTPUTS, catalogue.SESSION, catalogue.SHELL)
    return {catalogue.PREFIX + metric.name for table in tables for metric in table}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_abbreviations_are_spelt_out_where_a_page_first_uses_them(page: Path) -> None:
    measures = GLOSSARY.read_text().partition("## Measures")[2].partition("## ")[0]
    text = " ".join(read(page).split())
    for short, full in re.findall(r"^\| ([A-Z]{3,4}) \| ([^:|]+):", measures, re.MULTILINE):
        first = re.search(rf"\b{short}\b", text)
        if first and page != GLOSSARY:
            near = text[: first.end() + NEAR]
            assert full in near.lower(), f"{name(page)}: {short} is {full}"
