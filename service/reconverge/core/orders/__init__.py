"""Orders: each one seen by two views, order entry and venue, and their sums.

In here: which order a message is about (``identity``, ``index``), what it does to a view
(``table``, ``view``), requests in flight (``requests``), snapshots of the venue (``snapshots``),
the sums over all orders (``counts``) and their similarity (``similarity``). Nothing of sequence
numbers or policies.
"""
