"""What a router imports: the caps it has to obey, failing safe whatever happens to the service.

    async with CapSubscription("kafka:9092", safe=SafeCap(cap=0.05)) as caps:
        ...
        view = caps.cap("DESK-A", "ACME")        # a look-up: no await, never raises
        target = view.participation(scheduled)   # scaled, and within the absolute maximum
        caps.acknowledge(view)                   # batched, told once

``ThreadedCaps`` is the same without asyncio, ``FakeCaps`` stands for it in tests. The view says
itself whether it is the service's word or the router's own safe cap, and why; it carries the epoch
and sequence to stamp on child orders. Cancels are never restricted by any cap (S6).
"""

from reconverge.client.book import CapBook
from reconverge.client.fake import FakeCaps, FakeThreadedCaps
from reconverge.client.listeners import AsyncChanges, ThreadChanges
from reconverge.client.subscription import CapSubscription, ThreadedCaps
from reconverge.client.view import Caps, CapView, Change, Health, SafeCap, Why
from reconverge.core.messages.wire import encode

__all__ = [
    "AsyncChanges",
    "CapBook",
    "CapSubscription",
    "CapView",
    "Caps",
    "Change",
    "FakeCaps",
    "FakeThreadedCaps",
    "Health",
    "SafeCap",
    "ThreadChanges",
    "ThreadedCaps",
    "Why",
    "encode",
]
