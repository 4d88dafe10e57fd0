"""A line of the leaderboard, and what candidates are measured by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

METRICS = (
    "separation/silhouette",  # mean silhouette width in the candidate's own space
    "separation/silhouette_error",  # its standard error by sampling; 0 where all customers were measured
    "separation/silhouette_common",  # the same in the standard space, where representations can be compared
    "separation/silhouette_macro",  # mean over segments of their mean width
    "separation/davies_bouldin",  # lower is better; within one space only
    "separation/calinski_harabasz",  # within one space only
    "separation/dbcv",  # density inside segments against the gaps between them, −1 to 1
    "separation/bic",  # of a mixture on the points it was fitted to; lower is better, within one space only
    "size/n_segments",  # segments with at least one customer
    "size/min_share",  # smallest segment's share of customers
    "size/effective_segments",  # equal segments that would be as diverse
    "size/coverage",  # share of customers that a segment was found for
    "stability/ari",  # mean agreement of refits of the whole recipe with the candidate
    "stability/ari_pairwise",  # mean agreement of those refits with each other
    "stability/ari_clusterer",  # as ari, of refits of the clusterer alone in the candidate's space
    "stability/jaccard_min",  # of the least stable segment
    "typing/agreement",  # of a typing tool with the clusterer's labels, on held-out rows; absent where there is none
    "value/kept",  # share of the foreseeable that segment means keep, on sign(y)·log1p|y|
    "value/kept_low",
    "value/kept_high",
    "value/kept_baseline",  # of the best baseline with as many segments
    "value/lift",  # kept minus kept_baseline, compared in pairs
    "value/lift_low",
    "value/lift_high",
    "value/kept_unseen",  # as kept, each outcome by segments formed without it; known for candidates that passed
    "value/kept_money",  # as kept, on outcomes cut off at their 99 % quantile
    "value/kept_money_low",
    "value/kept_money_high",
    "value/omega2",  # mean over outcomes of ω²; value/omega2_<outcome> stands beside it
    "value/cramers_v",  # mean over yes-or-no outcomes of Cramér's V; NaN where there are none
    "value/value_gap",  # ½ Σ |share of the headline's total − share of customers|
    "value/top20_capture",  # share of the headline's total in the best segments, up to 20 % of customers
    "refit/n_segments",  # of the candidate fitted again at the newest day, and so on
    "refit/min_share",
    "refit/coverage",
    "refit/ari",
    "refit/jaccard_min",
    "refit/ari_backtest",  # agreement with the backtested candidate on the same customers
    "refit/typing_agreement",
    "final/n_segments",  # of the candidate fitted again on all customers, and so on
    "final/min_share",
    "final/coverage",
    "final/ari",
    "final/jaccard_min",
    "final/ari_backtest",
    "final/typing_agreement",
)
"""What a candidate is measured by. ``refit/…`` is known for candidates that passed the backtest, ``final/…`` for those
that were fitted again on all customers, the confirm customers included."""


@dataclass(frozen=True)
class Row:
    """One line of the leaderboard.

    Attributes
    ----------
    name : str
        Candidate or baseline.
    clusterer, representation : str
        What it is made of; both empty for a baseline.
    metrics : mapping
        Metric → figure; NaN or absent where it does not apply.
    failure : str
        Why there are no segments; empty where there are.
    best_baseline : str
        The baseline that ``lift`` compares with.
    jaccard : tuple of float
        Stability per segment.
    asked : int
        The number of segments that was asked for; 0 where the number was found, not given.
    variant : str
        What else was chosen, such as ``covariance_type=diag``.
    """

    name: str
    clusterer: str = ""
    representation: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    failure: str = ""
    best_baseline: str = ""
    jaccard: tuple[float, ...] = ()
    asked: int = 0
    variant: str = ""

    @property
    def series(self) -> tuple[str, str, str]:
        """What candidates share that differ in their number of segments only."""
        return self.clusterer, self.representation, self.variant
