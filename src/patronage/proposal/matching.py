"""Which canonical column each column of a file may be: by name, by what it holds, and by what other files know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from patronage.proposal.facts import Column, File
from patronage.proposal.probing import RIVALS, number
from patronage.proposal.vocabulary import COLUMNS, COMPOUND, EXACT, FILES, SHARES, UNIT_COSTS, fit, words
from patronage.tables import CANONICAL, KEYS, Kind, quote

Confidence = Literal["sure", "likely", "guess"]

PROFILE = (
    "age", "birth_year", "gender", "education", "occupation", "income", "household_size", "children", "marital_status",
    "household_comp", "home_ownership", "country", "region", "acquisition_channel", "email_opt_in",
    "followers",
)  # fmt: skip
"""Columns of customers that shipped features use, besides the canonical ones; ``birth_year`` becomes birth_date."""

STEPS = ("price", "birth_year")
"""Found by name, but no columns of patronage: revenue or birth_date is made of them."""

NAMED_IDS = ("id", "key", "code", "number", "no", "nr")
SHARED = 0.5
"""Share of a column's values that are another file's keys, from which on it refers to them."""

_OWN_ID = {"customers": "customer_id", "products": "product_id"}
_TELLING = {
    "products": ("category", "department", "brand", "unit_cost", "margin_rate"),
    "contacts": ("effort", "reason", "cost"),
    "places": ("density", "climate"),
}
_NEARLY_UNIQUE = 0.98
_FEW_KEYS = 20
_POINTS: Mapping[str, float] = {"sure": 1.0, "likely": 0.8, "guess": 0.4}


@dataclass(frozen=True)
class Match:
    """One canonical column and where it comes from.

    Attributes
    ----------
    column : str
    source : str
        The user's column, or columns, for people.
    confidence : {"sure", "likely", "guess"}
    reason : str
        In words.
    sql : str
        Where it is derived: SQL over the user's columns.
    alternatives : tuple of str
        Columns that would do as well.
    """

    column: str
    source: str
    confidence: Confidence
    reason: str
    sql: str = ""
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fit:
    """A file looked at as one canonical table.

    Attributes
    ----------
    table : str
    file : File
    matches : tuple of Match
    missing : tuple of str
        Key columns that nothing was found for.
    unfit : str
        Why it cannot be this table though its key columns are there; empty if it can.
    score : float
        How much speaks for it.
    """

    table: str
    file: File
    matches: tuple[Match, ...]
    missing: tuple[str, ...]
    unfit: str
    score: float

    def match(self, column: str) -> Match | None:
        """How a canonical column is found."""
        return next((one for one in self.matches if one.column == column), None)

    @property
    def possible(self) -> bool:
        """Whether the file can be this table."""
        return not self.missing and not self.unfit


def fit_table(table: str, file: File, given: Mapping[str, str], others: Sequence[File]) -> Fit:
    """Look at a file as a canonical table.

    Parameters
    ----------
    table : str
    file : File
    given : mapping
        Canonical column → the column that the user says it is; it must be there.
    others : sequence of File
        The other files, whose keys its columns may refer to.
    """
    kinds: dict[str, Kind | None] = {**CANONICAL[table]}
    if table == "customers":
        kinds |= dict.fromkeys(PROFILE)
    if table == "transactions":
        kinds |= {"price": "money"}
    named = {
        column: Match(column, found.name, "sure", "named by you")
        for column, source in given.items()
        if (found := file.column(source)) is not None
    }
    matches = {**named, **_by_name(table, file, kinds, named)}
    _find_keys(table, file, matches, others)
    if table == "transactions":
        _find_revenue(file, matches)
        _as_money_off(file, matches)
        _cost_of_units(file, matches)
    if table == "customers" and "birth_year" in matches:
        _date_birth(matches)
    steps = [matches.pop(step) for step in STEPS if step in matches]
    _as_days(file, matches, kinds)
    missing = tuple(key for key in KEYS[table] if key not in matches)
    unfit = "" if missing else _unfit(table, file, matches)
    # Keys come first, then the order of the canonical table.
    order = [*KEYS[table], *(one for one in kinds if one not in KEYS[table])]
    sorted_matches = sorted(matches.values(), key=lambda match: order.index(match.column))
    told = tuple(_with_facts(table, file, match, others) for match in sorted_matches)
    return Fit(table, file, told, missing, unfit, _score(table, file, told, len(steps)))


def _eligible(column: Column, kind: Kind | None) -> bool:
    """Whether a column may hold what a canonical column holds."""
    if column.n_values == 0 or column.holds == "other":
        return False
    if kind == "id":
        return column.is_key or (column.n_values == 1 and column.holds in ("text", "number"))
    if kind == "time":
        return column.holds == "time"
    if kind in ("money", "number"):
        return column.holds == "number"
    if kind == "flag":
        return column.holds == "flag" or len(column.levels) in (1, 2)
    return kind != "text" or column.holds in ("text", "flag") or column.is_key


def _by_name(table: str, file: File, kinds: Mapping[str, Kind | None], named: Mapping[str, Match]) -> dict[str, Match]:
    """Columns found by name; each is used once, the best fit first."""
    used = {match.source.lower() for match in named.values()}
    scored = []
    for name, kind in kinds.items():
        for position, column in enumerate(file.columns):
            if name in named or column.name.lower() in used or not _eligible(column, kind):
                continue
            score = _name_score(table, name, column)
            if score:
                scored.append((score, -position, name, column))
    found: dict[str, Match] = {}
    for score, _, name, column in sorted(scored, key=lambda one: (-one[0], -one[1])):
        if name in found or column.name.lower() in used:
            continue
        used.add(column.name.lower())
        confidence: Confidence = "sure" if score == EXACT else "likely" if score > COMPOUND else "guess"
        reason = {"sure": "its name says so", "likely": "its name fits", "guess": "part of its name fits"}[confidence]
        found[name] = Match(name, column.name, confidence, reason)
    for name, match in found.items():
        best = max(score for score, _, one, column in scored if one == name and column.name == match.source)
        equals = [
            column.name
            for score, _, one, column in scored
            if one == name and score >= best and column.name.lower() not in used
        ]
        if equals and (name in KEYS[table] or name == "price"):
            found[name] = replace(match, confidence="guess", reason="one of several that fit", alternatives=(*equals,))
    return found


def _name_score(table: str, name: str, column: Column) -> float:
    score = fit(column.name, COLUMNS[name])
    if column.name.lower() == name and name not in STEPS:
        score = EXACT
    if name == "customer_id" and column.name.lower() == "id":
        score = EXACT if table == "customers" and column.is_unique else 0.0
    if name == "product_id" and table == "products" and column.name.lower() in ("id", "code", "number"):
        score = EXACT if column.is_unique else 0.0
    if name == "order_id" and column.name.lower() == "id" and table == "transactions":
        score = COMPOUND
    return score


def _find_keys(table: str, file: File, matches: dict[str, Match], others: Sequence[File]) -> None:
    """Key columns whose names say nothing, found by what they hold."""
    used = {match.source.lower() for match in matches.values()}
    free = [column for column in file.columns if column.name.lower() not in used]
    if "customer_id" in KEYS[table] and "customer_id" not in matches and table != "customers":
        for column in free:
            for other in others:
                parent = _own_key(other)
                if parent is not None and _refers(column, parent):
                    reason = f"its values are keys of {other.label}"
                    matches["customer_id"] = Match("customer_id", column.name, "likely", reason)
                    used.add(column.name.lower())
                    break
            if "customer_id" in matches:
                break
    moment = next((key for key in KEYS[table] if CANONICAL[table][key] == "time"), None)
    if moment in ("ordered_at", "occurred_at") and moment not in matches:
        dates = [column for column in free if column.holds == "time" and column.name.lower() not in used]
        dates.sort(key=lambda column: (-column.n_values, -column.n_distinct))
        if dates:
            rest = tuple(column.name for column in dates[1:])
            confidence: Confidence = "guess" if rest else "likely"
            reason = "one of several columns with dates" if rest else "the only column with dates"
            matches[moment] = Match(moment, dates[0].name, confidence, reason, alternatives=rest)


def _own_key(file: File) -> Column | None:
    """The column whose values name the file's rows, where the file may list customers."""
    for column in file.columns:
        named = fit(column.name, COLUMNS["customer_id"]) or column.name.lower() == "id"
        if named and column.is_unique and not fit(file.name, FILES["products"]):
            return column
    return None


def _refers(column: Column, parent: Column) -> bool:
    """Whether a column's values are another's keys; a few small numbers would be by chance."""
    enough = max(_FEW_KEYS, 0.1 * parent.n_distinct)
    return len(column.keys) >= enough and overlap(column, parent) >= SHARED and not column.is_row_number


def overlap(column: Column, parent: Column) -> float:
    """Share of a column's different values that are among another's; 0 where one is not known."""
    return len(column.keys & parent.keys) / len(column.keys) if column.keys and parent.keys else 0.0


def _find_revenue(file: File, matches: dict[str, Match]) -> None:
    """Revenue where no column has it: price times quantity, a price alone, or the only amounts there are."""
    price, quantity = matches.get("price"), matches.get("quantity")
    if "revenue" in matches or (price is None and quantity is not None and _amounts(file, matches) == []):
        return
    if price is not None and quantity is not None:
        sql = f"{_number(file, quantity.source)} * {_number(file, price.source)}"
        source = f"{quantity.source} × {price.source}"
        discount = matches.get("discount")
        rate = file.column(discount.source) if discount is not None else None
        if rate is not None and (_is_rate(rate) or _is_percent(rate)):
            share = _number(file, rate.name) if _is_rate(rate) else f"{_number(file, rate.name)} / 100"
            sql += f" * (1 - coalesce({share}, 0))"
            source += f" × (1 − {rate.name})"
        confidence: Confidence = "guess" if price.alternatives else "likely"
        reason = "no column has the amount"
        matches["revenue"] = Match("revenue", source, confidence, reason, sql, price.alternatives)
    elif price is not None:
        reason = "a price, taken for the line's amount: there is no quantity"
        matches["revenue"] = replace(price, column="revenue", confidence="guess", reason=reason)
    elif len(amounts := _amounts(file, matches)) == 1:
        reason = "the only column with amounts"
        matches["revenue"] = Match("revenue", amounts[0].name, "guess", reason)


def _amounts(file: File, matches: Mapping[str, Match]) -> list[Column]:
    """Columns with broken numbers that nothing else is found for."""
    used = {match.source.lower() for match in matches.values()}
    return [
        column
        for column in file.columns
        if column.holds == "number" and not column.whole and column.name.lower() not in used and not _is_rate(column)
    ]


def _number(file: File, name: str) -> str:
    """SQL of a column as a number; text with some values that are none must not stop the run."""
    column = file.column(name)
    if column is None or not column.is_text:
        return quote(name)
    # What can be read in two ways is a comma's where semicolons part the columns; else `assembling` asks.
    semicolons = column.rivals and file.delimiter == ";"
    return number(name, RIVALS["number"][1] if semicolons else column.notation)


def _is_rate(column: Column) -> bool:
    """Whether numbers are shares of a whole."""
    known = column.low is not None and column.high is not None and column.n_distinct > 1
    return known and (column.low or 0.0) >= 0 and (column.high or 0.0) <= 1


def _is_percent(column: Column) -> bool:
    """Whether a column's name says that its numbers are shares."""
    return "%" in column.name or bool(SHARES & set(words(column.name)))


def _of_shares(file: File, match: Match, column: Column, matches: Mapping[str, Match]) -> Match:
    """Shares of the price as money, where the price is known; of others nothing is known."""
    price, quantity = matches.get("price"), matches.get("quantity")
    if match.column == "discount" and price is not None and quantity is not None:
        share = _number(file, column.name) if _is_rate(column) else f"{_number(file, column.name)} / 100"
        sql = f"{_number(file, quantity.source)} * {_number(file, price.source)} * coalesce({share}, 0)"
        source = f"{quantity.source} × {price.source} × {column.name}"
        return Match(match.column, source, "likely", "shares of the price", sql)
    return Match(match.column, column.name, "likely", "shares, which are no money: left empty", "NULL::DOUBLE")


def _cost_of_units(file: File, matches: dict[str, Match]) -> None:
    """The cost of one piece as the cost of the line."""
    cost, quantity = matches.get("cost"), matches.get("quantity")
    if cost is None or quantity is None or cost.reason == "named by you":
        return
    if "unit" in words(cost.source) or fit(cost.source, UNIT_COSTS) == EXACT:
        sql = f"{_number(file, quantity.source)} * {_number(file, cost.source)}"
        source = f"{quantity.source} × {cost.source}"
        matches["cost"] = Match("cost", source, "likely", f"{cost.reason}, of one piece", sql)


def _as_money_off(file: File, matches: dict[str, Match]) -> None:
    """Discounts as positive amounts; a share of the price is none, nor is it a margin."""
    for name in ("discount", "coupon", "margin"):
        match = matches.get(name)
        column = file.column(match.source) if match is not None else None
        if match is None or column is None or match.reason == "named by you":
            continue
        if _is_rate(column) or _is_percent(column):
            del matches[name]
            if column.name.lower() == name:  # else it would be taken for money by its name
                matches[name] = _of_shares(file, match, column, matches)
        elif name == "margin":
            continue
        elif column.low is not None and column.high is not None and column.low < 0 and column.high <= 0:
            reason = f"{match.reason}; its amounts are negative"
            matches[name] = replace(match, sql=f"-{_number(file, match.source)}", confidence="likely", reason=reason)


def _date_birth(matches: dict[str, Match]) -> None:
    """A year of birth as the middle of that year."""
    match = matches["birth_year"]
    if "birth_date" in matches or "age" in matches:
        return
    year = f"try_cast({quote(match.source)} AS INTEGER)"
    sql = f"CASE WHEN {year} BETWEEN 1900 AND 2200 THEN make_date({year}, 7, 1) END"
    matches["birth_date"] = Match("birth_date", match.source, "likely", "a year of birth; taken as 1 July", sql)


def _as_days(file: File, matches: dict[str, Match], kinds: Mapping[str, Kind | None]) -> None:
    """Whole numbers such as 20171031 as days."""
    for name, match in matches.items():
        column = file.column(match.source)
        if kinds.get(name) == "time" and column is not None and column.as_number and not match.sql:
            # Where some are missing the numbers may be 20171031.0.
            sql = f"try_strptime(try_cast({quote(column.name)} AS BIGINT)::VARCHAR, '%Y%m%d')"
            matches[name] = replace(match, sql=sql, reason=f"{match.reason}; days written as numbers")


def _unfit(table: str, file: File, matches: Mapping[str, Match]) -> str:
    if table == "transactions" and _lists_customers(file, matches):
        return f"each {matches['customer_id'].source} is there once, and nothing in it tells of orders"
    own = _OWN_ID.get(table)
    column = file.column(matches[own].source) if own is not None else None
    if column is not None and column.n_distinct < _NEARLY_UNIQUE * column.n_rows:
        return f"{column.name} is there more than once or missing in some rows"
    if table == "products" and "customer_id" in _by_name("customers", file, {"customer_id": "id"}, {}):
        return "it has a column of customers"
    if table in _TELLING and not set(_TELLING[table]) & set(matches) and not fit(file.name, FILES[table]):
        return f"it has none of {', '.join(_TELLING[table])}"
    return ""


def _lists_customers(file: File, matches: Mapping[str, Match]) -> bool:
    """Whether a file has each customer once, with what is known of them, and so no orders."""
    column = file.column(matches["customer_id"].source)
    telling = {"order_id", "product_id", "quantity"} & set(matches)
    named = any(match.reason == "named by you" for match in matches.values())
    return (
        column is not None
        and column.is_unique
        and not telling
        and not named
        and not fit(file.name, FILES["transactions"])
    )


def _with_facts(table: str, file: File, match: Match, others: Sequence[File]) -> Match:
    """A match whose reason says what speaks for it besides its name."""
    column = file.column(match.source)
    if column is None or match.column != "customer_id" or "keys of" in match.reason:
        return match
    if table == "customers":
        return replace(match, reason=f"{match.reason}; each is there once") if column.is_unique else match
    facts = [
        f"{overlap(column, parent):.0%} are in {other.label}"
        for other in others
        if (parent := _own_key(other)) is not None and overlap(column, parent) >= SHARED
    ]
    return replace(match, reason="; ".join([match.reason, *facts[:1]]))


def _score(table: str, file: File, matches: Sequence[Match], n_steps: int) -> float:
    """Key columns count double, a telling file name about as much as one of them."""
    points = sum(_POINTS[match.confidence] * (2.0 if match.column in KEYS[table] else 0.5) for match in matches)
    points += 0.5 * n_steps + 1.5 * fit(file.name, FILES[table])
    own = next((match for match in matches if match.column == "customer_id"), None)
    column = file.column(own.source) if own is not None else None
    if column is not None and column.is_unique and table != "customers":
        points -= 2.0  # a table of what customers do has most of them more than once
    # Two key columns say less than three.
    return points / (1.0 if len(KEYS[table]) > 1 else 0.8)
