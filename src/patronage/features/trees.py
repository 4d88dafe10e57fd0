"""SQL as parse trees, in the JSON that DuckDB writes and reads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from patronage.tables import Tables


def chosen(tree: Mapping[str, Any]) -> list[Any]:
    """What a statement selects."""
    chosen: list[Any] = tree["statements"][0]["node"]["select_list"]
    return chosen


def column(name: str) -> dict[str, Any]:
    """A column by its name."""
    return {"class": "COLUMN_REF", "type": "COLUMN_REF", "alias": "", "column_names": [name]}


def said(node: Any) -> str:  # noqa: ANN401 - JSON
    """A node without where it stands."""

    def bare(one: Any) -> Any:  # noqa: ANN401 - JSON
        if isinstance(one, dict):
            return {key: bare(value) for key, value in one.items() if not key.startswith("query_location")}
        return [bare(value) for value in one] if isinstance(one, list) else one

    return json.dumps(bare(node))


def parsed(tables: Tables, query: str) -> dict[str, Any]:
    """The parse tree of a statement; ``error`` tells whether it is none."""
    (tree,) = tables.connection.execute("SELECT json_serialize_sql($query)", {"query": query}).fetchall()[0]
    return dict(json.loads(tree))


def printed(tables: Tables, tree: Mapping[str, Any]) -> str:
    """The statement that a parse tree says."""
    (sql,) = tables.connection.execute(
        "SELECT json_deserialize_sql($tree::JSON)", {"tree": json.dumps(tree)}
    ).fetchall()[0]
    return str(sql)


def nodes_of(tree: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - JSON
    """All nodes of a parse tree as DuckDB gives it in JSON, each before those below it."""
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from nodes_of(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from nodes_of(value)
