"""Scoring customers: raw tables or a feature table in, one line per customer out, written whole or not at all.

Rows are read in chunks, checked, placed by the model, and kept as finished parts until all are there. `score` is the
story; `rows` says what is set aside, `parts` what a killed run leaves, `sources`, `outputs` and `databases` what can be
read and written.
"""

from patronage.scoring.building import declared_features, features_of, require_feature_file, write_features
from patronage.scoring.databases import DatabaseOutput
from patronage.scoring.job import CHUNK_ROWS, Input, Scored, from_database, from_file, from_tables, score
from patronage.scoring.outputs import FileOutput
from patronage.scoring.provenance import model_digest

__all__ = [
    "CHUNK_ROWS",
    "DatabaseOutput",
    "FileOutput",
    "Input",
    "Scored",
    "declared_features",
    "features_of",
    "from_database",
    "from_file",
    "from_tables",
    "model_digest",
    "require_feature_file",
    "score",
    "write_features",
]
