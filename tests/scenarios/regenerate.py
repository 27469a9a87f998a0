"""Writes the answers of scenarios anew: ``python -m tests.scenarios.regenerate [NAME ...]``.

On purpose only: read the difference against the rules before it is committed.
"""

import sys

from tests.scenarios.transcript import HERE, played


def main(names: list[str]) -> None:
    """Regenerate the scenarios named, or all of them."""
    paths = [HERE / f"{name}.txt" for name in names] or sorted(HERE.glob("*.txt"))
    for path in paths:
        path.write_text(played(path.read_text()))


if __name__ == "__main__":
    main(sys.argv[1:])
