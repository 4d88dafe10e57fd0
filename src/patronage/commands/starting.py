"""`patronage init`: from files to a configuration."""

from __future__ import annotations

import os
from pathlib import Path

from patronage import terminal
from patronage.config import config_folder
from patronage.errors import InvalidConfigError
from patronage.journal import log_to_terminal
from patronage.proposal import known_names, propose


def run_init(arguments: list[str]) -> int:
    """Look at files and write the configuration proposed for them."""
    options = {"name": "mine", "folder": "conf", "force": "false", "quiet": "false"}
    paths, wishes = [], []
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if argument.startswith("-"):
            raise InvalidConfigError(f"there is no flag {argument}; see --help.")
        # os.path tells that a text longer than any path is none, where pathlib stops.
        if not equals or "://" in key or os.path.exists(argument):  # noqa: PTH110
            paths.append(argument)
        elif key in options:
            options[key] = value
        else:
            wishes.append(argument)
    for option in ("force", "quiet"):
        if options[option] not in ("true", "false"):
            raise InvalidConfigError(f"{option} must be true or false; got {options[option]!r}.")
    quiet, force = options["quiet"] == "true", options["force"] == "true"
    log_to_terminal(quiet=quiet)
    proposed = propose(
        paths,
        name=options["name"],
        folder=Path(options["folder"]),
        wishes=wishes,
        known=known_names(config_folder()),
    )
    proposed.draft.write(force=force)
    if quiet:
        print("\n".join(str(path) for path in proposed.draft.files))
    else:
        terminal.proposal(proposed)
    return 0
