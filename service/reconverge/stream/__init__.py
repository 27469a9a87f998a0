"""The Kafka shell: one fenced, journalled worker for each owned partition (docs/protocol.md).

Offered here: what watches it (`ops`) and what reads its history again (`audit`).
"""

from reconverge.stream.conditions import Condition as Condition
from reconverge.stream.conditions import Refusal as Refusal
from reconverge.stream.core_fold import CoreFold as CoreFold
from reconverge.stream.core_fold import CoreFolds as CoreFolds
from reconverge.stream.folding import Folded as Folded
from reconverge.stream.folding import Ledger as Ledger
from reconverge.stream.folding import Output as Output
from reconverge.stream.folding import Row as Row
from reconverge.stream.history.journal import OwnedEntry as OwnedEntry
from reconverge.stream.history.journal import entries as entries
from reconverge.stream.history.journal import newest as newest
from reconverge.stream.history.journal import record_at as record_at
from reconverge.stream.history.records import JOURNAL_MAJOR as JOURNAL_MAJOR
from reconverge.stream.history.records import MERGE_RULE as MERGE_RULE
from reconverge.stream.history.records import Batch as Batch
from reconverge.stream.history.records import Claim as Claim
from reconverge.stream.history.records import Lost as Lost
from reconverge.stream.history.records import Position as Position
from reconverge.stream.history.records import Snapshot as Snapshot
from reconverge.stream.history.replay import History as History
from reconverge.stream.history.replay import Manifest as Manifest
from reconverge.stream.history.replay import Replayed as Replayed
from reconverge.stream.log import Log as Log
from reconverge.stream.log import LogError as LogError
from reconverge.stream.log import Message as Message
from reconverge.stream.log import Record as Record
from reconverge.stream.log import read as read
from reconverge.stream.log import stretch as stretch
from reconverge.stream.observer import BatchSeen as BatchSeen
from reconverge.stream.observer import Observer as Observer
from reconverge.stream.observer import RestoreSeen as RestoreSeen
from reconverge.stream.options import Options as Options
from reconverge.stream.options import Topics as Topics
from reconverge.stream.quarantine import HEADER_PREFIX as HEADER_PREFIX
from reconverge.stream.quarantine import provenance as provenance
