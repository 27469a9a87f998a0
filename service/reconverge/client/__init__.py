"""What a router imports: the caps it has to obey, failing safe whatever happens to the service.

    async with CapSubscription({"bootstrap_servers": "kafka:9092"}, safe=SafeCap(0.05)) as caps:
        ...
        now = caps.cap("DESK-A", "ACME")        # a dictionary look-up: no await, never raises
        target = min(now.participation_max, schedule * now.cap)

The view says itself whether it is the service's word or the router's own safe cap, and carries the
epoch and sequence to stamp on child orders; ``encode`` gives the bytes of its acknowledgement.
Cancels are never restricted by any cap (S6).
"""

from reconverge.client.book import CapBook, CapView, SafeCap
from reconverge.client.subscription import CapSubscription
from reconverge.core.messages.wire import encode

__all__ = ["CapBook", "CapSubscription", "CapView", "SafeCap", "encode"]
