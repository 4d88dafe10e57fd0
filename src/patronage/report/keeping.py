"""A report on disk: the page, its figures as pictures, and the tables it is made of, to be read again later."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
from patronage.writing import replacing_folder, sync, write_text

PAGE, FIGURES, TABLES, CONTENTS = "report.html", "figures", "tables", "contents.json"
_KIND = "patronage report"
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
    with replacing_folder(folder) as fresh:
        write_text(fresh / PAGE, report_html(report, wording))
        (fresh / FIGURES).mkdir()
        for name, figure in report_figures(report, wording).items():
            figure.savefig(fresh / FIGURES / f"{name}.png", format="png")
        for name, picture in report.pictures.items():
            (fresh / FIGURES / f"{name}.png").write_bytes(picture)
        keep_contents(report, fresh)
        files = sorted(str(path.relative_to(fresh)) for path in fresh.rglob("*") if path.is_file())
        for file in files:
            sync(fresh / file)
    return files


def keep_contents(report: Report, folder: Path) -> None:
    """Write what `read_report` reads into a folder that is there."""
    report.profiles.save(folder / TABLES)
    for name in _BOARDS:
        board: pd.DataFrame | None = getattr(report, name)
        if board is not None:
            board.to_parquet(folder / f"{name}.parquet", index=False)
    document = {
        "kind": _KIND,
        "pictures": sorted(report.pictures),
        "personas": [asdict(one) for one in report.personas],
        "actions": [asdict(one) for one in report.actions],
        "about": dict(report.about),
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
            pictures={
                name: (pictures / f"{name}.png").read_bytes()
                for name in document["pictures"]
                if (pictures / f"{name}.png").is_file()
            },
            about=document["about"],
        )
    except (KeyError, TypeError, ValueError, OSError) as error:
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
    if folder.resolve() in (Path.cwd(), *Path.cwd().parents):
        raise InvalidInputError(f"output={folder} is the working directory or one above it; name a folder in it.")
    if folder.exists() and not folder.is_dir():
        raise InvalidInputError(f"output={folder} is a file; name a folder.")
    if folder.is_dir() and any(folder.iterdir()) and _document(folder) is None:
        raise InvalidInputError(f"output={folder} holds something else than a report; name another folder.")


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
