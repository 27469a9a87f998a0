"""Adapters that turn real feeds into the events of ``core.events``: FIX engine logs."""
