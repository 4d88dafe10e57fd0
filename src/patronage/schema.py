"""The shape of every configuration, for Hydra: what may be set, and of which type.

The values stand in ``conf/``, the meaning of each with the frozen class that a docstring here names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

from omegaconf import MISSING

# Hydra's schemas must be mutable, and OmegaConf reads Optional[…], not … | None.
# ruff: noqa: UP045


@dataclass
class TableSchema:
    """See `tables.TableSource`."""

    path: Optional[str] = None
    columns: dict[str, str] = field(default_factory=dict)
    derive: dict[str, str] = field(default_factory=dict)
    where: Optional[str] = None
    query: Optional[str] = None
    files: dict[str, str] = field(default_factory=dict)
    null_key: str = "error"
    invalid_value: str = "error"
    duplicates: str = "keep"
    table: Optional[str] = None
    formats: dict[str, str] = field(default_factory=dict)
    timezone: Optional[str] = None
    delimiter: Optional[str] = None
    header: bool = True
    encoding: str = "utf-8"


@dataclass
class DataSchema:
    """The canonical tables."""

    name: str = MISSING
    timezone: str = "UTC"
    customers: Optional[TableSchema] = None
    transactions: Optional[TableSchema] = None
    products: Optional[TableSchema] = None
    events: Optional[TableSchema] = None
    contacts: Optional[TableSchema] = None
    campaigns: Optional[TableSchema] = None
    answers: Optional[TableSchema] = None
    places: Optional[TableSchema] = None


@dataclass
class ExpandSchema:
    """See `catalogue.Expand`."""

    by: str = MISSING
    top: int = MISSING
    where: Optional[str] = None
    other: bool = True


@dataclass
class FeatureSchema:
    """See `catalogue.Feature`."""

    relation: str = MISSING
    sql: str = MISSING
    family: str = "behaviour"
    role: str = "basis"
    scale: str = "none"
    empty: Optional[float] = None
    labels: dict[str, str] = field(default_factory=dict)
    unit: str = ""
    levels: list[str] = field(default_factory=list)
    expand: Optional[ExpandSchema] = None
    required: bool = False
    window_days: Optional[int] = None
    special: str = "leave_out"
    why: str = ""


@dataclass
class RepresentationSchema:
    """See `recipe.RepresentationChoice`."""

    kind: str = MISSING
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass
class ClustererSchema:
    """See `clusterers.Clusterer`."""

    _target_: str = MISSING
    parameters: dict[str, Any] = field(default_factory=dict)
    grid: dict[str, list[Any]] = field(default_factory=dict)
    noise: str = "keep"
    features: list[str] = field(default_factory=list)
    embedding: dict[str, Any] = field(default_factory=dict)
    neighbour_tolerance: float = 0.0


@dataclass
class GatesSchema:
    """See `selection.Gates`."""

    min_segments: int = 2
    max_segments: int = 20
    min_share: float = 0.03
    coverage: float = 0.8
    ari: float = 0.7
    jaccard: float = 0.5
    ari_backtest: float = 0.7
    typing_agreement: float = 0.9


@dataclass
class SelectionSchema:
    """See `selection.Policy`."""

    weights: dict[str, float] = field(default_factory=dict)
    tolerance: float = 0.02
    gates: GatesSchema = field(default_factory=GatesSchema)


@dataclass
class TrackingSchema:
    """See `tracking.Tracking`."""

    uri: Optional[str] = None
    experiment: str = MISSING
    registered_model: str = MISSING


@dataclass
class TrainSchema:
    """Options of ``patronage train``."""

    data: DataSchema = MISSING
    features: dict[str, Any] = field(default_factory=dict)
    outcomes: dict[str, FeatureSchema] = field(default_factory=dict)
    representation: RepresentationSchema = MISSING
    clusterer: dict[str, ClustererSchema] = field(default_factory=dict)
    selection: SelectionSchema = MISSING
    tracking: TrackingSchema = MISSING
    playbook: dict[str, Any] = field(default_factory=dict)
    lookback_days: int = MISSING
    outcome_days: int = MISSING
    as_of: Optional[str] = None
    fit_rows: Optional[int] = None
    stability_refits: int = MISSING
    min_confidence: float = MISSING
    min_prospect_confidence: float = MISSING
    seed: int = MISSING
    workers: int = MISSING
    sweep_jobs: int = 1
    names: dict[str, str] = field(default_factory=dict)
    report: bool = True
    language: str = MISSING
    output: str = MISSING
    quiet: bool = False


@dataclass
class ScoringSchema:
    """What scoring and exporting share: a model, customers, and where the result goes."""

    data: Optional[DataSchema] = None
    tracking: TrackingSchema = MISSING
    model: str = MISSING
    input: Optional[str] = None
    input_table: Optional[str] = None
    as_of: Optional[str] = None
    output: str = MISSING
    chunk_rows: int = MISSING
    quiet: bool = False


@dataclass
class ScoreSchema(ScoringSchema):
    """Options of ``patronage score``."""

    output_table: str = MISSING
    min_confidence: Optional[float] = None
    resume: bool = False


@dataclass
class ExportSchema(ScoringSchema):
    """Options of ``patronage export``; see `audiences.export`."""

    audience_format: str = MISSING
    audience_min_confidence: float = MISSING
    next_categories: int = MISSING


@dataclass
class FeaturesSchema(TrainSchema):
    """Options of ``patronage features``: those of training, and which model's features to build."""

    model: Optional[str] = None


@dataclass
class ReportSchema:
    """Options of ``patronage report``."""

    data: Optional[DataSchema] = None
    playbook: dict[str, Any] = field(default_factory=dict)
    tracking: TrackingSchema = MISSING
    run: Optional[str] = None
    model: str = MISSING
    as_of: Optional[str] = None
    language: Optional[str] = None
    output: str = MISSING
    quiet: bool = False


@dataclass
class ChallengeGatesSchema:
    """See `challenge.ChallengeGates`."""

    max_kept_loss: float = 0.0
    max_ari_loss: float = 0.1
    max_changed_share: float = 0.5


@dataclass
class PromoteSchema:
    """Options of ``patronage promote``."""

    tracking: TrackingSchema = MISSING
    version: str = MISSING
    gates: ChallengeGatesSchema = field(default_factory=ChallengeGatesSchema)
    force: bool = False
    quiet: bool = False


@dataclass
class RollbackSchema:
    """Options of ``patronage rollback``."""

    tracking: TrackingSchema = MISSING
    quiet: bool = False


@dataclass
class UiSchema:
    """Options of ``patronage ui``."""

    tracking: TrackingSchema = MISSING
    host: str = MISSING
    port: int = MISSING
    quiet: bool = False


SCHEMAS = {
    "train": TrainSchema,
    "score": ScoreSchema,
    "export": ExportSchema,
    "features": FeaturesSchema,
    "report": ReportSchema,
    "promote": PromoteSchema,
    "rollback": RollbackSchema,
    "ui": UiSchema,
}
