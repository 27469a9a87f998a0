"""Kafka, spelt out: the one room of the shell that knows aiokafka.

In here: connections, deadlines and errors (``client``), fetching (``tail``), writing
(``producer``), both behind the seam of ``stream.log`` (``log``), and the consumer group
(``membership``).
"""
