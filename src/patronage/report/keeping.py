"""A report on disk: the page, its figures as pictures, and the tables it is made of, to be read again later."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd

from patronage.actions import Action
from patronage.errors import InvalidInputError
from patronage.personas import Persona
from patronage.profiles import Profiles
from patronage.report.charts import report_figures
from patronage.report.contents import Report
from patronage.report.page import report_html
from patronage.wording import Wording
from patronage.writing import replacing_folder, require_own_folder, sync, write_text

PAGE, FIGURES, TABLES, CONTENTS = "report.html", "figures", "tables", "contents.json"
FORMAT = 1
_KIND = "patronage report"
_PICTURE = re.compile(r"\w+")
_PNG = b"\x89PNG\r\n"
_BOARDS = ("leaderboard", "diagnosis")


def write_report(report: Report, folder: Path, wording: Wording) -> list[str]:
    """Write a report as a folder; a former one is replaced as a whole, and never left half-written.

    It holds ``report.html``, ``figures/*.png`` and what `read_report` reads: ``tables/*.parquet``, ``contents.json``.

    Returns
    -------
    list of str
        The files, relative to the folder.

    Raises
    ------
    InvalidInputError
        The folder holds something else than a report.
    """
    require_former_report(folder)
    if strange := [name for name in report.pictures if not _PICTURE.fullmatch(name)]:
        raise InvalidInputError(f"a picture of the report is called {strange[0]!r}; expected letters, digits and _.")
    with replacing_folder(folder) as fresh:
        write_text(fresh / PAGE, report_html(report, wording))
        (fresh / FIGURES).mkdir()
        for name, figure in report_figures(report, wording).items():
            figure.savefig(fresh / FIGURES / f"{name}.png", format="png")
        for name, picture in report.pictures.items():
            (fresh / FIGURES / f"{name}.png").write_bytes(picture)
        _keep_contents(report, fresh)
        files = sorted(str(path.relative_to(fresh)) for path in fresh.rglob("*") if path.is_file())
        for file in files:
            sync(fresh / file)
    return files


def _keep_contents(report: Report, folder: Path) -> None:
    """Write what `read_report` reads, and last of all what the folder holds."""
    report.profiles.save(folder / TABLES)
    for name in _BOARDS:
        board: pd.DataFrame | None = getattr(report, name)
        if board is not None:
            board.to_parquet(folder / f"{name}.parquet", index=False)
    document = {
        "kind": _KIND,
        "format": FORMAT,
        "pictures": sorted(report.pictures),
        "personas": [asdict(one) for one in report.personas],
        "actions": [asdict(one) for one in report.actions],
        "about": dict(report.about),
        "files": sorted([*(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()), CONTENTS]),
    }
    write_text(folder / CONTENTS, json.dumps(document, indent=1, ensure_ascii=False))


def read_report(folder: Path, pictures: Path | None = None) -> Report:
    """Read a report again.

    Parameters
    ----------
    folder : Path
    pictures : Path, optional
        Where the pictures of the training lie; default: ``figures`` in the folder.

    Raises
    ------
    InvalidInputError
        The folder holds no report, or a part of it cannot be read.
    """
    document = _document(folder)
    if document is None:
        raise InvalidInputError(f"{folder} holds no patronage report (no readable {CONTENTS}).")
    pictures = pictures or folder / FIGURES
    try:
        return Report(
            profiles=Profiles.load(folder / TABLES),
            personas=tuple(_persona(one) for one in document["personas"]),
            actions=tuple(_action(one) for one in document["actions"]),
            **{name: _board(folder / f"{name}.parquet") for name in _BOARDS},
            pictures=_pictures(pictures, document["pictures"]),
            about=dict(document["about"]),
        )
    except InvalidInputError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a damaged file brings about, the message is the same
        raise InvalidInputError(
            f"{folder}: the report cannot be read ({type(error).__name__}); write it again by `patronage report`."
        ) from None


def require_former_report(folder: Path) -> None:
    """Check that writing to the folder deletes nothing but a former report.

    Raises
    ------
    InvalidInputError
        The path is a file, the working directory or one above it, or a folder with something else in it.
    """
    own = (_document(folder) or {}).get("files", ())
    require_own_folder(folder, [*map(str, own)], "a report")


def _pictures(folder: Path, names: Sequence[str]) -> dict[str, bytes]:
    """Pictures by name; a document that names files elsewhere, or files that are no pictures, gets none of them."""
    found = {}
    for name in names:
        path = folder / f"{name}.png"
        if _PICTURE.fullmatch(name) and path.is_file() and (drawn := path.read_bytes()).startswith(_PNG):
            found[name] = drawn
    return found


def _document(folder: Path) -> Mapping[str, Any] | None:
    try:
        document = json.loads((folder / CONTENTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) and document.get("kind") == _KIND else None


def _board(path: Path) -> pd.DataFrame | None:
    return pd.read_parquet(path) if path.is_file() else None


def _persona(plain: Mapping[str, Any]) -> Persona:
    persona = Persona(**plain)
    return replace(persona, facts=tuple((label, text) for label, text in plain["facts"]))


def _action(plain: Mapping[str, Any]) -> Action:
    action = Action(**plain)
    return replace(action, triggered_by={name: tuple(pair) for name, pair in plain["triggered_by"].items()})
