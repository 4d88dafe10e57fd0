"""Columns of the tables of profiles with their types, which a table has even without any lines."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd


def _columns(names: str, *, text: str = "", whole: str = "", flag: str = "") -> dict[str, str]:
    """Types by column; the other columns are numbers, NaN where nothing is known."""
    types = {name: kind for kind, some in (("str", text), ("int64", whole), ("bool", flag)) for name in some.split()}
    return {name: types.get(name, "float64") for name in names.split()}


SEGMENTS = _columns(
    """
    segment_id segment_name reserved n_customers share n_prospects
    value_per_customer value_low value_high value_total value_share
    revenue_per_customer margin_per_customer service_cost_per_customer campaign_cost_per_customer profit_per_customer
    margin_rate roi loss_share later_value_per_customer jaccard confidence priority
    recency_days_median orders_per_customer single_order_share new_share gap_days_median overdue_share spend_change
    discount_share categories_per_customer category_share_top
    contacts_per_customer effort_mean service_cost_share response_rate peak_month peak_month_lift
    main_channel best_channel best_channel_rate reachable_share reachable_by
    """,
    text="segment_id segment_name main_channel best_channel reachable_by",
    whole="n_customers n_prospects",
    flag="reserved",
)
_OF_SEGMENTS_ALONE = {"value_share", "later_value_per_customer", "jaccard", "priority", "peak_month_lift"}
OVERALL = {
    name: kind
    for place, (name, kind) in enumerate(SEGMENTS.items())
    if name == "n_customers" or (place > list(SEGMENTS).index("n_prospects") and name not in _OF_SEGMENTS_ALONE)
}
"""As of segments, but for what compares segments with each other."""
DIFFERENTIATORS = _columns(
    """
    segment_id feature level label family role unit direction effect statistic typical typical_all p p_holm notable
    n_known
    """,
    text="segment_id feature level label family role unit direction statistic",
    whole="n_known",
    flag="notable",
)
DISTRIBUTIONS = _columns(
    "feature segment_id n_known missing_share mean p10 p25 p50 p75 p90", text="feature segment_id", whole="n_known"
)
LEVELS = _columns("feature segment_id level share", text="feature segment_id level")
CHANNELS = _columns(
    "segment_id kind channel n share response_rate response_low response_high",
    text="segment_id kind channel",
    whole="n",
)
TIMING = _columns("segment_id clock unit share n", text="segment_id clock", whole="unit n")
SERVICE = _columns("segment_id reason n share cost_per_contact effort_mean", text="segment_id reason", whole="n")
SENSITIVE = _columns(
    "feature association p_holm n_known flagged segment_id level typical typical_all",
    text="feature segment_id level",
    whole="n_known",
    flag="flagged",
)
CAPTURE = _columns("share_customers share_value segment_share_value")
POSITIONS = _columns("x y segment_id", text="segment_id")
TYPICAL = _columns(
    "segment_id feature level statistic typical typical_all n_customers",
    text="segment_id feature level statistic",
    whole="n_customers",
)


def shaped(lines: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """A table with exactly these columns, of these types; a column that the lines lack is there all the same."""
    return lines.reindex(columns=list(columns)).astype(dict(columns)).reset_index(drop=True)


def empty(columns: Mapping[str, str]) -> pd.DataFrame:
    """The table without lines."""
    return shaped(pd.DataFrame(), columns)
