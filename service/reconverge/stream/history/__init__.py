"""The history of a partition: what the journal holds, and state made from it again.

In here: the journal's records and the rule which of them count (``records``), writing them
(``journal``), snapshots in chunks (``snapshot``), folding past batches again (``replay``),
restoring a partition (``restore``) and waiting for the owner before us (``handover``).
"""
