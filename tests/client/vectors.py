"""The conformance vectors of schemas/conformance, as docs/router.md says to read them."""

import base64
import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "schemas" / "conformance"
SAFE_CAP, SAFE_PARTICIPATION = 0.05, 0.02
"""The router's own safe cap in every vector."""

Step = dict[str, Any]


def steps(file: Path) -> Iterator[Step]:
    for line in file.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def vectors() -> dict[str, list[Step]]:
    """Every vector's steps, by file and name."""
    return {
        f"{file.stem}/{name}": list(found)
        for file in sorted(FOLDER.glob("*.jsonl"))
        for name, found in groupby(steps(file), lambda step: str(step["vector"]))
    }


def speaks(step: Step) -> bool:
    """Whether a record comes in this step; else it is silence."""
    return bool(step.keys() & {"record", "raw", "raw_base64"})


def value(step: Step) -> bytes | None:
    """The record's value; none is a tombstone."""
    if "raw" in step:
        return str(step["raw"]).encode()
    if "raw_base64" in step:
        return base64.b64decode(step["raw_base64"])
    record = step["record"]
    return None if record is None else json.dumps(record, ensure_ascii=False).encode()
