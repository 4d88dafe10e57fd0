"""Aggregates over lines in two steps: by customer and by what is asked of products, then by customer alone.

A sum under each of a dozen conditions on the product looks at every line a dozen times. Lines of one customer whose
products answer all conditions alike are added up first; only these few sums are looked at under the conditions.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any

from patronage.features.trees import chosen, column, nodes_of, parsed, said
from patronage.tables import Tables, quote

LEAST_CONDITIONS, LEAST_LINES = 5, 20
"""So many conditions must a statement have, and so many lines be added up to one at the least, or the first step would
cost more than it saves."""

MOST_BYTES = 2**28
"""Sums of the first step may take so much room at the most."""

_BYTES_OF_VALUE, _BYTES_OF_SET = 24, 48
"""What one of a sum's values takes, and what a set of bits takes besides its bits."""

_OF_PARTS: Mapping[str, str] = {
    "sum": "sum({part})",
    "min": "min({part})",
    "max": "max({part})",
    "bool_or": "bool_or({part})",
    "bool_and": "bool_and({part})",
    "bitstring_agg": "bit_or({part})",
    "count": "sum({part})",
    "count_star": "sum({part})",
}
"""Aggregate → the aggregate over its values for parts of the rows that is its value for all of them."""

_UNNAMED = ("STAR", "POSITIONAL_REFERENCE")
"""Nodes that read columns without their names."""

_COUNTS = ("count", "count_star")


def in_two_steps(tables: Tables, tree: dict[str, Any], words: Mapping[str, str]) -> dict[str, Any]:
    """A SELECT of aggregates over lines by customer, rewritten where that pays.

    Parameters
    ----------
    tables : Tables
    tree : mapping
        Its parse tree: ``SELECT customer_id, … FROM lines [WHERE …] GROUP BY customer_id``.
    words : mapping
        Column of lines → SQL over products of what it holds: what is asked of them, as bits of a number.

    Returns
    -------
    dict
        The parse tree of the same in two steps; the one given where one of the aggregates is not made of its values
        for parts of the rows, and where too few lines are added up to one.
    """
    if "customer_id" not in tables.extents.get("transactions", {}):
        return tree  # how many customers there are at most is known without a look at the rows of numbers only
    if sum(name in words for name in _columns(tree)) < LEAST_CONDITIONS:
        return tree
    parts = _Parts(tables, words)
    query = tree["statements"][0]["node"]
    customer, *expressions = query["select_list"]
    combined = [parts.combined(one) for one in expressions]
    if not (parts.complete and parts.n_conditions >= LEAST_CONDITIONS and _pays(tables, parts, words)):
        return tree
    keys = ", ".join(["customer_id", *map(quote, sorted(parts.asked))])
    steps = parsed(tables, f"SELECT 1 FROM (SELECT {keys} FROM lines GROUP BY {keys}) GROUP BY customer_id")
    outer = steps["statements"][0]["node"]
    inner = outer["from_table"]["subquery"]["node"]
    inner["select_list"] += [{**part, "alias": name} for name, part in parts.found.values()]
    inner["where_clause"] = query["where_clause"]
    outer["select_list"] = [customer, *combined]
    return {**tree, "statements": [{**tree["statements"][0], "node": outer}]}


def _pays(tables: Tables, parts: _Parts, words: Mapping[str, str]) -> bool:
    """Tell whether far fewer sums than lines are left, and little room is taken, however customers buy."""
    known = tables.extents["transactions"]["customer_id"]
    if known.least is None or known.greatest is None or len(parts.found) >= parts.n_conditions:
        return False
    answers = ", ".join(words[one] for one in sorted(parts.asked))
    n_answers = tables.scalar(f"SELECT count(*) FROM (SELECT DISTINCT {answers} FROM keyed_products)")
    n_sums = (n_answers + 1) * (known.greatest - known.least + 1)  # products that are not listed answer otherwise
    return known.n_rows >= LEAST_LINES * n_sums and n_sums * parts.n_bytes <= MOST_BYTES


class _Parts:
    def __init__(self, tables: Tables, words: Collection[str]) -> None:
        self.tables = tables
        self.words = set(words)
        self.wholes: dict[str, str] = {}  # as JSON: DuckDB is asked once for each aggregate
        self.found: dict[str, tuple[str, dict[str, Any]]] = {}  # by what they say: several features share a sum
        self.complete = True
        self.n_conditions = 0
        self.asked: set[str] = set()

    @property
    def n_bytes(self) -> int:
        """What all values of one customer's lines with the same answers take."""
        return sum(_BYTES_OF_VALUE + _set_bytes(part) for _, part in self.found.values())

    @cached_property
    def aggregates(self) -> set[str]:
        """Names of all that DuckDB has; to list its functions takes some hundredths of a second."""
        named = "SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE function_type = 'aggregate'"
        return {name for (name,) in self.tables.connection.execute(named).fetchall()}

    def combined(self, node: Any) -> Any:  # noqa: ANN401 - JSON
        """An expression with parts' values in place of its aggregates."""
        if isinstance(node, list):
            return [self.combined(one) for one in node]
        if not isinstance(node, dict):
            return node
        if self._is_of_parts(node):
            return self._of_parts(node)
        # Another aggregate would see parts for lines; what else reads a line's column stands in one, or in a lambda.
        reads = "column_names" in node or node.get("class") in _UNNAMED
        self.complete &= not reads and not (
            "function_name" in node and node["function_name"].lower() in self.aggregates
        )
        return {key: self.combined(value) for key, value in node.items()}

    def _is_of_parts(self, node: Mapping[str, Any]) -> bool:
        return (
            node.get("class") == "FUNCTION"
            and node["function_name"] in _OF_PARTS
            and not node["distinct"]
            and not node["export_state"]
            and not node["order_bys"]["orders"]
            and (len(node["arguments"]) < 2 or _set_bytes(node) > 0)  # noqa: PLR2004 - max(x, n) is a list
            and not any(one.get("class") in _UNNAMED for one in nodes_of(node))
            and self.words.isdisjoint(_columns(node["arguments"]))
        )

    def _of_parts(self, node: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
        conjuncts = _conjuncts(node["filter"])
        of_products = [one for one in conjuncts if not self.words.isdisjoint(_columns(one))]
        of_lines = [one for one in conjuncts if one not in of_products]
        asked = set(_columns(of_products))
        self.complete &= asked <= self.words
        self.asked |= asked
        self.n_conditions += len(of_products)
        part = {**node, "alias": "", "filter": _all_of(of_lines)}
        name, _ = self.found.setdefault(said(part), (f"part {len(self.found) + 1}", part))
        whole = self._whole(node["function_name"], name)
        whole["filter"] = _all_of(of_products)
        if node["function_name"] in _COUNTS:  # of no parts there are none, not nothing
            counted = self._parsed("coalesce(x, 0)::BIGINT")
            counted["child"]["children"][0] = whole
            whole = counted
        return {**whole, "alias": node["alias"]}

    def _whole(self, aggregate: str, name: str) -> dict[str, Any]:
        whole = self._parsed(_OF_PARTS[aggregate].format(part="x"))
        whole["arguments"][0]["expression"] = column(name)
        return whole

    def _parsed(self, sql: str) -> dict[str, Any]:
        if sql not in self.wholes:
            self.wholes[sql] = json.dumps(chosen(parsed(self.tables, f"SELECT {sql}"))[0])
        return dict(json.loads(self.wholes[sql]))


def _columns(node: Any) -> list[str]:  # noqa: ANN401 - JSON
    """Names of the columns that are read, as often as they are."""
    return [one["column_names"][-1] for one in nodes_of(node) if "column_names" in one]


def _set_bytes(node: Mapping[str, Any]) -> int:
    """Room that a set of bits between two numbers takes; 0 for any other aggregate."""
    bounds = [one["expression"] for one in node["arguments"][1:]]
    texts = [one["literal"].get("text", "") for one in bounds if one["class"] == "CONSTANT"]
    if node["function_name"] != "bitstring_agg" or len(texts) != 2 or not all(map(str.isdigit, texts)):  # noqa: PLR2004
        return 0
    least, greatest = map(int, texts)
    return _BYTES_OF_SET + max(greatest - least, 0) // 8


def _conjuncts(condition: Any) -> list[Any]:  # noqa: ANN401 - JSON
    """Conditions that must all hold where this one does."""
    if condition is None:
        return []
    return list(condition["children"]) if condition.get("type") == "CONJUNCTION_AND" else [condition]


def _all_of(conditions: list[Any]) -> dict[str, Any] | None:
    if len(conditions) < 2:  # noqa: PLR2004
        return conditions[0] if conditions else None
    return {"class": "CONJUNCTION", "type": "CONJUNCTION_AND", "alias": "", "children": conditions}
