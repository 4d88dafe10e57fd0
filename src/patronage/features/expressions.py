"""What an SQL expression of a feature is made of, read from DuckDB's own parse tree."""

from __future__ import annotations

import json
from typing import Any

from patronage.catalogue import RELATIONS, Feature
from patronage.errors import InvalidConfigError
from patronage.features.trees import nodes_of
from patronage.tables import Tables

CLOCK_AND_CHANCE = frozenset(
    {
        "now", "today", "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp",
        "get_current_time", "get_current_timestamp", "transaction_timestamp", "random", "uuid", "uuidv4", "uuidv7",
        "gen_random_uuid", "setseed", "nextval",
    }
)  # fmt: skip
"""What gives another value at another time: features are what was known on ``as_of``, however often computed."""


def columns_of(tables: Tables, feature: Feature) -> set[str]:
    """Names of the columns that an expression reads, which must be one value over the rows it is given.

    Raises
    ------
    InvalidConfigError
        It is no expression, more than one, has a subquery or a window in it, reads whole rows or what changes from
        run to run.
    """
    nodes = list(nodes_of(_parsed(tables, feature)))
    names = {str(node["column_names"][-1]) for node in nodes if "column_names" in node}
    read = {name.lower() for name in names}
    called = {str(node["function_name"]).lower() for node in nodes if "function_name" in node}
    if moving := sorted((read | called) & CLOCK_AND_CHANCE):
        raise InvalidConfigError(
            f"feature {feature.name}: {moving[0]} changes from run to run; use $as_of for the date."
        )
    if rows := sorted(read & set(RELATIONS)):
        raise InvalidConfigError(
            f"feature {feature.name}: {rows[0]} is a relation; sql must read columns, not whole rows."
        )
    if any(node.get("class") in ("SUBQUERY", "WINDOW") for node in nodes):
        raise InvalidConfigError(
            f"feature {feature.name}: a subquery or a window would see other customers' rows, or later ones; "
            "sql must be an aggregate over one customer's rows."
        )
    return names | ({feature.expand.by} if feature.expand is not None else set())


def _parsed(tables: Tables, feature: Feature) -> list[Any]:
    """The parse trees of a feature's expression, and of the condition of its expansion."""
    trees = _parsed_sql(tables, feature, feature.sql.replace("{match}", "true"))
    if feature.expand is not None and feature.expand.where is not None:
        trees += _parsed_sql(tables, feature, feature.expand.where)
    return trees


def _parsed_sql(tables: Tables, feature: Feature, given: str) -> list[Any]:
    # Beside it a plain constant, to see what the expression adds around itself; both in one question.
    parse = "SELECT json_serialize_sql($given), json_serialize_sql($plain)"
    asked = {"given": f"SELECT ({given}\n)", "plain": "SELECT (1\n)"}
    trees = [json.loads(tree) for tree in tables.connection.execute(parse, asked).fetchall()[0]]
    if trees[0]["error"]:
        raise InvalidConfigError(f"feature {feature.name}: sql is no expression: {trees[0]['error_message']}")
    found, plain = (tree["statements"][0]["node"] for tree in trees)
    chosen = found.pop("select_list", [])
    plain.pop("select_list")
    # Parentheses around nothing are a row of no values.
    nothing = len(chosen) == 1 and chosen[0].get("function_name") == "row" and not chosen[0]["arguments"]
    if len(trees[0]["statements"]) != 1 or len(chosen) != 1 or found != plain or nothing:
        raise InvalidConfigError(f"feature {feature.name}: sql must be a single expression.")
    return list(chosen)
