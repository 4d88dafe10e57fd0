"""A user's own files → a proposed configuration: looked at, matched, assembled, checked, written with comments.

`propose` decides everything before anything is written; `Draft.write` writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from patronage.errors import InvalidConfigError
from patronage.proposal.assembling import Mapped, Proposal, Wishes, assemble
from patronage.proposal.checking import Checked, check
from patronage.proposal.facts import File
from patronage.proposal.joining import MATCHED, find_join
from patronage.proposal.looking import look, look_at, require_files
from patronage.proposal.matching import Match
from patronage.proposal.names import Known, known_names, require_name
from patronage.proposal.profiling import OwnFeature
from patronage.proposal.rendering import Draft, draft, feature_sets
from patronage.proposal.wishes import parse_wishes

__all__ = [
    "Checked",
    "Draft",
    "Known",
    "Mapped",
    "Match",
    "OwnFeature",
    "Proposal",
    "Proposed",
    "Wishes",
    "feature_sets",
    "known_names",
    "parse_wishes",
    "propose",
]


@dataclass(frozen=True)
class Proposed:
    """What was found, and the files that would say so.

    Attributes
    ----------
    checked : Checked
    draft : Draft
    """

    checked: Checked
    draft: Draft


def propose(
    paths: Sequence[str],
    *,
    name: str = "mine",
    folder: Path = Path("conf"),
    wishes: Sequence[str] = (),
    known: Known | None = None,
) -> Proposed:
    """Look at files and propose which table and column each is.

    Parameters
    ----------
    paths : sequence of str
        Files, patterns, folders, databases' URLs.
    name : str, default "mine"
        Of the data configuration.
    folder : Path, default conf
        The configuration folder.
    wishes : sequence of str
        What the user says: ``transactions.ordered_at=Datum``.
    known : Known, optional
        Names that are there already (`known_names`); default: none.

    Raises
    ------
    InvalidInputError
        No table can be made of the files, or they have faults that only their owner can mend.
    InvalidConfigError
        A name or a wish is none.
    """
    if not paths:
        raise InvalidConfigError("name at least one file, folder or database: patronage init orders.csv customers.csv")
    given = {"name": (name, "mine"), "folder": (str(folder), "conf")}
    options = [f"{option}={value}" for option, (value, usual) in given.items() if value != usual]
    command = " ".join(["patronage init", *(_quoted(one) for one in (*paths, *options))])
    said_of = parse_wishes(wishes)
    require_files(paths)
    known = known if known is not None else Known()
    require_name(name, known, folder)
    files, told = _joined(look(paths), said_of)
    proposal = assemble(name, files, said_of, command, known.features)
    checked = check(replace(proposal, remarks=(*told, *proposal.remarks)))
    said = " ".join([command, *(_quoted(wish) for wish in wishes)])
    return Proposed(checked, draft(checked, folder, said))


def _joined(files: Sequence[File], wishes: Wishes) -> tuple[list[File], tuple[str, ...]]:
    """The files, with orders that are kept in two of them as one, and what is to be said about that."""
    join = find_join(files)
    if join is None:
        return list(files), ()
    wanted = {source.lower() for source in wishes.columns.get("transactions", {}).values()}
    if any(amount.lower() in wanted for amount in join.amounts):
        return list(files), ()  # who names an order's amount wants orders, not lines
    parts = (join.lines, join.orders)
    joined = look_at(join.source, parts)
    if joined.n_rows < MATCHED * join.lines.n_rows:
        told = (
            f"{join.lines.label} is not joined with {join.orders.label}: only {joined.n_rows:,} of its "
            f"{join.lines.n_rows:,} lines have their order there"
        )
        return list(files), (told,)
    return [joined, *(file for file in files if file not in parts)], join.told(joined.n_rows)


def _quoted(path: str) -> str:
    from patronage.tables.database import is_url, without_password  # noqa: PLC0415

    shown = without_password(path) if is_url(path) else path
    return f'"{shown}"' if " " in shown else shown
