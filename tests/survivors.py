"""What came of the mutants: `python -m tests.survivors`, run by tools/mutants in its copy.

Prints the survivors that `survivors.toml` does not explain, each with its change, then the score.
"""

import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mutmut.mutation.diff_apply import get_diff_for_mutant

EXPLANATIONS = Path(__file__).with_suffix(".toml")


class Explanation(NamedTuple):
    """Why a change of some place is no fault, or none that a test of ours should look for."""

    place: re.Pattern[str]
    """All of `room.module.function` or `room.module.Class.method`; of the core its inner rooms."""
    becomes: re.Pattern[str]
    """Some of what the changed lines have become; a deletion leaves nothing."""

    def explains(self, mutant: str, change: list[str]) -> bool:
        """Whether this is such a change: lines of a diff that begin with - or +."""
        became = "\n".join(line[1:] for line in change if line.startswith("+"))
        return bool(self.place.fullmatch(place(mutant)) and self.becomes.search(became))


def place(mutant: str) -> str:
    """Where the core was changed, as `room.module.function` or `room.module.Class.method`."""
    within = mutant.removeprefix("reconverge.").removeprefix("core.")
    mangled, _, _ = within.partition("__mutmut_")
    module, _, name = mangled.rpartition(".")
    return f"{module}.{re.sub('^x[_ǁ]', '', name).replace('ǁ', '.')}"


def explanations() -> list[Explanation]:
    """Those written down."""
    written = tomllib.loads(EXPLANATIONS.read_text())["survivor"]
    return [Explanation(re.compile(e["in"]), re.compile(e["becomes"])) for e in written if e["why"]]


def results() -> Iterator[tuple[str, str]]:
    """Each mutant and what came of it."""
    told = subprocess.run(
        ["mutmut", "results", "--all", "true"], check=True, capture_output=True, text=True
    )
    for line in told.stdout.splitlines():
        mutant, _, status = line.strip().rpartition(": ")
        yield mutant, status


def report() -> Iterator[str]:
    """The survivors left, and the score of what was tried."""
    known = explanations()
    score: Counter[str] = Counter()
    for mutant, status in results():
        if status not in ("survived", "no tests"):
            score[status] += 1
            continue
        diff = get_diff_for_mutant(mutant).splitlines()
        change = [line for line in diff if re.match(r"[-+](?![-+]{2} )", line)]
        if any(explanation.explains(mutant, change) for explanation in known):
            score["explained"] += 1
        else:
            score[status] += 1
            yield "\n    ".join([mutant, *change])
    del score["not checked"]
    parts = (f"{count} {status}" for status, count in score.most_common())
    yield f"{score.total()} tried: {', '.join(parts)}"


if __name__ == "__main__":
    for line in report():
        sys.stdout.write(f"{line}\n")
