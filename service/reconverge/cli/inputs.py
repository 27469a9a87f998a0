"""What several commands read before they start: settings, a policy file, venue profiles."""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import reconverge
from reconverge.cli.exits import Exit, leave
from reconverge.config.settings import Settings, SettingsRefused, load
from reconverge.core.control import Policy, PolicyRefused, Problem, parse
from reconverge.core.venue import Venue, parse_venue


def settings(**flags: Any) -> Settings:
    """The settings under a command's flags; ends the command when they are refused."""
    try:
        return load(flags)
    except SettingsRefused as refused:
        leave(Exit.USAGE, refused.problems)


def policy(file: Path | None) -> Policy:
    """The policy in a TOML file, the default one without a file.

    Raises PolicyRefused with every problem, a file that is no TOML included.
    """
    if file is None:
        return Policy()
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PolicyRefused([Problem("(file)", f"not TOML: {error}")]) from None
    return parse(document)


def policy_or_end(file: Path | None) -> Policy:
    """The policy in a file; ends the command, naming file and keys, when it is refused."""
    try:
        return policy(file)
    except PolicyRefused as refused:
        leave(Exit.USAGE, (f"{file}: {key}: {detail}" for key, detail in refused.problems))


def venues() -> Mapping[str, Venue]:
    """The venue profiles that come with the package, by id."""
    folder = files(reconverge).joinpath("venues")
    profiles = (file for file in folder.iterdir() if file.name.endswith(".toml"))
    found = [parse_venue(tomllib.loads(file.read_text(encoding="utf-8"))) for file in profiles]
    return {venue.id: venue for venue in sorted(found, key=lambda venue: venue.id)}
