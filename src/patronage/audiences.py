"""Export: the packaged model, and audiences, one file of customers per segment, ready for marketing tools."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, astuple, dataclass, field, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from patronage import __version__
from patronage.errors import InvalidConfigError, InvalidInputError
from patronage.journal import warn
from patronage.model import SegmentationModel
from patronage.offers import Offers
from patronage.scoring import CHUNK_ROWS, Input, model_digest, score
from patronage.scoring.provenance import name_and_version
from patronage.segments import RESERVED_NAMES
from patronage.writing import replacing_folder, require_own_folder, sync, write_text

FORMATS = ("csv", "parquet")
MODEL, AUDIENCES, MANIFEST, REJECTED = "model", "audiences", "manifest.json", "rejected.csv"
BY_VALUE = "customers_by_value"
KIND = "patronage export"
SCHEMA = pa.schema(
    [
        ("customer_id", pa.string()),
        ("segment_id", pa.string()),
        ("segment_name", pa.string()),
        ("confidence", pa.float64()),
    ]
)
MOST_NEXT_CATEGORIES = 20
_LONGEST_SLUG = 60
_FORMULA = r"^[=+\-@\t\r]"


@dataclass(frozen=True)
class Audience:
    """The customers of one segment.

    Attributes
    ----------
    file : str
        Name within the folder of audiences.
    segment_id, name : str
    customers : int
        Customers in the file.
    share : float
        Of all customers scored.
    """

    file: str
    segment_id: str
    name: str
    customers: int
    share: float


@dataclass(frozen=True)
class Exported:
    """What an export has written.

    Attributes
    ----------
    output : Path
    audiences : tuple of Audience
        In the order of segment ids, the reserved ones last; empty where only the model was exported.
    n_customers : int
        Customers scored.
    n_left_out : int
        Those who are in no file because their confidence is lower than was asked for.
    rejected : mapping
        Why rows were set aside → rows.
    by_value : str, optional
        Name of the file of all customers in falling value; None where there is no money.
    """

    output: Path
    audiences: tuple[Audience, ...] = ()
    n_customers: int = 0
    n_left_out: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    by_value: str | None = None


@dataclass(frozen=True)
class AudienceOptions:
    """How audiences are written.

    Attributes
    ----------
    audience_format : str
        ``csv`` or ``parquet``.
    audience_min_confidence : float from 0 to 1
        Customers placed with less confidence are in no file. Those of reserved segments were not placed: they stay.
    next_categories : int from 0 to 20
        Categories that each customer may want next, beside its segment, where raw tables tell of categories.
    """

    audience_format: str = "csv"
    audience_min_confidence: float = 0.0
    next_categories: int = 3

    def __post_init__(self) -> None:
        """Check the values before any work is done."""
        if self.audience_format not in FORMATS:
            raise InvalidConfigError(
                f"audience_format must be one of {', '.join(FORMATS)}; got {self.audience_format!r}."
            )
        if not 0 <= self.audience_min_confidence <= 1:
            raise InvalidConfigError(
                f"audience_min_confidence must be from 0 to 1; got {self.audience_min_confidence}."
            )
        if not 0 <= self.next_categories <= MOST_NEXT_CATEGORIES:
            raise InvalidConfigError(
                f"next_categories must be from 0 to {MOST_NEXT_CATEGORIES}; got {self.next_categories}."
            )


def export(
    model: SegmentationModel,
    output: Path,
    given: Input | None = None,
    options: AudienceOptions | None = None,
    *,
    offers: Offers | None = None,
    found: str = "",
    chunk_rows: int = CHUNK_ROWS,
) -> Exported:
    """Write the packaged model and, where customers are given, audiences; all of it appears at once.

    The folder holds ``model/`` (as `SegmentationModel.load` reads it), ``audiences/`` with ``index.csv``,
    ``customers_by_value`` where money is known, ``rejected.csv`` where rows were set aside, and ``manifest.json``,
    which lists all files. A former export is
    replaced as a whole, but audiences only by audiences; an error leaves it as it was.

    Parameters
    ----------
    model : SegmentationModel
    output : Path
        Folder: a new one, an empty one, or a former export.
    given : Input, optional
        Customers to be scored; None exports the model alone.
    options : AudienceOptions, optional
    offers : Offers, optional
        What raw tables tell of the customers: their next categories and their value.
    found : str
        What the model was found as: ``models:/name/version``, or a folder.
    chunk_rows : int, default 50,000
        Rows at a time; raising it takes more memory and hardly less time.

    Raises
    ------
    InvalidInputError
        The folder holds something else, or audiences where the model alone is exported; or `score` cannot score the
        customers.
    """
    require_former_export(output, alone=given is None)
    options = options or AudienceOptions()
    with replacing_folder(output) as fresh:
        model.save(fresh / MODEL)
        exported, about = Exported(output), _about_model(model, found)
        if given is not None:
            exported, about = _write_audiences(
                model, fresh, output, given, options, offers or Offers(), found, chunk_rows
            )
        files = sorted(str(path.relative_to(fresh)) for path in fresh.rglob("*") if path.is_file())
        manifest = {"kind": KIND, "patronage_version": __version__, **about, "files": [*files, MANIFEST]}
        write_text(fresh / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False))
    return exported


def require_former_export(folder: Path, *, alone: bool) -> None:
    """Check that exporting to the folder deletes nothing but a former export, and the model alone no customers.

    Raises
    ------
    InvalidInputError
        The path is a file, the working directory or one above it, or a folder with files that no export has written;
        or it holds audiences, and the model is exported alone.
    """
    files = _files_of_export(folder)
    require_own_folder(folder, files, "an export")
    others = [file for file in files if not file.startswith(f"{MODEL}/") and file != MANIFEST]
    n_others = sum((folder / file).exists() for file in others)
    if alone and n_others:
        raise InvalidInputError(
            f"output={folder} holds an export with audiences, {n_others} file(s) that the model alone would replace; "
            "give data=… or input=… to renew them, or name another folder."
        )


def _files_of_export(folder: Path) -> Sequence[str]:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return list(manifest["files"]) if manifest["kind"] == KIND else []
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _about_model(model: SegmentationModel, found: str) -> dict[str, Any]:
    name, version = name_and_version(found)
    return {"model": found, "model_name": name, "model_version": version, "model_digest": model_digest(model)}


def _write_audiences(
    model: SegmentationModel,
    fresh: Path,
    output: Path,
    given: Input,
    options: AudienceOptions,
    offers: Offers,
    found: str,
    chunk_rows: int,
) -> tuple[Exported, dict[str, Any]]:
    """Score into one file per segment; gives what was written, and what the manifest says of it."""
    ids = sorted(segment.id for segment in model.segments)
    names = {segment.id: segment.name for segment in model.segments}
    writer = AudienceFiles(
        fresh / AUDIENCES, output, {key: names[key] for key in ids} | RESERVED_NAMES, options, offers
    )
    scored = score(model, given, writer, found=found, chunk_rows=chunk_rows)
    about = json.loads(scored.manifest.read_text(encoding="utf-8"))
    scored.manifest.unlink()
    if scored.rejected_file is not None:
        scored.rejected_file.rename(fresh / REJECTED)
    audiences = writer.audiences(scored.n_customers)
    write_text(fresh / AUDIENCES / "index.csv", _index(audiences))
    by_value = None if offers.by_value is None else f"{BY_VALUE}.{options.audience_format}"
    if by_value is not None:
        _write_by_value(fresh / by_value, offers)
    del about["output"]
    about |= {
        "audience_format": options.audience_format,
        "audience_min_confidence": options.audience_min_confidence,
        "next_categories": len(offers.columns),
        "value": offers.value_name,
        "left_out": {key: n for key, n in sorted(writer.left_out.items()) if n},
        "audiences": [asdict(one) for one in audiences],
    }
    n_left_out = writer.left_out.total()
    return Exported(output, audiences, scored.n_customers, n_left_out, scored.rejected, by_value), about


def _write_by_value(path: Path, offers: Offers) -> None:
    table = pa.Table.from_pandas(offers.by_value, preserve_index=False)
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(table, path)
    else:
        pyarrow.csv.write_csv(table, path)
    sync(path)


def _index(audiences: Sequence[Audience]) -> str:
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow([column.name for column in fields(Audience)])
    lines.writerows(astuple(one) for one in audiences)
    return text.getvalue()


class AudienceFiles:
    """Where `score` writes customers to: one file per segment.

    Parameters
    ----------
    folder : Path
        Made where it is not there; what it is part of appears as a whole later.
    shown : Path
        What it will be part of, for people.
    names : mapping
        Segment id → name, for all segments that customers can be in, in the order of the index.
    options : AudienceOptions
    offers : Offers

    Attributes
    ----------
    left_out : Counter
        Segment id → customers whose confidence is too low.
    """

    def __init__(
        self, folder: Path, shown: Path, names: Mapping[str, str], options: AudienceOptions, offers: Offers
    ) -> None:
        self.beside = folder.with_name("scored")
        self.shown = str(shown)
        self.left_out: Counter[str] = Counter()
        self._folder, self._names, self._options, self._offers = folder, names, options, offers
        self._schema = pa.schema([*SCHEMA, *((name, pa.string()) for name in offers.columns)])
        self._files = file_names(names, options.audience_format)
        self._counts: Counter[str] = Counter()
        self._formulas: Counter[str] = Counter()

    def check(self) -> None:
        """`export` has looked already."""

    @contextmanager
    def replaced(self) -> Iterator[Callable[[pa.Table], None]]:
        """Give what parts customers by segment.

        Every segment of the model has a file, though it may be empty: a tool that fetches it each day finds it.
        """
        self._folder.mkdir(parents=True)
        with ExitStack() as open_files:
            writers = {key: self._writer(key, open_files) for key in self._names if key not in RESERVED_NAMES}

            def write(scored: pa.Table) -> None:
                table = scored.select(SCHEMA.names).cast(SCHEMA)
                for key in pc.unique(table["segment_id"]).to_pylist():
                    inside = table.filter(pc.equal(table["segment_id"], key))
                    # Whoever was not placed has no confidence, and none that would be too low.
                    sure = pc.fill_null(
                        pc.greater_equal(inside["confidence"], self._options.audience_min_confidence), True
                    )
                    kept = inside.filter(sure)
                    self.left_out[key] += inside.num_rows - kept.num_rows
                    if not kept.num_rows:
                        continue
                    if key not in writers:
                        writers[key] = self._writer(key, open_files)
                    whole = [*kept.columns, *self._offers.beside(kept["customer_id"])]
                    kept = pa.table(whole, schema=self._schema)
                    writers[key](kept)
                    self._counts[key] += kept.num_rows
                    self._formulas["customer ids"] += _formulas(kept["customer_id"])
                    self._formulas["next categories"] += sum(_formulas(kept[one]) for one in self._offers.columns)

            yield write
        for path in self._folder.iterdir():
            sync(path)
        for what, n in self._formulas.items():
            if n and self._options.audience_format == "csv":
                warn(
                    f"{n:,} {what} begin with = + - or @, which spreadsheets take for formulas; they are written as "
                    "they are: open the audiences as text, or use audience_format=parquet"
                )

    def audiences(self, n_customers: int) -> tuple[Audience, ...]:
        """What was written, of so many customers scored."""
        written = [key for key in self._names if key not in RESERVED_NAMES or self._counts[key]]
        return tuple(
            Audience(self._files[key], key, self._names[key], n := self._counts[key], round(n / n_customers, 6))
            for key in written
        )

    def _writer(self, key: str, open_files: ExitStack) -> Callable[[pa.Table], None]:
        path = self._folder / self._files[key]
        if self._options.audience_format == "parquet":
            return open_files.enter_context(pyarrow.parquet.ParquetWriter(path, self._schema)).write_table
        return open_files.enter_context(pyarrow.csv.CSVWriter(path, self._schema)).write


def _formulas(texts: pa.ChunkedArray) -> int:
    """How many texts a spreadsheet would take for a formula."""
    return pc.sum(pc.match_substring_regex(texts, _FORMULA)).as_py() or 0


def file_names(names: Mapping[str, str], suffix: str) -> dict[str, str]:
    """Segment id → file name that every system and tool takes: the id and what is left of the name in plain letters.

    Examples
    --------
    >>> file_names({"S01": "High spend, café/bar"}, "csv")
    {'S01': 'S01-high-spend-cafe-bar.csv'}
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    for key, name in names.items():
        slug = _plain(name).lower()[:_LONGEST_SLUG].strip("-")
        # A reserved segment's name says the same as its id.
        stem = "-".join(filter(None, [_plain(key)[:_LONGEST_SLUG] or "segment", slug if slug != key else ""]))
        number = 1
        # Some systems do not tell A from a.
        while (file := f"{stem}{f'-{number}' if number > 1 else ''}.{suffix}").lower() in taken:
            number += 1
        taken.add(file.lower())
        found[key] = file
    return found


def _plain(text: str) -> str:
    """Letters and digits of ASCII, everything else a hyphen; accents are dropped."""
    letters = "".join(sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign))
    return re.sub(r"[^A-Za-z0-9]+", "-", letters).strip("-")
