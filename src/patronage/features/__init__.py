"""Features and outcomes by one engine: declared SQL over relations, one statement, one pass in DuckDB.

Nothing sees the future: relations hold rows of ``[as_of − lookback, as_of)`` only, and every date column later than
``as_of`` is emptied, with what depends on it.
"""

from patronage.features.building import (
    ACTIVE,
    DECIMALS,
    DORMANT,
    PROSPECT,
    FeatureTable,
    build_features,
    build_outcomes,
    learn_catalogue,
)
from patronage.features.statement import query_relations

__all__ = [
    "ACTIVE",
    "DECIMALS",
    "DORMANT",
    "PROSPECT",
    "FeatureTable",
    "build_features",
    "build_outcomes",
    "learn_catalogue",
    "query_relations",
]
