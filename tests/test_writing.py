"""Files and folders appear whole or not at all, whatever fails on the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from patronage.audiences import export
from patronage.writing import replacing_folder
from tests.scored import small_model


def note(folder: Path, text: str = "new") -> None:
    """Replace a folder by one that holds a note; an empty one is an error."""
    with replacing_folder(folder) as fresh:
        (fresh / "note.txt").write_text(text, encoding="utf-8")
        if not text:
            raise ValueError("half way")


WRITERS: dict[str, Callable[[Path], object]] = {
    "a folder": note,
    "a package": lambda folder: small_model(shift=0.1).save(folder),
    "an export": lambda folder: export(small_model(shift=0.1), folder),
}


def held(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, hidden ones too, by its path in it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_folder_that_cannot_take_its_place_leaves_the_former_one(
    writer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the last rename fails, the former folder is back under its name, and nothing hidden lies beside it."""
    WRITERS[writer](tmp_path / "out")
    former = held(tmp_path)
    rename = Path.rename

    # A disk that fails between two renames cannot be had, so the second one is made to.
    def failing(self: Path, target: Path) -> Path:
        if Path(target) == tmp_path / "out" and not self.name.endswith("-old"):
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="Input/output error"):
        WRITERS[writer](tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"out"}
    assert held(tmp_path) == former


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """What the former one held and the fresh one does not is gone, and others may read what is there."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "former.txt").write_text("former", encoding="utf-8")
    note(tmp_path / "out")
    assert held(tmp_path) == {"out/note.txt": b"new"}
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o755


def test_a_block_that_fails_leaves_the_former_folder(tmp_path: Path) -> None:
    """Nothing of the fresh folder is left, and the former one was never away."""
    note(tmp_path / "out")
    with pytest.raises(ValueError, match="half way"):
        note(tmp_path / "out", "")
    assert held(tmp_path) == {"out/note.txt": b"new"}
