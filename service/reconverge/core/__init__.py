"""The deterministic core: order events in, per-session truth, caps and transitions out.

Nothing here awaits, reads a clock, draws a random number, logs, or knows Kafka; nothing here
imports another room.
"""
