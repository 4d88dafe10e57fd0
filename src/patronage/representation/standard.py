"""The standard space: all basis features side by side, scaled, standardised, families weighted as blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from scipy.stats import yeojohnson
from sklearn.base import BaseEstimator, TransformerMixin

from patronage.catalogue import Feature
from patronage.errors import InvalidInputError
from patronage.representation.scales import signed_log

_RARE = "other levels"
_BLOCK_ROWS = 8192


@dataclass(frozen=True)
class Column:
    """How one feature becomes one column of the space.

    Attributes
    ----------
    feature, family : str
        Where the column comes from.
    kind : {"value", "missing", "level", "rare"}
        The feature's own value, a flag that it was missing, of one level, or of all rare levels.
    scale : str
        The feature's scale.
    low, high : float
        Clipping bounds after scaling (quantiles in training).
    centre, spread : float
        Mean and standard deviation after clipping.
    exponent : float
        Yeo-Johnson's λ; 1 where it is not used.
    levels : tuple of str
        Ordinal: all levels. Flags: the levels that raise it.
    weight : float
        Weight of the family's block divided by √(columns in it).
    """

    feature: str
    family: str
    kind: str
    scale: str
    low: float = 0.0
    high: float = 1.0
    centre: float = 0.0
    spread: float = 1.0
    exponent: float = 1.0
    levels: tuple[str, ...] = ()
    weight: float = 1.0

    @property
    def name(self) -> str:
        """Name of the column in tables."""
        if self.kind == "value":
            return self.feature
        described = {"missing": "missing", "rare": _RARE}.get(self.kind) or self.levels[0]
        return f"{self.feature} is {described}"


class StandardRepresentation(TransformerMixin, BaseEstimator):
    """Numbers scaled, clipped and standardised; categories as flags; families weighted as blocks.

    Numbers are scaled as declared (``log`` is sign(x)·log1p|x|), clipped at training quantiles, standardised, and
    imputed by the mean with a flag where enough are missing. Rare levels share one flag; levels never seen raise
    none. Each family's columns are multiplied by weight/√columns, so that a family's share of the distance does not
    grow with the number of its features.

    Parameters
    ----------
    features : sequence of Feature
        What to represent; other columns of the table are ignored.
    family_weights : mapping, default {}
        Family → weight, 1 where none is given. Raising it lets the family decide more.
    clip_quantile : float in [0, .5), default .005
        Share cut off at either end; raising it tames outliers more.
    min_level_share : float in [0, 1), default .03
        Levels rarer than this share one flag.
    min_missing_share : float in [0, 1], default .02
        From this share of missing values on, a feature gets a flag for them.

    Attributes
    ----------
    columns_ : tuple of Column
        The columns of the space.
    dropped_ : dict
        Feature → why it has no column.
    """

    kind: ClassVar[str] = "standard"

    def __init__(
        self,
        features: Sequence[Feature],
        family_weights: Mapping[str, float] | None = None,
        clip_quantile: float = 0.005,
        min_level_share: float = 0.03,
        min_missing_share: float = 0.02,
    ) -> None:
        self.features = features
        self.family_weights = family_weights
        self.clip_quantile = clip_quantile
        self.min_level_share = min_level_share
        self.min_missing_share = min_missing_share

    def fit(self, X: pd.DataFrame, y: pd.DataFrame | None = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        """Learn scaling and levels from the rows of ``X``; ``y`` is ignored.

        Raises
        ------
        InvalidInputError
            No feature differs between the rows, or every family weighs 0.
        """
        columns: list[Column] = []
        dropped: dict[str, str] = {}
        for feature in self.features:
            fitted = self._levels(feature, X) if feature.scale == "one_hot" else self._number(feature, X)
            if not fitted:
                dropped[feature.name] = _why_dropped(feature, X[feature.name])
            columns += fitted
        if not columns:
            raise InvalidInputError(
                f"all {len(X):,} customers have the same features ({len(self.features)} looked at); "
                "there is nothing to segment. Add features, or check the data's columns."
            )
        sizes = pd.Series([column.family for column in columns]).value_counts()
        weights = dict(self.family_weights or {})
        self.columns_ = tuple(
            _with(column, weight=float(weights.get(column.family, 1.0) / np.sqrt(sizes[column.family])))
            for column in columns
        )
        if not any(column.weight for column in self.columns_):
            raise InvalidInputError(
                f"family_weights is 0 for every family there is ({', '.join(sorted(sizes.index))}); "
                "at least one must be above 0."
            )
        self.dropped_ = dropped
        return self

    def transform(self, X: pd.DataFrame) -> np.ndarray:
        """Represent customers, each row by itself.

        Parameters
        ----------
        X : DataFrame of shape (n_customers, n_features)

        Returns
        -------
        ndarray of shape (n_customers, n_columns), float64, C-order
        """
        space = np.empty((len(X), len(self.columns_)))
        given = [_given(X[column.feature], column) for column in self.columns_]
        # Column by column, for as many rows as stay in a processor's cache until they are turned.
        block = np.empty((len(self.columns_), min(len(X), _BLOCK_ROWS)))
        for start in range(0, len(X), _BLOCK_ROWS):
            rows = slice(start, start + _BLOCK_ROWS)
            here = block[:, : len(space[rows])]
            for position, column in enumerate(self.columns_):
                values, known = here[position], given[position][rows]
                if column.kind == "value":
                    np.clip(_scaled(known, column.scale, column.exponent), column.low, column.high, out=values)
                else:
                    values[:] = known
                values -= column.centre
                values /= column.spread
                missing = np.isnan(values)
                if missing.any():
                    values[missing] = 0.0
                values *= column.weight
            space[rows] = here.T
        return space

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:  # noqa: ARG002
        """Names of the columns of the space."""
        return np.array([column.name for column in self.columns_], dtype=object)

    def distance_shares(self, space: np.ndarray) -> dict[str, float]:
        """Share of each family in the mean squared distance between customers (its share of the variance)."""
        variances = space.var(axis=0)
        families = pd.Series(variances, index=[column.family for column in self.columns_])
        shares = families.groupby(level=0).sum() / families.sum()
        return {str(family): float(share) for family, share in shares.items()}

    def state(self) -> dict[str, Any]:
        """Everything `transform` needs, as plain values."""
        return {"columns": [vars(column) | {"levels": list(column.levels)} for column in self.columns_]}

    def arrays(self) -> dict[str, np.ndarray]:
        """None: `state` says it all."""
        return {}

    def trees(self) -> list[Any]:
        """None."""
        return []

    @classmethod
    def from_state(
        cls,
        state: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray] | None = None,  # noqa: ARG003 - as the other representations'
        trees: Sequence[Any] = (),
    ) -> Self:
        """Rebuild a fitted representation from `state`."""
        if trees:
            raise ValueError("a standard space has no trees")
        rebuilt = cls(features=())
        rebuilt.columns_ = tuple(Column(**{**entry, "levels": tuple(entry["levels"])}) for entry in state["columns"])
        for column in rebuilt.columns_:
            numbers = [getattr(column, name) for name in ("low", "high", "centre", "spread", "exponent", "weight")]
            if (
                column.kind not in ("value", "missing", "level", "rare")
                or not all(isinstance(one, int | float) and np.isfinite(one) for one in numbers)
                or column.spread <= 0
            ):
                raise ValueError(f"column {column.name} is not one that was ever fitted")
        rebuilt.dropped_ = {}
        return rebuilt

    def _number(self, feature: Feature, X: pd.DataFrame) -> list[Column]:
        exponent = 1.0
        if feature.scale == "yeo_johnson":
            known = X[feature.name].dropna().to_numpy(float)
            exponent = float(yeojohnson(known)[1]) if len(np.unique(known)) > 1 else 1.0
        values = _scaled(_numbers(X[feature.name], feature.scale, feature.levels), feature.scale, exponent)
        missing = np.isnan(values)
        columns = []
        if not missing.all():
            known = values[~missing]
            low, high = np.quantile(known, [self.clip_quantile, 1 - self.clip_quantile])
            clipped = np.clip(known, low, high)
            if (spread := float(clipped.std())) > 1e-9 * max(1.0, float(np.abs(clipped).max())):
                columns.append(
                    Column(
                        feature.name, feature.family, "value", feature.scale, float(low), float(high),
                        float(clipped.mean()), spread, exponent, feature.levels,
                    )
                )  # fmt: skip
        share = float(missing.mean())
        if self.min_missing_share <= share <= 1 - self.min_missing_share and share > 0:
            columns.append(_flag(feature, "missing", (), share))
        return columns

    def _levels(self, feature: Feature, X: pd.DataFrame) -> list[Column]:
        counts = X[feature.name].astype("str").value_counts().sort_index()
        common = counts[counts >= self.min_level_share * len(X)]
        rare = counts.drop(common.index)
        columns = [_flag(feature, "level", (str(level),), n / len(X)) for level, n in common.items() if n < len(X)]
        if 0 < rare.sum() < len(X) and rare.sum() >= self.min_level_share * len(X):
            columns.append(_flag(feature, "rare", tuple(map(str, rare.index)), float(rare.sum() / len(X))))
        return columns


def _flag(feature: Feature, kind: str, levels: tuple[str, ...], share: float) -> Column:
    return Column(
        feature.name, feature.family, kind, feature.scale, centre=share,
        spread=float(np.sqrt(share * (1 - share))), levels=levels,
    )  # fmt: skip


def _with(column: Column, *, weight: float) -> Column:
    return Column(**{**vars(column), "weight": weight})


def _why_dropped(feature: Feature, values: pd.Series) -> str:
    known = values.dropna()
    if known.empty:
        return "always empty"
    if len(values.unique()) == 1:
        return "the same for all customers"
    if feature.scale == "ordinal" and not known.isin(feature.levels).any():
        return "none of its values is a declared level"
    return "no level is frequent" if feature.scale == "one_hot" else "hardly differs between customers"


def _given(values: pd.Series, column: Column) -> np.ndarray:
    """What a column is made of: numbers not yet scaled, or flags."""
    if column.kind in ("level", "rare"):
        return values.astype("str").isin(column.levels).to_numpy()
    if column.kind == "missing":
        return values.isna().to_numpy()
    return _numbers(values, column.scale, column.levels)


def _numbers(values: pd.Series, scale: str, levels: tuple[str, ...]) -> np.ndarray:
    if scale == "ordinal":
        order = {level: float(rank) for rank, level in enumerate(levels)}
        return values.map(order).to_numpy(float, na_value=np.nan)
    return values.to_numpy(float, na_value=np.nan)


def _scaled(numbers: np.ndarray, scale: str, exponent: float) -> np.ndarray:
    if scale == "log":
        return signed_log(numbers)
    if scale == "yeo_johnson":
        # A new outlier under an extreme λ may become infinite; clipping brings it back like any other.
        with np.errstate(over="ignore"):
            return np.asarray(yeojohnson(numbers, lmbda=exponent), dtype=float)
    return numbers
