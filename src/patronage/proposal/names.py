"""Names of configurations: which patronage ships, and which `patronage init` has proposed before."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from patronage.errors import InvalidConfigError

GROUPS = ("data", "features", "outcomes", "experiment")
"""Folders of the configuration that a proposal writes to."""

MARK = "# Proposed by: patronage init"
"""Stands in every file that is proposed, and so in none that ships."""

WORDS = ("null", "true", "false", "nan", "inf", "yes", "no", "on", "off")
"""What is read as a value that is no text, here or on the command line."""


@dataclass(frozen=True)
class Known:
    """What patronage's own configuration folder holds; of a clone that may be the folder that proposals stand in.

    Attributes
    ----------
    shipped : mapping
        Name → a file of that name which is no proposal.
    proposed : mapping
        Name → a file of an earlier proposal.
    features : frozenset of str
        Names of shipped features.
    """

    shipped: Mapping[str, Path] = field(default_factory=dict)
    proposed: Mapping[str, Path] = field(default_factory=dict)
    features: frozenset[str] = frozenset()


def known_names(folder: Path) -> Known:
    """Names that are there in patronage's own configuration folder.

    A name whose data are proposed is no shipped one, whatever else its owner has written under it.
    """
    shipped: dict[str, Path] = {}
    proposed: dict[str, Path] = {}
    features: set[str] = set()
    for group in GROUPS:
        for path in sorted((folder / group).glob("*.yaml")):
            text = path.read_text(encoding="utf-8", errors="replace")
            if MARK in text:
                proposed.setdefault(path.stem, path)
                continue
            if path.stem not in proposed:
                shipped.setdefault(path.stem, path)
            if group == "features":
                features |= set(re.findall(r"^(\w+):", text, re.MULTILINE))
    return Known(shipped, {name: path for name, path in proposed.items() if name not in shipped}, frozenset(features))


def require_name(name: str, known: Known, folder: Path) -> None:
    """Check the name of a data configuration that is to stand in a folder.

    Raises
    ------
    InvalidConfigError
        It is no name, a shipped configuration has it, or an earlier proposal elsewhere would be found in its place.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name):
        raise InvalidConfigError(
            f"name={name}: expected small letters, digits and underscores, a letter first, such as name=my_shop."
        )
    if name in WORDS:
        raise InvalidConfigError(f"name={name}: stands for a value in configurations; choose another.")
    if name in known.shipped:
        raise InvalidConfigError(
            f"name={name}: patronage ships a configuration of that name ({known.shipped[name]}); choose another."
        )
    earlier = known.proposed.get(name)
    if earlier is not None and earlier.parents[1].resolve() != folder.resolve():
        raise InvalidConfigError(
            f"name={name}: {earlier}, proposed earlier, would be used in place of one in {folder}; "
            "choose another name=…, or remove that file."
        )
