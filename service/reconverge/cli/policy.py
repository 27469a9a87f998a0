"""The commands `policy ...`: check and compare files, and put one in force."""

from reconverge.cli.contract import policy_app as app
from reconverge.cli.control import apply_policy

app.command("apply")(apply_policy)

__all__ = ["app"]
