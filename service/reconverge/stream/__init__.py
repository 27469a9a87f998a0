"""The Kafka shell: one fenced, journalled worker for each owned partition (docs/protocol.md)."""

from reconverge.stream.conditions import Condition as Condition
from reconverge.stream.observer import BatchSeen as BatchSeen
from reconverge.stream.observer import Observer as Observer
from reconverge.stream.observer import RestoreSeen as RestoreSeen
