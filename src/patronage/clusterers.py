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

from patronage.assigners import Assigner
from patronage.assigners.centroid import CentroidAssigner
from patronage.assigners.density import DensityAssigner
from patronage.assigners.mixture import MixtureAssigner
from patronage.errors import InvalidConfigError

ESTIMATORS: Mapping[str, str] = {
    "sklearn.cluster.KMeans": "centroid",
    "sklearn.cluster.MiniBatchKMeans": "centroid",
    "sklearn.cluster.BisectingKMeans": "centroid",
    "sklearn.mixture.GaussianMixture": "mixture",
    "hdbscan.HDBSCAN": "density",
}
"""Estimators that a configuration may name, and the kind of assigner each becomes."""

NOISE = ("keep", "nearest")


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
    """

    name: str
    target: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    noise: str = "keep"

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
        unknown = sorted({*self.parameters, *self.grid} - set(_estimator_class(self.target)().get_params()))
        if unknown:
            raise InvalidConfigError(
                f"clusterer.{self.name}: {self.target} has no parameter {unknown[0]!r}; "
                f"it has {', '.join(sorted(_estimator_class(self.target)().get_params()))}."
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
            for parameter in ("n_clusters", "n_components")
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


@dataclass(frozen=True)
class Failure:
    """Why a candidate has no segments: a row in the leaderboard, not a crash."""

    reason: str


def fit_clusterer(candidate: Candidate, space: np.ndarray, seed: int) -> Assigner | Failure:
    """Fit one candidate to points of shape (n_customers, n_dimensions).

    The caller limits native threads to one, so that the same seed gives the same segments everywhere.
    """
    clusterer = candidate.clusterer
    parameters = {**clusterer.parameters, **candidate.chosen}
    kind = ESTIMATORS[clusterer.target]
    estimator_class = _estimator_class(clusterer.target)
    if "random_state" in estimator_class().get_params():
        parameters.setdefault("random_state", seed)
    if kind == "density":
        parameters["prediction_data"] = True
    estimator = estimator_class(**parameters)
    settings = estimator.get_params()
    wanted = settings.get("n_clusters", settings.get("n_components"))
    if isinstance(wanted, int) and wanted > len(space):
        return Failure(f"{wanted} segments asked for, {len(space)} customers given")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            fitted = estimator.fit(space)
    except (ValueError, ArithmeticError) as error:
        return Failure(f"{type(error).__name__}: {str(error).splitlines()[0]}")
    if any(warning.category.__name__ == "ConvergenceWarning" for warning in caught):
        # scikit-learn warns in this way of two things.
        if wanted is not None and wanted > (n_distinct := len(np.unique(space, axis=0))):
            return Failure(f"{wanted} segments asked for, only {n_distinct} distinct points")
        return Failure(f"did not converge within max_iter={settings['max_iter']}")
    return _assigner(fitted, kind, clusterer.noise)


def _assigner(fitted: Any, kind: str, noise: str) -> Assigner | Failure:  # noqa: ANN401 - the estimators are untyped
    if kind == "centroid":
        return CentroidAssigner(centres=fitted.cluster_centers_)
    if kind == "mixture":
        return MixtureAssigner.from_gmm(fitted)
    if fitted.labels_.max() < 0:
        return Failure("found only noise: no group of customers is denser than its surroundings")
    return DensityAssigner.from_hdbscan(fitted, noise=noise)


def _estimator_class(target: str) -> Any:  # noqa: ANN401 - the estimators are untyped
    module, _, name = target.rpartition(".")
    with warnings.catch_warnings():
        # hdbscan's source has invalid escapes that Python reports when it compiles the file.
        warnings.simplefilter("ignore", SyntaxWarning)
        return getattr(importlib.import_module(module), name)
