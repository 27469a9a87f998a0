"""Orders: each one seen by two views, order entry and venue, and their sums.

In here: which order a message is about (``identity``, ``index``, ``legs``), what it does to a view
(``table``, ``view``), requests in flight (``requests``), snapshots of the venue (``snapshots``),
the sums over all orders (``counts``, ``similarity``), what is in doubt and what of it counts
(``doubt``, ``log``, ``doubts``). Nothing of sequence numbers or policies.
"""

from reconverge.core.orders.counts import Disagreement as Disagreement
from reconverge.core.orders.doubts import Watch as Watch
from reconverge.core.orders.identity import OrdersFull as OrdersFull
from reconverge.core.orders.index import Order as Order
from reconverge.core.orders.orders import Orders as Orders
from reconverge.core.orders.similarity import Agreement as Agreement
from reconverge.core.orders.similarity import Tally as Tally
from reconverge.core.orders.snapshots import Snapshot as Snapshot
from reconverge.core.orders.view import View as View
