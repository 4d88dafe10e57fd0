"""Baselines: strong simple segmentations at any number of segments, and the judge that compares with them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from patronage.assigners import Assignment
from patronage.catalogue import Feature
from patronage.evaluation.baselines import SHUFFLED, Baselines, fit_baselines
from patronage.evaluation.bootstrap import N_BOOTSTRAP
from patronage.evaluation.effect import omega2, top20_capture, value_gap
from patronage.evaluation.evidence import QUICK, gather_evidence, winsorised
from patronage.evaluation.judgement import Judge
from patronage.evaluation.row import METRICS
from patronage.evaluation.stability import stability
from patronage.evaluation.value import worth

FEATURES = (Feature("n_orders", "orders", "1", scale="log"), Feature("wine_share", "lines", "1", family="affinity"))
LATER = ("refit/", "final/", "typing/", "value/kept_unseen")
OWN = ("value/lift", "value/kept_baseline", "value/kept_unseen")
NAMES = ("kmeans_rfm", "rfm_grid", "revenue_tiles", "prediction_tiles", "outcome_tree", SHUFFLED)
RIVALS = NAMES[:-1]


def _window(n, seed):
    """Features, RFM and what was spent later: more by those who order much, least by lovers of wine."""
    rng = np.random.default_rng(seed)
    orders = rng.poisson(np.repeat([2, 8, 30], n // 3)) + 1.0
    wine = rng.random(n)
    index = [f"{number:05d}" for number in range(n)]
    features = pd.DataFrame({"n_orders": orders, "wine_share": wine}, index)
    rfm = pd.DataFrame(
        {
            "baseline recency_days": 90 / orders * rng.lognormal(0, 0.3, n),
            "baseline orders": orders,
            "baseline revenue": orders * 20 * rng.lognormal(0, 0.2, n),
        },
        index,
    )
    spend = orders * 10 * np.exp(-2 * wine) * rng.lognormal(0, 0.3, n)
    return features, rfm, pd.DataFrame({"spend": spend, "visits": rng.poisson(orders).astype(float)}, index)


LEARN, JUDGED = _window(360, 0), _window(300, 1)


def _fit(judged=JUDGED, features=FEATURES):
    return fit_baselines(features, LEARN[0], judged[0], LEARN[2], LEARN[1], judged[1], seed=0)


EQUAL = {"baseline recency_days": 3.0, "baseline orders": 1.0, "baseline revenue": 5.0}


@pytest.fixture(scope="module")
def baselines():
    """Baselines of one pair of windows."""
    return _fit()


@pytest.mark.parametrize("k", [1, 2, 3, 5, 9, 20])
def test_every_baseline_has_the_number_of_segments_asked_for(baselines, k):
    """With enough different customers every baseline makes k segments, down to a single one."""
    labels = baselines.labels(k)
    assert tuple(labels) == NAMES
    for name, given in labels.items():
        assert given.shape == (300,)
        n_segments = len(np.unique(given))
        assert n_segments <= k
        # The grid has no more than its cells, the tree no leaf below 3 %, and a tile may be empty later on.
        assert n_segments == k or (k == 20 and name in ("rfm_grid", "outcome_tree"))


@pytest.mark.parametrize("k", [2, 3, 4])
def test_customers_who_are_all_alike_are_no_error(k):
    """Where recency, frequency and revenue do not differ there are fewer segments, and no warning."""
    alike = LEARN[1].assign(**EQUAL)
    later = JUDGED[1].assign(**EQUAL)
    given = fit_baselines(FEATURES, LEARN[0], JUDGED[0], LEARN[2], alike, later, seed=0).labels(k)
    assert [len(np.unique(given[name])) for name in ("kmeans_rfm", "rfm_grid", "revenue_tiles")] == [1, 1, 1]
    assert len(np.unique(given["prediction_tiles"])) == k


def test_a_customers_label_depends_on_its_own_row(baselines):
    """A customer judged among few others, or alone, is in the same segment as among all, unless labels are shuffled."""
    for some in (np.arange(0, 300, 7)[::-1], [299]):
        alone = _fit((JUDGED[0].iloc[some], JUDGED[1].iloc[some], JUDGED[2]))
        everyone, few = baselines.labels(5), alone.labels(5)
        for name in RIVALS:
            np.testing.assert_array_equal(few[name], everyone[name][some])


def test_nothing_of_the_judge_window_is_fitted(baselines):
    """Other customers in the judge window change nothing in what the baselines learned."""
    other = _fit(_window(300, 5))
    for learned in ("learn_rfm", "learn_targets", "learn_space", "learn_score"):
        assert getattr(other, learned).tobytes() == getattr(baselines, learned).tobytes()


def test_shuffled_labels_are_a_permutation(baselines):
    """The null has the very segment sizes of K-means, and nothing else of it."""
    labels = baselines.labels(4)
    assert sorted(labels[SHUFFLED]) == sorted(labels["kmeans_rfm"])
    assert abs(adjusted_rand_score(labels[SHUFFLED], labels["kmeans_rfm"])) < 0.05


def test_the_same_baselines_every_time(baselines):
    """Labels are the same whenever they are asked for."""
    first, again = baselines.labels(3), baselines.labels(3)
    assert all(np.array_equal(first[name], again[name]) for name in NAMES)


def test_revenue_tiles_are_quantiles_of_the_learn_window(baselines):
    """Customers are parted at the learn window's quantiles of revenue, in its order."""
    revenue = JUDGED[1]["baseline revenue"].to_numpy()
    edges = np.quantile(LEARN[1]["baseline revenue"], [0.25, 0.5, 0.75])
    np.testing.assert_array_equal(baselines.labels(4)["revenue_tiles"], (revenue[:, None] >= edges).sum(axis=1))


def test_prediction_tiles_follow_what_is_expected(baselines):
    """Who spends more later lies in a higher tile of the prediction, on average."""
    tiles = baselines.labels(4)["prediction_tiles"]
    later = np.log1p(JUDGED[2]["spend"].to_numpy())
    means = [later[tiles == tile].mean() for tile in range(4)]
    assert means == sorted(means)
    assert np.corrcoef(tiles, later)[0, 1] > 0.7


def test_the_tree_finds_what_separates_outcomes():
    """A tree of three leaves finds the three kinds that make the outcome."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 3, 300)
    features = pd.DataFrame({"x": x})
    outcomes = pd.DataFrame({"spend": np.exp(np.floor(x)) + rng.normal(0, 0.01, 300)})
    rfm = pd.DataFrame(rng.random((300, 3)), columns=list(LEARN[1]))
    given = fit_baselines((Feature("x", "orders", "1"),), features, features, outcomes, rfm, rfm, seed=0)
    assert adjusted_rand_score(np.floor(x), given.labels(3)["outcome_tree"]) > 0.97


def test_a_leaf_of_the_tree_holds_three_per_cent(baselines):
    """However many segments are asked for, no leaf is smaller than 3 % of the learn window's customers."""
    learned = Baselines(**vars(baselines) | {"judge_space": baselines.learn_space})
    counts = np.unique(learned.labels(40)["outcome_tree"], return_counts=True)[1]
    assert counts.min() >= 0.03 * 360
    assert len(counts) > 10


def test_baselines_are_worth_something(baselines):
    """Every rival keeps a good part of the foreseeable, and shuffled labels keep none."""
    evidence = _evidence(baselines)
    kept = {name: worth(labels, evidence).kept.value for name, labels in baselines.labels(4).items()}
    assert min(kept[name] for name in RIVALS) > 0.5
    assert abs(kept[SHUFFLED]) < 0.15


def _evidence(baselines, *, money=False):
    outcomes = JUDGED[2].to_numpy()
    scale = winsorised(outcomes, np.ones(300, bool)) if money else np.log1p(outcomes)
    (found,) = gather_evidence(
        baselines.judge_space, [(scale, QUICK)], ["spend", "visits"], list(JUDGED[0].index), seed=0, workers=1
    )
    return found


@pytest.fixture(scope="module")
def judge(baselines):
    """A judge of the later window's customers."""
    money = _evidence(baselines, money=True)
    return Judge(
        _evidence(baselines), baselines.judge_space, baselines, money=money, outcomes=JUDGED[2].to_numpy(float)
    )


def _judged(judge, baselines, labels):
    placed = Assignment(labels, np.full(300, -1), np.ones(300), np.zeros(300))
    return judge.judge("tried", "kmeans", "standard", baselines.judge_space, placed, stability(labels, [labels]))


def test_a_candidate_is_compared_with_the_best_rival_of_its_size(judge, baselines):
    """The lift is kept minus that of the best baseline with as many segments; shuffled labels are no rival."""
    labels = np.arange(300) // 100
    row = _judged(judge, baselines, labels)
    kept = {name: worth(given, judge.evidence).kept.value for name, given in baselines.labels(3).items()}
    assert row.best_baseline == max(RIVALS, key=kept.__getitem__)
    assert row.metrics["value/kept_baseline"] == kept[row.best_baseline]
    assert row.metrics["value/lift"] == pytest.approx(row.metrics["value/kept"] - kept[row.best_baseline])
    assert row.metrics["value/lift_low"] <= row.metrics["value/lift"] <= row.metrics["value/lift_high"]


def test_a_baseline_has_no_lift_over_itself(judge, baselines):
    """Compared in pairs, the best baseline differs from itself by exactly nothing in every draw."""
    best = _judged(judge, baselines, np.arange(300) // 100).best_baseline
    metrics = _judged(judge, baselines, baselines.labels(3)[best]).metrics
    assert [metrics[f"value/lift{end}"] for end in ("", "_low", "_high")] == [0, 0, 0]


def test_a_judged_row_has_every_metric(judge, baselines):
    """Every metric that selection may name is there, but those of later stages and of what was not asked for."""
    row = _judged(judge, baselines, np.arange(300) // 100)
    early = {metric for metric in METRICS if not metric.startswith(LATER)}
    assert set(row.metrics) == early | {"value/omega2_spend", "value/omega2_visits"}
    assert row.jaccard == (1.0, 1.0, 1.0)


def test_only_select_customers_are_judged(judge, baselines):
    """Figures of size and separation do not see confirm customers."""
    labels = np.arange(300) // 100
    confirm = judge.evidence.rows("confirm")
    moved = np.where(confirm, 0, labels)
    plain, other = (_judged(judge, baselines, given).metrics for given in (labels, moved))
    assert other == pytest.approx(plain, abs=0, nan_ok=True)


@pytest.mark.parametrize("labels", [np.zeros(300, int), np.full(300, -1)], ids=["one segment", "only noise"])
def test_labels_that_part_nobody_are_judged_too(judge, baselines, labels):
    """One segment, or none, keeps nothing: a line in the leaderboard that fails its gates, not a crash."""
    row = _judged(judge, baselines, labels)
    assert row.metrics["value/kept"] == pytest.approx(0, abs=0.05)
    assert row.metrics["size/n_segments"] == len(set(labels) - {-1})
    assert np.isnan(row.metrics["separation/silhouette"])


def test_shuffled_labels_are_no_rival_even_if_nothing_is_better(judge, baselines):
    """Where every baseline keeps the same, as with a single segment, the one compared with is a real one."""
    assert _judged(judge, baselines, np.zeros(300, int)).best_baseline in RIVALS


def test_baseline_rows_are_one_per_number_and_name(judge):
    """Each number of segments among the candidates has its baselines once; no segments have none."""
    rows = judge.baseline_rows([3, 2, 3, 0])
    assert [row.name for row in rows] == [f"{name} k={k}" for k in (2, 3) for name in NAMES]
    assert rows[0].metrics["size/n_segments"] == 2


def test_unassigned_customers_are_one_group_more(judge):
    """Baselines are compared with a candidate at its segments and the unassigned, where there are any."""
    labels = np.arange(300) // 100
    assert judge.n_groups(labels) == 3
    assert judge.n_groups(np.where(np.arange(300) < 5, -1, labels)) == 4


def test_confirm_figures_are_of_confirm_customers(judge, baselines):
    """The headline figures are measured on the confirm customers, with the rival that was best on select."""
    labels = np.arange(300) // 100
    figures = judge.confirm(labels)
    rival = _judged(judge, baselines, labels).best_baseline
    kept = worth(labels, judge.evidence, "confirm")
    assert figures["n_customers"] == judge.evidence.rows("confirm").sum()
    assert figures["kept"] == kept.kept.value
    assert figures["kept_baseline"] == worth(baselines.labels(3)[rival], judge.evidence, "confirm").kept.value
    assert figures["lift"] == pytest.approx(figures["kept"] - figures["kept_baseline"])
    assert (figures["r2_segments_spend"], figures["r2_ceiling_spend"]) == kept.r2["spend"]
    assert len(kept.draws) == N_BOOTSTRAP


def test_confirm_compares_in_pairs(judge, baselines):
    """On confirm customers too, the best baseline differs from itself by exactly nothing in every draw."""
    best = _judged(judge, baselines, np.arange(300) // 100).best_baseline
    figures = judge.confirm(baselines.labels(3)[best])
    assert [figures[f"lift{end}"] for end in ("", "_low", "_high")] == [0, 0, 0]


def test_the_unassigned_count_as_a_group_when_baselines_are_compared(judge, baselines):
    """Three segments and noise forecast by four means, so they are compared with baselines of four."""
    labels = np.arange(300) % 4 - 1
    row = _judged(judge, baselines, labels)
    kept = {name: given.kept.value for name, given in judge.baselines(4).items()}
    assert row.metrics["value/kept_baseline"] == kept[row.best_baseline]


def test_effects_are_of_select_customers(judge, baselines):
    """Effect sizes are on the judged scale, shares on the outcome as it is, of the select customers."""
    labels = np.arange(300) // 100
    metrics = _judged(judge, baselines, labels).metrics
    rows = judge.evidence.rows("select")
    spend, folds = JUDGED[2]["spend"].to_numpy()[rows], judge.evidence.folds[rows]
    each = [omega2(column, labels[rows]) for column in judge.evidence.targets[rows].T]
    assert metrics["value/omega2"] == pytest.approx(np.mean(each))
    assert [metrics["value/omega2_spend"], metrics["value/omega2_visits"]] == pytest.approx(each)
    assert metrics["value/value_gap"] == pytest.approx(value_gap(spend, labels[rows]))
    assert metrics["value/top20_capture"] == pytest.approx(top20_capture(spend, labels[rows], folds))
    assert np.isnan(metrics["value/cramers_v"])


def test_shares_are_of_the_headline(baselines):
    """The outcome that shares are measured in is chosen by its name, wherever it stands."""
    labels, outcomes = np.arange(300) // 100, JUDGED[2].to_numpy(float)
    evidence = _evidence(baselines)
    judge = Judge(evidence, baselines.judge_space, baselines, outcomes=outcomes, headline="visits")
    rows = evidence.rows("select")
    metrics = _judged(judge, baselines, labels).metrics
    assert metrics["value/value_gap"] == pytest.approx(value_gap(outcomes[rows, 1], labels[rows]))


def test_a_response_is_judged_by_cramers_v(baselines):
    """Of outcomes that are yes or no, the association with the segments is measured."""
    labels = np.arange(300) // 100
    outcomes = np.column_stack([labels == 2, np.arange(300) % 2]).astype(float)
    judge = Judge(_evidence(baselines), baselines.judge_space, baselines, outcomes=outcomes)
    v = _judged(judge, baselines, labels).metrics["value/cramers_v"]
    assert v == pytest.approx(0.5, abs=0.03)  # one is the segments, the other has nothing to do with them


def test_money_has_a_ceiling_of_its_own(judge, baselines):
    """Kept on the scale of money is judged against forecasts of money, in the leaderboard and at the end."""
    labels, money = np.arange(300) // 100, _evidence(baselines, money=True)
    metrics = _judged(judge, baselines, labels).metrics
    assert metrics["value/kept_money"] == worth(labels, money).kept.value
    assert metrics["value/kept_money"] != metrics["value/kept"]
    assert judge.confirm(labels)["kept_money"] == worth(labels, money, "confirm").kept.value


def test_baselines_are_measured_as_candidates_are(judge):
    """A baseline's line has every figure of value that a candidate's has, but no lift over itself."""
    (row,) = (row for row in judge.baseline_rows([3]) if row.name == "kmeans_rfm k=3")
    assert {name for name in row.metrics if name.startswith("value/")} == {
        *(metric for metric in METRICS if metric.startswith("value/") and not metric.startswith(OWN)),
        *("value/omega2_spend", "value/omega2_visits"),
    }


def test_of_many_customers_those_who_are_heard_are_judged(baselines):
    """Where only some were asked what they did, their figures are those of a window with nobody else in it."""
    evidence = _evidence(baselines)
    alone = Judge(evidence, baselines.judge_space, baselines)
    heard, labels = np.zeros(400, bool), np.full(400, 1)
    heard[50:350], labels[50:350] = True, np.arange(300) // 100
    select = np.zeros(400, bool)
    select[50:350] = evidence.rows("select")
    select[:20] = True
    among = Judge(evidence, baselines.judge_space, baselines, heard=heard, select=select)
    space = np.full((400, 2), 7.0)
    space[50:350] = baselines.judge_space
    placed = Assignment(labels, np.full(400, -1), np.ones(400), np.zeros(400))
    found = among.judge("tried", "kmeans", "standard", space, placed, stability(labels, [labels])).metrics
    plain = _judged(alone, baselines, labels[50:350]).metrics
    sizes = {"size/min_share", "size/effective_segments"}
    assert {name: found[name] for name in found if name not in sizes} == pytest.approx(
        {name: plain[name] for name in plain if name not in sizes}, nan_ok=True
    )
    # Sizes need no outcomes: they are of everybody that choices may be made on.
    assert found["size/min_share"] == min(np.bincount(labels[select])) / select.sum()
    assert among.confirm(labels) == alone.confirm(labels[50:350])


def test_a_cell_of_the_grid_that_nobody_was_in_goes_with_its_neighbours():
    """New customers in a cell unseen in the learn window join the nearest known cell, not whichever group is first."""
    # Terciles end at 1 and 34: two cells are known, all in the middle and all high.
    high = np.arange(90) % 3 == 2
    learn_rfm = np.where(high[:, None], 100.0, np.ones((90, 3)))
    targets = high[:, None] * 5.0
    given = Baselines(learn_rfm, learn_rfm, targets, learn_rfm, learn_rfm, learn_rfm[:, 0], learn_rfm[:, 0], seed=0)
    known = given.labels(2)["rfm_grid"]
    middle_group, high_group = known[~high][0], known[high][0]
    assert middle_group != high_group
    news = np.array([[200.0, 200.0, 1.0], [1.0, 0.0, 200.0], [200.0, 1.0, 200.0], [0.0, 0.0, 0.0]])
    judged = Baselines(**vars(given) | {"judge_rfm": news, "judge_space": news, "judge_score": news[:, 0]})
    assert judged.labels(2)["rfm_grid"].tolist() == [high_group, middle_group, high_group, middle_group]
