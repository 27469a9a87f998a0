"""The figures of docs/performance.md, measured here and now: `python -m bench [NAME...]`.

One file a figure, each with a `measure` that yields its rows; `report` is what they have in common,
`traffic` what they are measured on, `stage` the real Kafka and the processes that some need. Every
figure stands beside a reference measured in the same run: the ratio is what can be compared between
machines. Timings live here alone; no test depends on one.
"""
