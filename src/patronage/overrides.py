"""Options as they are typed: Hydra's grammar, made easier for paths, and its sweeps taken apart into jobs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from patronage.errors import InvalidConfigError

_OPEN = re.compile(
    r"(data\.\w+\.(columns|derive|files|formats)|representation\.parameters|clusterer\.\w+\.(parameters|grid|embedding)|names|playbook\.rules)(\.[\w/]+(\.\w+)?)?="
)
_WEIGHT = re.compile(r"(?P<sign>\+\+|\+|~|)selection\.weights(?:\.(?P<metric>[\w/]+))?(?:=(?P<value>.*))?")
_ONE_FOR_ALL = ("output", "quiet", "sweep_jobs", "tracking")


@dataclass(frozen=True)
class Combination:
    """The overrides of one job of a sweep, and those among them that tell it from the others."""

    overrides: tuple[str, ...]
    shown: tuple[str, ...]


class _Options:
    """What Hydra's ``glob(…)`` chooses from: the files of a group."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders

    def get_group_options(self, group_name: str, *_: Any, **__: Any) -> list[str]:  # noqa: ANN401 - Hydra's interface
        """Names of a group's files."""
        return sorted({path.stem for folder in self._folders for path in (folder / group_name).glob("*.yaml")})


def parsed(override: str, *, command: str = "train") -> Override:
    """Parse an override; a value that Hydra's grammar does not take (spaces, brackets, accents) is quoted for it.

    Raises
    ------
    InvalidConfigError
        It cannot be read, or it is a sweep: the message says how sweeps are asked for.
    """
    found, key, value = _read(override, OverridesParser.create())
    if not found.is_sweep_override():
        return found
    if "/" in value:  # a path, or an address
        return _quoted(override, key, value)
    in_turn = "to train with each in turn, add -m" if command == "train" else "only training can try each in turn"
    if found.is_choice_sweep() and "(" not in value and not value.startswith(("[", "{")):
        raise InvalidConfigError(
            f"{override}: several values at once are given in brackets, {key}=[{value}]; {in_turn}."
        )
    raise InvalidConfigError(f"{override} names several values; {in_turn}.")


def split_weights(overrides: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part the overrides of the objective's weights from all others: Hydra's grammar has no slash in a key."""
    weights = [one for one in overrides if _WEIGHT.fullmatch(one)]
    return weights, [one for one in overrides if one not in weights]


def set_weights(weights: Mapping[str, float], overrides: Sequence[str]) -> dict[str, float]:
    """Weights of the objective after overrides.

    ``selection.weights.<metric>=<number>`` sets one, ``~`` before it takes one away, and
    ``selection.weights={<metric>: <number>}`` replaces them all.

    Raises
    ------
    InvalidConfigError
        An override cannot be read, or there is no such weight to take away.
    """
    found = dict(weights)
    for override in overrides:
        match = _WEIGHT.fullmatch(override)
        assert match is not None  # noqa: S101 - `split_weights` has looked
        metric, text = match["metric"], match["value"]
        try:
            value = None if text is None else yaml.safe_load(text)
        except yaml.YAMLError:
            value = None
        if metric is None and match["sign"] != "~" and isinstance(value, dict):
            found = {**(found if match["sign"] == "+" else {}), **value}
        elif metric is not None and match["sign"] == "~" and metric in found and text is None:
            del found[metric]
        elif metric is not None and match["sign"] != "~" and isinstance(value, int | float):
            found[metric] = float(value)
        else:
            raise InvalidConfigError(
                f"{override!r} cannot be read; weights are given as selection.weights.<metric>=<number>, as "
                "selection.weights={<metric>: <number>} for all, or taken away by ~selection.weights.<metric>. "
                f"There are now: {', '.join(found)}."
            )
    return found


def combinations(overrides: Sequence[str], folders: Sequence[Path]) -> list[Combination]:
    """Take a sweep apart: one combination of values per job, the last option varying fastest.

    Comma lists, ``range(…)``, ``choice(…)`` and ``glob(…)`` mean what they mean to Hydra. A path or address with a
    comma needs quotes here.

    Parameters
    ----------
    overrides : sequence of str
    folders : sequence of Path
        Configuration folders, whose groups ``glob(…)`` chooses from.

    Raises
    ------
    InvalidConfigError
        An override cannot be read, is no sweep of single values, or belongs to the sweep as a whole.
    """
    parser = OverridesParser.create()
    fixed, swept = [], []
    for override in overrides:
        found, key, _ = _read(override, parser)
        if not found.is_sweep_override():
            fixed.append(override)
            continue
        if key.lstrip("+").partition(".")[0] in _ONE_FOR_ALL:
            raise InvalidConfigError(f"{override}: {key} is one for the whole sweep; give it a single value.")
        found.config_loader = _Options(folders)  # type: ignore[assignment] # all that glob(…) asks of a loader
        swept.append(found)
    try:
        ((*jobs,),) = BasicSweeper.split_arguments(swept, None)
    except HydraException as error:
        raise InvalidConfigError(f"the sweep cannot be taken apart: {str(error).splitlines()[0]}") from None
    if not jobs:
        raise InvalidConfigError(f"{swept[0].input_line}: no value fits, so there is nothing to train.")
    return [Combination((*fixed, *given), tuple(given)) for given in jobs]


def swept_keys(overrides: Sequence[str]) -> list[str]:
    """Names of the options that have several values."""
    read = [_read(override, OverridesParser.create()) for override in overrides]
    return [key.lstrip("+") for found, key, _ in read if found.is_sweep_override()]


def _read(override: str, parser: OverridesParser) -> tuple[Override, str, str]:
    if _OPEN.match(override):
        override = f"++{override}"  # these hold the user's own names, so a new one is no mistake
    key, equals, value = override.partition("=")
    if not equals and not override.startswith("~"):
        raise InvalidConfigError(f"{override!r} is no option; options are given as option=value, see --help.")
    try:
        return parser.parse_override(override), key, value
    except HydraException:
        return _quoted(override, key, value), key, value


def _quoted(override: str, key: str, value: str) -> Override:
    try:
        return OverridesParser.create().parse_override(f"{key}={as_text(value)}")
    except HydraException:
        raise InvalidConfigError(f"{override!r} cannot be read; options are given as option=value.") from None


def as_text(value: str) -> str:
    """The value as a quoted text of Hydra's grammar."""
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", value)
    return f"'{escaped}'"
