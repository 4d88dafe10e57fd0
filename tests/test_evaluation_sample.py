"""The evaluation sample: rare kinds are seen, and weighted figures are those of everybody."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patronage.evaluation.sample import N_STRATA, SAMPLE_SIZE, allocate, draw_sample
from patronage.evaluation.separation import distance_matrix, separation


def _population(n, seed=0):
    """Four kinds of customers, the rarest 2 %, with labels that also cut one kind in two; some have no segment."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(4, n, p=[0.5, 0.3, 0.18, 0.02])
    centres = np.array([[0, 0, 0], [4, 0, 0], [0, 4, 1], [6, 6, 6]], dtype=float)
    space = centres[kind] + rng.normal(size=(n, 3))
    labels = np.where((kind == 0) & (space[:, 2] > 0), 4, kind)
    return space, np.where(rng.random(n) < 0.1, -1, labels)


def test_all_are_taken_where_they_are_few():
    """Up to the size of the sample everybody is in it, and stands for themselves."""
    sample = draw_sample(_population(200)[0], 200)
    assert sample.rows.tolist() == list(range(200))
    assert sample.weights.tolist() == [1] * 200
    assert sample.is_complete


def test_a_rare_kind_is_seen():
    """Of a hundred thousand customers, a kind of 1 % has at least 50 in the sample, and one of .1 % has 20."""
    rng = np.random.default_rng(0)
    space = rng.normal(size=(100_000, 4))
    space[:1000] = rng.normal(size=(1000, 4)) / 4 + 8
    space[1000:1100] = rng.normal(size=(100, 4)) / 4 - 8
    sample = draw_sample(space)
    assert len(sample.rows) == SAMPLE_SIZE
    floor = SAMPLE_SIZE // (2 * N_STRATA)
    assert (sample.rows < 1000).sum() >= floor
    assert ((sample.rows >= 1000) & (sample.rows < 1100)).sum() >= 20
    # A plain sample would have 30 and 3, and nobody here stands for many more than there.
    assert sample.weights.max() < 2.1 * 100_000 / SAMPLE_SIZE
    assert sample.weights.sum() == pytest.approx(100_000)


def test_the_sample_depends_on_its_seed_alone():
    """The same space and seed give the same sample, another seed another one."""
    space = _population(2000)[0]
    first, again, other = (draw_sample(space, 300, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.rows, again.rows)
    assert first.rows.tolist() != other.rows.tolist()


def test_no_customer_is_drawn_twice():
    """Rows are ascending, and weights are the sizes of the strata over what was drawn from them."""
    sample = draw_sample(_population(3000)[0], 400)
    assert len(sample.rows) == 400
    assert (np.diff(sample.rows) > 0).all()
    for stratum in np.unique(sample.strata):
        assert len(np.unique(sample.weights[sample.strata == stratum])) == 1


@given(
    sizes=st.lists(st.integers(0, 300), min_size=1, max_size=30).filter(lambda given: sum(given) > 0),
    share=st.floats(0, 1),
)
@settings(deadline=None, max_examples=100)
def test_draws_are_shared_out(sizes, share):
    """All draws are given, none to a stratum beyond what it holds, and a small stratum gets its equal share or all."""
    held = np.array(sizes)
    n = int(share * held.sum())
    taken = allocate(held, n)
    assert taken.sum() == n
    assert (taken <= held).all()
    assert (taken >= np.minimum(held, n // (2 * (held > 0).sum()))).all()


def test_estimates_are_unbiased():
    """Over many samples the silhouettes average to those of everybody, macro too, and so do the other figures."""
    space, labels = _population(4000)
    full = separation(space, labels, distance_matrix(space))
    found = []
    for seed in range(30):
        sample = draw_sample(space, 600, seed=seed)
        points = space[sample.rows]
        judged = separation(points, labels[sample.rows], distance_matrix(points), sample)
        found.append((judged.silhouette, judged.silhouette_macro, judged.davies_bouldin, judged.calinski_harabasz))
    means, errors = np.mean(found, axis=0), np.std(found, axis=0) / np.sqrt(30)
    assert means[:2].tolist() == pytest.approx([full.silhouette, full.silhouette_macro], abs=3 * errors[:2].max())
    assert means[2:].tolist() == pytest.approx([full.davies_bouldin, full.calinski_harabasz], rel=0.03)


def test_unweighted_estimates_would_be_biased():
    """Rare kinds are drawn more often than they occur: without weights the silhouette would be another."""
    space, labels = _population(4000)
    full = separation(space, labels, distance_matrix(space)).silhouette
    plain, weighted = [], []
    for seed in range(12):
        sample = draw_sample(space, 600, seed=seed)
        points, own = space[sample.rows], labels[sample.rows]
        distances = distance_matrix(points)
        plain.append(separation(points, own, distances).silhouette)
        weighted.append(separation(points, own, distances, sample).silhouette)
    assert abs(np.mean(plain) - full) > 3 * abs(np.mean(weighted) - full)


def test_the_standard_error_is_what_samples_vary_by():
    """The reported error is the spread of the silhouette over many samples, and 0 where everybody was judged."""
    space, labels = _population(4000)
    values, errors = [], []
    for seed in range(40):
        sample = draw_sample(space, 500, seed=seed)
        points = space[sample.rows]
        judged = separation(points, labels[sample.rows], distance_matrix(points), sample)
        values.append(judged.silhouette)
        errors.append(judged.silhouette_error)
    # The spread of 40 values is itself known to 11 %.
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.3)
    few = space[:300]
    assert separation(few, labels[:300], distance_matrix(few)).silhouette_error == 0


def test_a_stratum_seen_once_is_no_error():
    """A customer so far out that nobody is near has a stratum of its own, and the figures stay finite."""
    space, labels = _population(2000)
    space[7] = 1e12
    sample = draw_sample(space, 300)
    assert 7 in sample.rows
    points = space[sample.rows]
    judged = separation(points, labels[sample.rows], distance_matrix(points), sample)
    assert np.isfinite(list(vars(judged).values())).all()


def test_customers_who_are_all_alike_are_no_error():
    """Where there is one kind of point there is one stratum."""
    sample = draw_sample(np.zeros((500, 2)), 100)
    assert len(sample.rows) == 100
    assert sample.weights.tolist() == [5] * 100
