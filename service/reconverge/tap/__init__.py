"""Adapters that turn real feeds into the events of ``core.messages.events``: FIX engine logs."""

from reconverge.tap.framing import Unreadable
from reconverge.tap.kafka import publish
from reconverge.tap.pipeline import Tap
from reconverge.tap.run import read
from reconverge.tap.source import Log
from reconverge.tap.translate import Identity

__all__ = ["Identity", "Log", "Tap", "Unreadable", "publish", "read"]
