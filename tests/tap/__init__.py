"""The tap: FIX logs in, events out."""
