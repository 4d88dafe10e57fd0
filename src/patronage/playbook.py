"""Playbooks: rules over the segment table that say what to do, as SQL conditions in YAML."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

from patronage.errors import InvalidConfigError
from patronage.features.trees import nodes_of
from patronage.profiles import Profiles
from patronage.profiles.columns import OVERALL, SEGMENTS

LEVELS = ("high", "normal", "fallback")
SERVICE = ("first", "standard", "lean")

_SIZES = frozenset({"n_customers", "share", "n_prospects", "value_total", "value_share", "priority", "peak_month"})
_MEANS = ("value", "engagement")
_TEXTS = frozenset({"segment_id", "segment_name", "bought", "offered", "main_reason"}) | {
    column for column, kind in SEGMENTS.items() if kind == "str"
}
_KNOWN = frozenset(
    {
        *SEGMENTS,
        *(f"all_{column}" for column in OVERALL),
        *("rank_value", "n_segments", "value_per_order", "all_value_per_order"),
        *("bought", "offered", "cross_sell_lift", "cross_sell_open", "main_reason"),
    }
)
_REFUSED = frozenset({"SUBQUERY", "WINDOW", "STAR", "PARAMETER"})


@dataclass(frozen=True)
class Rule:
    """An action and the condition under which it is planned.

    Attributes
    ----------
    id : str
    when : str
        SQL condition over one line of the segment table.
    kind : str
        What the action does, such as ``retain``.
    level : str, default "normal"
        One of `LEVELS`: ``high`` goes before ``normal``; ``fallback`` is for segments that no other rule fits.
    title, what, reason : str, default ""
        Keys of messages, or texts of one's own; empty: the messages of the rule's id.
    cadence_days : float, optional
        Contact in this rhythm; None: in that of the segment's purchases.
    slows : bool, default False
        Nothing else is written more often than ``cadence_days`` where the rule fits.
    service : str, default ""
        One of `SERVICE`, how who gets the action is served; empty: as their priority says.
    excludes : tuple of str, default ()
        Ids of rules that are not planned where this one fits.
    """

    id: str
    when: str
    kind: str
    level: str = "normal"
    title: str = ""
    what: str = ""
    reason: str = ""
    cadence_days: float | None = None
    slows: bool = False
    service: str = ""
    excludes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Playbook:
    """Rules in the order in which they are tried, and bounds of what is planned.

    Attributes
    ----------
    rules : tuple of Rule
    most_actions : int, default 4
        Per segment.
    shortest_cadence_days, longest_cadence_days : float, default 7 and 91
    """

    rules: tuple[Rule, ...]
    most_actions: int = 4
    shortest_cadence_days: float = 7.0
    longest_cadence_days: float = 91.0


@dataclass(frozen=True)
class Applied:
    """Where a rule applies.

    Attributes
    ----------
    rule : Rule
    columns : tuple of str
        Columns that the condition reads.
    fits : tuple of bool
        Per line of the segment table.
    missing : tuple of str
        Columns that the condition reads and the table lacks; the rule then fits nowhere.
    """

    rule: Rule
    columns: tuple[str, ...]
    fits: tuple[bool, ...]
    missing: tuple[str, ...] = ()


def read_playbook(config: Mapping[str, Any]) -> Playbook:
    """Read a playbook from plain values, as ``conf/playbook/default.yaml`` documents them.

    Raises
    ------
    InvalidConfigError
        An option does not exist or has a value that is not allowed, there is no rule, two ids differ in capitals alone,
        a rule excludes one that is not there, or a condition is no SQL.
    """
    known = [one.name for one in fields(Playbook)]
    if unknown := sorted(set(config) - set(known)):
        raise InvalidConfigError(f"playbook: there is no option {unknown[0]!r}; there are: {', '.join(known)}.")
    given = config.get("rules")
    if not isinstance(given, Mapping):
        raise InvalidConfigError(f"playbook.rules: expected rules by their ids; got {type(given).__name__}.")
    with _closed_database() as connection:
        rules = tuple(_read_rule(str(one), entry, connection) for one, entry in given.items() if entry is not None)
        _try_out(rules, connection)
    if not rules:
        raise InvalidConfigError("playbook.rules: expected at least one rule; got none.")
    seen: dict[str, str] = {}
    for rule in rules:
        if rule.id.casefold() in seen:
            raise InvalidConfigError(
                f"playbook.rules: {rule.id} is there twice, also as {seen[rule.id.casefold()]}; ids must differ."
            )
        seen[rule.id.casefold()] = rule.id
        # A rule that is switched off may still be named by others.
        if strange := [one for one in rule.excludes if one not in {str(key) for key in given}]:
            raise InvalidConfigError(f"playbook.rules.{rule.id}: excludes {strange[0]!r}, which is no rule.")
    numbers = {
        name: _number(f"playbook.{name}", config.get(name, getattr(Playbook, name)))
        for name in known
        if name != "rules"
    }
    most = numbers.pop("most_actions")
    if most != int(most):
        raise InvalidConfigError(f"playbook.most_actions must be a whole number; got {most:g}.")
    playbook = Playbook(rules, int(most), **numbers)
    if playbook.shortest_cadence_days > playbook.longest_cadence_days:
        raise InvalidConfigError(
            f"playbook.shortest_cadence_days must be at most longest_cadence_days ({playbook.longest_cadence_days:g}); "
            f"got {playbook.shortest_cadence_days:g}."
        )
    return playbook


def segment_table(profiles: Profiles) -> pd.DataFrame:
    """The table that conditions are about: what is known of each segment, beside the same of all customers."""
    table = profiles.segments.reset_index(drop=True)
    everybody = profiles.overall.iloc[0].to_dict()
    numbers = [name for name in profiles.overall if pd.api.types.is_numeric_dtype(profiles.overall[name].dtype)]
    further: dict[str, Any] = {f"all_{name}": float(everybody[name]) for name in numbers if name not in _SIZES}
    marks = profiles.differentiators
    numeric = marks[marks["level"].fillna("") == ""]
    for feature, lines in numeric.groupby("feature"):
        further[f"effect_{feature}"] = table["segment_id"].map(lines.set_index("segment_id")["effect"])
    for family in _MEANS:
        means = numeric[numeric["family"] == family].groupby("segment_id")["effect"].mean()
        further[f"effect_{family}"] = table["segment_id"].map(means).astype(float)
    value = table["value_per_customer"].where(~table["reserved"].astype(bool)).astype(float)
    further["value_per_order"] = _ratio(table["value_per_customer"], table["orders_per_customer"])
    further["all_value_per_order"] = _ratio(
        *(pd.Series([further.get(f"all_{one}_per_customer")], dtype=float) for one in ("value", "orders"))
    ).iloc[0]
    if value.isna().all():
        value = further["effect_value"].where(~table["reserved"].astype(bool))
    further["rank_value"] = value.rank(ascending=False, method="min")
    further["n_segments"] = float(value.notna().sum())
    best = _best_pairs(profiles, [str(one) for one in table["segment_id"]])
    for column, own in (
        ("bought", "bought"),
        ("offered", "offered"),
        ("cross_sell_lift", "lift"),
        ("cross_sell_open", "n_open"),
    ):
        further[column] = [None if pair is None else pair[own] for pair in best]
    reasons = profiles.service.sort_values("n", ascending=False, kind="stable").drop_duplicates("segment_id")
    further["main_reason"] = table["segment_id"].map(reasons.set_index("segment_id")["reason"])
    return pd.concat([table, pd.DataFrame(further, index=table.index)], axis=1)


def apply_rules(rules: Sequence[Rule], table: pd.DataFrame) -> list[Applied]:
    """Try every rule on every line of the segment table; conditions see nothing else, and read no files.

    Raises
    ------
    InvalidConfigError
        A condition is no SQL, or cannot be computed.
    """
    there = {str(column).casefold() for column in table}
    with _closed_database() as connection:
        connection.register("line", _as_arrow(table))
        read = [_columns_read(rule, connection) for rule in rules]
        missing = [tuple(column for column in columns if column not in there) for columns in read]
        ready = [rule for rule, lacking in zip(rules, missing, strict=True) if not lacking]
        fits = {rule.id: tuple(map(bool, told)) for rule, told in zip(ready, _told(ready, connection), strict=True)}
    return [
        Applied(rule, columns, fits.get(rule.id, (False,) * len(table)), lacking)
        for rule, columns, lacking in zip(rules, read, missing, strict=True)
    ]


def not_excluded(applied: Sequence[Applied], row: int) -> list[Applied]:
    """Rules that fit a line and go together, in their order.

    A rule that fits takes those out that it excludes, wherever they stand; one that is taken out by a rule before it
    takes out nothing. So of two that exclude each other the first stays.
    """
    fitting = [one for one in applied if one.fits[row]]
    out: set[str] = set()
    for one in fitting:
        if one.rule.id not in out:
            out.update(one.rule.excludes)
    return [one for one in fitting if one.rule.id not in out]


def _told(rules: Sequence[Rule], connection: duckdb.DuckDBPyConnection) -> Sequence[Sequence[bool]]:
    """What conditions say of each line of the table ``line``, rule by rule."""
    if not rules:
        return []
    # Each on lines of its own, so that a comment ends before the bracket.
    conditions = [f"coalesce(({rule.when}\n)::BOOLEAN, false)" for rule in rules]
    try:
        found = connection.execute(f"SELECT {', '.join(conditions)} FROM line").fetchall()
    except duckdb.Error as error:
        if len(rules) > 1:  # whose fault it is
            return [_told([rule], connection)[0] for rule in rules]
        raise InvalidConfigError(
            f"playbook.rules.{rules[0].id}: when cannot be computed ({type(error).__name__}); expected true or "
            f"false of one line of the segment table; got {rules[0].when!r}."
        ) from None
    return [[row[place] for row in found] for place in range(len(rules))]


def _try_out(rules: Sequence[Rule], connection: duckdb.DuckDBPyConnection) -> None:
    """Try conditions on lines of which nothing is known: a rule that cannot work is told before hours of training.

    Raises
    ------
    InvalidConfigError
        A condition reads what no segment table can have, is not about one line, or cannot be computed.
    """
    read = {rule.id: _columns_read(rule, connection) for rule in rules}
    for rule in rules:
        for column in read[rule.id]:
            if column not in _KNOWN and not column.startswith("effect_"):
                near = difflib.get_close_matches(column, _KNOWN, 1)
                raise InvalidConfigError(
                    f"playbook.rules.{rule.id}: there is no column {column!r} in the segment table; "
                    + (f"did you mean {near[0]}?" if near else "conf/playbook/default.yaml lists them.")
                )
    columns = sorted({column for one in read.values() for column in one})
    listed = ", ".join(f'NULL::{"VARCHAR" if one in _TEXTS else "DOUBLE"} AS "{one}"' for one in columns)
    connection.execute(f"CREATE TEMP VIEW line AS SELECT {listed or 'NULL AS nothing'} FROM range(2)")
    for rule in rules:
        if len(_told([rule], connection)[0]) != 2:  # noqa: PLR2004 - as many as lines
            raise InvalidConfigError(
                f"playbook.rules.{rule.id}: when must be about one line of the segment table, without count, max, "
                f"unnest and the like; got {rule.when!r}."
            )
    connection.execute("DROP VIEW line")


def _read_rule(one: str, entry: object, connection: duckdb.DuckDBPyConnection) -> Rule:
    where = f"playbook.rules.{one}"
    known = [option.name for option in fields(Rule) if option.name != "id"]
    if not isinstance(entry, Mapping):
        raise InvalidConfigError(f"{where}: expected {', '.join(known)}; got {entry!r}.")
    if re.fullmatch(r"\w+", one) is None:
        raise InvalidConfigError(f"{where}: an id is made of letters, digits and underscores.")
    if unknown := sorted(set(entry) - set(known)):
        raise InvalidConfigError(f"{where}: there is no option {unknown[0]!r}; there are: {', '.join(known)}.")
    for option in ("when", "kind"):
        if not str(entry.get(option) or "").strip():
            raise InvalidConfigError(f"{where}: {option} is missing.")
    plain = [option for option in known if option not in ("cadence_days", "slows", "excludes")]
    texts = {option: str(entry[option]) for option in plain if entry.get(option)}
    days, slows, excludes = (entry.get(option) for option in ("cadence_days", "slows", "excludes"))
    days = None if days is None else _number(f"{where}.cadence_days", days)
    if slows not in (None, True, False) or (slows and days is None):
        raise InvalidConfigError(f"{where}: slows must be true or false, and needs cadence_days; got {slows!r}.")
    if excludes is not None and (isinstance(excludes, str) or not isinstance(excludes, Sequence)):
        raise InvalidConfigError(f"{where}: excludes must be a list of rules; got {excludes!r}.")
    others = tuple(str(other) for other in excludes or ())
    rule = Rule(one, **texts, cadence_days=days, slows=bool(slows), excludes=others)
    for option, value, allowed in (("level", rule.level, LEVELS), ("service", rule.service, ("", *SERVICE))):
        if value not in allowed:
            raise InvalidConfigError(
                f"{where}: {option} must be one of {', '.join(filter(None, allowed))}; got {value!r}."
            )
    _columns_read(rule, connection)
    return rule


def _number(where: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 366:  # noqa: PLR2004
        raise InvalidConfigError(f"{where} must be a number from 1 to 366; got {value!r}.")
    return float(value)


def _ratio(over: pd.Series, under: pd.Series) -> pd.Series:
    under = under.astype(float)
    return over.astype(float) / under.where(under > 0)


def _best_pairs(profiles: Profiles, ids: Sequence[str]) -> list[dict[str, Any] | None]:
    """Per segment the pair that would sell most beyond chance, unlike those of the segments before it if possible."""
    pairs = profiles.cross_sell
    gain = pairs["n_open"] * pairs["confidence"] * (1 - 1 / pairs["lift"].where(pairs["lift"] > 0))
    sure = pairs.assign(gain=gain)[(pairs["lift_low"] > 1) & (gain > 0)]
    sure = sure.sort_values(["gain", "bought", "offered"], ascending=[False, True, True], kind="stable")
    used: set[str] = set()
    best: list[dict[str, Any] | None] = []
    for one in ids:
        own = [
            {str(key): value for key, value in line.items()}
            for line in sure[sure["segment_id"] == one].to_dict("records")
        ]
        pair = next((line for line in own if line["offered"] not in used), own[0] if own else None)
        if pair is not None:
            used.add(str(pair["offered"]))
        best.append(pair)
    return best


def _closed_database() -> duckdb.DuckDBPyConnection:
    """A database of nothing, that reaches no files, no network and no Python variables."""
    connection = duckdb.connect(":memory:", config={"threads": "1", "memory_limit": "256MB"})
    connection.execute("SET python_enable_replacements = false")
    connection.execute("SET autoinstall_known_extensions = false")
    connection.execute("SET autoload_known_extensions = false")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def _as_arrow(table: pd.DataFrame) -> pa.Table:
    """As Arrow, in which an unknown number is NULL: DuckDB takes NaN for more than any number."""
    columns: dict[str, pa.Array] = {}
    for name in table:
        values = table[name]
        if pd.api.types.is_bool_dtype(values.dtype):
            columns[str(name)] = pa.array(values, pa.bool_(), from_pandas=True)
        elif pd.api.types.is_numeric_dtype(values.dtype) or values.isna().all():
            columns[str(name)] = pa.array(values.astype(float), pa.float64(), from_pandas=True)
        else:
            numbers = pd.to_numeric(values, errors="coerce")
            plain = not (values.notna() & numbers.isna()).any()
            columns[str(name)] = (
                pa.array(numbers.astype(float), pa.float64(), from_pandas=True)
                if plain
                else pa.array([None if pd.isna(value) else str(value) for value in values], pa.string())
            )
    return pa.table(columns)


def _columns_read(rule: Rule, connection: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """Columns that a condition reads, in the order of the text."""
    where = f"playbook.rules.{rule.id}: when"
    # On a line of its own, so that a comment ends before the bracket.
    row = connection.execute("SELECT json_serialize_sql(?)", [f"SELECT ({rule.when}\n)"]).fetchone()
    parsed: dict[str, Any] = json.loads(row[0]) if row is not None else {"error": True}
    if parsed["error"] or len(parsed["statements"]) != 1:
        message = str(parsed.get("error_message") or "more than one statement").splitlines()[0]
        raise InvalidConfigError(f"{where} is no SQL condition ({message}); got {rule.when!r}.")
    node = parsed["statements"][0]["node"]
    plain = node["type"] == "SELECT_NODE" and len(node["select_list"]) == 1 and node["from_table"]["type"] == "EMPTY"
    nodes = list(nodes_of(node))
    if not plain or node["where_clause"] is not None or any(one.get("class") in _REFUSED for one in nodes):
        raise InvalidConfigError(
            f"{where} must be a condition over one line of the segment table, without queries, windows, stars or "
            f"parameters; got {rule.when!r}."
        )
    read = [one for one in nodes if one.get("class") == "COLUMN_REF"]
    return tuple(dict.fromkeys(".".join(one["column_names"]).casefold() for one in read))
