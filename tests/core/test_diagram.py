"""The pages drawn from the table say what the table says, and all of it."""

import re

from reconverge.core.control import diagram
from reconverge.core.control.machine import FROZEN, TABLE
from reconverge.core.control.signals import Signal


def test_the_arrows_are_the_moves() -> None:
    arrows = re.findall(r"^    (\w+) --> (\w+): (.*)$", diagram.mermaid(), re.MULTILINE)
    drawn = {(a, signal, b) for a, b, signals in arrows for signal in signals.split(", ")}
    assert drawn == {(s, signal, row.to) for (s, signal), row in TABLE.items() if row.to}


def test_the_frozen_states_are_marked() -> None:
    assert set(re.findall(r"class (\w+) frozen", diagram.mermaid())) == FROZEN


def test_the_tables_are_whole() -> None:
    assert len(diagram.signals_table().splitlines()) == 2 + len(Signal)
    assert len(diagram.transitions_table().splitlines()) == 2 + len(TABLE)
    stays = [line for line in diagram.transitions_table().splitlines() if "(stays)" in line]
    assert len(stays) == sum(row.to is None for row in TABLE.values())
