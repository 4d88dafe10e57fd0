"""Aggregates over lines in two steps: by customer and by what is asked of products, then by customer alone.

A sum under each of a dozen conditions on the product looks at every line a dozen times. Lines of one customer whose
products answer all conditions alike are added up first; only these few sums are looked at under the conditions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from patronage.features.trees import chosen, nodes_of, parsed, said
from patronage.tables import Tables, quote

LEAST_CONDITIONS, LEAST_LINES = 5, 5
"""So many conditions must a statement have, and so many lines be added up to one at the least, or the first step would
cost more than it saves."""

MOST_BITS = 512
"""Sets of more would take too much room, held for each customer and each answer."""

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
    parts = _Parts(tables, words)
    query = tree["statements"][0]["node"]
    customer, *expressions = query["select_list"]
    combined = [parts.combined(one) for one in expressions]
    if not (parts.complete and parts.n_conditions >= LEAST_CONDITIONS and _is_short(tables, parts.asked, words)):
        return tree
    keys = ", ".join(["customer_id", *map(quote, sorted(parts.asked))])
    steps = parsed(tables, f"SELECT 1 FROM (SELECT {keys} FROM lines GROUP BY {keys}) GROUP BY customer_id")
    outer = steps["statements"][0]["node"]
    inner = outer["from_table"]["subquery"]["node"]
    inner["select_list"] += [{**part, "alias": name} for name, part in parts.found.values()]
    inner["where_clause"] = query["where_clause"]
    outer["select_list"] = [customer, *combined]
    return {**tree, "statements": [{**tree["statements"][0], "node": outer}]}


def _is_short(tables: Tables, asked: Collection[str], words: Mapping[str, str]) -> bool:
    """Tell whether far fewer sums than lines are left, however customers buy."""
    # Of numbers it is known without a look at the rows how many customers there are at most.
    known = tables.extents.get("transactions", {}).get("customer_id")
    if known is None or known.least is None or known.greatest is None:
        return False
    answers = ", ".join(words[one] for one in sorted(asked))
    n_answers = tables.scalar(f"SELECT count(*) FROM (SELECT DISTINCT {answers} FROM keyed_products)")
    n_sums = (n_answers + 1) * (known.greatest - known.least + 1)  # products that are not listed answer otherwise
    return known.n_rows >= LEAST_LINES * n_sums


class _Parts:
    def __init__(self, tables: Tables, words: Collection[str]) -> None:
        self.tables = tables
        self.words = set(words)
        self.found: dict[str, tuple[str, dict[str, Any]]] = {}  # by what they say: several features share a sum
        self.complete = True
        self.n_conditions = 0
        self.asked: set[str] = set()

    def combined(self, node: Any) -> Any:  # noqa: ANN401 - JSON
        """An expression with parts' values in place of its aggregates."""
        if isinstance(node, list):
            return [self.combined(one) for one in node]
        if not isinstance(node, dict):
            return node
        if self._is_of_parts(node):
            return self._of_parts(node)
        # A column that stands in no aggregate taken apart: in another one, or in a lambda.
        self.complete &= "column_names" not in node
        return {key: self.combined(value) for key, value in node.items()}

    def _is_of_parts(self, node: Mapping[str, Any]) -> bool:
        return (
            node.get("class") == "FUNCTION"
            and node["function_name"] in _OF_PARTS
            and not node["distinct"]
            and not node["order_bys"]["orders"]
            and (len(node["arguments"]) < 2 or _is_small_set(node))  # noqa: PLR2004 - max(x, n) is a list
            and not any(self._columns(one) & self.words for one in node["arguments"])
        )

    def _of_parts(self, node: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
        conjuncts = _conjuncts(node["filter"])
        of_products = [one for one in conjuncts if self._columns(one) & self.words]
        of_lines = [one for one in conjuncts if one not in of_products]
        asked = set().union(*map(self._columns, of_products))
        self.complete &= asked <= self.words
        self.asked |= asked
        self.n_conditions += len(of_products)
        part = {**node, "alias": "", "filter": _all_of(of_lines)}
        name, _ = self.found.setdefault(said(part), (f"part {len(self.found) + 1}", part))
        sql = _OF_PARTS[node["function_name"]].format(part=quote(name))
        (whole,) = chosen(parsed(self.tables, f"SELECT {sql}"))
        whole["filter"] = _all_of(of_products)
        if node["function_name"] in _COUNTS:  # of no parts there are none, not nothing
            (counted,) = chosen(parsed(self.tables, "SELECT coalesce(x, 0)::BIGINT"))
            counted["child"]["children"][0] = whole
            whole = counted
        return {**whole, "alias": node["alias"]}

    @staticmethod
    def _columns(node: Any) -> set[str]:  # noqa: ANN401 - JSON
        return {one["column_names"][-1] for one in nodes_of(node) if "column_names" in one}


def _is_small_set(node: Mapping[str, Any]) -> bool:
    """Whether a node is a set of bits between two numbers."""
    _, *bounds = (one["expression"] for one in node["arguments"])
    if node["function_name"] != "bitstring_agg" or any(one["class"] != "CONSTANT" for one in bounds):
        return False
    least, greatest = (int(one["literal"]["text"]) for one in bounds)
    return greatest - least < MOST_BITS


def _conjuncts(condition: Any) -> list[Any]:  # noqa: ANN401 - JSON
    """Conditions that must all hold where this one does."""
    if condition is None:
        return []
    return list(condition["children"]) if condition.get("type") == "CONJUNCTION_AND" else [condition]


def _all_of(conditions: list[Any]) -> dict[str, Any] | None:
    if len(conditions) < 2:  # noqa: PLR2004
        return conditions[0] if conditions else None
    return {"class": "CONJUNCTION", "type": "CONJUNCTION_AND", "alias": "", "children": conditions}
