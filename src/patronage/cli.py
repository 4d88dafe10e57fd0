"""The command line. Heavy imports wait until a command needs them, so that help is instant."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from patronage import __version__
from patronage.errors import InvalidConfigError, PatronageError
from patronage.journal import log_to_terminal
from patronage.usage import COMMON, HELP, USAGE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help", "help"):
        print(USAGE, end="")
        return 0
    if given[0] == "--version":
        print(f"patronage {__version__}")
        return 0
    command = given[0]
    try:
        return _run(command, given[1:])
    except PatronageError as error:
        return _told(f"patronage {command}: {error}", error.exit_status)
    except OSError as error:
        return _told(f"patronage {command}: {error.filename or 'a file'}: {error.strerror or error}", 2)
    except (KeyboardInterrupt, RuntimeError) as error:
        if isinstance(error, RuntimeError) and str(error) != "Query interrupted":  # so DuckDB tells of Ctrl-C
            raise
        return _told("patronage: stopped", 130)


def _told(message: str, status: int) -> int:
    print(message, file=sys.stderr)
    return status


def _run(command: str, rest: list[str]) -> int:
    if command not in HELP:
        raise InvalidConfigError(f"there is no command {command!r}; commands: {', '.join(HELP)}.")
    if {"-h", "--help"} & set(rest):
        print(HELP[command] + ("" if command == "init" else COMMON), end="")
        return 0
    if command == "init":  # it makes a configuration, and so needs none
        return _command("starting", "run_init")(rest)
    config_dir, show, multirun, overrides = _flags(rest)
    if multirun and command != "train":
        raise InvalidConfigError(f"only training can try combinations of options; {command} has no -m.")
    from patronage import config as configuration  # noqa: PLC0415 - Hydra takes half a second

    if multirun:
        plan = configuration.sweep_plan(overrides, config_dir)
        return _command("learning", "run_sweep")(plan, " ".join(overrides), show=show)

    config = configuration.compose_config(command, overrides, config_dir)
    if show:
        from omegaconf import OmegaConf  # noqa: PLC0415

        from patronage.tables import without_passwords  # noqa: PLC0415

        print(OmegaConf.to_yaml(without_passwords(config)), end="")
        return 0
    log_to_terminal(quiet=config["quiet"])
    return _command(_MODULES[command], f"run_{command}")(config)


_MODULES = {
    "train": "learning",
    "promote": "learning",
    "rollback": "learning",
    "score": "scoring",
    "export": "scoring",
    "features": "looking",
    "report": "reporting",
    "ui": "looking",
}
"""Command → the module of `patronage.commands` that it lies in."""


def _command(module: str, name: str) -> Callable[..., int]:
    """What carries out a command; its module, and all that it needs, is imported only now."""
    found: Callable[..., int] = getattr(import_module(f"patronage.commands.{module}"), name)
    return found


def _flags(rest: list[str]) -> tuple[str | None, bool, bool, list[str]]:
    config_dir, show, multirun, overrides = None, False, False, []
    waiting = iter(rest)
    for argument in waiting:
        if argument == "--show-config":
            show = True
        elif argument in ("-m", "--multirun"):
            multirun = True
        elif argument == "--force":
            overrides.append("force=true")
        elif argument == "--config-dir":
            config_dir = next(waiting, None)
            if config_dir is None:
                raise InvalidConfigError("--config-dir needs a folder.")
        elif argument.startswith("--config-dir="):
            config_dir = argument.partition("=")[2]
        elif argument.startswith("-"):
            raise InvalidConfigError(f"there is no flag {argument}; see --help.")
        else:
            overrides.append(argument)
    return config_dir, show, multirun, overrides


if __name__ == "__main__":
    sys.exit(main())
