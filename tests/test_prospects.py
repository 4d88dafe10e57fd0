"""Prospects: placed by their profile where profiles tell segments apart, and nowhere where they do not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import recall_score

from patronage.catalogue import Feature
from patronage.features import build_features, learn_catalogue
from patronage.periods import scoring_window
from patronage.prospects import ProfileClassifier, Prospects, learn_prospects, profile_features
from patronage.prospects.classifier import COOLEST
from patronage.prospects.judging import evaluate_profiles
from patronage.tables import DataSource, open_tables
from tests.conftest import declared
from tests.profiled import Planted, planted_profiles, simple


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """Customers of known personas, most of whom buy."""
    return planted_profiles(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="module")
def learned(planted: Planted) -> Prospects:
    """What is learned from the buyers."""
    return learn_prospects(planted.catalogue.features, planted.table.active, planted.labels, 6)


def test_profiles_that_follow_the_segment_place_prospects(planted: Planted, learned: Prospects) -> None:
    """Most prospects are placed, and most of these where they would be; better than the largest segment's share."""
    assert learned.why_not == ""
    assert learned.classifier is not None
    assert learned.evaluation is not None
    placed = learned.classifier.place(planted.prospects)
    somewhere = placed.label >= 0
    right = (placed.label == planted.would_be)[somewhere].mean()
    assert somewhere.mean() > 0.4
    assert right > 0.65
    assert learned.evaluation.majority < 0.3


def test_what_was_measured_on_customers_holds_for_prospects(planted: Planted, learned: Prospects) -> None:
    """Prospects whose profiles come about as customers' do are placed as often, and as well, as the evaluation says."""
    assert learned.classifier is not None
    assert learned.evaluation is not None
    probability = learned.classifier.probabilities(planted.prospects)
    best = probability.argmax(axis=1)
    assert (best == planted.would_be).mean() == pytest.approx(learned.evaluation.accuracy, abs=0.08)
    assert (probability.max(axis=1) >= 0.5).mean() == pytest.approx(learned.evaluation.placed_share, abs=0.08)
    # A probability of .6 comes true in 6 of 10.
    assert probability.max(axis=1).mean() == pytest.approx((best == planted.would_be).mean(), abs=0.08)
    assert learned.evaluation.reliability.calibration_error < 0.06


def test_shuffled_profiles_cannot_tell(planted: Planted) -> None:
    """Where profiles belong to other customers, there is no classifier, and the reason has figures in it."""
    rng = np.random.default_rng(0)
    for _ in range(3):
        found = learn_prospects(
            planted.catalogue.features, planted.table.active, planted.labels[rng.permutation(len(planted.labels))], 6
        )
        assert found.classifier is None
        assert "no more" in found.why_not
        assert found.evaluation is not None
        assert found.evaluation.skill_low <= 0 or found.evaluation.macro_recall_low <= 1 / 6


def test_profiles_that_say_it_all_are_found_to() -> None:
    """Of two segments that a profile parts completely, every customer is found."""
    found = learn_prospects(*simple(), 2).evaluation
    assert found is not None
    assert found.recall == (1, 1)
    assert (found.accuracy, found.placed_share, found.placed_accuracy) == (1, 1, 1)
    assert found.log_loss_prior == pytest.approx(np.log(2), abs=1e-3)
    assert found.skill > 0.9


def test_doubt_is_told_as_it_is() -> None:
    """Where a fifth of the profiles mislead, the probability is four fifths."""
    features, frame, label = simple(4_000, noise=0.2)
    found = learn_prospects(features, frame, label, 2)
    assert found.classifier is not None
    assert found.classifier.probabilities(frame).max(axis=1).mean() == pytest.approx(0.8, abs=0.02)
    assert found.evaluation is not None
    assert found.evaluation.accuracy == pytest.approx(0.8, abs=0.02)
    assert found.evaluation.recall == pytest.approx((0.8, 0.8), abs=0.03)
    assert found.evaluation.macro_recall_low < 0.8 < found.evaluation.macro_recall_high


def test_the_evaluation_never_sees_the_held_out_customers() -> None:
    """Labels that profiles tell in all folds but one are not found in that one."""
    features, frame, label = simple(500)
    folds = np.arange(500) // 2 % 5
    reversed_there = np.where(folds == 3, 1 - label, label)
    found = evaluate_profiles(features, frame, reversed_there, folds, 0.5, 0)
    assert found.accuracy == pytest.approx(0.8)
    assert found.recall == pytest.approx(tuple(recall_score(reversed_there, label, average=None)))


def test_a_guess_of_the_largest_segment_is_not_telling_apart() -> None:
    """Where profiles only shade the odds, so that everyone is put into the largest segment, nobody is placed."""
    rng = np.random.default_rng(0)
    n = 6_000
    label = (rng.random(n) < 0.15).astype(int)
    features, frame = (Feature("income", "customers", "income"),), pd.DataFrame({"income": label + rng.normal(0, 4, n)})
    found = learn_prospects(features, frame.set_axis([f"c{i}" for i in range(n)]), label, 2)
    assert found.evaluation is not None
    assert found.evaluation.skill_low > 0
    assert found.classifier is None
    assert "no more than the 50% of a guess" in found.why_not


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda given: (tuple(replace(one, role="sensitive") for one in given[0]), *given[1:]), "no profile features"),
        (lambda given: (given[0], given[1], np.zeros(400, dtype=int)), "too few customers"),
        (lambda given: (given[0], given[1].assign(income=1.0, town="east"), given[2]), "hardly differ"),
        (lambda given: (given[0], given[1].assign(income=np.nan, town=None), given[2]), "too few customers"),
        (lambda given: (given[0], given[1].iloc[:18], given[2][:18]), "too few customers .* 9 in one"),
    ],
)
def test_where_nothing_can_be_learned_the_reason_is_told(change: Callable, says: str) -> None:
    """Without features, customers or differences there is no classifier, and no error."""
    found = learn_prospects(*change(simple()), 2)
    assert found.classifier is None
    with pytest.raises(AssertionError, match=says):
        raise AssertionError(found.why_not)


def test_a_single_segment_needs_no_classifier() -> None:
    """There is nothing to tell apart."""
    features, frame, label = simple()
    assert learn_prospects(features, frame, 0 * label, 1).why_not == "there is a single segment"


def test_only_what_one_has_before_the_first_purchase_is_a_profile(planted: Planted) -> None:
    """Profiles are of customers and answers; sensitive features, tenure and counts of answers are left out."""
    names = {feature.name for feature in profile_features(planted.catalogue.features)}
    assert {"income_per_year", "region", "followers", "acquisition_channel"} <= names
    assert any(name.startswith("item_score_") for name in names)
    known = {feature.name for feature in planted.catalogue.features}
    for left_out in ("age_years", "gender", "life_stage", "signed_up_days", "items_answered", "visits"):
        assert left_out in known or left_out == "visits"
        assert left_out not in names
    relations = {feature.relation for feature in profile_features(planted.catalogue.features)}
    assert relations == {"customers", "answers"}


def test_a_sensitive_feature_decides_only_where_it_was_made_basis() -> None:
    """Gender is a part of the profile if its role was set to basis, and not otherwise."""
    gender = next(one for one in declared("demographic") if one.name == "gender")
    assert profile_features([gender]) == ()
    assert profile_features([replace(gender, role="basis")]) != ()


def test_what_is_not_told_counts_as_the_average() -> None:
    """A customer who told only one thing is placed by it; unknown levels are as good as untold."""
    features, frame, label = simple()
    classifier = learn_prospects(features, frame, label, 2).classifier
    assert classifier is not None
    unknown = pd.DataFrame(
        {"income": [100.0, 100.0, np.nan, np.nan], "town": pd.Series([None, "moon", None, "moon"], dtype="str")}
    )
    placed = classifier.place(unknown)
    assert placed.label.tolist() == [1, 1, -1, -1]
    assert placed.runner_up.tolist() == [0, 0, -1, -1]
    probability = classifier.probabilities(unknown)
    assert probability[0].tolist() == probability[1].tolist()
    assert np.isnan(probability[2:]).all()


def test_an_untold_level_moves_nobody() -> None:
    """Who does not tell the town is as probable in each segment as the column of the income alone says."""
    features, frame, label = simple(1_000, noise=0.1)
    uneven = (label == 1) | (np.arange(1_000) % 10 == 0)  # a sixth of the customers are in the west
    classifier = learn_prospects(features, frame[uneven], label[uneven], 2).classifier
    assert classifier is not None
    (at,) = [n for n, column in enumerate(classifier.representation.columns_) if column.feature == "income"]
    column = classifier.representation.columns_[at]
    scaled = (70.0 - column.centre) / column.spread * column.weight
    scores = (classifier.intercepts + scaled * classifier.coefficients[at]) / classifier.temperature
    expected = np.exp(scores) / np.exp(scores).sum()
    for town in (None, "moon"):
        asked = pd.DataFrame({"income": [70.0], "town": pd.Series([town], dtype="str")})
        assert classifier.probabilities(asked)[0] == pytest.approx(expected)


def test_who_is_too_uncertain_is_placed_nowhere(planted: Planted, learned: Prospects) -> None:
    """Raising the least confidence places fewer; the runner-up is then the segment it would have been."""
    assert learned.classifier is not None
    free, strict = (replace(learned.classifier, min_confidence=least).place(planted.prospects) for least in (0.0, 0.8))
    assert (free.label >= 0).all()
    left = strict.label == -1
    assert 0 < left.sum() < len(left)
    assert (free.confidence[left] < 0.8).all()
    assert (strict.confidence[~left] >= 0.8).all()
    assert np.isnan(strict.confidence[left]).all()
    assert strict.runner_up[left].tolist() == free.label[left].tolist()
    assert strict.label[~left].tolist() == free.label[~left].tolist()


def test_probabilities_are_shares_and_the_same_in_any_batch(planted: Planted, learned: Prospects) -> None:
    """They sum to 1 for everyone who told anything, and are bit for bit the same alone and in any company."""
    classifier = learned.classifier
    assert classifier is not None
    together = classifier.probabilities(planted.prospects)
    assert together.sum(axis=1) == pytest.approx(1)

    @settings(max_examples=25, deadline=None)
    @given(st.permutations(range(len(planted.prospects))), st.integers(1, 60))
    def holds(order: list[int], n_rows: int) -> None:
        rows = np.array(order[:n_rows])
        assert np.array_equal(classifier.probabilities(planted.prospects.iloc[rows]), together[rows])

    holds()


def test_learning_does_not_depend_on_the_order_of_customers() -> None:
    """Folds are dealt by a hash of the id, so the verdict is the same however the rows come."""
    features, frame, label = simple(noise=0.3)
    order = np.random.default_rng(0).permutation(len(frame))
    found, again = (learn_prospects(features, frame.iloc[rows], label[rows], 2) for rows in (np.arange(400), order))
    assert found.evaluation is not None
    assert again.evaluation is not None
    assert again.evaluation.log_loss == pytest.approx(found.evaluation.log_loss, rel=1e-3)
    assert again.evaluation.recall == pytest.approx(found.evaluation.recall, abs=0.02)


def test_a_reloaded_classifier_is_the_same(planted: Planted, learned: Prospects) -> None:
    """From plain values and arrays it gives the same bits."""
    one = learned.classifier
    assert one is not None
    again = ProfileClassifier.from_state(json.loads(json.dumps(one.state())), one.arrays())
    assert np.array_equal(again.probabilities(planted.prospects), one.probabilities(planted.prospects))
    assert again.names == one.names


WRONG: dict[str, Callable[[ProfileClassifier], dict[str, object]]] = {
    "a segment less": lambda one: {"coefficients": one.coefficients[:, :-1]},
    "no numbers": lambda one: {"coefficients": one.coefficients * np.nan},
    "whole numbers": lambda one: {"coefficients": one.coefficients.astype(int)},
    "an intercept less": lambda one: {"intercepts": one.intercepts[:-1]},
    "infinite": lambda one: {"intercepts": one.intercepts + np.inf},
    "too cool": lambda one: {"temperature": one.temperature * 0 + COOLEST / 2},
    "no temperature": lambda one: {"temperature": one.temperature * float("nan")},
    "no probability": lambda one: {"min_confidence": one.min_confidence + 1},
    "neither yes nor no": lambda one: {"knows_unassigned": int(one.knows_unassigned)},
}


@pytest.mark.parametrize("case", WRONG)
def test_a_classifier_that_was_tampered_with_is_refused(case: str, learned: Prospects) -> None:
    """Shapes, types and values that fitting never gives are found before anyone is placed."""
    assert learned.classifier is not None
    with pytest.raises(ValueError, match="not one that was ever fitted"):
        replace(learned.classifier, **WRONG[case](learned.classifier))


@pytest.mark.parametrize(("feature", "tells"), [("spend_per_month", True), ("recency_days", False)])
def test_real_demographics_tell_of_spend_and_not_of_recency(
    feature: str,
    tells: bool,  # noqa: FBT001
    complete_journey: DataSource,
) -> None:
    """On Complete Journey, who spends more than the median is found better than by chance, who came last is not."""
    with open_tables(complete_journey) as tables:
        window = scoring_window(tables, None, 182, 0)
        catalogue = learn_catalogue(tables, declared("rfm", "demographic"), window)
        active = build_features(tables, catalogue, window).active
    told = active["home_ownership"].notna() | active["household_size"].notna()
    ranks = active[feature].where(told).rank(method="first")
    labels = np.where(told, ranks > ranks.max() / 2, -1).astype(int)
    found = learn_prospects(catalogue.features, active, labels, 2)
    assert found.evaluation is not None
    assert found.evaluation.n_customers == 801
    assert (found.classifier is not None) == tells
    assert found.evaluation.accuracy < 0.65
