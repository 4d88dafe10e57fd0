"""The audit of sensitive traits: whether acting on segments would treat ages, genders or the like differently."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import chdtrc, fdtrc

from patronage.evaluation.effect import cramers_v
from patronage.profiles.columns import SENSITIVE, empty, shaped
from patronage.profiles.customers import Customers
from patronage.profiles.differences import Levels, cohens_h, typical_values
from patronage.profiles.members import MIN_CUSTOMERS, Members
from patronage.profiles.significance import holm, rank_effects
from patronage.special import is_audited

STRONG = 0.2
"""Association from which acting on segments treats groups differently: between what Cohen calls small (.1) and medium
(.3)."""
SIGNIFICANT = 0.05


def audit_sensitive(customers: Customers, members: Members) -> pd.DataFrame:
    """Measure how far segments part by what must not decide how people are treated (`Profiles.sensitive`).

    Features of the role ``sensitive``, and those whose names tell of age, gender or a special category of personal
    data, even where segments are formed on them. Among customers in segments, the reserved ones left out:

    - texts: Cramér's V, corrected for chance (`cramers_v`), with p of the χ² test;
    - numbers: √η², η² the share of variance between segments, with p of the F test.

    p is corrected over the features by Holm's method. Flagged are associations of at least `STRONG` with a p below
    .05: where many customers are known, far weaker ones are significant.

    References
    ----------
    Cohen (1988), Statistical Power Analysis for the Behavioral Sciences, chapters 7 and 8. Feldman et al. (2015),
    Certifying and removing disparate impact, KDD.
    """
    lines = []
    for feature in customers.catalogue.features:
        if not is_audited(feature):
            continue
        values = customers.features.loc[members.formed, feature.name]
        audit = _audit_levels if feature.is_text else _audit_numbers
        lines.append({"feature": feature.name} | audit(values, members.group, members))
    if not lines:
        return empty(SENSITIVE)
    table = pd.DataFrame(lines)
    table["p_holm"] = holm(table["p"].to_numpy())
    table["flagged"] = (table["association"] >= STRONG) & (table["p_holm"] < SIGNIFICANT)
    strongest = np.lexsort((table["feature"], -table["association"].fillna(-1.0)))
    return shaped(table.iloc[strongest], SENSITIVE)


def _audit_levels(values: pd.Series, group: np.ndarray, members: Members) -> dict[str, object]:
    levels = Levels.of(values.mask(group < 0))
    known = levels.code >= 0
    held = levels.counts(group, len(members.own))
    n, held_all = held.sum(axis=1), held.sum(axis=0)
    table = held[n > 0]
    freedom = (len(table) - 1) * (len(held_all) - 1)
    p, association = np.nan, np.nan
    if freedom > 0:
        expected = np.outer(table.sum(axis=1), held_all) / held_all.sum()
        p = float(chdtrc(freedom, ((table - expected) ** 2 / expected).sum()))
        association = cramers_v(levels.code[known].astype(float), group[known])
    most = _nothing()
    told = np.flatnonzero(n >= MIN_CUSTOMERS)
    if freedom > 0 and len(told):
        shares, share_all = held[told] / n[told, None], held_all / held_all.sum()
        # A level that fewer than five customers of a segment hold may be rare there, but not be told as frequent.
        effect = np.where((held[told] < MIN_CUSTOMERS) & (shares > share_all), 0.0, cohens_h(shares, share_all))
        row, column = np.unravel_index(np.abs(effect).argmax(), effect.shape)
        most = _most(members, told[row], levels.names[column], shares[row, column], share_all[column])
    return {"association": association, "p": p, "n_known": int(known.sum())} | most


def _audit_numbers(values: pd.Series, group: np.ndarray, members: Members) -> dict[str, object]:
    numbers = values.to_numpy(dtype=float)
    numbers, group = numbers[(group >= 0) & ~np.isnan(numbers)], group[(group >= 0) & ~np.isnan(numbers)]
    n_groups = len(members.own)
    sizes = np.bincount(group, minlength=n_groups)
    k, total = int((sizes > 0).sum()), len(numbers)
    p, association, most = np.nan, np.nan, _nothing()
    spread = float(((numbers - numbers.mean()) ** 2).sum()) if total else 0.0
    if 1 < k < total and spread > 1e-24 * float((numbers**2).sum()):
        sums = np.bincount(group, weights=numbers - numbers.mean(), minlength=n_groups)
        between = float((sums[sizes > 0] ** 2 / sizes[sizes > 0]).sum())
        within = max(spread - between, 0.0)
        association = float(np.sqrt(between / spread))
        p = 0.0 if within == 0 else float(fdtrc(k - 1, total - k, between / (k - 1) / (within / (total - k))))
    told = np.flatnonzero(sizes >= MIN_CUSTOMERS)
    if np.isfinite(association) and len(told):
        effect = rank_effects(numbers, group, n_groups)[0]
        one = told[np.abs(effect[told]).argmax()]
        _, typical, typical_all = typical_values(numbers, group == one)
        most = _most(members, one, "", typical, typical_all)
    return {"association": association, "p": p, "n_known": total} | most


def _most(members: Members, one: np.int64, level: str, typical: float, typical_all: float) -> dict[str, object]:
    """The segment that differs most."""
    segment_id = members.ids[members.own[one]]
    return {
        "segment_id": segment_id,
        "level": level,
        "typical": float(typical),
        "typical_all": float(typical_all),
    }


def _nothing() -> dict[str, object]:
    return {"segment_id": "", "level": "", "typical": np.nan, "typical_all": np.nan}
