"""``python -m reconverge.cli``: the command of this interpreter, wherever its script may be."""

from reconverge.cli import main

main()
