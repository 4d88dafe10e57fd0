"""What a statement asks of the product, asked of each product once instead of at every line it stands on.

There are thousands of products and millions of lines: comparing a department's name with twelve others takes the larger
part of the time that shares by department need, and telling categories apart by number a fraction of that by name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from patronage.features.trees import chosen, column, parsed, printed, said
from patronage.features.two_steps import in_two_steps
from patronage.tables import Tables, quote

_COMPARISONS = frozenset({
    "COMPARE_EQUAL", "COMPARE_NOTEQUAL", "COMPARE_LESSTHAN", "COMPARE_GREATERTHAN", "COMPARE_LESSTHANOREQUALTO",
    "COMPARE_GREATERTHANOREQUALTO", "COMPARE_DISTINCT_FROM", "COMPARE_NOT_DISTINCT_FROM", "COMPARE_IN",
    "COMPARE_NOT_IN", "COMPARE_BETWEEN", "OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL",
})  # fmt: skip
_MOST_BITS = 4096
"""Up to so many values, half a kilobyte a customer, bits take less time and room than a table of those seen."""

WORD_BITS = 31
"""So many conditions are kept in one whole number of a product: a join hands it on at a fraction of what so many
columns take."""

_CONNECTIVES = frozenset({"CONJUNCTION_AND", "CONJUNCTION_OR", "OPERATOR_NOT"})


@dataclass(frozen=True)
class Hoisted:
    """Statements over lines, and what they want to know of each product.

    Attributes
    ----------
    queries : mapping
        Name → statement, which reads the columns named in ``conditions``, ``words`` and ``numbered``.
    conditions : mapping
        Column → SQL condition over a product's text columns.
    words : mapping
        Column → conditions that it holds as bits, the first one in the lowest; a bit is set where one is true.
    numbered : mapping
        Column → the text column whose values it numbers.
    """

    queries: Mapping[str, str] = field(default_factory=dict)
    conditions: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, Sequence[str]] = field(default_factory=dict)
    numbered: Mapping[str, str] = field(default_factory=dict)


def hoist(
    tables: Tables,
    queries: Mapping[str, str],
    texts: Collection[str],
) -> Hoisted:
    """Take out of SELECT statements their conditions on products alone, and their distinct counts of products' texts.

    Only what cannot fail is taken out, for it is asked of products too that nobody bought: comparisons of text columns
    with each other and with texts.

    Parameters
    ----------
    tables : Tables
        Open tables; their connection parses and prints SQL.
    queries : mapping
        Name → SELECT statement.
    texts : collection of str
        Columns, in lower case, that are texts of the product.
    """
    found = _Hoisting(tables, texts)
    trees: dict[str, dict[str, Any]] = {}
    for name, query in queries.items():
        tree = parsed(tables, query)
        if tree["error"]:  # running it tells what is wrong
            return Hoisted(queries)
        trees[name] = {**tree, "statements": found.replaced(tree["statements"])}
    if not found.conditions and not found.numbered:
        return Hoisted(queries)
    conditions = {}
    for name, condition in found.conditions.values():
        plain = parsed(tables, "SELECT 1")
        chosen(plain)[:] = [condition]
        conditions[name] = printed(tables, plain).removeprefix("SELECT ")
    words = bits_of(conditions, found.words)
    replaced = {name: printed(tables, in_two_steps(tables, tree, words)) for name, tree in trees.items()}
    return Hoisted(replaced, conditions, found.words, found.numbered)


def bits_of(conditions: Mapping[str, str], words: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """SQL over products of each word."""
    bits = {
        word: [f"CASE WHEN {conditions[name]} THEN {1 << bit} ELSE 0 END" for bit, name in enumerate(held)]
        for word, held in words.items()
    }
    return {word: f"({' + '.join(some)})::INTEGER" for word, some in bits.items()}


class _Hoisting:
    def __init__(self, tables: Tables, texts: Collection[str]) -> None:
        self.tables = tables
        self.texts = texts
        self.conditions: dict[str, tuple[str, Any]] = {}  # by what they say, wherever they stand
        self.words: dict[str, list[str]] = {}
        self.numbered: dict[str, str] = {}
        given = (tables.columns.get(table, {}) for table in ("transactions", "products"))
        self.taken = {name.lower() for columns in given for name in columns}

    def replaced(self, node: Any) -> Any:  # noqa: ANN401 - JSON
        """The tree with columns in place of what is taken out."""
        if isinstance(node, list):
            return [self.replaced(one) for one in node]
        # A lambda's parameter may bear a column's name; a condition that holds a lambda is none, nor is one within it.
        if not isinstance(node, dict) or node.get("class") == "LAMBDA":
            return node
        if self._is_condition(node):
            return column(self._named(node))
        if self._is_distinct_count(node):
            node = self._counted(node)
        return {key: self._cut(value) if key == "filter" else self.replaced(value) for key, value in node.items()}

    def _named(self, condition: Any) -> str:  # noqa: ANN401 - JSON
        """Column of a condition."""
        return self.conditions.setdefault(
            said(condition), (self._free(f"condition {len(self.conditions) + 1}"), condition)
        )[0]

    def _free(self, name: str) -> str:
        """The name, longer where a column of the user's has it."""
        return self._free(f"{name} of product") if name in self.taken else name

    def _cut(self, node: Any) -> Any:  # noqa: ANN401 - JSON
        """What an aggregate leaves rows out by: there false and unknown are the same, and a bit says all of it."""
        if not isinstance(node, dict):
            return node
        if self._is_condition(node):
            word, bit = self._bit(self._named(node))
            return chosen(parsed(self.tables, f"SELECT {quote(word)} & {1 << bit} != 0"))[0]
        if node.get("type") == "CONJUNCTION_AND":
            return {**node, "children": [self._cut(one) for one in node["children"]]}
        return self.replaced(node)

    def _bit(self, name: str) -> tuple[str, int]:
        """The word that holds a condition, and its place there."""
        for word, held in self.words.items():
            if name in held:
                return word, held.index(name)
        if not self.words or len(held) == WORD_BITS:
            word, held = self._free(f"answers {len(self.words) + 1}"), []
            self.words[word] = held
        held.append(name)
        return word, len(held) - 1

    def _counted(self, node: Mapping[str, Any]) -> dict[str, Any]:
        """A distinct count of a text as one of its numbers; of few as the number of bits that they set."""
        (argument,) = node["arguments"]
        text = argument["expression"]["column_names"][0].lower()
        name = self._free(f"number of {text}")
        self.numbered[name] = text
        n_values = self.tables.scalar(f"SELECT count(DISTINCT {quote(text)}) FROM keyed_products")
        if n_values > _MOST_BITS:
            return {**node, "arguments": [{**argument, "expression": column(name)}]}
        bits = f"bitstring_agg({quote(name)}, 1, {max(n_values, 1)})"
        (counted,) = chosen(parsed(self.tables, f"SELECT coalesce(bit_count({bits}), 0)"))
        counted["children"][0]["arguments"][0]["expression"]["filter"] = node["filter"]
        return dict(counted)

    def _is_condition(self, node: Mapping[str, Any]) -> bool:
        """Whether a node is a comparison of the product's texts, or several."""
        kind = node.get("type")
        operands = _operands(node)
        if kind in _CONNECTIVES:
            return all(self._is_condition(one) for one in operands)
        if kind not in _COMPARISONS or not all(self._is_text(one) or _is_constant(one) for one in operands):
            return False
        return any(self._is_text(one) for one in operands)

    def _is_distinct_count(self, node: Mapping[str, Any]) -> bool:
        return (
            node.get("class") == "FUNCTION"
            and node["function_name"] == "count"
            and node["distinct"]
            and len(node["arguments"]) == 1
            and self._is_text(node["arguments"][0]["expression"])
            and node["arguments"][0]["expression"]["class"] == "COLUMN_REF"
        )

    def _is_text(self, node: Mapping[str, Any]) -> bool:
        """Whether a node is a text column of the product, as it is or made a text once more."""
        if node.get("class") == "CAST" and node["type_expr"].get("type_name") == "VARCHAR":
            return self._is_text(node["child"])
        names = node.get("column_names", ())
        return len(names) == 1 and names[0].lower() in self.texts


def _operands(node: Mapping[str, Any]) -> list[Any]:
    sides = ("left", "right", "input", "lower", "upper")
    return [*node.get("children", []), *(node[side] for side in sides if side in node)]


def _is_constant(node: Mapping[str, Any]) -> bool:
    return node.get("class") == "CONSTANT" and node["literal"].get("kind") == "STRING"
