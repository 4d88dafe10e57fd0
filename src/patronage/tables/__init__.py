"""Sources → canonical tables: files mapped onto the columns the rest of patronage speaks of.

DuckDB reads the files in place. Each canonical table is a view: typed, renamed, filtered; nothing is copied, and
once the inputs' paths are allow-listed, no query can open any other file.
"""

from patronage.tables.canonical import CANONICAL, KEYS, DataSource, Kind, TableSource
from patronage.tables.files import resolve
from patronage.tables.opening import Tables, open_tables
from patronage.tables.sql import absent, cast, first_line, invalid, quote, source_columns

__all__ = [
    "CANONICAL",
    "KEYS",
    "DataSource",
    "Kind",
    "TableSource",
    "Tables",
    "absent",
    "cast",
    "first_line",
    "invalid",
    "open_tables",
    "quote",
    "resolve",
    "source_columns",
]
