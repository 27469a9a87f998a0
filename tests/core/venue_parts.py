"""What the venue of ``venue_model`` keeps: orders, and the streams that tell of them."""


class Order:
    """An order as the venue has it."""

    def __init__(self, root: str, qty: int, *, persistent: bool) -> None:
        self.root = root
        self.leg = root
        self.qty = qty
        self.cum = 0
        self.persistent = persistent
        self.working = True

    @property
    def leaves(self) -> int:
        return self.qty - self.cum if self.working else 0

    @property
    def amounts(self) -> str:
        return f"{self.cum}/{self.leaves} qty={self.qty}"


class Stream:
    """One numbered stream from the venue, and the engine's end of it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.up = False
        self.log: list[str] = []
        """What was sent, number one first; heartbeats and logons are gap-filled when resent."""
        self.queue: list[tuple[int, str, tuple[int, ...]]] = []
        """On its way: when it arrives, as what, and which numbers it tells."""
        self.seen: set[int] = set()
        self.top = 0
        self.awaited_until = -1
        """An answer to our resend request is due by then."""
        self.lost_for_good: set[int] = set()
        self.hung_until = 0
        """The feed hangs with its link up: nothing arrives before, and then all of it."""

    def release(self) -> None:
        """It hangs no more: all that was on its way arrives."""
        self.hung_until = 0
        self.queue = [(0, text, numbers) for _, text, numbers in self.queue]

    @property
    def missing(self) -> list[int]:
        unseen = [seq for seq in range(1, self.top) if seq not in self.seen]
        return [seq for seq in unseen if seq not in self.lost_for_good]
