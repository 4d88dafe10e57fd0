"""Stability: agreement of refits, per partition and per segment, and the refits themselves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from patronage.backtest import stabilities
from patronage.catalogue import Feature
from patronage.clusterers import Clusterer
from patronage.evaluation.row import Row
from patronage.evaluation.stability import (
    SUBSAMPLE_SHARE,
    jaccard_matrix,
    mean_ari,
    refit_clusterers,
    refit_labels,
    stability,
)
from patronage.observation import Observed
from patronage.recipe import Recipe, RepresentationChoice, fit_recipes
from patronage.refit import refit_shortlist

REFERENCE = np.array([0, 0, 0, 1, 1, 1, 1, -1])
REFIT = np.array([5, 5, 2, 2, 2, 2, -1, 5])


def test_the_same_labels_are_perfectly_stable():
    """Refits that change nothing agree fully, for every segment and every customer."""
    found = stability(REFERENCE, [REFERENCE, REFERENCE])
    assert (found.ari, found.ari_pairwise) == (1, 1)
    assert found.jaccard.tolist() == [1, 1]
    assert found.stayed.tolist() == [1] * 8


@given(names=st.permutations(range(4)), seed=st.integers(0, 3))
@settings(deadline=None, max_examples=20)
def test_numbers_of_segments_mean_nothing(names, seed):
    """A refit with the same segments under other numbers is perfectly stable."""
    reference = np.append(np.random.default_rng(seed).integers(-1, 4, 60), [0, 1, 2, 3])
    renamed = np.append(names, -1)[reference]  # the last one serves −1
    found = stability(reference, [renamed])
    assert found.ari == pytest.approx(1)
    assert found.jaccard.tolist() == [1, 1, 1, 1]
    assert found.stayed.tolist() == [1] * 64


def test_jaccard_is_the_best_match():
    """Per segment, the largest |A ∩ B| / |A ∪ B| with a segment of the refit; noise is in no segment."""
    found = stability(REFERENCE, [REFIT])
    # Segment 0 has {0, 1, 2}: with {0, 1, 7} 2 of 4, with {2, 3, 4, 5} 1 of 6.
    # Segment 1 has {3, 4, 5, 6}: with {2, 3, 4, 5} 3 of 5.
    assert found.jaccard.tolist() == pytest.approx([2 / 4, 3 / 5])


def test_jaccard_is_a_mean_over_refits():
    """Each refit's best match counts equally."""
    assert stability(REFERENCE, [REFIT, REFERENCE]).jaccard.tolist() == pytest.approx([0.75, 0.8])


def test_a_customer_stays_with_the_segment_that_matches_best():
    """A customer has stayed where its refit label is the best match of its segment; noise stays only in noise."""
    assert stability(REFERENCE, [REFIT]).stayed.tolist() == [1, 1, 0, 1, 1, 1, 0, 0]
    assert stability(REFERENCE, [REFIT, REFERENCE]).stayed.tolist() == [1, 1, 0.5, 1, 1, 1, 0.5, 0.5]


def test_ari_is_the_mean_of_scikit_learns():
    """The agreement is the mean adjusted Rand index with the reference, and pairwise the mean between refits."""
    other = np.array([0, 0, 1, 1, 1, 0, 0, 1])
    found = stability(REFERENCE, [REFIT, other, REFERENCE])
    expected = [adjusted_rand_score(REFERENCE, labels) for labels in (REFIT, other, REFERENCE)]
    assert found.ari == pytest.approx(np.mean(expected))
    pairs = [adjusted_rand_score(*pair) for pair in ((REFIT, other), (REFIT, REFERENCE), (other, REFERENCE))]
    assert found.ari_pairwise == pytest.approx(np.mean(pairs))


def test_a_failed_refit_counts_as_no_agreement():
    """A refit without segments is the opposite of stable; it is not left out of the mean."""
    found = stability(REFERENCE, [REFERENCE, None])
    assert found.ari == 0.5
    assert found.jaccard.tolist() == [0.5, 0.5]
    assert found.stayed.tolist() == [0.5] * 8


def test_refits_that_all_fail_are_no_stability():
    """Where no refit finds segments, all agreement is 0 and there is no pair to compare."""
    found = stability(REFERENCE, [None, None])
    assert found.ari == 0
    assert found.jaccard.tolist() == [0, 0]
    assert np.isnan(found.ari_pairwise)


def test_noise_matches_noise_only():
    """A refit that calls everyone noise keeps only those who were noise."""
    found = stability(REFERENCE, [np.full(8, -1)])
    assert found.jaccard.tolist() == [0, 0]
    assert found.stayed.tolist() == [0, 0, 0, 0, 0, 0, 0, 1]


def test_a_reference_of_noise_has_no_segments():
    """Where everyone is unassigned there is no segment to judge, and the noise may stay."""
    found = stability(np.full(8, -1), [REFIT])
    assert found.jaccard.shape == (0,)
    assert found.stayed.tolist() == [0, 0, 0, 0, 0, 0, 1, 0]


def test_without_refits_nothing_is_known():
    """No refits give NaN, which no gate lets pass."""
    found = stability(REFERENCE, [])
    assert np.isnan([found.ari, found.ari_pairwise, *found.jaccard]).all()


def test_a_segment_without_customers_has_no_stability():
    """Every segment of the assigner has a figure, also one that nobody is in: 0, whatever its number."""
    reference = np.array([0, 0, 2, 2])
    assert stability(reference, [reference], n_segments=5).jaccard.tolist() == [1, 0, 1, 0, 0]


def test_jaccard_matrix_by_hand():
    """Every pair of segments has its similarity; rows can be asked for segments that nobody is in."""
    first, second = np.array([0, 0, 1, 1, -1]), np.array([1, 1, 1, 0, 0])
    assert jaccard_matrix(first, second).tolist() == [[0, 2 / 3], [1 / 3, 1 / 4]]
    assert jaccard_matrix(first, second, 3).tolist() == [[0, 2 / 3], [1 / 3, 1 / 4], [0, 0]]


@given(labels=st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 3)), min_size=1, max_size=40))
@settings(deadline=None, max_examples=60)
def test_jaccard_matrix_is_the_sets(labels):
    """The similarities equal those of Python's sets, and turning the two around transposes them."""
    first, second = (np.array(side) for side in zip(*labels, strict=True))
    found = jaccard_matrix(first, second)
    for a in range(found.shape[0]):
        for b in range(found.shape[1]):
            inside_a, inside_b = set(np.flatnonzero(first == a)), set(np.flatnonzero(second == b))
            union = inside_a | inside_b
            assert found[a, b] == pytest.approx(len(inside_a & inside_b) / len(union) if union else 0)
    np.testing.assert_allclose(jaccard_matrix(second, first), found.T)


FEATURES = (Feature("a", "orders", "1"), Feature("b", "orders", "1"))
STANDARD = RepresentationChoice("standard")
AWARE = RepresentationChoice("outcome_aware", {"n_trees": 30})


def _recipe(target, representation=STANDARD, **parameters):
    return Recipe(FEATURES, representation, Clusterer("tried", target, parameters).candidates()[0])


RECIPES = [
    _recipe("sklearn.cluster.KMeans", n_clusters=3),
    _recipe("sklearn.mixture.GaussianMixture", n_components=2),
    _recipe("sklearn.cluster.KMeans", AWARE, n_clusters=3),
    _recipe("sklearn.cluster.KMeans", n_clusters=110),
]


def _customers(n=150, seed=0):
    rng = np.random.default_rng(seed)
    index = [f"{number:04d}" for number in range(n)]
    features = pd.DataFrame(rng.normal(size=(n, 2)) + 3 * rng.integers(0, 2, (n, 1)), index, ["a", "b"])
    return features, pd.DataFrame({"spend": np.exp(features["a"]) + rng.random(n)})


def _refit(recipes=RECIPES, *, workers=1, n_refits=3, seed=0):
    return refit_labels(recipes, *_customers(), n_refits=n_refits, seed=seed, workers=workers)


def _same(first, second):
    return all(
        (a is None and b is None) or np.array_equal(a, b)
        for one, other in zip(first, second, strict=True)
        for a, b in zip(one, other, strict=True)
    )


@pytest.fixture(scope="module")
def refits():
    """Labels of four recipes by three refits each."""
    return _refit()


def test_every_refit_labels_every_customer(refits):
    """A refit on a subsample labels those it was not fitted to as well."""
    assert [len(labels) for labels in refits] == [3, 3, 3, 3]
    assert all(labels.shape == (150,) for one in refits[:3] for labels in one)
    assert set(np.unique(refits[0][0])) == {0, 1, 2}


def test_labels_of_refits_take_little_memory(refits):
    """Labels are held for every customer, refit and candidate, so they are narrow, the clusterer's alone too."""
    assert {labels.dtype for one in refits[:3] for labels in one} == {np.dtype(np.int16)}
    assert {labels.dtype for labels in _refit_alone(_space(), recipes=RECIPES[:1])[0]} == {np.dtype(np.int16)}


def test_refits_see_a_subsample_without_copies(refits):
    """A recipe that needs more customers than a subsample holds fails in every refit, though all would do."""
    assert round(SUBSAMPLE_SHARE * 150) < 110
    assert refits[3] == [None, None, None]


def test_refits_differ_from_each_other(refits):
    """Each refit has its own subsample."""
    assert not np.array_equal(refits[0][0], refits[0][1])


def test_the_number_of_workers_does_not_matter(refits):
    """Two processes give what one gives, bit for bit."""
    assert _same(_refit(workers=2), refits)


def test_the_order_of_recipes_does_not_matter(refits):
    """A recipe's refits are the same whatever is refitted before it."""
    assert _same(_refit(RECIPES[::-1]), refits[::-1])
    assert _same(_refit(RECIPES[1:2]), refits[1:2])


def test_more_refits_continue_the_first(refits):
    """The first refits stay the same when more are asked for."""
    assert _same([one[:3] for one in _refit(n_refits=5)], refits)


def test_the_seed_decides_the_subsamples(refits):
    """Another seed draws other subsamples."""
    assert not _same(_refit(seed=1), refits)


@pytest.mark.parametrize("representation", [STANDARD, AWARE], ids=["features", "outcomes"])
def test_a_subsample_without_differences_fails_alone(representation):
    """Where one customer makes all the difference, refits without it fail; the run goes on with the others."""
    index = [f"{number:04d}" for number in range(60)]
    odd = np.append(np.zeros(59), 1.0)
    features = pd.DataFrame({"a": odd if representation is STANDARD else np.arange(60.0), "b": 0.0}, index)
    recipe = _recipe("sklearn.cluster.KMeans", representation, n_clusters=2)
    (labels,) = refit_labels([recipe], features, pd.DataFrame({"spend": odd}, index), n_refits=8, seed=0, workers=1)
    failed = [one is None for one in labels]
    assert any(failed)
    assert not all(failed)


def test_current_customers_are_labelled():
    """With ``current`` the newest customers are segmented and labelled, whoever was there earlier."""
    features, outcomes = _customers()
    newest = _customers(90, seed=5)[0].rename(index=lambda name: f"9{name}")
    labels = refit_labels(
        RECIPES[:3], features, outcomes, n_refits=2, seed=0, workers=1, current=pd.concat([features[:30], newest])
    )
    assert all(one.shape == (120,) for refits in labels for one in refits)


@pytest.mark.parametrize("n_segments", [200, 400])
def test_narrow_labels_of_many_segments_are_compared(n_segments):
    """Segments by segments may be more cells than a narrow label can count."""
    labels = np.arange(n_segments * 2, dtype=np.int16) % n_segments
    np.testing.assert_array_equal(jaccard_matrix(labels, labels), np.eye(n_segments))


def test_a_refit_is_formed_from_some_and_places_all():
    """A refit fitted to some of the newest customers is the one fitted to these alone, and labels the others too."""
    features, outcomes = _customers()
    observed = Observed(features, outcomes, features)
    fitted = fit_recipes(RECIPES[:3], features, outcomes, seed=0)
    some = np.arange(150) % 3 > 0
    options = {"n_refits": 3, "seed": 0, "workers": 1}
    for one, alone in zip(
        refit_shortlist(fitted, observed, features, fitted_to=some, **options),
        refit_shortlist(fitted, observed, features[some], **options),
        strict=True,
    ):
        assert one.assignment.label.shape == one.backtest_labels.shape == (150,)
        np.testing.assert_array_equal(one.assignment.label[some], alone.assignment.label)
        np.testing.assert_array_equal(one.stable.stayed, alone.stable.stayed)
        assert one.add_to(Row("one")).metrics["refit/ari"] == alone.add_to(Row("one")).metrics["refit/ari"]
        np.testing.assert_array_equal(one.fitted_to, some)


def test_progress_is_told():
    """The number of refits done is told after each."""
    told: list[int] = []
    refit_labels(RECIPES[:1], *_customers(), n_refits=3, seed=0, workers=1, progress=told.append)
    assert told == [1, 2, 3]


def test_a_component_nobody_is_in_is_judged_with_the_others():
    """An overlapping mixture leaves components empty: they have a figure, in the backtest and in the refit."""
    rng = np.random.default_rng(0)
    features = pd.DataFrame(rng.normal(size=(80, 2)), columns=["a", "b"])
    observed = Observed(features, pd.DataFrame({"spend": rng.random(80)}), features)
    recipe = _recipe("sklearn.mixture.GaussianMixture", n_components=4, reg_covar=0.5, max_iter=2000)
    (fitted,) = fit_recipes([recipe], features, observed.outcomes, seed=0)
    inside = np.bincount(fitted.assign(features).label, minlength=4)
    assert inside[-1] == 0
    (backtested,) = stabilities([fitted], observed, n_refits=2, seed=0, workers=1)
    (refitted,) = refit_shortlist([fitted], observed, features, n_refits=2, seed=0, workers=1)
    for stable in (backtested, refitted.stable):
        assert (stable.jaccard > 0).tolist() == (inside > 0).tolist()


def test_when_segments_merge_the_customers_of_only_one_have_stayed():
    """Segments are matched one to one: a refit that lumps everybody together keeps half of two equal segments."""
    found = stability(np.repeat([0, 1], 50), [np.zeros(100, int)])
    assert found.stayed.mean() == pytest.approx(0.5)
    assert found.ari == 0


def _space(n=150):
    features, _ = _customers(n)
    return features.to_numpy()


def _refit_alone(points, *, recipes=RECIPES[:1], n_refits=3, seed=0, workers=1, labelled=None):
    return refit_clusterers(
        [recipe.candidate for recipe in recipes],
        [points] * len(recipes),
        [points if labelled is None else labelled] * len(recipes),
        n_refits=n_refits,
        seed=seed,
        workers=workers,
    )


def test_a_clusterer_is_refitted_on_the_subsamples_of_the_recipe():
    """In a space that a refit does not change, the clusterer alone gives what the whole recipe gives."""
    features, outcomes = _customers()
    # Scaling that is the same for any subsample: all values are +1 or −1, and near enough in balance.
    plain = _recipe("sklearn.cluster.KMeans", n_clusters=2)
    (fitted,) = fit_recipes([plain], features, outcomes, seed=0)
    whole = refit_labels([plain], features, outcomes, n_refits=3, seed=0, workers=1)[0]
    alone = _refit_alone(fitted.representation.transform(features), recipes=[plain])[0]
    for one, other in zip(whole, alone, strict=True):
        assert adjusted_rand_score(one, other) > 0.9


def test_the_clusterer_alone_sees_a_subsample():
    """A clusterer that needs more customers than a subsample holds fails in every refit."""
    (labels,) = _refit_alone(_space(), recipes=RECIPES[3:])
    assert labels == [None, None, None]
    assert mean_ari(np.arange(150) % 2, labels) == 0


def test_the_clusterer_alone_labels_everybody():
    """It is fitted to one set of points, and labels those it is given."""
    (labels,) = _refit_alone(_space(), labelled=_space(40))
    assert all(one.shape == (40,) for one in labels)


def test_workers_do_not_matter_to_the_clusterer_alone():
    """Two processes give what one gives, and further refits leave the first as they are."""
    one = _refit_alone(_space(), recipes=RECIPES[:3])
    assert _same(_refit_alone(_space(), recipes=RECIPES[:3], workers=2), one)
    more = _refit_alone(_space(), recipes=RECIPES[:3], n_refits=5)
    assert _same([labels[:3] for labels in more], one)


def test_a_clusterer_is_as_stable_as_what_it_is_given():
    """Clear groups are found again by any subsample; where there are none, the clusterer wobbles by itself."""
    rng = np.random.default_rng(0)
    kind = np.arange(150) % 3
    for space, bound in ((rng.normal(size=(150, 2)) + 20 * kind[:, None], 1.0), (rng.normal(size=(150, 2)), 0.9)):
        features = pd.DataFrame(space, columns=["a", "b"])
        observed = Observed(features, pd.DataFrame({"spend": rng.random(150)}), features)
        fitted = fit_recipes(RECIPES[:1], features, observed.outcomes, seed=0)
        (found,) = stabilities(fitted, observed, n_refits=6, seed=0, workers=1)
        assert (found.ari_clusterer == 1) if bound == 1 else (0 < found.ari_clusterer < bound)


def test_a_space_that_learned_from_outcomes_is_held_fixed():
    """With the learned space held fixed the clusterer alone is steadier than the recipe that learns it anew."""
    features, outcomes = _customers()
    observed = Observed(features, outcomes, features)
    # A forest of few trees wobbles; the blend's ridge would hardly change from one subsample to the next.
    forest = RepresentationChoice("outcome_aware", {"n_trees": 30, "learner": "extra_trees"})
    recipe = _recipe("sklearn.cluster.KMeans", forest, n_clusters=3)
    fitted = fit_recipes([recipe], features, outcomes, seed=0)
    (found,) = stabilities(fitted, observed, n_refits=6, seed=0, workers=1)
    assert found.ari < found.ari_clusterer <= 1


def test_without_refits_of_the_clusterer_its_stability_is_not_known():
    """No refits are no agreement that could be told."""
    assert np.isnan(mean_ari(REFERENCE, []))
    assert np.isnan(stability(REFERENCE, [REFERENCE]).ari_clusterer)


def test_every_refit_tells_whom_it_kept():
    """Asked for, the customers that each refit kept are told, whose share is `stayed`; a failed refit kept nobody."""
    found = stability(REFERENCE, [REFERENCE, None, REFIT], each=True)
    assert found.kept[:, 0].all()
    assert not found.kept[:, 1].any()
    assert found.kept[:, 2].tolist() == [True, True, False, True, True, True, False, False]
    assert found.stayed.tolist() == pytest.approx(found.kept.mean(axis=1).tolist())
    assert stability(REFERENCE, [REFERENCE]).kept.size == 0
