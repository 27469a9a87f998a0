"""Stands for the service: publishes caps to a real Kafka, once or as heartbeats."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Producer

from tests.client.test_book import S, cap, raw

BEAT_S = 0.3


class Service:
    """Publishes the caps of sessions to a topic."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
        self._topic = topic
        self._sequence = 0

    def say(
        self, value: float, session: str = "A", *, age_s: float = 0.0, valid_s: int = 3
    ) -> None:
        """Publish one cap, as if some time ago; ``flush`` waits until it is there."""
        self._sequence += 1
        now_ns = time.time_ns() - int(age_s * S)
        end_ns = now_ns + valid_s * S
        said = cap(
            session,
            epoch=3,
            sequence=self._sequence,
            cap=value,
            now_ns=now_ns,
            valid_until_ns=end_ns,
        )
        self.send(raw(said), session, now_ns // 1_000_000)

    def send(self, value: bytes, key: str, timestamp_ms: int = 0) -> None:
        """Publish any bytes."""
        while True:
            try:
                self._producer.produce(self._topic, value, key.encode(), timestamp=timestamp_ms)
                return
            except BufferError:  # its queue is full
                self._producer.poll(0.1)

    def flush(self) -> None:
        """Wait until everything is there."""
        assert self._producer.flush(60) == 0

    @contextmanager
    def beating(self, value: float) -> Iterator[None]:
        """Heartbeats of session A, in a thread of their own."""
        stopped = threading.Event()

        def beat() -> None:
            while not stopped.wait(BEAT_S):
                self.say(value)
                self.flush()

        thread = threading.Thread(target=beat)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()
