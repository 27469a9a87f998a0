"""The contract: every message that enters or leaves the core, and how it is written as bytes.

In here: the grammar of the wire (``wire``), exact decimals (``units``), the inputs (``events``
and ``desk``), the outputs (``effects``) and the way from bytes to an input (``decode``). Models
only, no decision. Import the module that holds the message you need.
"""
