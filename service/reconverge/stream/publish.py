"""Performing what a journalled batch asked for, and knowing when it is done.

Outputs are sent in order without waiting for one another. `published` is the journal offset up to
which everything was acknowledged; the next journal record carries it, so that a restore sends again
what may not have arrived.
"""

from collections import deque
from collections.abc import Sequence

from reconverge.stream.folding import Output
from reconverge.stream.log import Log, Message, Sent, TooLarge
from reconverge.stream.observer import Observer


class Publisher:
    """The outputs of one worker that are on their way; at most those of `batches_max` batches."""

    def __init__(self, log: Log, observer: Observer, published: int, batches_max: int) -> None:
        self._log = log
        self._observer = observer
        self._batches_max = batches_max
        self._on_the_way: deque[tuple[int, Sequence[Sent]]] = deque()
        self.published = published

    async def publish(self, offset: int, outputs: Sequence[Output]) -> None:
        """Send the outputs of the journal record at `offset`.

        Waits while too many batches are on their way.
        """
        messages = [Message(output.topic, output.key, output.value or None) for output in outputs]
        self._on_the_way.append((offset, await self._log.send(messages)))
        await self._acknowledged(self._batches_max)

    async def drained(self) -> None:
        """Return when everything sent was acknowledged."""
        await self._acknowledged(0)

    async def _acknowledged(self, batches_max: int) -> None:
        while self._on_the_way:
            offset, sent = self._on_the_way[0]
            if len(self._on_the_way) <= batches_max and not all(one.done() for one in sent):
                return
            for one in sent:
                try:
                    await self._log.acknowledged(one)
                except TooLarge as error:
                    self._too_large(error)
            self._on_the_way.popleft()
            self.published = offset

    def _too_large(self, error: TooLarge) -> None:
        """An output that no broker will ever take must not stop those after it.

        The audit can still derive it.
        """
        self._observer.condition(self._log.partition, "output_too_large", str(error))
