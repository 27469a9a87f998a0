"""The demo's parts: a recorded failover between real FIX engines as events on another clock, the
router stand-in, the account of a run, and how it is told and drawn.
"""
