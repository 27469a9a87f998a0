"""Every alert that truth can raise is one that somebody can act on."""

from typing import get_args

from reconverge.core import alerts, truth
from reconverge.core.alerts import ALERTS
from reconverge.core.findings import Kind


def test_every_finding_that_is_told_has_an_entry() -> None:
    assert ALERTS.keys() >= truth._ALERTS
    assert set(get_args(Kind)) >= truth._ALERTS | truth._FAILS


def test_the_page_names_each_once_in_order() -> None:
    rows = [line.split("`")[1] for line in alerts.table().splitlines()[2:]]
    assert rows == sorted(ALERTS)
