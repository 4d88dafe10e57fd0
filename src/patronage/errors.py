"""The errors a user can mend. Each carries the exit status the command line ends with."""

from __future__ import annotations


class PatronageError(Exception):
    """Something the user can mend: printed as one message, without a traceback."""

    exit_status = 2


class InvalidInputError(PatronageError):
    """The data given cannot be used as it is."""


class InvalidConfigError(PatronageError):
    """An option has a value that is not allowed, or does not exist."""


class NoCandidatePassedError(PatronageError):
    """Every candidate failed a gate: a correct end of training, with nothing registered."""

    exit_status = 3
