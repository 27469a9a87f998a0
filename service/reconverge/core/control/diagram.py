"""The machine's table, drawn: the Mermaid diagram and the Markdown table of docs/machine.md.

Made from ``machine.TABLE`` alone, so that the documentation cannot say anything else than the code.
"""

from reconverge.core.control.machine import FROZEN, TABLE
from reconverge.core.control.signals import Signal, meaning
from reconverge.core.messages.effects import State


def mermaid() -> str:
    """The state diagram; signals that share an arrow are stacked on it."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for (state, signal), row in TABLE.items():
        if row.to is not None:
            arrows.setdefault((state, row.to), []).append(signal.value)
    lines = ["stateDiagram-v2", f"    [*] --> {State.HEALTHY}"]
    lines += [f"    {a} --> {b}: {', '.join(names)}" for (a, b), names in arrows.items()]
    lines += ["    classDef frozen fill:#fde8e8,stroke:#c0392b"]
    lines += [f"    class {state} frozen" for state in State if state in FROZEN]
    return "\n".join(lines)


def signals_table() -> str:
    """What each signal means, in the order in which they are weighed."""
    rows = [f"| `{signal}` | {meaning(signal)} |" for signal in Signal]
    return "\n".join(["| signal | holds when |", "|---|---|", *rows])


def transitions_table() -> str:
    """Every (state, signal), the ones that move nothing included."""
    rows = [
        f"| {state} | `{signal}` | {row.to or '(stays)'} | {row.why} |"
        for (state, signal), row in TABLE.items()
    ]
    return "\n".join(["| in | on | goes to | because |", "|---|---|---|---|", *rows])
