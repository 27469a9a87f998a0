"""The service without its journal, a process: claims for real, then keeps every record to itself.

`python -m bench.unjournalled`, in place of `reconverge`. Only for measuring what the journal costs:
it would forget everything.
"""

from unittest.mock import patch

from reconverge.cli import app
from reconverge.stream.kafka.log import KafkaLog


class Unjournalled(KafkaLog):
    """Acknowledges every append but the first at once."""

    _last = -1

    async def append(self, topic: str, key: bytes | None, value: bytes) -> int:
        claimed = self._last >= 0
        self._last = self._last + 1 if claimed else await super().append(topic, key, value)
        return self._last


if __name__ == "__main__":
    with patch("reconverge.cli.run.KafkaLog", Unjournalled):
        app()
