"""The command line's fixtures, for the sink's commands."""

from tests.cli.conftest import nobodys_settings as nobodys_settings
from tests.cli.conftest import run as run
