"""Sequence numbers: what each source has said, what is missing, and what is being resent.

In here: one numbering for each source, segment and epoch (``numbering``), its seen and missing
numbers (``watermark``, ``gaps``), resends under way (``resend``), our own numbers (``outbound``),
and all of a session's numberings together (``sequences``). Nothing of orders, nothing of
policies.
"""
