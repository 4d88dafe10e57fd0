"""Playbooks: rules over the segment table that say what to do, as SQL conditions in YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

from patronage.errors import InvalidConfigError
from patronage.profiles import Profiles
from patronage.segments import DORMANT_ID

LEVELS = ("high", "normal", "fallback")

_SIZES = frozenset({"n_customers", "share", "n_prospects", "value_total", "value_share", "priority", "peak_month"})
_RATIOS = {
    "margin_rate": (("margin_per_customer",), ("revenue_per_customer",)),
    "roi": (("profit_per_customer",), ("service_cost_per_customer", "campaign_cost_per_customer")),
}
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
    """

    id: str
    when: str
    kind: str
    level: str = "normal"
    title: str = ""
    what: str = ""
    reason: str = ""
    cadence_days: float | None = None


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
        or a condition is no SQL.
    """
    known = [one.name for one in fields(Playbook)]
    if unknown := sorted(set(config) - set(known)):
        raise InvalidConfigError(f"playbook: there is no option {unknown[0]!r}; there are: {', '.join(known)}.")
    given = config.get("rules")
    if not isinstance(given, Mapping):
        raise InvalidConfigError(f"playbook.rules: expected rules by their ids; got {type(given).__name__}.")
    with _closed_database() as connection:
        rules = tuple(_read_rule(str(one), entry, connection) for one, entry in given.items() if entry is not None)
    if not rules:
        raise InvalidConfigError("playbook.rules: expected at least one rule; got none.")
    seen: dict[str, str] = {}
    for rule in rules:
        if rule.id.casefold() in seen:
            raise InvalidConfigError(
                f"playbook.rules: {rule.id} is there twice, also as {seen[rule.id.casefold()]}; ids must differ."
            )
        seen[rule.id.casefold()] = rule.id
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
    described = table[table["segment_id"] != DORMANT_ID]
    n = described["n_customers"].astype(float)
    further: dict[str, Any] = {}
    for column in table:
        if column not in _SIZES and pd.api.types.is_numeric_dtype(table[column].dtype) and column != "reserved":
            further[f"all_{column}"] = _mean(described[column].astype(float), n)
    for column, (over, under) in _RATIOS.items():
        above, below = (sum(further.get(f"all_{part}", float("nan")) for part in parts) for parts in (over, under))
        if f"all_{column}" in further and below > 0:
            further[f"all_{column}"] = above / below
    ranked = ~table["reserved"].astype(bool) & table["value_per_customer"].notna()
    further["rank_value"] = table["value_per_customer"].where(ranked).rank(ascending=False, method="min")
    further["n_segments"] = float(ranked.sum())
    marks = profiles.differentiators
    numeric = marks[marks["level"].fillna("") == ""]
    for feature, lines in numeric.groupby("feature"):
        further[f"effect_{feature}"] = table["segment_id"].map(lines.set_index("segment_id")["effect"])
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
        applied = []
        for rule in rules:
            read = _columns_read(rule, connection)
            missing = tuple(column for column in read if column not in there)
            fits = (False,) * len(table)
            if not missing:
                try:
                    rows = connection.execute(f"SELECT coalesce(({rule.when}\n)::BOOLEAN, false) FROM line").fetchall()
                except duckdb.Error as error:
                    raise InvalidConfigError(
                        f"playbook.rules.{rule.id}: when cannot be computed ({type(error).__name__}); expected true or "
                        f"false of one line of the segment table; got {rule.when!r}."
                    ) from None
                fits = tuple(bool(row[0]) for row in rows)
            applied.append(Applied(rule, read, fits, missing))
        return applied


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
    texts = {option: str(entry[option]) for option in known if option != "cadence_days" and entry.get(option)}
    days = entry.get("cadence_days")
    rule = Rule(one, **texts, cadence_days=None if days is None else _number(f"{where}.cadence_days", days))
    if rule.level not in LEVELS:
        raise InvalidConfigError(f"{where}: level must be one of {', '.join(LEVELS)}; got {rule.level!r}.")
    _columns_read(rule, connection)
    return rule


def _number(where: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 366:  # noqa: PLR2004
        raise InvalidConfigError(f"{where} must be a number from 1 to 366; got {value!r}.")
    return float(value)


def _mean(values: pd.Series, weights: pd.Series) -> float:
    known = values.notna()
    total = float(weights[known].sum())
    return float((values[known] * weights[known]).sum() / total) if total > 0 else float("nan")


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
    nodes = list(_nodes(node))
    if not plain or node["where_clause"] is not None or any(one.get("class") in _REFUSED for one in nodes):
        raise InvalidConfigError(
            f"{where} must be a condition over one line of the segment table, without queries, windows, stars or "
            f"parameters; got {rule.when!r}."
        )
    read = [one for one in nodes if one.get("class") == "COLUMN_REF"]
    return tuple(dict.fromkeys(".".join(one["column_names"]).casefold() for one in read))


def _nodes(tree: object) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
        for part in tree.values():
            yield from _nodes(part)
    elif isinstance(tree, list):
        for part in tree:
            yield from _nodes(part)
