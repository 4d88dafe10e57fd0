"""What is known of segments, as tables: the one thing that personas, actions, report and notebooks are made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pandas as pd

from patronage.errors import InvalidInputError
from patronage.writing import replacing_folder, sync

ALL = "all"
"""Stands for a segment in tables that compare: all customers that segments are formed on."""

_ABOUT = "about.json"


@dataclass(frozen=True)
class Profiles:
    """Tables about the segments of a model, on the customers of one date. None of them names a customer.

    Money is that of the lookback ``[as_of − lookback_days, as_of)``. Customers are those placed by what they do
    (`BASES`: ``behaviour``), unless a column says otherwise; the reserved segments have lines of their own where they
    have customers. Where the tables do not tell a figure its column is there, and NaN; a table without any lines has
    its columns all the same. Shares go from 0 to 1.

    Nothing is told of fewer than five customers: neither of a segment that has fewer, nor where fewer stand behind what
    a figure is divided by, or is the median of. Such a figure is NaN, or has no line; levels, channels and reasons that
    fewer of a segment have are ``other`` there, or left out. Told all the same, of however few, are numbers of
    customers, money, what follows of money (``roi, margin_rate, priority, service_cost_share``), and how sure a model
    is: the shop's own totals and the model's, with which a reader of a segment of one sees that customer's money.

    Attributes
    ----------
    segments : DataFrame
        One line per segment, in the order of ids, the reserved ones last: ``segment_id, segment_name, reserved (bool),
        n_customers, share`` (of the customers in ``overall``, as training tells it; NaN of dormant ones, who are not
        among them), ``n_prospects`` (placed by profile, not counted before).
        Value: ``value_per_customer, value_low, value_high`` (90 % interval of the mean), ``value_total, value_share``,
        where value is what ``about["value"]`` names: profit (margin less costs) where a margin and a cost are known,
        else margin, else revenue. Its parts per customer: ``revenue, margin, service_cost, campaign_cost, profit``
        (margin less both costs), each ``…_per_customer``; ``margin_rate`` (margin / revenue, of lines whose margin is
        known), ``roi`` (profit / costs), ``loss_share`` (customers whose value is below 0).
        ``later_value_per_customer`` (measured after ``as_of`` of the judge window), ``jaccard``, ``confidence``,
        ``priority`` (1 is first: by ROI where it is known of every segment and none makes a loss, else by value per
        customer; not of reserved segments).
        Habits: ``recency_days_median, orders_per_customer, single_order_share`` (customers with one order),
        ``new_share`` (whose first order ever lies in the lookback), ``gap_days_median`` (of a customer's median gap),
        ``overdue_share`` (of customers with two orders or more, those silent for more than twice their median gap),
        ``spend_change`` (revenue of the lookback's second half over that of the first, less 1), ``discount_share,
        categories_per_customer, category_share_top`` (share of spend in the favourite category),
        ``contacts_per_customer, effort_mean, service_cost_share`` (of margin where that of every segment is above 0,
        else of revenue in all of them), ``response_rate`` (of campaigns sent, control groups left out), ``peak_month``
        (1–12, of orders) and ``peak_month_lift`` (its share of orders over that month's share of all customers'
        orders), both of lookbacks of 364 days or more.
        Reach: ``main_channel`` (of most orders), ``best_channel`` (highest response rate with enough sent),
        ``best_channel_rate``, ``reachable_share`` (customers with a usable channel), ``reachable_by`` (what that was
        judged by: ``consent``, ``contact_details``, ``campaigns``, ``online``, or nothing; see `reachability`).
    overall : DataFrame
        One line: all customers that segments are formed on, those placed nowhere among them, and dormant ones not.
        ``n_customers``, and the columns of ``segments`` from ``value_per_customer`` to ``reachable_by``, computed over
        these customers as over a segment's: a mean or a median of all, never one of the segments'. Without
        ``value_share, later_value_per_customer, jaccard, priority, peak_month_lift``, which compare segments.
    differentiators : DataFrame
        One line per segment and feature (of texts: and ``level``), strongest first within a segment: ``segment_id,
        feature, level`` (else empty), ``label`` (in words), ``family, role, unit, direction`` (high, low), ``effect``
        (numbers: difference of mean ranks in standard deviations; levels: Cohen's h of the shares), ``statistic``
        (what *both* of the next two are: ``median``; ``mean`` where both medians are the same; ``share`` of levels, and
        of a feature that is 0 or 1), ``typical, typical_all``: compare with ``typical_all`` nothing but the
        ``typical`` of the same line. ``p, p_holm`` (two-sided, corrected over all lines),
        ``notable`` (p_holm < .05 and |effect| ≥ .1), ``n_known`` (in the segment, five at least). Sensitive features
        stand in ``sensitive`` alone, unless segments are formed on them.
    distributions : DataFrame
        ``feature, segment_id`` (and `ALL`), ``n_known, missing_share, mean, p10, p25, p50, p75, p90``, of numbers; NaN
        where fewer than five are known.
    levels : DataFrame
        ``feature, segment_id`` (and `ALL`), ``level, share`` (of customers of whom it is known and told), of texts;
        levels that fewer than five customers of the segment hold, and those after the twentieth, are ``other``, which
        is left out where fewer than five hold it.
    channels : DataFrame
        ``segment_id`` (and `ALL`), ``kind`` (orders, campaigns), ``channel, n, share`` (of the segment's lines),
        ``response_rate, response_low, response_high`` (campaigns).
    timing : DataFrame
        ``segment_id`` (and `ALL`), ``clock`` (weekday 1–7 from Monday, hour 0–23, month 1–12), ``unit, share`` (of
        orders), ``n``.
    service : DataFrame
        ``segment_id`` (and `ALL`), ``reason, n, share`` (of the segment's lines), ``cost_per_contact, effort_mean``.
    categories : DataFrame
        Of active customers, and of categories whose names tell of no special personal data: ``segment_id, category,
        n_buyers`` (five or more), ``buyers_share, buyers_share_all`` (of all *other* customers), ``lift`` (the ratio of
        the two), ``spend_share, spend_share_all`` (of the others too), ``p_holm`` (two-sided); favourites first: by the
        lower end of the lift's 90 % interval.
    cross_sell : DataFrame
        ``segment_id, bought, offered`` (categories), ``n_both, support`` (share of the segment that buys both),
        ``confidence`` (of those who buy the first, who buy the second), ``lift`` (those who buy both over how many are
        to be expected of members who buy *as many categories*: less than confidence over the share that buys the
        second, as whoever buys much buys much of everything), ``lift_low`` (lower end of its 90 % interval),
        ``n_open`` (buy the first but not the second); best first.
    sensitive : DataFrame
        ``feature, association`` (Cramér's V, or the square root of η² of numbers), ``p_holm, n_known,
        flagged`` (bool: strong enough that acting on segments treats groups differently), ``segment_id, level,
        typical, typical_all`` for the segment that differs most.
    capture : DataFrame
        ``share_customers, share_value, segment_share_value``: cumulative, of the customers in ``overall``: they in
        falling value; and segments in falling value per customer. 101 lines; none where the total is not above 0.
    criteria : DataFrame
        ``segment_id, criterion`` (measurable, substantial, reachable, actionable), ``passed`` (bool or None where it
        cannot be told), ``figure, threshold`` (of the question that decided), ``reason``. Not of reserved segments.
    worth : DataFrame
        ``segment_id, worth_it`` (bool), ``failed`` (criteria, joined by a comma), ``merge_into`` (segment id, or empty
        where it is worth it or the only one), ``merge_loses`` (share of the between-segment sum of squares of value
        that the merge gives up), ``merge_loses_per_customer`` (what aiming at the merged mean misses, in the unit of
        value); both missing where there is no money: it is then the segment that most members are next to.
    positions : DataFrame
        ``x, y, segment_id`` of at most 2,000 customers, drawn by a hash, in the first two principal components of the
        space that segments are formed in; ``about["positions"]`` tells the two shares of variance.
    typical : DataFrame
        What each segment's most typical customers are like, for portraits: ``segment_id, feature, level, statistic``
        (``median``; ``share`` of texts), ``typical, typical_all`` (the same statistic of all customers in segments or
        placed nowhere), ``n_customers`` (never fewer than five). Numbers: the median, to three digits, of the medoid
        and its nineteen nearest in the segment, beside the median of all; texts: their most frequent level, its share
        of those known beside that among all, and how many hold it.
    about : mapping
        ``data, as_of`` (ISO date; None of a snapshot), ``lookback_days, outcome_days`` (0 of a snapshot), ``model``
        (what it was found as), ``value`` ({name, unit}), ``currency`` (empty: tables do not tell it),
        ``revenue_without_margin`` (share of revenue whose lines have no margin: they are given the others' rate up to a
        half, and no margin is told above), ``categories_left_out`` (names that tell of special personal data),
        ``n_customers`` (of all lines), ``n_active, n_dormant, n_prospects, n_segments, n_features, positions``: plain
        values, ready for JSON.
    """

    segments: pd.DataFrame
    overall: pd.DataFrame
    differentiators: pd.DataFrame
    distributions: pd.DataFrame
    levels: pd.DataFrame
    channels: pd.DataFrame
    timing: pd.DataFrame
    service: pd.DataFrame
    categories: pd.DataFrame
    cross_sell: pd.DataFrame
    sensitive: pd.DataFrame
    capture: pd.DataFrame
    criteria: pd.DataFrame
    worth: pd.DataFrame
    positions: pd.DataFrame
    typical: pd.DataFrame
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables by name."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "about"}

    def save(self, folder: Path) -> None:
        """Write the tables as Parquet and the rest as JSON; a former folder is replaced as a whole."""
        with replacing_folder(folder) as fresh:
            for name, table in self.tables.items():
                path = fresh / f"{name}.parquet"
                table.to_parquet(path, index=False)
                sync(path)
            path = fresh / _ABOUT
            path.write_text(json.dumps(dict(self.about), indent=1, ensure_ascii=False), encoding="utf-8")
            sync(path)

    @classmethod
    def load(cls, folder: Path) -> Profiles:
        """Read what `save` has written.

        Raises
        ------
        InvalidInputError
            The folder holds no profiles, or a part of them is missing or unreadable.
        """
        names = [one.name for one in fields(cls) if one.name != "about"]
        try:
            about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
            return cls(**{name: pd.read_parquet(folder / f"{name}.parquet") for name in names}, about=about)
        except (OSError, ValueError) as error:
            raise InvalidInputError(
                f"{folder} holds no profiles of segments that can be read ({type(error).__name__}); "
                "make them with `patronage report model=… data=…`."
            ) from None
