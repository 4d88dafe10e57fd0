"""Sources → canonical tables: files, databases and frames mapped onto the columns the rest of patronage speaks of.

DuckDB reads Parquet in place. Each canonical table is a view: typed, renamed, filtered; and once the inputs' paths
are allow-listed, no query can open any other file.
"""

from patronage.tables.canonical import CANONICAL, EARLIEST, KEYS, DataSource, Kind, TableSource
from patronage.tables.database import without_passwords
from patronage.tables.files import resolve
from patronage.tables.opening import Tables, check_options, open_tables
from patronage.tables.sql import Reading, first_line, quote

__all__ = [
    "CANONICAL",
    "EARLIEST",
    "KEYS",
    "DataSource",
    "Kind",
    "Reading",
    "TableSource",
    "Tables",
    "check_options",
    "first_line",
    "open_tables",
    "quote",
    "resolve",
    "without_passwords",
]
