"""The customers whose distances are measured: all of them, or a sample in which rare kinds are not lost."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

SAMPLE_SIZE = 3_000
"""All distances between so many points are 72 MB; the silhouette's standard error is then about .005."""

N_STRATA = 30
_FITTED_TO = 20_000
_BLOCK = 50_000


@dataclass(frozen=True)
class Sample:
    """Points drawn from a population, with what each stands for.

    Attributes
    ----------
    rows : ndarray of shape (n_sampled,)
        Positions in the population, ascending.
    weights : ndarray of shape (n_sampled,)
        How many points of the population each stands for (1 / probability of being drawn); their sum is its size.
    strata : ndarray of shape (n_sampled,), int
        The stratum each was drawn from.
    """

    rows: np.ndarray
    weights: np.ndarray
    strata: np.ndarray

    @classmethod
    def all_of(cls, n_points: int) -> Sample:
        """Every point, each standing for itself."""
        return cls(np.arange(n_points), np.ones(n_points), np.zeros(n_points, dtype=int))

    @property
    def is_complete(self) -> bool:
        """Whether nothing was left out, so that figures have no sampling error."""
        return bool((self.weights == 1).all())


def draw_sample(space: np.ndarray, n: int = SAMPLE_SIZE, *, seed: int = 0) -> Sample:
    """Draw points so that a rare kind of customer is judged by enough of its own.

    The population is divided into ``N_STRATA`` micro-clusters by K-means; they belong to no candidate, so all of them
    can be judged on one sample. Half of the sample is shared out equally between the strata, half in proportion to
    their sizes. A stratum is thus seen with at least n / (2 ``N_STRATA``) points or all it has, and no point stands
    for more than about twice as many as in a plain sample. A kind too rare for a stratum of its own is drawn with those
    around it: its figures are fair, if not precise. Within a stratum points are drawn at random without
    replacement.

    Parameters
    ----------
    space : ndarray of shape (n_points, n_dimensions)
        A space that all candidates share.
    n : int
        Points wanted; with no more than these in the population all are taken.
    seed : int

    References
    ----------
    Cochran (1977), Sampling Techniques, chapter 5.
    """
    if len(space) <= n:
        return Sample.all_of(len(space))
    rng = np.random.default_rng(seed)
    strata = _micro_clusters(space, seed, rng)
    sizes = np.bincount(strata)
    taken = allocate(sizes, n)
    rows = []
    for stratum, wanted in enumerate(taken):
        members = np.flatnonzero(strata == stratum)
        rows.append(rng.choice(members, wanted, replace=False))
    drawn = np.sort(np.concatenate(rows))
    own = strata[drawn]
    return Sample(drawn, sizes[own] / taken[own], own)


def allocate(sizes: np.ndarray, n: int) -> np.ndarray:
    """Share out ``n`` draws: half equally, half in proportion to the sizes, and none has more than it holds.

    Parameters
    ----------
    sizes : ndarray of shape (n_strata,), int
        Points per stratum; strata without any get none.
    n : int
        At most the sum of ``sizes``.
    """
    filled = sizes > 0
    wanted = np.where(filled, 0.5 * n / filled.sum(), 0) + 0.5 * n * sizes / sizes.sum()
    taken = np.minimum(sizes, np.floor(wanted)).astype(int)
    while (left := n - int(taken.sum())) > 0:
        room = sizes - taken
        extra = np.minimum(room, left * room // room.sum())
        if not extra.any():  # fewer are left than strata with room: the roomiest have one more each
            extra[np.argsort(-room, kind="stable")[:left]] = 1
        taken += extra
    return taken


def _micro_clusters(space: np.ndarray, seed: int, rng: np.random.Generator) -> np.ndarray:
    few = np.sort(rng.choice(len(space), min(len(space), _FITTED_TO), replace=False))
    with threadpool_limits(1):
        n_clusters = min(N_STRATA, len(np.unique(space[few], axis=0)))
        with warnings.catch_warnings():
            # Next to a point a million million away all others may look alike; fewer strata will do then.
            warnings.simplefilter("ignore", ConvergenceWarning)
            kmeans = KMeans(n_clusters, n_init=1, max_iter=20, random_state=seed).fit(space[few])
        blocks = range(0, len(space), _BLOCK)
        return np.concatenate([kmeans.predict(space[start : start + _BLOCK]) for start in blocks]).astype(int)
