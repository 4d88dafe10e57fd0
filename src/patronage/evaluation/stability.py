"""Whether segments stay the same when the data wobbles: the whole recipe, refitted on subsamples from nothing.

Beside it the clusterer alone, its representation held fixed: the difference tells which of the two wobbles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from patronage.assigners import UNASSIGNED
from patronage.clusterers import Candidate, Failure, fit_clusterer
from patronage.errors import InvalidInputError
from patronage.recipe import Recipe, fit_recipes

SUBSAMPLE_SHARE = 0.63
"""Share of customers in a subsample: what a bootstrap sample would hold, without its copies."""


_NOBODY = -2


@dataclass(frozen=True)
class Stability:
    """Agreement of refits with the reference.

    Attributes
    ----------
    ari : float
        Mean adjusted Rand index of the refits against the reference.
    ari_pairwise : float
        Mean adjusted Rand index between refits.
    jaccard : ndarray of shape (n_segments,)
        Per segment, the mean over refits of the best Jaccard similarity with one of the refit's segments
        (clusterboot: below .6 doubtful, from .75 stable, from .85 highly stable).
    stayed : ndarray of shape (n_customers,)
        Share of refits that keep a customer in the segment that is matched to its own, one to one.
    ari_clusterer : float
        As ``ari``, of refits of the clusterer alone in the reference's space; NaN where there were none.
    kept : ndarray of shape (n_customers, n_refits), bool
        Whether a refit keeps a customer in the matched segment; ``stayed`` is its mean. Empty unless asked for.

    References
    ----------
    Hubert & Arabie (1985), Comparing partitions, Journal of Classification 2.
    Hennig (2007), Cluster-wise assessment of cluster stability, Computational Statistics & Data Analysis 52.
    """

    ari: float
    ari_pairwise: float
    jaccard: np.ndarray
    stayed: np.ndarray
    ari_clusterer: float = float("nan")
    kept: np.ndarray = field(default_factory=lambda: np.empty((0, 0), dtype=bool))


def mean_ari(reference: np.ndarray, refits: Sequence[np.ndarray | None]) -> float:
    """Mean adjusted Rand index of refits against the reference; a failed one counts 0, and none at all NaN."""
    aris = [0.0 if labels is None else float(adjusted_rand_score(reference, labels)) for labels in refits]
    return float(np.mean(aris)) if aris else float("nan")


def stability(
    reference: np.ndarray,
    refits: Sequence[np.ndarray | None],
    *,
    n_segments: int | None = None,
    each: bool = False,
) -> Stability:
    """Compare refits' labels of the same customers with the reference's.

    Parameters
    ----------
    reference : ndarray of shape (n_customers,)
        Labels 0 … k − 1 and ``UNASSIGNED``.
    refits : sequence of ndarray of shape (n_customers,) or None
        Labels by each refit; None where the refit failed, which counts as no agreement.
    n_segments : int, optional
        Segments that the reference's assigner has; default: up to the largest label. One that nobody is in has
        Jaccard similarity 0.
    each : bool, default False
        Whether to tell of every refit whom it kept: a byte per customer and refit.
    """
    if n_segments is None:
        n_segments = int(reference.max(initial=UNASSIGNED)) + 1
    jaccards = np.zeros((len(refits), n_segments))
    kept = np.zeros((len(reference), len(refits)), dtype=bool)
    for number, labels in enumerate(refits):
        if labels is None:
            continue
        similarity = jaccard_matrix(reference, labels, n_segments)
        if similarity.size:
            jaccards[number] = similarity.max(axis=1)
            # One to one: when two segments merge, the customers of only one of them have stayed.
            partner = np.full(n_segments + 1, _NOBODY)
            partner[-1] = UNASSIGNED  # serves noise, whose label is −1
            rows, columns = linear_sum_assignment(-similarity)
            shared = similarity[rows, columns] > 0
            partner[rows[shared]] = columns[shared]
            kept[:, number] = labels == partner[reference]
        else:
            kept[:, number] = labels == reference
    known = [labels for labels in refits if labels is not None]
    pairwise = [float(adjusted_rand_score(a, b)) for a, b in combinations(known, 2)]
    return Stability(
        mean_ari(reference, refits),
        float(np.mean(pairwise)) if pairwise else float("nan"),
        jaccards.mean(axis=0) if len(refits) else np.full(n_segments, np.nan),
        kept.sum(axis=1) / max(len(refits), 1),
        kept=kept if each else np.empty((0, 0), dtype=bool),
    )


def jaccard_matrix(first: np.ndarray, second: np.ndarray, n_first: int | None = None) -> np.ndarray:
    """Jaccard similarity |A ∩ B| / |A ∪ B| of every pair of segments; the unassigned are in none.

    Returns
    -------
    ndarray of shape (n_first, n_second)
    """
    # As wide as positions, because labels may be narrow and cells are many.
    first, second = first.astype(np.intp, copy=False), second.astype(np.intp, copy=False)
    n_first = int(first.max(initial=UNASSIGNED)) + 1 if n_first is None else n_first
    n_second = int(second.max(initial=UNASSIGNED)) + 1
    both = (first != UNASSIGNED) & (second != UNASSIGNED)
    cells = np.bincount(first[both] * n_second + second[both], minlength=n_first * n_second)
    overlap = cells.reshape(n_first, n_second).astype(float)
    sizes_first = np.bincount(first[first != UNASSIGNED], minlength=n_first)
    sizes_second = np.bincount(second[second != UNASSIGNED], minlength=n_second)
    union = sizes_first[:, None] + sizes_second[None, :] - overlap
    return np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)


def refit_labels(
    recipes: Sequence[Recipe],
    learned: pd.DataFrame,
    outcomes: pd.DataFrame,
    *,
    n_refits: int,
    seed: int,
    workers: int,
    current: pd.DataFrame | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[list[np.ndarray | None]]:
    """Refit every recipe on subsamples of customers and label all customers with each refit.

    Parameters
    ----------
    recipes, learned, outcomes, current
        As in `recipe.fit_recipes`; the labelled customers are those of ``current``, or else of ``learned``.
    n_refits : int
        Number of subsamples.
    seed : int
        Seeds subsamples and refits; subsample ``b`` is the same for every recipe and any number of workers.
    workers : int
        Processes that share the refits.
    progress : callable, optional
        Called with the number of refits done.

    Returns
    -------
    list of length n_recipes of lists of length n_refits
        Labels of shape (n_customers,), int16, or None where the refit failed.
    """
    tasks = (delayed(_refit)(recipes, learned, outcomes, current, child) for child in _children(seed, n_refits))
    done: list[list[np.ndarray | None]] = []
    for labels in Parallel(n_jobs=workers, return_as="generator")(tasks):
        done.append(labels)
        if progress is not None:
            progress(len(done))
    return [[labels[position] for labels in done] for position in range(len(recipes))]


def _refit(
    recipes: Sequence[Recipe],
    learned: pd.DataFrame,
    outcomes: pd.DataFrame,
    current: pd.DataFrame | None,
    seed: int,
) -> list[np.ndarray | None]:
    customers = learned.index if current is None else learned.index.union(current.index)
    sample = customers[_subsample(len(customers), seed)]
    rows = learned.index.isin(sample)
    newer = None if current is None else current.loc[current.index.isin(sample)]
    labelled = learned if current is None else current
    try:
        fitted = fit_recipes(recipes, learned.loc[rows], outcomes.loc[rows], seed=seed, current=newer)
    except InvalidInputError:
        # These customers happen to have the same features, or the same outcomes.
        return [None] * len(recipes)
    spaces: dict[int, np.ndarray] = {}
    labels: list[np.ndarray | None] = []
    for one in fitted:
        if isinstance(one, Failure):
            labels.append(None)
            continue
        key = id(one.representation)
        if key not in spaces:
            spaces[key] = one.representation.transform(labelled)
        labels.append(_narrow(one.assigner.assign(spaces[key]).label))
    return labels


def refit_clusterers(
    candidates: Sequence[Candidate],
    fitted_to: Sequence[np.ndarray],
    labelled: Sequence[np.ndarray],
    embedded: Sequence[np.ndarray | None] | None = None,
    *,
    n_refits: int,
    seed: int,
    workers: int,
) -> list[list[np.ndarray | None]]:
    """Refit every clusterer alone on the subsamples that `refit_labels` draws, in a space that stays as it is.

    Parameters
    ----------
    candidates : sequence of Candidate
    fitted_to, labelled : sequence of ndarray of shape (n_customers, n_dimensions)
        Per candidate, the points that its reference was fitted to and those that the reference labelled, of the same
        customers.
    embedded : sequence of ndarray of shape (n_customers, n_components) or None, optional
        Per candidate, the map that its groups were found on, if there was one.
    n_refits, seed, workers
        As in `refit_labels`.

    Returns
    -------
    list of length n_candidates of lists of length n_refits
        Labels of shape (n_customers,), int16, or None where the refit failed.
    """
    maps = [None] * len(candidates) if embedded is None else embedded
    tasks = (
        delayed(_refit_clusterers)(candidates, fitted_to, labelled, maps, child) for child in _children(seed, n_refits)
    )
    done = Parallel(n_jobs=workers)(tasks)
    return [[labels[position] for labels in done] for position in range(len(candidates))]


def _refit_clusterers(
    candidates: Sequence[Candidate],
    fitted_to: Sequence[np.ndarray],
    labelled: Sequence[np.ndarray],
    embedded: Sequence[np.ndarray | None],
    seed: int,
) -> list[np.ndarray | None]:
    labels: list[np.ndarray | None] = []
    with threadpool_limits(1):
        for candidate, points, others, layout in zip(candidates, fitted_to, labelled, embedded, strict=True):
            rows = _subsample(len(points), seed)
            assigner = fit_clusterer(candidate, points[rows], seed, None if layout is None else layout[rows])
            labels.append(None if isinstance(assigner, Failure) else _narrow(assigner.assign(others).label))
    return labels


def _narrow(labels: np.ndarray) -> np.ndarray:
    """Labels in a quarter of the memory: they are held for every customer, refit and candidate."""
    return labels.astype(np.int16 if labels.max(initial=UNASSIGNED) <= np.iinfo(np.int16).max else np.int32)


def _children(seed: int, n_refits: int) -> list[int]:
    return [int(child.generate_state(1)[0]) for child in np.random.SeedSequence(seed).spawn(n_refits)]


def _subsample(n_customers: int, seed: int) -> np.ndarray:
    """Positions of the customers in a subsample, ascending."""
    drawn = np.random.default_rng(seed).permutation(n_customers)[: round(SUBSAMPLE_SHARE * n_customers)]
    return np.sort(drawn)
