"""Files → a proposal: which table each is, how its columns map, and what is left out and why. Nothing is read here."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from patronage.errors import InvalidConfigError, InvalidInputError
from patronage.proposal.facts import Column, File
from patronage.proposal.joining import origin_of
from patronage.proposal.matching import Fit, Match, fit_table, overlap
from patronage.proposal.profiling import OwnFeature, midpoints, own_features
from patronage.proposal.vocabulary import APART, COLUMNS, FILES, fit, words
from patronage.tables import CANONICAL, DataSource, TableSource, quote

MEANING: Mapping[str, str] = {
    "customer_id": "who",
    "ordered_at": "when something was bought",
    "revenue": "for how much",
    "occurred_at": "when it happened",
    "event_type": "what happened",
    "product_id": "which product",
    "campaign_id": "which campaign",
    "sent_at": "when it was sent",
}
_BANDED = ("age", "income", "household_size", "children")
_NEAR = 3.5
"""Score from which on a file is taken for a table though a key column is missing."""

_SHOWN = 12
_FEWEST_CUSTOMERS = 20
_ORDERED = 0.99


@dataclass(frozen=True)
class Mapped:
    """One canonical table of the proposal.

    Attributes
    ----------
    table : str
    files : tuple of File
        Several, where they are parts of one table.
    matches : tuple of Match
    source : TableSource
    comments : mapping
        Option → what is to be said about it.
    extra : tuple of str
        Columns that nothing was found for; they pass through.
    """

    table: str
    files: tuple[File, ...]
    matches: tuple[Match, ...]
    source: TableSource
    comments: Mapping[str, str] = field(default_factory=dict)
    extra: tuple[str, ...] = ()

    def match(self, column: str) -> Match | None:
        """How a canonical column is found."""
        return next((one for one in self.matches if one.column == column), None)

    def column(self, canonical: str) -> Column | None:
        """The user's column behind a canonical one."""
        match = self.match(canonical)
        return self.files[0].column(match.source) if match is not None else None


@dataclass(frozen=True)
class Proposal:
    """What a data configuration would say.

    Attributes
    ----------
    name : str
    tables : tuple of Mapped
    unused : mapping
        File → why it is not used.
    features : tuple of OwnFeature
        Of columns of customers.
    left_out : mapping
        Column of customers → why it is no feature.
    remarks : tuple of str
        What else people should know: how keys overlap, what is derived.
    """

    name: str
    tables: tuple[Mapped, ...]
    unused: Mapping[str, str]
    features: tuple[OwnFeature, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def table(self, name: str) -> Mapped | None:
        """The table of that name."""
        return next((one for one in self.tables if one.table == name), None)

    @property
    def is_dated(self) -> bool:
        """Whether something that customers do has dates."""
        return any(one.table in ("transactions", "events") for one in self.tables)

    @property
    def source(self) -> DataSource:
        """What `tables.open_tables` takes."""
        return DataSource(self.name, {one.table: one.source for one in self.tables})


@dataclass(frozen=True)
class Wishes:
    """What the user says, instead of leaving it to be found.

    Attributes
    ----------
    columns : mapping
        Table → (canonical column → the user's).
    options : mapping
        Table → (option of `tables.TableSource` → value).
    formats : mapping
        Table → (canonical column → notation).
    """

    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    formats: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def assemble(name: str, files: Sequence[File], wishes: Wishes, command: str, taken: Collection[str] = ()) -> Proposal:
    """Decide what each file is.

    Parameters
    ----------
    name : str
    files : sequence of File
    wishes : Wishes
    command : str
        How the command was called, for remedies.
    taken : collection of str
        Names of shipped features, which others must not have.

    Raises
    ------
    InvalidInputError
        Neither customers nor transactions can be made of the files; the message says which column is missing, which
        were looked at, and how to name it.
    InvalidConfigError
        The user names a column that no file has.
    """
    _require_named(files, wishes)
    filled = [file for file in files if file.n_rows]
    unused = {file.label: "it has no rows" for file in files if not file.n_rows}
    fits = [_fits(file, wishes, [other for other in filled if other is not file]) for file in filled]
    chosen = _choose([one for found in fits for one in found if one.possible], wishes)
    if "transactions" not in chosen:
        near = max((one for found in fits for one in found if _is_near(one, chosen)), key=_nearness, default=None)
        if near is not None:
            raise InvalidInputError(_missing(near, command))
    survey = _listed_once(fits, chosen, command)
    if not {"customers", "transactions"} & set(chosen):
        chosen, survey = _survey(filled, fits, command)
    tables = [_mapped(table, parts, wishes, command) for table, parts in chosen.items()]
    used = {file.label for one in tables for file in one.files}
    tables, strays, told = _related(tables)
    unused |= strays
    for found in fits:
        if found[0].file.label not in used:
            unused[found[0].file.label] = _why_unused(found, chosen)
    return _with_features(Proposal(name, tuple(tables), unused, remarks=(*told, *survey)), taken)


def _require_named(files: Sequence[File], wishes: Wishes) -> None:
    for table, columns in wishes.columns.items():
        for canonical, source in columns.items():
            if not any(file.column(source) is not None for file in files):
                known = list(dict.fromkeys(column.name for file in files for column in file.columns))
                shown = ", ".join(known[:_SHOWN]) + (", …" if len(known) > _SHOWN else "")
                raise InvalidConfigError(f"{table}.{canonical}={source}: no file has such a column; found: {shown}.")


def _fits(file: File, wishes: Wishes, others: Sequence[File]) -> list[Fit]:
    """A file as each canonical table, the best first; what the user names counts most."""
    fits = []
    for table in CANONICAL:
        given = wishes.columns.get(table, {})
        has = all(file.column(source) is not None for source in given.values())
        one = fit_table(table, file, given if has else {}, others)
        fits.append(replace(one, score=one.score + 10.0) if given and has else one)
    return sorted(fits, key=lambda one: (not one.possible, -one.score))


def _choose(possible: Sequence[Fit], wishes: Wishes) -> dict[str, list[Fit]]:
    """Table → the files it is made of: the best fit first; files of the same columns go together."""
    chosen: dict[str, list[Fit]] = {}
    placed: set[str] = set()
    # What is sold goes before what is taken back.
    for one in sorted(
        possible, key=lambda fit_: (_is_apart(fit_.file) and fit_.table not in wishes.columns, -fit_.score)
    ):
        label = one.file.label
        same = chosen.get(one.table)
        if same is not None and label not in placed and _is_apart(one.file) and not _is_apart(same[0].file):
            placed.add(label)  # nor is it a table of something else
        if label in placed or (same is not None and same[0].file.shape != one.file.shape):
            continue
        if same is not None and one.table in wishes.columns and same[0].score - one.score > 5:  # noqa: PLR2004
            continue
        chosen.setdefault(one.table, []).append(one)
        placed.add(label)
    return {table: chosen[table] for table in CANONICAL if table in chosen}


def _is_apart(file: File) -> bool:
    """Whether a file's name says that its rows are no further sales."""
    return bool(APART & set(words(file.name)))


def _is_near(one: Fit, chosen: Mapping[str, list[Fit]]) -> bool:
    """Whether a file looks like transactions but for a column."""
    if one.table != "transactions" or not one.missing:
        return False
    if any(part.file.label == one.file.label for parts in chosen.values() for part in parts):
        return False
    found = {match.column for match in one.matches}
    shopping = bool({"order_id", "product_id", "quantity"} & found) or fit(one.file.name, FILES["transactions"]) > 0
    return len(one.missing) == 1 and (one.score >= _NEAR or shopping or "customer_id" in one.missing)


def _nearness(one: Fit) -> tuple[int, float]:
    return -len(one.missing), one.score


def _missing(near: Fit, command: str) -> str:
    """What is missing, what was looked at, and how to name it."""
    lines = []
    for key in near.missing:
        meaning = f" ({MEANING[key]})" if key in MEANING else ""
        lines.append(f"{near.file.label} looks like {near.table}, but no column could be found for {key}{meaning}.")
    taken = {match.source for match in near.matches}
    found = "; ".join(f"{match.column} is {match.source}" for match in near.matches)
    looked = [f"{column.name} ({column.holds})" for column in near.file.columns if column.name not in taken]
    shown = ", ".join(looked[:_SHOWN]) + (", …" if len(looked) > _SHOWN else "")
    lines.append(f"Looked at: {shown or 'no other column'}.{f' Found: {found}.' if found else ''}")
    named = " ".join(f'{near.table}.{key}="Your column"' for key in near.missing)
    lines.append(f"Name it: {command} {named}")
    return "\n".join(lines)


def _listed_once(fits: Sequence[Sequence[Fit]], chosen: Mapping[str, Sequence[Fit]], command: str) -> tuple[str, ...]:
    """What was decided of customers who are there once each, with a date and an amount that may be an order's."""
    if "transactions" in chosen:
        return ()
    for customers in chosen.get("customers", ()):
        same = (one for found in fits for one in found if one.file.label == customers.file.label)
        orders = next((one for one in same if one.table == "transactions" and one.unfit), None)
        who, moment, amount = (
            orders.match(key) if orders is not None else None for key in ("customer_id", "ordered_at", "revenue")
        )
        if who is None or moment is None or amount is None:
            continue
        if moment.source in {match.source for match in customers.matches}:
            continue  # when somebody was born or signed up is no order's date
        named = amount.source if " " not in amount.source else f'"{amount.source}"'
        return (
            f"{customers.file.label} is taken for a list of customers, not of orders, for each {who.source} is there "
            f"once. If each row is an order, on {moment.source} for {amount.source}, say so: "
            f"{command} force=true transactions.revenue={named}",
        )
    return ()


def _survey(
    files: Sequence[File], fits: Sequence[Sequence[Fit]], command: str
) -> tuple[dict[str, list[Fit]], tuple[str, ...]]:
    """A single file whose rows are customers without a number of their own."""
    nearest = max((one for found in fits for one in found), key=lambda one: one.score, default=None)
    for found in fits:
        file = found[0].file
        columns = {column.name for column in file.columns}
        dated = any(column.holds == "time" for column in file.columns)
        customer = any(fit(column, COLUMNS["customer_id"]) for column in columns)
        if len(files) == 1 and file.n_rows >= _FEWEST_CUSTOMERS and len(columns) > 1 and not dated and not customer:
            match = Match(
                "customer_id", "(row number)", "guess", "no column names the customers: each row is one",
                sql="row_number() OVER ()",
            )  # fmt: skip
            told = "no column names the customers, so each row is one, numbered in the file's order"
            return {"customers": [Fit("customers", file, (match,), (), "", 0.0)]}, (told,)
    if nearest is None:
        raise InvalidInputError("none of the files has a row; at least customers or transactions are needed.")
    near = next((one for found in fits for one in found if one.table == "transactions"), nearest)
    unfit = next((one for found in fits for one in found if one.table == "customers" and one.unfit), None)
    if unfit is not None and near.missing:
        reason = f"{unfit.file.label} is no table of customers: {unfit.unfit}."
        raise InvalidInputError(f"{reason}\n{_missing(near, command)}")
    raise InvalidInputError(_missing(near if near.missing else nearest, command))


def _mapped(table: str, parts: Sequence[Fit], wishes: Wishes, command: str) -> Mapped:
    """One table: its columns, derived ones, and how ambiguous texts are read."""
    best, files = parts[0], tuple(part.file for part in parts)
    matches = list(best.matches)
    if table == "customers":
        matches = [_banded(best.file, match) for match in matches]
    comments: dict[str, str] = {}
    formats: dict[str, str] = {**wishes.formats.get(table, {})}
    for match in matches:
        _require_settled(best.file, match, table)
        column = best.file.column(match.source)
        if column is not None and column.doubt and not match.sql and match.column not in formats:
            formats[match.column], comments[f"formats.{match.column}"] = _notation(
                table, match.column, column, best.file, command
            )
    options = dict(wishes.options.get(table, {}))
    derive = {one.column: one.sql for one in matches if one.sql}
    source = replace(
        origin_of(files),
        columns={one.column: one.source for one in matches if not one.sql},
        derive=derive,
        formats=formats,
        **options,  # type: ignore[arg-type] # checked where they are parsed
    )
    used = {match.source for match in matches}
    extra = tuple(
        column.name for column in best.file.columns
        if column.name not in used and not any(quote(column.name) in sql for sql in derive.values())
    )  # fmt: skip
    return Mapped(table, files, tuple(matches), source, comments, extra)


def _require_settled(file: File, match: Match, table: str) -> None:
    """Refuse to compute with numbers that can be read in two ways; a notation cannot be named for a part of a sum."""
    for column in file.columns:
        computed = table == "transactions" and column.is_text and quote(column.name) in match.sql
        if computed and column.holds == "number" and column.doubt and file.delimiter != ";":
            raise InvalidInputError(
                f"{file.label}, column {column.name}: {column.doubt}.\n"
                f"{match.column} would be computed of it ({match.source}): write it as plain numbers, such as 1234.50, "
                f"or name another column: {table}.{match.column}=…"
            )


def _banded(file: File, match: Match) -> Match:
    """Bands of age or income as the middle of each."""
    column = file.column(match.source)
    if match.column not in _BANDED or column is None or match.sql:
        return match
    sql = midpoints(column)
    reason = f"{match.reason}; the middle of each band"
    return replace(match, sql=sql, confidence="likely", reason=reason) if sql else match


def _notation(table: str, canonical: str, column: Column, file: File, command: str) -> tuple[str, str]:
    """The notation that something speaks for, and what; of two that are equally good neither is taken."""
    by_order = sorted(column.increasing.items(), key=lambda one: -one[1])
    if column.rivals and column.holds == "time":
        if column.joint == ".":
            return "day/month/year", "the day stands first where dots part it from the month"
        if len(by_order) > 1 and by_order[0][1] >= _ORDERED > by_order[1][1]:
            return by_order[0][0], f"a guess: read so, the rows are in order of time; else {by_order[1][0]}"
        if file.delimiter == ";":
            return "day/month/year", "a guess: files parted by semicolons put the day first; else month/day/year"
    if column.rivals and column.holds == "number" and file.delimiter == ";":
        return "1.234,50", "a guess: files parted by semicolons write decimals with a comma; else 1,234.50"
    names = " or ".join(column.rivals) if column.rivals else "the right one"
    example = column.rivals[0] if column.rivals else "…"
    raise InvalidInputError(
        f"{file.label}, column {column.name}: {column.doubt}.\n"
        f"Say which is meant, {names}: {command} {table}.formats.{canonical}={example}"
    )


def _related(tables: Sequence[Mapped]) -> tuple[list[Mapped], dict[str, str], tuple[str, ...]]:
    """Tables whose keys refer to the others'; those of which none does are left out."""
    main = next((one for one in tables if one.table == "transactions"), tables[0])
    kept, strays, told = [], {}, []
    for one in tables:
        key = "product_id" if one.table == "products" else "customer_id"
        own, parent = one.column(key), main.column(key)
        if one is main or own is None or parent is None or not own.keys or not parent.keys:
            kept.append(one)
            continue
        shared = overlap(parent, own) if one.table in ("customers", "products") else overlap(own, parent)
        label = ", ".join(file.label for file in one.files)
        if not shared:
            strays[label] = f"none of its values of {own.name} is among those of {parent.name} in {main.files[0].label}"
            continue
        kept.append(one)
        if one.table in ("customers", "products"):
            told.append(f"{shared:.0%} of the {parent.n_distinct:,} {key} of {main.table} are in {one.table}")
        else:
            told.append(f"{shared:.0%} of the {own.n_distinct:,} {key} of {one.table} are in {main.table}")
    return kept, strays, tuple(told)


def _why_unused(found: Sequence[Fit], chosen: Mapping[str, list[Fit]]) -> str:
    best = found[0]
    if best.possible and _is_apart(best.file):
        return "its name says that its rows are taken back, or a copy: they would be counted as further sales"
    if best.possible:
        first = chosen[best.table][0].file.label if best.table in chosen else "another file"
        return f"{first} is {best.table} already; give only one of the two"
    near = max(found, key=lambda one: one.score)
    if near.missing and near.score > 1:
        return f"nearest to {near.table}, but nothing in it is {' or '.join(near.missing)}"
    if near.unfit:
        return f"nearest to {near.table}, but {near.unfit}"
    return "its columns are of no table that patronage knows"


def _with_features(proposal: Proposal, taken: Collection[str]) -> Proposal:
    """Features of customers' columns: where they are all there is they form segments, else they describe them."""
    customers = proposal.table("customers")
    if customers is None:
        return proposal
    if proposal.is_dated:
        used = {match.source for match in customers.matches}
        features, left_out = own_features(customers.files[0], used, with_behaviour=True, taken=taken)
        known = tuple(replace(one, extra=()) if one is customers else one for one in proposal.tables)
        return replace(proposal, tables=known, features=features, left_out=left_out)
    # Everything is a feature of its own: who customers are and what they do stand in one file, to be looked through.
    keys = [match for match in customers.matches if match.column in ("customer_id", "signed_up_at")]
    used = {match.source for match in keys}
    features, left_out = own_features(customers.files[0], used, with_behaviour=False)
    if not any(feature.role == "basis" for feature in features):
        columns = ", ".join(f"{name} ({why})" for name, why in left_out.items())
        raise InvalidInputError(
            f"{customers.files[0].label} has no column that could form segments"
            f"{f'; left out: {columns}' if columns else ''}."
        )
    source = replace(
        customers.source,
        columns={one.column: one.source for one in keys if not one.sql},
        derive={one.column: one.sql for one in keys if one.sql},
    )
    plain = replace(customers, matches=tuple(keys), source=source, extra=())
    tables = tuple(plain if one is customers else one for one in proposal.tables)
    return replace(proposal, tables=tables, features=_aged(features, customers), left_out=left_out)


def _aged(features: Sequence[OwnFeature], customers: Mapped) -> tuple[OwnFeature, ...]:
    """A year of birth as the age in the year of the snapshot."""
    born = next((one.source for one in customers.matches if one.column == "birth_date" and one.sql), None)
    year = f"try_cast({quote(born)} AS INTEGER)" if born is not None else ""
    sql = f"CASE WHEN year($as_of::TIMESTAMP) - {year} BETWEEN 0 AND 120 THEN year($as_of::TIMESTAMP) - {year} END"
    return tuple(
        replace(
            one, name="age_years", sql=sql, family="demographic", role="sensitive", scale="none",
            labels={"low": "younger", "high": "older"},
            comment="the age at the end of that year; describes segments, to form them too: role: basis",
        )
        if one.column == born else one
        for one in features
    )  # fmt: skip
