"""Sequence numbers: what each source has said, what is missing, and what is being resent.

In here: one numbering for each source, segment and epoch (``numbering``), its seen and missing
numbers (``watermark``, ``gaps``), resends under way (``resend``), the budget of attempts
(``attempts``), our own numbers (``outbound``), and all of a session's numberings together
(``sequences``). Nothing of orders, nothing of policies.

Other rooms use the names below, and no other.
"""

from reconverge.core.sequences.numbering import Numbering
from reconverge.core.sequences.sequences import SOURCES_MAX, Sequences

__all__ = ["SOURCES_MAX", "Numbering", "Sequences"]
