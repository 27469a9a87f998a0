"""Control: what one policy decides from truth.

In here: the thresholds (``policy``), what control reads from truth and how much of it is trusted
(``confidence``), the state machine (``machine``), caps (``cap``), the record of an episode
(``episode``), and all of them wired for one session (``control``). Nothing in here changes truth.
"""
