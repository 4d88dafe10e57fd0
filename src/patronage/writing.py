"""Files and folders that appear whole or not at all: written beside, flushed to disk, then renamed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from patronage.errors import InvalidInputError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path that becomes ``path`` if, and only if, the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    os.close(descriptor)
    fresh = Path(name)
    try:
        yield fresh
        sync(fresh)
        fresh.chmod(0o644)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Give a temporary folder that becomes ``folder`` if, and only if, the block ends well.

    A former folder is put aside for the moment between two renames, and put back if the second one fails. Whether it
    may be replaced, and that its files are on disk, is the block's business.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    old = fresh.with_name(fresh.name + "-old")
    try:
        yield fresh
        fresh.chmod(0o755)
        try:
            if folder.exists():
                folder.rename(old)
            fresh.rename(folder)
        except BaseException:  # an interruption too
            if old.exists() and not folder.exists():
                old.rename(folder)
            raise
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def require_folder(folder: Path) -> None:
    """Check that a folder may be made, or be replaced, where ``output=`` says.

    Raises
    ------
    InvalidInputError
        It is the working directory or one above it, or nothing can be written there.
    """
    if folder.resolve() in (Path.cwd(), *Path.cwd().parents):
        raise InvalidInputError(f"output={folder} is the working directory or one above it; name a folder in it.")
    require_writable("output", folder)


def require_own_folder(folder: Path, own: Collection[str], whole: str) -> None:
    """Check that a folder may be replaced: that nothing goes with it but what was written there before.

    Parameters
    ----------
    folder : Path
        What ``output=`` names.
    own : collection of str
        Files that were written there, relative to the folder; empty where none were.
    whole : str
        What they are part of, for the message: ``an export``.

    Raises
    ------
    InvalidInputError
        The path is a file, the working directory or one above it, a folder that holds other files too, or where nothing
        can be written.
    """
    if folder.exists() and not folder.is_dir():
        raise InvalidInputError(f"output={folder} is a file; name a folder.")
    require_folder(folder)
    held = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()}
    if foreign := sorted(held - set(own)):
        raise InvalidInputError(
            f"output={folder} holds {len(foreign)} file(s) that are no part of {whole}, such as {foreign[0]}; "
            "name another folder, or an empty one."
        )


def require_writable(option: str, path: Path) -> None:
    """Check that a file or folder can be made at a path, before any work is done for it.

    Parameters
    ----------
    option : str
        What names the path, for the message.
    path : Path
        Folders above it may be missing: they are made when it is.

    Raises
    ------
    InvalidInputError
        The nearest folder above it that there is, is a file, on a disk that takes nothing, or somebody else's.
    """
    there = path.absolute().parent
    try:
        while not there.exists():
            there = there.parent
        # A trial tells more than permissions do: root may write everywhere, and /proc takes nothing all the same.
        with tempfile.TemporaryDirectory(prefix=".patronage-", dir=there):
            pass
    except OSError as error:
        raise InvalidInputError(
            f"{option}={path}: nothing can be written in {there} ({error.strerror}); name another place."
        ) from None


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with replacing(path) as fresh:
        fresh.write_text(text, encoding="utf-8")


def sync(path: Path) -> None:
    """Wait until a file's content is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
