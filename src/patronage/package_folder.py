"""A package on disk: a folder of JSON, arrays and trees, written as a whole, and read without pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from patronage import __version__
from patronage.errors import InvalidInputError
from patronage.writing import replacing_folder, require_folder, sync

FORMAT_VERSION = 3
TRUSTED_TYPES = ["sklearn.tree._tree.Tree"]
"""The only type beyond skops' own defaults that a package may hold; never read from the package itself."""

DOCUMENT, ARRAYS, TREES = "model.json", "arrays.npz", "trees.skops"
PACKAGE_FILES = frozenset({DOCUMENT, ARRAYS, TREES})


@dataclass(frozen=True)
class Contents:
    """What a package holds.

    Attributes
    ----------
    document : mapping
        Plain values, ready for JSON.
    arrays : mapping
        Name → array; names of parts have the part's name and a slash before them.
    trees : sequence
        Trees of forests; none for most models.
    """

    document: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]
    trees: Sequence[Any] = field(default=())

    def part(self, name: str) -> dict[str, np.ndarray]:
        """Arrays of one part, without its name."""
        prefix = f"{name}/"
        return {key.removeprefix(prefix): array for key, array in self.arrays.items() if key.startswith(prefix)}


def write_package(folder: Path, contents: Contents) -> None:
    """Write a package; an existing one is replaced as a whole, and never left half-written.

    Raises
    ------
    InvalidInputError
        The folder holds something else than a package.
    """
    require_replaceable(folder)
    with replacing_folder(folder) as fresh:
        _write(fresh, contents)


def _write(folder: Path, contents: Contents) -> None:
    if contents.trees:
        from skops import io  # noqa: PLC0415 - only this kind of package needs it

        io.dump(contents.trees, folder / TREES)
        sync(folder / TREES)
    np.savez_compressed(folder / ARRAYS, **contents.arrays)  # type: ignore[arg-type] # numpy's stub lacks the keywords
    document = {"format_version": FORMAT_VERSION, "patronage_version": __version__, **contents.document}
    (folder / DOCUMENT).write_text(
        json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False), encoding="utf-8"
    )
    sync(folder / ARRAYS)
    sync(folder / DOCUMENT)


def read_document(folder: Path) -> dict[str, Any]:
    """Read what a package says of itself.

    Raises
    ------
    InvalidInputError
        The folder holds no package, or one of another format.
    """
    try:
        document = json.loads((folder / DOCUMENT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InvalidInputError(f"{folder} holds no patronage model (no readable {DOCUMENT}).") from None
    version = document.get("format_version") if isinstance(document, dict) else None
    if version != FORMAT_VERSION:
        raise InvalidInputError(
            f"{folder} has format version {version!r}; this patronage {__version__} reads {FORMAT_VERSION}. "
            "Install the version that wrote it."
        )
    found: dict[str, Any] = document
    return found


def read_contents(folder: Path, document: Mapping[str, Any]) -> Contents:
    """Read the rest of a package; whatever is wrong with it is raised as it comes."""
    with np.load(folder / ARRAYS, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    trees: Sequence[Any] = ()
    if (folder / TREES).exists():
        from skops import io  # noqa: PLC0415 - only this kind of package needs it

        trees = io.load(folder / TREES, trusted=TRUSTED_TYPES)
    return Contents(document, arrays, trees)


def require_replaceable(folder: Path) -> None:
    """Check that writing a package to the folder deletes nothing but a former package.

    Raises
    ------
    InvalidInputError
        The path is a file, the working directory or one above it, a folder that holds something else, or where nothing
        can be written.
    """
    require_folder(folder)
    if folder.exists():
        held = {path.name for path in folder.iterdir()} if folder.is_dir() else {folder.name}
        if foreign := sorted(held - PACKAGE_FILES):
            raise InvalidInputError(
                f"output={folder} holds {len(foreign)} file(s) that are no part of a packaged model, such as "
                f"{foreign[0]}; name another folder, or an empty one."
            )
