"""What a failover cost: shortfall, its attribution, matched controls and tails (TCA T1-T80).

Functions take numpy arrays and rows and give the same back; nothing here reads Kafka, a clock or
chance that is not seeded. Quantities and prices are exact, in nanos (``core.messages.units``); mids
are floats in nanos, NaN where unknown; money and basis points are floats. A cost above 0 is bad.
"""
