"""The principal space: the directions in which customers differ most, and not the noise of all the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

from patronage.catalogue import Feature
from patronage.representation.standard import StandardRepresentation


class PrincipalRepresentation(TransformerMixin, BaseEstimator):
    """The first principal components of the standard space.

    Parameters
    ----------
    features : sequence of Feature
        What to represent; other columns of the table are ignored.
    variance : float in (0, 1], default .8
        Share of the standard space's variance to keep; raising it adds components.
    whiten : bool, default False
        Whether every component counts the same, whatever its variance.
    family_weights, clip_quantile, min_level_share, min_missing_share
        As in `StandardRepresentation`.

    Attributes
    ----------
    encoder_ : StandardRepresentation
    centre_ : ndarray of shape (n_columns,)
    components_ : ndarray of shape (n_components, n_columns)
        Each divided by its standard deviation where ``whiten``.

    References
    ----------
    Jolliffe (2002), Principal Component Analysis, chapter 6 (how many components).
    """

    kind: ClassVar[str] = "pca"

    def __init__(
        self,
        features: Sequence[Feature],
        variance: float = 0.8,
        whiten: bool = False,  # noqa: FBT001, FBT002 - scikit-learn's own name and habit
        family_weights: Mapping[str, float] | None = None,
        clip_quantile: float = 0.005,
        min_level_share: float = 0.03,
        min_missing_share: float = 0.02,
    ) -> None:
        self.features = features
        self.variance = variance
        self.whiten = whiten
        self.family_weights = family_weights
        self.clip_quantile = clip_quantile
        self.min_level_share = min_level_share
        self.min_missing_share = min_missing_share

    def fit(self, X: pd.DataFrame, y: pd.DataFrame | None = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        """Learn scaling and components from the rows of ``X``; ``y`` is ignored.

        Raises
        ------
        InvalidInputError
            No feature differs between the rows, or every family weighs 0.
        """
        self.encoder_ = StandardRepresentation(
            self.features, self.family_weights, self.clip_quantile, self.min_level_share, self.min_missing_share
        ).fit(X)
        space = self.encoder_.transform(X)
        self.centre_ = space.mean(axis=0)
        centred = space - self.centre_
        # Of the covariance, so that a million rows cost no more than a pass over them.
        variances, directions = np.linalg.eigh(centred.T @ centred / len(space))
        variances, directions = variances[::-1].clip(min=0.0), directions[:, ::-1]
        reached = np.cumsum(variances) / variances.sum()
        n_components = int(np.searchsorted(reached, self.variance - 1e-12)) + 1
        n_components = min(n_components, int((variances > 1e-12 * variances[0]).sum()))
        components = directions[:, :n_components].T
        # The sign of a direction is arbitrary; its largest part is made positive, so that it is the same everywhere.
        largest = components[np.arange(n_components), np.abs(components).argmax(axis=1)]
        components = components * np.sign(largest)[:, None]
        if self.whiten:
            components = components / np.sqrt(variances[:n_components])[:, None]
        self.components_ = np.ascontiguousarray(components)
        return self

    def transform(self, X: pd.DataFrame) -> np.ndarray:
        """Represent customers, each row by itself; ndarray of shape (n_customers, n_components)."""
        centred = self.encoder_.transform(X) - self.centre_
        # A matrix product would round differently for other batch sizes.
        return np.einsum("ij,kj->ik", centred, self.components_, optimize=False)

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:  # noqa: ARG002
        """Names of the components."""
        return np.array([f"component {number + 1}" for number in range(len(self.components_))], dtype=object)

    def state(self) -> dict[str, Any]:
        """What `transform` needs beside `arrays`, as plain values."""
        return {"encoder": self.encoder_.state()}

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays of `transform`."""
        return {"centre": self.centre_, "components": self.components_}

    def trees(self) -> list[Any]:
        """None."""
        return []

    @classmethod
    def from_state(cls, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray], trees: Sequence[Any] = ()) -> Self:
        """Rebuild a fitted representation.

        Raises
        ------
        ValueError
            The arrays do not fit the columns.
        """
        rebuilt = cls(features=())
        rebuilt.encoder_ = StandardRepresentation.from_state(state["encoder"])
        rebuilt.centre_, rebuilt.components_ = arrays["centre"], arrays["components"]
        n_columns = len(rebuilt.encoder_.columns_)
        finite = all(
            np.issubdtype(array.dtype, np.floating) and np.isfinite(array).all()
            for array in (rebuilt.centre_, rebuilt.components_)
        )
        if (
            trees
            or not finite
            or rebuilt.centre_.shape != (n_columns,)
            or rebuilt.components_.shape[1:] != (n_columns,)
        ):
            raise ValueError("not the components this package describes")
        return rebuilt
