"""Writing: one request for all that is to be written, one answer, and only then the next.

aiokafka's producer would do, and takes twice as long about a record that is waited for
(docs/performance.md): it collects, drains and settles batches in tasks of its own. As there, a
broker knows each record by its producer's number, so that one sent again after a lost answer is
written once and answered with the offset it has.
"""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple

from aiokafka.errors import KafkaError, MessageSizeTooLargeError, NoError, for_code
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from reconverge.stream.kafka.client import TOO_LARGE, PartitionClient, check
from reconverge.stream.log import Message

RECORD_BYTES_MAX: Final = 4 * 1024 * 1024
"""Above Kafka's default of 1 MiB.

The broker's limit is the one that counts, and its refusal is understood.
"""
_BATCH_BYTES: Final = 256 * 1024
"""Of records that travel together; a larger one goes alone."""
_EVERY_REPLICA: Final = -1
_NUMBERS: Final = 1 << 31
"""Kafka's sequence numbers of a producer begin again after so many."""

Outcome = int | KafkaError
"""A record's offset, -1 when it is written and no broker knows where; or its refusal for size."""


class _Batch(NamedTuple):
    """Records of one topic that travel together."""

    indexes: list[int]
    """Which of the messages they are."""
    stored: bytes


class Producer:
    """One producer. What it writes to a topic is written in order, each record at most once.

    After any failure but a refusal for size, what became of the records is not known, and nothing
    more is written.
    """

    def __init__(self, client: PartitionClient, deadline_s: float) -> None:
        self._client = client
        self._deadline_ms = int(deadline_s * 1_000)
        self._id = (-1, -1)
        """With its epoch: what the brokers know it by."""
        self._numbers: dict[str, int] = defaultdict(int)
        """That of each topic's next record."""
        self._turn = asyncio.Lock()
        self._failed = False

    async def start(self) -> None:
        """Connect, and get an id."""
        await self._client.start()
        self._id = await self._client.persist(self._introduce)

    async def close(self) -> None:
        """Release the connections."""
        await self._client.close()

    async def write(self, messages: Sequence[Message]) -> list[Outcome]:
        """What became of each message, once every in-sync replica has it.

        Raises aiokafka's errors. Tries until cancelled while the brokers are away.
        """
        try:
            async with self._turn:
                if self._failed:
                    raise KafkaError("what was to be written before may be missing")
                return await self._written(messages)
        except BaseException:
            self._failed = True
            raise

    async def _written(self, messages: Sequence[Message]) -> list[Outcome]:
        outcomes: list[Outcome] = [MessageSizeTooLargeError()] * len(messages)
        alone: set[str] = set()
        """Topics that refused a batch for its size: each of its records may well be accepted."""
        queues: dict[str, deque[int]] = defaultdict(deque)
        for index, message in enumerate(messages):
            if _size(message) <= RECORD_BYTES_MAX:
                queues[message.topic].append(index)
        while queues:
            batches = {
                topic: self._batch(queue, messages, 0 if topic in alone else _BATCH_BYTES)
                for topic, queue in queues.items()
            }
            answers: dict[str, Outcome] = {}
            left = {topic: batch.stored for topic, batch in batches.items()}
            await self._client.persist(partial(self._send, left, answers))
            for topic, (indexes, _) in batches.items():
                answer = answers[topic]
                if isinstance(answer, int):
                    for place, index in enumerate(indexes):
                        outcomes[index] = answer + place if answer >= 0 else answer
                    continue
                self._numbers[topic] = (self._numbers[topic] - len(indexes)) % _NUMBERS  # not used
                if len(indexes) > 1:
                    alone.add(topic)
                    queues[topic].extendleft(reversed(indexes))
                else:
                    outcomes[indexes[0]] = answer
            queues = {topic: queue for topic, queue in queues.items() if queue}
        return outcomes

    def _batch(self, queue: deque[int], messages: Sequence[Message], bytes_max: int) -> _Batch:
        """As many as may travel together, at least one, numbered."""
        topic = messages[queue[0]].topic
        producer_id, epoch = self._id
        builder = DefaultRecordBatchBuilder(
            magic=2, compression_type=0, is_transactional=0, producer_id=producer_id,
            producer_epoch=epoch, base_sequence=self._numbers[topic], batch_size=bytes_max,
        )  # fmt: skip
        now_ms, indexes = int(time.time() * 1_000), list[int]()
        while queue:
            _, key, value, headers = messages[queue[0]]
            if builder.append(len(indexes), now_ms, key, value, list(headers)) is None:
                break
            indexes.append(queue.popleft())
        self._numbers[topic] = (self._numbers[topic] + len(indexes)) % _NUMBERS
        return _Batch(indexes, bytes(builder.build()))

    async def _introduce(self) -> tuple[int, int]:
        # No transactions: their id is null, which the annotation of aiokafka forgets.
        request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=-1)  # type: ignore[arg-type]
        response = await self._client.send(self._client.any_node(), request)
        check(response.error_code, "a producer's id")
        return response.producer_id, response.producer_epoch

    async def _send(self, left: dict[str, bytes], answers: dict[str, Outcome]) -> None:
        """Send what is left to whoever leads each topic; what is answered for good leaves it."""
        failed: KafkaError | None = None
        for node, topics in (await self._client.led(list(left))).items():
            written = [(topic, [(self._client.partition, left[topic])]) for topic in topics]
            request = ProduceRequest(None, _EVERY_REPLICA, self._deadline_ms, written)
            response = await self._client.send(node, request)
            for topic, ((_, code, offset, *_),) in response.topics:
                error = for_code(code)
                if error.retriable:
                    failed = error(topic)
                    continue
                if error is not NoError and error not in TOO_LARGE:
                    raise error(topic)
                answers[topic] = offset if error is NoError else error(topic)
                del left[topic]
        if failed:
            raise failed


def _size(message: Message) -> int:
    _, key, value, headers = message
    return DefaultRecordBatchBuilder.estimate_size_in_bytes(key, value, list(headers))
