"""Control: what one policy decides from truth.

In here: the thresholds and which apply where (``policy``, ``book``), what control reads of truth
and how far it is trusted (``confidence``), the state machine and what moves it (``machine``,
``signals``, ``progress``), caps (``cap``, ``instruments``, ``publishing``), the record of an
episode (``episode``, ``recorder``), who is told (``notices``, ``alarms``), and all of them wired
for one session (``control``). Nothing in here changes truth. The names below are all that others
use.
"""

from reconverge.core.control.book import PolicyBook
from reconverge.core.control.cap import catchup_multiple, shortfall_expected
from reconverge.core.control.confidence import DIGITS, Confidence, TruthReading, confidence
from reconverge.core.control.control import Control
from reconverge.core.control.machine import FROZEN, RISING, TABLE
from reconverge.core.control.notices import CONSEQUENCES
from reconverge.core.control.policy import (
    Policy,
    PolicyRefused,
    Problem,
    differences,
    parse,
)

__all__ = [
    "CONSEQUENCES",
    "DIGITS",
    "FROZEN",
    "RISING",
    "TABLE",
    "Confidence",
    "Control",
    "Policy",
    "PolicyBook",
    "PolicyRefused",
    "Problem",
    "TruthReading",
    "catchup_multiple",
    "confidence",
    "differences",
    "parse",
    "shortfall_expected",
]
