"""Clusterers: which ones are tried with which parameters, and how each becomes an assigner.

The configured estimator is the library's own; nothing outside ``ESTIMATORS`` can be named in a configuration.
"""

from __future__ import annotations

import importlib
import itertools
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from patronage.assigners import UNASSIGNED, Assigner
from patronage.assigners.bisecting import BisectingAssigner
from patronage.assigners.centroid import CentroidAssigner
from patronage.assigners.density import MAX_TOLERANCE, DensityAssigner
from patronage.assigners.grid import GridAssigner
from patronage.assigners.mixture import MixtureAssigner
from patronage.assigners.typing_tool import TypingAssigner
from patronage.embedding import Embedding
from patronage.errors import InvalidConfigError

ESTIMATORS: Mapping[str, str] = {
    "sklearn.cluster.KMeans": "centroid",
    "sklearn.cluster.MiniBatchKMeans": "centroid",
    "sklearn.cluster.BisectingKMeans": "bisecting",
    "sklearn.mixture.GaussianMixture": "mixture",
    "sklearn.cluster.AgglomerativeClustering": "typing",
    "hdbscan.HDBSCAN": "density",
    "patronage.rfm_grid.RFMGrid": "grid",
}
"""Estimators that a configuration may name, and the kind of assigner each becomes; in an embedding all become
``typing``."""

MAX_AGGLOMERATED = 20_000
"""Agglomeration holds the distances of all pairs of customers: 1.6 GB for this many."""

NOISE = ("keep", "nearest")

_ONLY_NOISE = "found only noise: no group of customers is denser than its surroundings"

_FEW_DISTINCT = "Number of distinct clusters"
"""How a ConvergenceWarning of K-means begins that tells of merged segments, not of too few iterations."""

N_SEGMENTS = ("n_clusters", "n_components")
"""Parameters by which a clusterer is asked for a number of segments."""


@dataclass(frozen=True)
class Clusterer:
    """One clusterer and the grid of its parameters.

    Attributes
    ----------
    name : str
        Its name in the configuration and the leaderboard.
    target : str
        A key of ``ESTIMATORS``.
    parameters : mapping
        Fixed parameters.
    grid : mapping
        Parameter → values tried; every combination is a candidate.
    noise : {"keep", "nearest"}
        What a density clusterer does with rows in no cluster.
    features : tuple of str, default ()
        Basis features that it is fitted to, alone and in the ``standard`` space; none means all features, in the
        space of the run's representation.
    embedding : Embedding, optional
        The map on which groups are found; default: that of the run's representation, if it has one.
    neighbour_tolerance : float in [0, 10], default 0
        How much farther than the nearest neighbours those may be by which a density clusterer's rows are placed, see
        `DensityAssigner`; 0 is exact.
    """

    name: str
    target: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    noise: str = "keep"
    features: tuple[str, ...] = ()
    embedding: Embedding | None = None
    neighbour_tolerance: float = 0.0

    def __post_init__(self) -> None:
        """Check the declaration."""
        if self.target not in ESTIMATORS:
            raise InvalidConfigError(
                f"clusterer.{self.name}: _target_ must be one of {', '.join(ESTIMATORS)}; got {self.target!r}."
            )
        if self.noise not in NOISE:
            raise InvalidConfigError(
                f"clusterer.{self.name}: noise must be one of {', '.join(NOISE)}; got {self.noise!r}."
            )
        if not 0 <= self.neighbour_tolerance <= MAX_TOLERANCE:
            raise InvalidConfigError(
                f"clusterer.{self.name}: neighbour_tolerance must be from 0 (exact) to {MAX_TOLERANCE:g}; "
                f"got {self.neighbour_tolerance}."
            )
        if self.neighbour_tolerance > 0 and (ESTIMATORS[self.target] != "density" or self.embedding is not None):
            raise InvalidConfigError(
                f"clusterer.{self.name}: neighbour_tolerance must be 0, got {self.neighbour_tolerance}: only "
                "hdbscan.HDBSCAN without an embedding places customers by their neighbours; leave it out."
            )
        unknown = sorted({*self.parameters, *self.grid} - set(_estimator_class(self.target)().get_params()))
        if unknown:
            raise InvalidConfigError(
                f"clusterer.{self.name}: {self.target} has no parameter {unknown[0]!r}; "
                f"it has {', '.join(sorted(_estimator_class(self.target)().get_params()))}."
            )
        if "memory" in {*self.parameters, *self.grid}:
            raise InvalidConfigError(
                f"clusterer.{self.name}: memory cannot be set; it writes caches to disk, and no fit is repeated."
            )
        for parameter, values in self.grid.items():
            if not values:
                raise InvalidConfigError(
                    f"clusterer.{self.name}.grid.{parameter} is empty; at least one value is needed."
                )

    @property
    def most_segments(self) -> int:
        """The most segments that a candidate is asked for; 0 where the number is found, not given."""
        given = (
            value
            for parameter in N_SEGMENTS
            for value in [*self.grid.get(parameter, ()), self.parameters.get(parameter, 0)]
        )
        # A value that is no number fails as a candidate, with its reason.
        return max((value for value in given if isinstance(value, int)), default=0)

    def candidates(self) -> list[Candidate]:
        """Every combination of the grid."""
        names = list(self.grid)
        return [
            Candidate(self, dict(zip(names, values, strict=True)))
            for values in itertools.product(*(self.grid[name] for name in names))
        ]


@dataclass(frozen=True)
class Candidate:
    """A clusterer with one choice of parameters."""

    clusterer: Clusterer
    chosen: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Name in the leaderboard, such as ``kmeans n_clusters=4``."""
        return " ".join([self.clusterer.name, *(f"{key}={value}" for key, value in self.chosen.items())])

    @property
    def asked(self) -> int:
        """The number of segments that it is asked for; 0 where the number is found, not given."""
        given = {**self.clusterer.parameters, **self.chosen}
        return next((given[name] for name in N_SEGMENTS if isinstance(given.get(name), int)), 0)

    @property
    def variant(self) -> str:
        """What else was chosen, such as ``covariance_type=diag``: candidates that share it differ in their number."""
        return " ".join(f"{key}={value}" for key, value in self.chosen.items() if key not in N_SEGMENTS)


@dataclass(frozen=True)
class Failure:
    """Why a candidate has no segments: a row in the leaderboard, not a crash."""

    reason: str


def fit_clusterer(
    candidate: Candidate, space: np.ndarray, seed: int, embedded: np.ndarray | None = None
) -> Assigner | Failure:
    """Fit one candidate to points of shape (n_customers, n_dimensions).

    The caller limits native threads to one, so that the same seed gives the same segments everywhere.

    Parameters
    ----------
    candidate : Candidate
    space : ndarray of shape (n_customers, n_dimensions)
        Where customers are placed.
    seed : int
    embedded : ndarray of shape (n_customers, n_components), optional
        Where the same customers' groups are found; default ``space``.

    Returns
    -------
    Assigner or Failure
        Places points of ``space``.
    """
    clusterer = candidate.clusterer
    parameters = {**clusterer.parameters, **candidate.chosen}
    kind = ESTIMATORS[clusterer.target] if embedded is None else "typing"
    estimator_class = _estimator_class(clusterer.target)
    if "random_state" in estimator_class().get_params():
        parameters.setdefault("random_state", seed)
    if kind == "density":
        parameters["prediction_data"] = True
    estimator = estimator_class(**parameters)
    settings = estimator.get_params()
    wanted = settings.get("n_clusters", settings.get("n_components"))
    points = space if embedded is None else embedded
    if hopeless := _hopeless(settings, wanted, len(points)):
        return hopeless
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            fitted = estimator.fit(points)
        warned = [str(one.message) for one in caught if one.category.__name__ == "ConvergenceWarning"]
        if warned:
            return _too_few_distinct(wanted, points) or _unconverged(warned, settings)
        few = _too_few_distinct(wanted, points) if _may_part_equals(fitted) else None
        if kind == "typing":
            return few or _typing_tool(fitted, points, space, clusterer.noise)
        return few or _assigner(fitted, kind, clusterer)
    except (ValueError, ArithmeticError, TypeError, AttributeError, LookupError, OSError) as error:
        return Failure(_in_one_line(error))


def _in_one_line(error: Exception) -> str:
    lines = str(error).splitlines() or ["no reason given"]
    if "%s" in lines[0]:  # hdbscan leaves its own placeholder empty, and says in the next line what may stand there
        lines[0] = f"{lines[0].partition(': %s')[0]}. {' '.join(lines[1:])}".strip()
    return f"{type(error).__name__}: {lines[0]}"


def _unconverged(warned: Sequence[str], settings: Mapping[str, Any]) -> Failure:
    """What a ConvergenceWarning means: scikit-learn warns in this way of two things."""
    if any(text.startswith(_FEW_DISTINCT) for text in warned):
        return Failure("found fewer distinct segments than asked for")
    given = settings.get("max_iter")
    return Failure("did not converge" if given is None else f"did not converge within max_iter={given}")


def _hopeless(settings: Mapping[str, Any], wanted: object, n_customers: int) -> Failure | None:
    """Failure that is known before anything is fitted."""
    if isinstance(wanted, int) and wanted > n_customers:
        return Failure(f"{wanted} segments asked for, {n_customers} customers given")
    if "linkage" in settings and n_customers > MAX_AGGLOMERATED:
        return Failure(f"agglomeration needs the distances of all pairs: at most {MAX_AGGLOMERATED:,} customers")
    return None


def _assigner(fitted: Any, kind: str, clusterer: Clusterer) -> Assigner | Failure:  # noqa: ANN401 - they are untyped
    if kind == "centroid":
        return CentroidAssigner(centres=fitted.cluster_centers_)
    if kind == "bisecting":
        return BisectingAssigner.from_kmeans(fitted)
    if kind == "mixture":
        return MixtureAssigner.from_gmm(fitted)
    if kind == "grid":
        return GridAssigner(
            edges=fitted.edges_, segment_of_cell=fitted.segment_of_cell_, centres=fitted.cluster_centers_
        )
    if fitted.labels_.max() < 0:
        return Failure(_ONLY_NOISE)
    return DensityAssigner.from_hdbscan(
        fitted, noise=clusterer.noise, neighbour_tolerance=clusterer.neighbour_tolerance
    )


def _typing_tool(fitted: Any, points: np.ndarray, space: np.ndarray, noise: str) -> Assigner | Failure:  # noqa: ANN401
    """Learn from groups found among ``points`` to place customers in ``space``."""
    found = MixtureAssigner.from_gmm(fitted).assign(points).label if hasattr(fitted, "means_") else fitted.labels_
    if found.max() < 0:
        return Failure(_ONLY_NOISE)
    # A component of a mixture may be the most probable one for nobody.
    labels = np.full(len(found), UNASSIGNED, dtype=np.int64)
    labels[found >= 0] = np.unique(found[found >= 0], return_inverse=True)[1]
    return TypingAssigner(points=space, labels=labels, noise=np.array(noise))


def _may_part_equals(fitted: Any) -> bool:  # noqa: ANN401 - the estimators are untyped
    """Whether a fit may have given identical points to different segments without a warning."""
    centres = getattr(fitted, "cluster_centers_", None)
    return hasattr(fitted, "children_") or (centres is not None and len(np.unique(centres, axis=0)) < len(centres))


def _too_few_distinct(wanted: object, points: np.ndarray) -> Failure | None:
    """Failure where fewer distinct points were given than segments asked for: identical customers cannot be parted."""
    if isinstance(wanted, int) and wanted > (n_distinct := len(np.unique(points, axis=0))):
        return Failure(f"{wanted} segments asked for, only {n_distinct} distinct points")
    return None


def _estimator_class(target: str) -> Any:  # noqa: ANN401 - the estimators are untyped
    module, _, name = target.rpartition(".")
    with warnings.catch_warnings():
        # hdbscan's source has invalid escapes that Python reports when it compiles the file.
        warnings.simplefilter("ignore", SyntaxWarning)
        return getattr(importlib.import_module(module), name)
