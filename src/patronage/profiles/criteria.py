"""Whether segments are worth a campaign of their own: four criteria, and the merge that would lose least.

The criteria are those of marketing's text books (Kotler & Keller, Marketing Management, chapter "Identifying market
segments"): a segment should be measurable, substantial, reachable (accessible) and actionable (differentiable).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from patronage.features import ACTIVE
from patronage.profiles.customers import Customers
from patronage.profiles.differences import NOTABLE_EFFECT
from patronage.segments import RESERVED_NAMES
from patronage.wording import Wording, read_wording

CRITERIA = ("measurable", "substantial", "reachable", "actionable")

MIN_JACCARD = 0.6
"""A segment that refits find again less than this is not the same segment twice (Hennig, 2007)."""
MIN_CONFIDENCE = 0.6
"""Mean probability that a refit keeps a member; below, too many letters go to whom they were not written for."""
MAX_INTERVAL = 0.5
"""Half the width of the interval of value per customer, as a share of that value or, if larger, of everyone's mean
amount."""
MIN_CUSTOMERS = 30
"""Fewer are no audience, and what they do after a campaign cannot be told from chance."""
MIN_SHARE = 0.05
"""Of the customers that segments are formed on, or of all value: either makes a segment big enough."""
MIN_VALUE_SHARE = 0.02
"""Of all value, however many the customers are."""
MIN_REACHABLE = 0.5
"""Share of customers with a usable channel."""
_SHOWS_ABSENCE = ("consent", "contact_details")
MIN_DIFFERENCE = 0.1
"""Between a customer's value and that in the nearest other segment, as a share of everyone's mean amount: gains and
losses without their sign, as of a mean near 0 every share would be huge."""

_CRITERIA = {
    **dict.fromkeys(("segment_id", "criterion"), "str"),
    "passed": "object",
    **dict.fromkeys(("figure", "threshold"), "float64"),
    "reason": "str",
}
_WORTH = {
    "segment_id": "str",
    "worth_it": "bool",
    **dict.fromkeys(("failed", "merge_into"), "str"),
    **dict.fromkeys(("merge_loses", "merge_loses_per_customer"), "float64"),
}


@dataclass(frozen=True)
class Check:
    """One question that a criterion asks.

    Attributes
    ----------
    key : str
        Its messages: ``worth.reasons.<key>.passed`` and ``.failed``.
    figure : float
        NaN where it cannot be told.
    threshold : float
    passed : bool
    """

    key: str
    figure: float
    threshold: float
    passed: bool


def judge_criteria(
    segments: pd.DataFrame, differentiators: pd.DataFrame, customers: Customers, wording: Wording | None = None
) -> pd.DataFrame:
    """Judge each segment by four criteria.

    - *measurable*: refits find it again (jaccard ≥ `MIN_JACCARD`), its members are surely its own (confidence ≥
      `MIN_CONFIDENCE`), and its value per customer is known well enough (`MAX_INTERVAL`); all that can be told.
    - *substantial*: at least `MIN_CUSTOMERS` customers, and `MIN_SHARE` of the customers that segments are formed on or
      of all value, and never less than `MIN_VALUE_SHARE` of the value, where that is known.
    - *reachable*: `MIN_REACHABLE` of the customers have a usable channel. Consent and contact details can show that
      fewer have one; that the shop has not written to somebody yet, or has not seen them online, cannot.
    - *actionable*: the interval of its value per customer leaves out the value of the nearest other segment, which is
      away by at least `MIN_DIFFERENCE`; or it answers campaigns otherwise than the others (a notable differentiator
      made of responses).

    Parameters
    ----------
    segments, differentiators : DataFrame
        As in `Profiles`; the reserved segments are not judged.
    customers : Customers
    wording : Wording, optional
        Language of the reasons; English by default.

    Returns
    -------
    DataFrame
        `Profiles.criteria`, four lines per segment. ``figure`` and ``threshold`` are those of the question that
        decided. ``passed`` is None, and they are missing, where nothing of a criterion can be told.
    """
    wording = wording or read_wording()
    mean = _mean_value(customers)
    asked = {one.name for one in customers.catalogue.features if one.relation == "campaigns" and "respon" in one.sql}
    judged = _judged(segments)
    value = judged.set_index("segment_id")["value_per_customer"]
    lines = []
    for segment in judged.to_dict("records"):
        key = segment["segment_id"]
        told = differentiators[(differentiators["segment_id"] == key) & differentiators["feature"].isin(asked)]
        checks = {
            "measurable": _decisive_of_all(_measurable(segment, mean)),
            "substantial": _substantial(segment),
            "reachable": _reachable(segment),
            "actionable": _decisive_of_any([*_differing(segment, value.drop(key), mean), *_response(told)]),
        }
        alone = "actionable" if len(judged) == 1 else ""
        lines += [
            _line(key, criterion, check, wording, "alone" if criterion == alone else "unknown")
            for criterion, check in checks.items()
        ]
    return pd.DataFrame(lines, columns=list(_CRITERIA)).astype(_CRITERIA)


def _reachable(segment: Mapping[Any, Any]) -> Check | None:
    check = _decisive_of_all([_at_least("reachable", segment["reachable_share"], MIN_REACHABLE)])
    shown = segment["reachable_by"] in _SHOWS_ABSENCE
    if check is None or shown:
        return check
    return replace(check, key="reached") if check.passed else None


def _line(segment_id: str, criterion: str, check: Check | None, wording: Wording, unknown: str) -> dict[str, object]:
    if check is None:
        reason = wording(f"worth.reasons.{criterion}_{unknown}")
        return {"segment_id": segment_id, "criterion": criterion, "passed": None, "reason": reason}
    reason = wording(
        f"worth.reasons.{check.key}.{'passed' if check.passed else 'failed'}",
        figure=check.figure,
        threshold=check.threshold,
    )
    known = {"passed": check.passed, "figure": check.figure, "threshold": check.threshold}
    return {"segment_id": segment_id, "criterion": criterion, **known, "reason": reason}


def _judged(segments: pd.DataFrame) -> pd.DataFrame:
    """Segments that a model has found and that have customers."""
    return segments[~segments["segment_id"].isin(list(RESERVED_NAMES)) & (segments["n_customers"] > 0)]


def _mean_value(customers: Customers) -> float:
    """Mean of the values, without their sign, of the customers whom segments are formed on: gains hide no losses."""
    return float(customers.value[customers.described & (customers.status == ACTIVE).to_numpy()].abs().mean())


def _at_least(key: str, figure: float, threshold: float) -> Check:
    return Check(key, figure, threshold, bool(figure >= threshold))


def _decisive_of_all(checks: list[Check]) -> Check | None:
    """The first that fails, else the first; None where none can be told."""
    told = [check for check in checks if not np.isnan(check.figure)]
    return next((check for check in told if not check.passed), told[0] if told else None)


def _decisive_of_any(checks: list[Check]) -> Check | None:
    """The first that passes, else the first; None where none can be told."""
    told = [check for check in checks if not np.isnan(check.figure)]
    return next((check for check in told if check.passed), told[0] if told else None)


def _measurable(segment: Mapping[Any, Any], mean: float) -> list[Check]:
    half = (segment["value_high"] - segment["value_low"]) / 2
    scale = max(abs(segment["value_per_customer"]), mean)
    # Where everyone is worth nothing, that is known well enough.
    width = 0.0 if half == 0 else half / scale if scale > 0 else np.nan
    return [
        _at_least("jaccard", segment["jaccard"], MIN_JACCARD),
        _at_least("confidence", segment["confidence"], MIN_CONFIDENCE),
        Check("interval", width, MAX_INTERVAL, bool(width <= MAX_INTERVAL)),
    ]


def _substantial(segment: Mapping[Any, Any]) -> Check | None:
    enough = _at_least("customers", segment["n_customers"], MIN_CUSTOMERS)
    share = _at_least("share", segment["share"], MIN_SHARE)
    value = _at_least("value_share", segment["value_share"], MIN_SHARE)
    if not enough.passed:
        return enough
    # Many who bring next to nothing are no market either.
    least = _at_least("value_share", segment["value_share"], MIN_VALUE_SHARE)
    return least if least.figure < least.threshold else _decisive_of_any([share, value])


def _differing(segment: Mapping[Any, Any], others: pd.Series, mean: float) -> Iterator[Check]:
    """Whether the value is surely another one than that of the segment nearest in value, and notably so.

    Not that of all others together: a segment in the middle is worth what they are on average, and is yet like none.
    """
    gaps = (others - segment["value_per_customer"]).abs()
    if gaps.isna().all():
        return
    gap, nearest = gaps.min(), others[gaps.idxmin()]
    relative = 0.0 if gap == 0 else gap / mean if mean > 0 else np.nan
    sure = nearest < segment["value_low"] or nearest > segment["value_high"]
    key = "differs" if sure or relative < MIN_DIFFERENCE else "differs_by_chance"
    yield Check(key, float(relative), MIN_DIFFERENCE, bool(sure and relative >= MIN_DIFFERENCE))


def _response(told: pd.DataFrame) -> Iterator[Check]:
    """Whether the segment answers campaigns otherwise than others do."""
    if not told.empty:
        notable = told[told["notable"].astype(bool)]
        strongest = (notable if len(notable) else told)["effect"].abs().max()
        yield Check("response", float(strongest), NOTABLE_EFFECT, bool(len(notable)))


def judge_worth(segments: pd.DataFrame, criteria: pd.DataFrame, customers: Customers) -> pd.DataFrame:
    """Say which segments are worth a campaign of their own, and what the others could be merged into.

    Merging segments a and b gives up, of what segments tell of value, as Ward has it,
    ``n_a n_b / (n_a + n_b) · (v_a − v_b)²``, where v is value per customer; ``merge_loses`` is that as a share of
    ``Σ n_s (v_s − v̄)²`` over all segments, and the partner is the one that makes it least, ties by id.
    ``merge_loses_per_customer`` is what aiming at the merged mean misses, on average over the customers merged, in the
    unit of value: ``2 n_a n_b / (n_a + n_b)² · |v_a − v_b|``.

    Parameters
    ----------
    segments, criteria : DataFrame
        As in `Profiles`.
    customers : Customers
        Without value, the partner is the segment that most members would have been in else (``runner_up_id``), and
        what is lost is missing.

    Returns
    -------
    DataFrame
        `Profiles.worth`: a segment is worth it if it fails no criterion; what cannot be told is no failure. Reserved
        segments are neither judged nor partners.

    References
    ----------
    Ward (1963), Hierarchical grouping to optimize an objective function, Journal of the American Statistical
    Association 58.
    """
    judged = _judged(segments)
    lines = []
    for key in judged["segment_id"]:
        own = criteria[criteria["segment_id"] == key]
        failed = [one.criterion for one in own.itertuples() if one.passed is not None and not one.passed]
        into, loses, per_customer = ("", np.nan, np.nan) if not failed else _merge(key, judged, customers)
        lines.append((key, not failed, ", ".join(failed), into, loses, per_customer))
    return pd.DataFrame(lines, columns=list(_WORTH)).astype(_WORTH)


def _merge(key: str, judged: pd.DataFrame, customers: Customers) -> tuple[str, float, float]:
    """The partner that loses least, the share of what segments tell that is lost, and what is missed per customer."""
    table = judged.set_index("segment_id")
    n, value = table["n_customers"].astype(float), table["value_per_customer"]
    partners = sorted(set(table.index) - {key})
    if not partners:
        return "", np.nan, np.nan
    if value.isna().any():
        return _neighbour(key, partners, customers), np.nan, np.nan
    gap = (value[partners] - value[key]).abs()
    merged = n[partners] + n[key]
    lost = n[partners] * n[key] / merged * gap**2
    into = str(lost.idxmin())
    between = float((n * (value - (n * value).sum() / n.sum()) ** 2).sum())
    missed = 2 * n[into] * n[key] / merged[into] ** 2 * gap[into]
    return into, float(lost[into]) / between if between > 0 else 0.0, float(missed)


def _neighbour(key: str, partners: list[str], customers: Customers) -> str:
    """The partner that most members of a segment are closest to, or nothing."""
    runner_up = customers.placed.loc[(customers.placed["segment_id"] == key) & customers.described, "runner_up_id"]
    found = runner_up[runner_up.isin(partners)].value_counts()
    return str(min(found.index[found == found.max()])) if len(found) else ""
