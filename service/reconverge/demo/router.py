"""The router stand-in: obeys the caps it hears and says which one it applies.

It sends no orders: those are recorded, and were sent by a firm that trusted its socket. What it
shows is the other half of the loop, a router that takes its participation from the caps topic with
the client that real routers use, and acknowledges each profile it switches to.
"""

import time
from collections.abc import AsyncIterator

from reconverge.client import CapSubscription, CapView
from reconverge.core.messages.events import ProfileAck
from reconverge.tap import publish


class Router:
    """One session's router."""

    def __init__(self, session: str) -> None:
        self._session = session
        self._applied: tuple[float, float, bool] | None = None

    def apply(self, view: CapView, now_ns: int) -> ProfileAck | None:
        """Switch to what a cap allows; the acknowledgement, unless nothing is other than before."""
        profile = (view.cap, view.catchup_multiple_max, view.freeze_expansion)
        if view.safe or profile == self._applied:
            return None
        self._applied = profile
        return view.acknowledgement(self._session, now_ns)


async def obey(session: str, caps: CapSubscription, address: str) -> None:
    """Apply every cap of a session as it changes, and say so on ``parents``, until cancelled."""
    await publish(_acknowledgements(session, caps), "parents", bootstrap_servers=address)


async def _acknowledgements(session: str, caps: CapSubscription) -> AsyncIterator[ProfileAck]:
    router = Router(session)
    async for changed, view in caps.changes():
        if changed == session:
            acknowledgement = router.apply(view, time.time_ns())
            if acknowledgement is not None:
                yield acknowledgement
