"""UMAP maps: the same every time, of enough customers, and segments found on them are found again in the space."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from patronage.clusterers import Candidate, Clusterer, fit_clusterer
from patronage.embedding import Embedding
from patronage.errors import InvalidConfigError

SMALL = Embedding(n_neighbors=10, n_components=2, n_epochs=60)


def _rings(n=240, seed=0):
    """Three far groups in five dimensions, and which one each point is of."""
    rng = np.random.default_rng(seed)
    own = rng.integers(0, 3, n)
    return rng.normal(0, 1, (n, 5)) + 8 * np.eye(5)[own], own


def test_groups_on_the_map_are_groups_in_the_space():
    """Far groups are found on a map made without knowing them, new customers are typed into them, and again alike."""
    space, _ = _rings()
    with threadpool_limits(1):
        first, again = SMALL.embed(space, 3), SMALL.embed(space, 3)
        found = fit_clusterer(
            Candidate(Clusterer("h", "hdbscan.HDBSCAN", {"min_cluster_size": 20}), {}), space, 0, first
        )
    assert first.tobytes() == again.tobytes()
    assert (found.kind, found.n_segments) == ("typing", 3)
    new, truth = _rings(seed=1)
    assert adjusted_rand_score(truth, found.assign(new).label) >= 0.95
    assert found.agreement() >= 0.95
    assert np.array_equal(space, _rings()[0])


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (np.random.default_rng(0).normal(size=(10, 3)), "needs 11 customers, 10 given"),
        (np.repeat(np.eye(4), 20, axis=0), "needs 11 distinct points, 4 given"),
    ],
)
def test_a_map_of_too_few_points_is_refused(space, message):
    """Neighbours that do not exist cannot be laid out; the message counts."""
    with pytest.raises(ValueError, match=message):
        SMALL.embed(space, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_neighbors": 1}, "n_neighbors must be a whole number from 2 on; got 1"),
        ({"n_components": 0}, "n_components must be a whole number from 1 on; got 0"),
        ({"n_epochs": 2.5}, r"n_epochs must be a whole number from 1 on; got 2\.5"),
        ({"n_neighbors": True}, "n_neighbors must be a whole number"),
        ({"min_dist": 2}, r"min_dist must be in \[0, 1\]; got 2"),
        ({"min_dist": "far"}, "min_dist must be in"),
    ],
)
def test_a_wrong_option_is_refused(options, message):
    """The option, what is allowed and what was given are named."""
    with pytest.raises(InvalidConfigError, match=message):
        Embedding(**options)
