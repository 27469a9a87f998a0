"""Documentation made from the code says what the code says."""

import re
from pathlib import Path

import pytest

from tests.generated import PAGES, REGIONS, rendered


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_page_is_current(page: Path) -> None:
    assert page.read_text() == rendered(page.read_text()), "run python -m tests.generated"


def test_every_region_is_shown_somewhere() -> None:
    text = "".join(page.read_text() for page in PAGES)
    assert set(re.findall(r"<!-- generated: ([\w-]+) -->", text)) == set(REGIONS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_figure_begins_a_line(page: Path) -> None:
    """Markdown would take the line for a block of HTML."""
    assert "\n<!-- figure" not in page.read_text()
