"""What each feature is like before anything is clustered: kept, to be transformed or dropped, and why.

An attribute with no useful distribution is never silently used: one that is empty, the same for nearly everybody, an
identifier or the twin of another is dropped with its reason. The limits are `Limits`; nothing here knows outcomes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from patronage.catalogue import Feature
from patronage.distribution import (
    BINS,
    CLIP_QUANTILE,
    MIN_LEVEL_SHARE,
    MIN_MISSING_SHARE,
    SAME,
    as_numbers,
    counts_of_same,
    histogram,
    in_declared_order,
    most_frequent,
    one_decimal,
    percent,
    seen_by_clusterers,
    skewness,
)
from patronage.errors import InvalidConfigError, InvalidInputError
from patronage.twins import Twin, find_twins

Verdict = Literal["keep", "transform", "drop"]
VERDICTS: tuple[Verdict, ...] = ("drop", "transform", "keep")
"""In the order in which people should look at them."""

SAMPLE = 20_000
"""Customers whose scaled values are looked at, at most."""

_SAMPLE_KEY = "feature diagnose"  # 16 letters, as pandas wants; another key would draw another sample
_SPARKS = "▁▂▃▄▅▆▇█"
_HELPS = 0.5  # a scale that leaves more of the skew, and more than the limit, is no advice


@dataclass(frozen=True)
class Limits:
    """From where on a feature is not used as it is.

    Attributes
    ----------
    max_missing_share : float in [0, 1], default .95
        A feature with more missing is dropped. Raising it keeps features that few customers have.
    min_distinct : int ≥ 2, default 2
        A feature with fewer values (or levels) is dropped.
    max_dominant_share : float in (0, 1], default .99
        A feature is dropped if one value has a larger share of the known ones. 95 % zeros are no reason to drop.
    max_correlation : float in (0, 1], default .98
        Two basis features whose absolute correlation is larger are twins: one of them is dropped.
    max_skew : float > 0, default 3
        A larger absolute skew, after the declared scale and clipping, asks for another scale.
    max_identifier_share : float in (0, 1], default .9
        A text is an identifier, and dropped, if it has more levels than this share of the customers who have it …
    min_identifier_levels : int ≥ 1, default 50
        … and more than this many.
    """

    max_missing_share: float = 0.95
    min_distinct: int = 2
    max_dominant_share: float = 0.99
    max_correlation: float = 0.98
    max_skew: float = 3.0
    max_identifier_share: float = 0.9
    min_identifier_levels: int = 50

    def __post_init__(self) -> None:
        """Check the limits."""
        for name, allowed, valid in (
            ("max_missing_share", "in [0, 1]", 0 <= self.max_missing_share <= 1),
            ("min_distinct", "at least 2", self.min_distinct >= 2),  # noqa: PLR2004 - one value is no difference
            ("max_dominant_share", "in (0, 1]", 0 < self.max_dominant_share <= 1),
            ("max_correlation", "in (0, 1]", 0 < self.max_correlation <= 1),
            ("max_skew", "above 0", self.max_skew > 0),
            ("max_identifier_share", "in (0, 1]", 0 < self.max_identifier_share <= 1),
            ("min_identifier_levels", "at least 1", self.min_identifier_levels >= 1),
        ):
            if not valid:
                raise InvalidConfigError(f"diagnosis: {name} must be {allowed}; got {getattr(self, name)}.")


@dataclass(frozen=True)
class FeatureDiagnosis:
    """One feature's distribution, and what it means for clustering.

    Attributes
    ----------
    name, family, role, scale, unit : str
        As declared.
    missing_share : float
        Share of customers without a value; infinite numbers and levels that are not declared count as missing.
    n_distinct : int
        Distinct values, or levels; numbers that differ by rounding only are one.
    dominant_value_share : float
        Share of the most frequent value among the known ones.
    skew, skew_scaled : float
        Skewness g₁ = m₃ / m₂^1.5 of the known numbers, raw, and as the clusterer sees them: on the declared scale,
        clipped. NaN for text and for constants.
    zero_share : float
        Share of zero among the known numbers; NaN for text.
    low, median, high : float
        Raw quantiles; ``low`` and ``high`` are those that the representation clips at. NaN for text.
    twin : str
        The basis feature that says the same; empty if there is none.
    twin_correlation : float
        Correlation with ``twin``; NaN if there is none.
    sketch : tuple of int
        Customers in each of at most 20 equal bins of the scaled, clipped numbers (of the sample, where there is one);
        in each level of a text, in declared order or the most frequent first. Empty for an identifier.
    levels : tuple of str
        Text: what the sketch counts; levels held by fewer than 5 customers are counted together. Empty for numbers.
    verdict : {"keep", "transform", "drop"}
    reason : str
        One line, with figures.
    """

    name: str
    family: str
    role: str
    scale: str
    unit: str
    missing_share: float
    n_distinct: int
    dominant_value_share: float
    skew: float = float("nan")
    skew_scaled: float = float("nan")
    zero_share: float = float("nan")
    low: float = float("nan")
    median: float = float("nan")
    high: float = float("nan")
    twin: str = ""
    twin_correlation: float = float("nan")
    sketch: tuple[int, ...] = ()
    levels: tuple[str, ...] = ()
    verdict: Verdict = "keep"
    reason: str = ""

    def sparkline(self, most: int = BINS) -> str:
        """The sketch in at most so many block letters, neighbouring bins together."""
        parts = np.array_split(np.asarray(self.sketch), min(most, len(self.sketch))) if self.sketch else []
        # A part may have one bin more than the next; means keep the shape.
        heights = [float(part.mean()) for part in parts]
        top = max(heights, default=0.0)
        return "".join(_SPARKS[round((len(_SPARKS) - 1) * height / top)] for height in heights) if top else ""


@dataclass(frozen=True)
class Diagnosis:
    """All features' diagnoses, in the order the features were given in.

    Attributes
    ----------
    features : tuple of FeatureDiagnosis
    n_customers : int
    """

    features: tuple[FeatureDiagnosis, ...]
    n_customers: int

    @property
    def ordered(self) -> tuple[FeatureDiagnosis, ...]:
        """What needs attention first: drop, transform, keep; then by family and name."""
        return tuple(sorted(self.features, key=lambda one: (VERDICTS.index(one.verdict), one.family, one.name)))

    @property
    def dropped(self) -> Mapping[str, str]:
        """Feature → why it should not be used."""
        return {one.name: one.reason for one in self.features if one.verdict == "drop"}

    @property
    def counts(self) -> Mapping[Verdict, int]:
        """Verdict → number of features."""
        counted = Counter(one.verdict for one in self.features)
        return {verdict: counted[verdict] for verdict in VERDICTS}


def diagnose(frame: pd.DataFrame, features: Sequence[Feature], *, limits: Limits = Limits()) -> Diagnosis:
    """Look at each feature's distribution, and decide whether it should be clustered on.

    Missing, distinct, zero and dominant values and the raw skew are counted over all customers. What the clusterer
    sees (`StandardRepresentation` with its defaults: scaled, clipped, missing values at the mean) is looked at for
    all customers up to 20,000, and for 20,000 drawn by a fixed hash of their ids where there are more. So neither the
    order of the rows nor that of the columns matters.

    Twins are sought among basis features that are numbers or ordinal, in what the clusterer sees of them; see
    `find_twins` for which one stays. To keep the other, declare the first a descriptor. Descriptors are dropped for
    uselessness only; how their numbers are scaled does not matter.

    Parameters
    ----------
    frame : DataFrame of shape (n_customers, n_features)
        Indexed by customer; columns that are no features are ignored.
    features : sequence of Feature
        With their expansions carried out.
    limits : Limits

    Raises
    ------
    InvalidInputError
        There are no customers, a feature's column is absent or there twice, or a number's column holds none.
    """
    if len(frame) == 0:
        raise InvalidInputError("the feature table has no customers; there is nothing to diagnose.")
    columns = Counter(frame.columns)
    if lacking := [feature.name for feature in features if columns[feature.name] != 1]:
        raise InvalidInputError(
            f"the feature table must hold each feature in one column; absent or there twice: {', '.join(lacking)}."
        )
    hashes = pd.util.hash_pandas_object(frame.index, index=False, hash_key=_SAMPLE_KEY).to_numpy()
    sample = np.argsort(hashes, kind="stable")[:SAMPLE]
    found: list[FeatureDiagnosis] = []
    seen: dict[str, np.ndarray] = {}
    for feature in features:
        look = _look_at_text if feature.is_text else _look_at_number
        one, column = look(feature, frame[feature.name], sample, limits)
        found.append(one)
        if column is not None and one.role == "basis" and one.verdict != "drop" and feature.scale != "one_hot":
            seen[one.name] = column
    twins = find_twins(seen, {one.name: one.missing_share for one in found}, limits.max_correlation)
    return Diagnosis(tuple(_with_twin(one, twins.get(one.name)) for one in found), len(frame))


def _look_at_number(
    feature: Feature, values: pd.Series, sample: np.ndarray, limits: Limits
) -> tuple[FeatureDiagnosis, np.ndarray | None]:
    given = as_numbers(feature, values)
    numbers = np.where(np.isinf(given), np.nan, given)
    # Sums of sorted numbers do not depend on the order of the rows.
    known = np.sort(numbers[~np.isnan(numbers)])
    counts = counts_of_same(known)
    seen = seen_by_clusterers(feature, numbers[sample]) if len(counts) > 1 else None
    visible = np.zeros(0) if seen is None else np.sort(seen[~np.isnan(numbers[sample])])
    quantiles = np.quantile(known, [CLIP_QUANTILE, 0.5, 1 - CLIP_QUANTILE]) if len(known) else np.full(3, np.nan)
    one = replace(
        _counted(feature, len(numbers), counts),
        skew=skewness(known) if len(counts) > 1 else np.nan,
        skew_scaled=skewness(visible),
        zero_share=float(np.mean(np.abs(known) <= SAME)) if len(known) else np.nan,
        low=float(quantiles[0]),
        median=float(quantiles[1]),
        high=float(quantiles[2]),
        sketch=histogram(visible, len(counts)) if len(visible) else (len(known),) * bool(len(known)),
    )
    drop = _why_useless(one, len(known), limits) or _row_number(known, limits)
    remedy = None
    if np.isinf(given).any():
        remedy = f"{np.isinf(given).sum():,} infinite: let the SQL give null instead (nullif)"
    elif drop is None:
        remedy = _other_scale(feature, one, numbers[sample], limits)
    if drop is None and remedy is None and seen is None:
        drop = "its differences vanish beside its size, or are clipped"
    return _judged(one, drop, remedy, _number_in_words(one, limits)), seen


def _look_at_text(
    feature: Feature, values: pd.Series, sample: np.ndarray, limits: Limits
) -> tuple[FeatureDiagnosis, np.ndarray | None]:
    ordinal = feature.scale == "ordinal"
    text = values.astype(object) if ordinal else values.astype("str")
    listed = text.isin(feature.levels) if ordinal else text.notna()
    n_unlisted = int((text.notna() & ~listed).sum())
    text = text.where(listed)
    counts = text.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    n_known, n_distinct = int(counts.sum()), len(counts)
    one = _counted(feature, len(text), counts.to_numpy())
    drop, remedy = _why_useless(one, n_known, limits), None
    if n_unlisted and not n_known:
        drop = "none of its values is a declared level"
    elif (
        drop is None
        and not ordinal
        and n_distinct > max(limits.min_identifier_levels, limits.max_identifier_share * n_known)
    ):
        return _judged(one, f"an identifier: {n_distinct:,} levels for {n_known:,} customers", None, ""), None
    if n_known:
        counted = in_declared_order(counts, feature.levels) if ordinal else most_frequent(counts)
        one = replace(one, sketch=tuple(counted.values()), levels=tuple(counted))
    seen = None if drop is not None else seen_by_clusterers(feature, text.iloc[sample])
    if n_unlisted:
        remedy = f"{percent(n_unlisted / len(text))} have a level that is not declared: add it to levels"
    elif one.role == "basis" and not ordinal:
        remedy = _other_levels(one, seen is not None)
    if drop is None and remedy is None and seen is None and one.role == "basis":
        drop = "its differences are clipped"
    words = (
        f"{n_distinct:,} of {len(feature.levels)} levels in use"
        if ordinal
        else _levels_in_words(one, counts, len(text))
    )
    words += f"; the most frequent {percent(one.dominant_value_share)}"
    return _judged(one, drop, remedy, words + _missing_in_words(one)), seen


def _counted(feature: Feature, n_customers: int, counts: np.ndarray) -> FeatureDiagnosis:
    """What can be said from the customers with each value."""
    n_known = int(counts.sum())
    return FeatureDiagnosis(
        feature.name,
        feature.family,
        feature.role,
        feature.scale,
        feature.unit,
        missing_share=1 - n_known / n_customers,
        n_distinct=len(counts),
        dominant_value_share=float(counts.max() / n_known) if n_known else np.nan,
    )


def _judged(one: FeatureDiagnosis, drop: str | None, remedy: str | None, words: str) -> FeatureDiagnosis:
    if drop is not None:
        return replace(one, verdict="drop", reason=drop)
    if remedy is not None:
        return replace(one, verdict="transform", reason=remedy)
    return replace(one, verdict="keep", reason=words)


def _why_useless(one: FeatureDiagnosis, n_known: int, limits: Limits) -> str | None:
    """Tell why no distribution is worth looking at, or None."""
    if not n_known:
        return "always empty"
    if one.missing_share > limits.max_missing_share:
        return f"{percent(one.missing_share)} missing"
    # Whether a value is known at all may differ between customers; that would be a feature of its own.
    rest = f"; the other {percent(one.missing_share)} have none" if one.missing_share > 0 else ""
    if one.n_distinct == 1:
        return ("the same for all who have it" if rest else "the same for all customers") + rest
    if one.n_distinct < limits.min_distinct:
        return f"only {one.n_distinct} distinct values{rest}"
    if one.dominant_value_share > limits.max_dominant_share:
        zero = one.zero_share >= one.dominant_value_share
        return f"nearly constant: {percent(one.dominant_value_share)} are {'zero' if zero else 'the same'}{rest}"
    return None


def _row_number(known: np.ndarray, limits: Limits) -> str | None:
    """Tell that a number counts the customers, as row numbers and running ids do, or None."""
    if len(known) > limits.min_identifier_levels and np.all(np.diff(known) == 1):
        return f"a running number: each of {len(known):,} customers has its own"
    return None


def _other_scale(feature: Feature, one: FeatureDiagnosis, numbers: np.ndarray, limits: Limits) -> str | None:
    """Name the scale that would make a skewed feature more even, if one does; None leaves it as it is."""
    if feature.scale == "binary":
        many = one.n_distinct > 2  # noqa: PLR2004 - binary
        return f"{one.n_distinct:,} distinct values are not binary: declare scale: none or log" if many else None
    unseen = np.isnan(one.skew_scaled)
    if feature.role != "basis" or abs(one.skew_scaled) <= limits.max_skew:
        return None
    best, best_skew = "", np.inf if unseen else max(_HELPS * abs(one.skew_scaled), limits.max_skew)
    for scale in ("none", "log", "yeo_johnson"):  # the simplest first
        column = None if scale == feature.scale else seen_by_clusterers(replace(feature, scale=scale), numbers)
        if column is not None:
            skew = skewness(np.sort(column[~np.isnan(numbers)]))
            if abs(skew) < abs(best_skew):
                best, best_skew = scale, skew
            # Good enough is good; just within the limit is not, where a later scale may do much better.
            if abs(skew) <= limits.max_skew / 2:
                break
    if not best:
        return None
    before = f"not to be seen on scale {feature.scale}" if unseen else f"skew {one_decimal(one.skew_scaled)}"
    return f"{before}: declare scale: {best} (then {one_decimal(best_skew)})"


def _other_levels(one: FeatureDiagnosis, seen: bool) -> str | None:  # noqa: FBT001 - private
    """Say how a text should be declared instead; None leaves it as it is."""
    if one.n_distinct == 2 and one.missing_share < MIN_MISSING_SHARE:  # noqa: PLR2004 - binary
        return "2 levels make two mirrored flags: let the SQL give 0 or 1, and declare scale: binary"
    if not seen:
        return f"none of its {one.n_distinct} levels reaches {MIN_LEVEL_SHARE:.0%}: group them in the SQL"
    return None


def _number_in_words(one: FeatureDiagnosis, limits: Limits) -> str:
    if one.scale == "binary":
        return f"{percent(1 - one.zero_share)} are not zero" + _missing_in_words(one)
    skewed = abs(one.skew_scaled) > limits.max_skew
    words = f"skew {one_decimal(one.skew_scaled)}" + (f" on scale {one.scale}" if one.scale != "none" else "")
    if skewed and one.role == "basis":
        words += ", no scale helps"
    if one.zero_share >= 0.5:  # noqa: PLR2004 - most
        words += f"; {percent(one.zero_share)} are zero"
    return words + _missing_in_words(one)


def _levels_in_words(one: FeatureDiagnosis, counts: pd.Series, n_customers: int) -> str:
    rare = counts[counts < MIN_LEVEL_SHARE * n_customers]
    if one.role != "basis" or rare.empty:
        return f"{one.n_distinct:,} levels"
    fate = "share one flag" if rare.sum() >= MIN_LEVEL_SHARE * n_customers else "raise no flag"
    return f"{one.n_distinct:,} levels, {len(rare):,} of them under {MIN_LEVEL_SHARE:.0%} {fate}"


def _missing_in_words(one: FeatureDiagnosis) -> str:
    return f"; {percent(one.missing_share)} missing" if one.missing_share > 0 else ""


def _with_twin(one: FeatureDiagnosis, twin: Twin | None) -> FeatureDiagnosis:
    if twin is None:
        return one
    one = replace(one, twin=twin.name, twin_correlation=twin.correlation)
    if twin.stays:
        return replace(one, reason=f"{one.reason}; stands for its twin {twin.name}")
    return _judged(one, f"twin of {twin.name} (correlation {twin.correlation:.3f}), which is used", None, "")
