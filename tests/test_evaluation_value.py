"""Value: how much of the foreseeable future a segmentation keeps, judged out of fold and against planted truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from patronage.errors import InvalidInputError
from patronage.evaluation.bootstrap import N_BOOTSTRAP, Bootstrap, r_squared, r_squared_draws
from patronage.evaluation.evidence import (
    CONFIRM,
    FULL,
    N_FOLDS,
    QUICK,
    Evidence,
    fold_customers,
    gather_evidence,
    hear,
    n_forecasts,
    winsorised,
)
from patronage.evaluation.value import interval, segment_errors, worth


def _ids(n, first=0):
    return [f"customer {number}" for number in range(first, first + n)]


def _evidence(targets, forecasts, *, seed=0, n_draws=200, n_blocks=4000, counted=None):
    """Evidence whose ceiling is known, without learners."""
    targets = np.asarray(targets, dtype=float)
    folds = fold_customers(_ids(len(targets)))
    rng = np.random.default_rng(seed)
    parts = (("select", folds != CONFIRM), ("confirm", folds == CONFIRM))
    draws = {part: Bootstrap.draw(int(rows.sum()), rng, n_draws, n_blocks) for part, rows in parts}
    n_outcomes = targets.shape[1]
    return Evidence(
        outcomes=tuple(f"y{number}" for number in range(n_outcomes)),
        targets=targets,
        folds=folds,
        ceiling_errors=(targets - forecasts) ** 2,
        learners=("known",) * n_outcomes,
        counted=np.ones(n_outcomes, dtype=bool) if counted is None else np.array(counted),
        draws=draws,
    )


def _groups(n, seed, k=4, noise=1.0):
    """Customers of ``k`` kinds with different mean outcomes: kinds, outcomes, and their true means."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, k, n)
    means = np.column_stack([np.linspace(0, 4, k), np.linspace(3, 0, k) ** 2 / 3])[kind]
    return kind, means + rng.normal(0, noise, (n, 2)), means


def _gathered(space, targets, outcomes, ids, *, effort=FULL, workers=1):
    """Evidence on one scale, by learners."""
    (found,) = gather_evidence(space, [(targets, effort)], outcomes, ids, seed=0, workers=workers)
    return found


@pytest.fixture(scope="module")
def planted():
    """Kinds that features reveal: kinds, features, outcomes (two by kind, one by chance, one constant), evidence."""
    kind, targets, _ = _groups(700, seed=0)
    rng = np.random.default_rng(1)
    space = np.column_stack([kind + rng.normal(0, 0.1, 700), rng.normal(size=(700, 2))])
    targets = np.column_stack([targets, rng.normal(size=700), np.full(700, np.log1p(3))])
    evidence = _gathered(space, targets, ["spend", "visits", "chance", "same"], _ids(700))
    return kind, space, targets, evidence


def test_segments_that_are_the_truth_keep_everything(planted):
    """Where segments are the kinds that make the outcomes, nothing foreseeable is lost, and nothing is gained."""
    kind, _, _, evidence = planted
    for part in ("select", "confirm"):
        assert worth(kind, evidence, part).kept.value == pytest.approx(1, abs=0.05)


def test_shuffled_segments_keep_nothing(planted):
    """Labels dealt out at random keep about 0 on average."""
    kind, _, _, evidence = planted
    rng = np.random.default_rng(0)
    kept = [worth(rng.permutation(kind), evidence).kept.value for _ in range(20)]
    assert abs(np.mean(kept)) < 0.05


def test_merged_kinds_keep_less(planted):
    """A segmentation that lumps kinds together loses what told them apart."""
    kind, _, _, evidence = planted
    assert worth(kind // 2, evidence).kept.value < 0.9
    assert worth(np.zeros(700, int), evidence).kept.value == pytest.approx(0, abs=0.01)


def test_quartiles_keep_what_the_normal_distribution_says():
    """Quartiles of a normal predictor keep Σ (mean of the quartile)² / 4 = .861 of what it foresees."""
    rng = np.random.default_rng(0)
    foreseen = rng.normal(size=6000)
    evidence = _evidence((foreseen + rng.normal(size=6000))[:, None], foreseen[:, None], n_draws=2)
    edges = norm.ppf([0, 0.25, 0.5, 0.75, 1])
    expected = np.mean((4 * np.diff(norm.pdf(edges))) ** 2)
    assert expected == pytest.approx(0.861, abs=1e-3)
    quartile = np.searchsorted(edges[1:-1], foreseen)
    assert worth(quartile, evidence).kept.value == pytest.approx(expected, abs=0.03)


def test_a_segment_for_every_customer_earns_nothing(planted):
    """Means are taken out of fold: a customer's own outcome does not forecast itself."""
    _, _, _, evidence = planted
    kept = worth(np.arange(700), evidence)
    assert -0.05 < kept.kept.value <= 0
    assert worth(np.arange(700), evidence, "confirm").kept.value <= 0


def test_outcomes_by_chance_and_constant_ones_do_not_count(planted):
    """Only outcomes that could be foreseen count; the R² of an outcome that never differs is 0."""
    kind, _, _, evidence = planted
    assert evidence.counted.tolist() == [True, True, False, False]
    assert worth(kind, evidence).r2["same"] == (0.0, 0.0)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_without_an_outcome_that_differs_kept_does_not_apply(value):
    """Constant outcomes, whatever their value, make ``kept`` NaN instead of a ratio of rounding errors."""
    rng = np.random.default_rng(0)
    evidence = _gathered(rng.normal(size=(120, 2)), np.full((120, 1), value), ["same"], _ids(120))
    kept = worth(np.arange(120) % 3, evidence)
    assert evidence.counted.tolist() == [False]
    assert np.isnan([kept.kept.value, kept.kept.low, kept.kept.high]).all()
    assert kept.r2 == {"same": (0.0, 0.0)}


def test_kept_is_the_ratio_of_sums():
    """Kept is Σ R²(segments) / Σ R²(ceiling) over the counted outcomes, of the part asked for."""
    kind, targets, means = _groups(500, seed=3)
    chance = np.random.default_rng(0).normal(size=500)
    evidence = _evidence(
        np.column_stack([targets, chance]), np.column_stack([means, chance / 2]), counted=[True, True, False]
    )
    errors = segment_errors(kind // 2, evidence)
    for part in ("select", "confirm"):
        rows = (evidence.folds == CONFIRM) == (part == "confirm")

        def r2(errors, column, rows=rows):
            y = evidence.targets[rows, column]
            return 1 - errors[rows, column].sum() / ((y - y.mean()) ** 2).sum()

        expected = sum(r2(errors, c) for c in (0, 1)) / sum(r2(evidence.ceiling_errors, c) for c in (0, 1))
        assert worth(kind // 2, evidence, part).kept.value == pytest.approx(expected)


def test_forecasts_are_out_of_fold_means():
    """A select customer is forecast by its segment's mean in the other folds, a confirm customer by all of select."""
    rng = np.random.default_rng(0)
    targets, labels = rng.normal(size=(200, 2)), rng.integers(-1, 3, 200)
    evidence = _evidence(targets, targets)
    folds, errors = evidence.folds, segment_errors(labels, evidence)
    for row in range(200):
        train = (folds != CONFIRM) & (folds != folds[row]) & (labels == labels[row])
        np.testing.assert_allclose(errors[row], (targets[row] - targets[train].mean(axis=0)) ** 2)


def test_a_group_nobody_trained_is_forecast_by_the_overall_mean():
    """A segment whose customers are all in one fold gets the mean of everyone in the others."""
    targets = np.random.default_rng(0).normal(size=(120, 1))
    evidence = _evidence(targets, targets)
    labels = np.zeros(120, int)
    lonely = np.flatnonzero(evidence.folds == 2)[0]
    labels[lonely] = 1
    train = (evidence.folds != CONFIRM) & (evidence.folds != 2)
    expected = (targets[lonely] - targets[train].mean(axis=0)) ** 2
    np.testing.assert_allclose(segment_errors(labels, evidence)[lonely], expected)


def test_confirm_outcomes_are_read_by_nobody_else(planted):
    """Other outcomes among confirm customers change no choice and no error but their own."""
    kind, space, targets, evidence = planted
    confirm = evidence.folds == CONFIRM
    changed = targets.copy()
    first = np.flatnonzero(confirm)[0]
    changed[confirm] = changed[confirm][::-1] * 3 + 1
    changed[first] = targets[first]
    again = _gathered(space, changed, evidence.outcomes, _ids(700))
    unchanged = ~confirm
    unchanged[first] = True
    assert again.learners == evidence.learners
    assert again.counted.tolist() == evidence.counted.tolist()
    np.testing.assert_array_equal(again.ceiling_errors[unchanged], evidence.ceiling_errors[unchanged])
    np.testing.assert_array_equal(segment_errors(kind, again)[unchanged], segment_errors(kind, evidence)[unchanged])
    assert worth(kind, again).kept == worth(kind, evidence).kept


def test_the_number_of_workers_does_not_matter():
    """Two processes find the same ceiling as one."""
    kind, targets, _ = _groups(120, seed=0)
    space = np.column_stack([kind, targets[:, 0] ** 2])
    one, two = (_gathered(space, targets, ["a", "b"], _ids(120), effort=QUICK, workers=workers) for workers in (1, 2))
    assert one.ceiling_errors.tobytes() == two.ceiling_errors.tobytes()
    assert one.learners == two.learners


@given(names=st.permutations([-1, 0, 1, 2, 3]))
@settings(deadline=None, max_examples=10)
def test_the_unassigned_are_a_group_like_others(names):
    """Numbers of segments mean nothing for value, and −1 is one of them."""
    kind, targets, means = _groups(300, seed=1, k=5)
    evidence = _evidence(targets, means)
    plain, renamed = worth(kind, evidence), worth(np.array(names)[kind], evidence)
    assert renamed.kept.value == pytest.approx(plain.kept.value)
    np.testing.assert_allclose(renamed.draws, plain.draws)


def test_the_interval_holds_the_figure(planted):
    """Kept lies within its own interval, which comes from the shared bootstrap draws."""
    kind, _, _, evidence = planted
    for labels in (kind, kind // 2, np.zeros(700, int)):
        kept = worth(labels, evidence).kept
        assert kept.low <= kept.value <= kept.high
    assert worth(kind, evidence).draws.shape == (N_BOOTSTRAP,)


def test_an_interval_is_of_percentiles():
    """The 90 % interval runs from the 5th to the 95th percentile of the draws that have a value."""
    found = interval(0.3, np.append(np.arange(101.0), np.nan))
    assert (found.value, found.low, found.high) == pytest.approx((0.3, 5, 95))


def test_r_squared_by_hand():
    """R² is 1 − Σ error / Σ (y − ȳ)², per column."""
    targets = np.array([[1.0, 0], [2, 0], [3, 4], [6, 4]])
    errors = np.array([[1.0, 4], [0, 4], [1, 4], [4, 4]])
    assert r_squared(errors, targets).tolist() == pytest.approx([1 - 6 / 14, 0])


def test_r_squared_of_nobody_is_zero():
    """Without customers nothing varies and nothing is explained."""
    assert r_squared(np.empty((0, 2)), np.empty((0, 2))).tolist() == [0, 0]


@given(seed=st.integers(0, 1000), shift=st.sampled_from([0.0, 1e3]))
@settings(deadline=None, max_examples=25)
def test_a_draw_is_the_r_squared_of_its_customers(seed, shift):
    """Weights of 1 give R² itself, whole weights that of customers counted so many times."""
    rng = np.random.default_rng(seed)
    targets, errors = rng.normal(size=(30, 2)) + shift, rng.random((30, 2))
    counts = rng.multinomial(30, np.full(30, 1 / 30))
    draws = Bootstrap(np.array([np.ones(30), counts], dtype=float), np.arange(30))
    drawn, doubled = r_squared_draws(targets, draws, errors, 2 * errors)
    np.testing.assert_allclose(doubled[0], r_squared(2 * errors, targets), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(drawn[0], r_squared(errors, targets), rtol=1e-7)
    repeated = np.repeat(np.arange(30), counts)
    np.testing.assert_allclose(drawn[1], r_squared(errors[repeated], targets[repeated]), rtol=1e-7)


@pytest.mark.parametrize("value", [0.0, 0.1, np.log1p(3.0)])
def test_a_draw_in_which_nothing_varies_is_zero(value):
    """A draw that holds only customers with the same outcome has R² 0, not a ratio of rounding errors."""
    targets = np.append(np.full(19, value), 1.0)[:, None]
    only_equal = Bootstrap(np.append(np.full(19, 20 / 19), 0.0)[None, :], np.arange(20))
    (drawn,) = r_squared_draws(targets, only_equal, np.full((20, 1), 0.3))
    assert drawn.tolist() == [[0.0]]


def test_confirm_customers_without_any_difference_make_kept_not_applicable():
    """Where a counted outcome happens not to differ among the confirm customers, the ratio has no value."""
    kind, targets, means = _groups(200, seed=0)
    confirm = fold_customers(_ids(200)) == CONFIRM
    targets[confirm] = 0.7
    kept = worth(kind, _evidence(targets, means), "confirm").kept
    assert np.isnan([kept.value, kept.low, kept.high]).all()


def test_a_ceiling_below_zero_makes_kept_not_applicable():
    """Where nothing could be foreseen of the confirm customers, two losses are not divided into a gain."""
    kind, targets, means = _groups(300, seed=0)
    confirm = fold_customers(_ids(300)) == CONFIRM
    means[confirm] += 20
    assert np.isnan(worth(kind, _evidence(targets, means), "confirm").kept.value)


def test_no_confirm_customers_make_kept_not_applicable():
    """Without a single confirm customer there is no headline figure, and no crash."""
    names = [name for name, fold in zip(_ids(120), fold_customers(_ids(120)), strict=True) if fold != CONFIRM]
    kind, targets, _ = _groups(len(names), seed=0)
    evidence = _gathered(kind[:, None].astype(float), targets, ["a", "b"], names)
    assert np.isnan(worth(kind, evidence, "confirm").kept.value)
    assert worth(kind, evidence).kept.value > 0.8


def test_three_in_ten_customers_confirm():
    """About 30 % of customers confirm, and the others fall evenly into five folds."""
    folds = fold_customers(_ids(20_000))
    assert np.mean(folds == CONFIRM) == pytest.approx(0.3, abs=0.01)
    assert [np.mean(folds == fold) for fold in range(N_FOLDS)] == pytest.approx([0.14] * N_FOLDS, abs=0.01)


@given(rows=st.lists(st.integers(0, 999), min_size=1, max_size=50))
@settings(deadline=None, max_examples=30)
def test_a_customer_keeps_its_fold_whoever_else_is_there(rows):
    """The fold is a matter of the id alone: not of order, and not of the other customers."""
    everyone = fold_customers(_ids(1000))
    names = _ids(1000)
    assert fold_customers([names[row] for row in rows]).tolist() == everyone[rows].tolist()
    assert fold_customers([*_ids(40, first=5000), names[rows[0]]])[-1] == everyone[rows[0]]


def test_folds_are_the_same_in_every_version():
    """The division is part of what was published about a model: it must not drift with Python or NumPy."""
    assert fold_customers(["1", "2", "3", "A-17", "é", "00042"]).tolist() == [0, 1, 4, 1, 1, 2]


def test_of_many_customers_some_are_heard():
    """Of more customers than are asked, those with the smallest hashes are heard, whatever the order of the rows."""
    names = _ids(1000)
    heard = hear(names, most=200)
    assert heard.sum() == 200
    order = np.random.default_rng(0).permutation(1000)
    np.testing.assert_array_equal(hear([names[row] for row in order], most=200), heard[order])
    assert hear(names).all()
    # Being heard tells nothing about the side of the split.
    assert np.mean(fold_customers(names)[heard] == CONFIRM) == pytest.approx(0.3, abs=0.1)


def test_money_is_cut_off_where_it_is_extreme():
    """Outcomes beyond the 99 % quantile of their size are cut off, gains and losses alike."""
    rng = np.random.default_rng(0)
    plain = np.column_stack([rng.exponential(10, 2000), rng.normal(0, 5, 2000)])
    outcomes = plain.copy()
    outcomes[0], outcomes[1] = [1e12, 1e12], [5.0, -1e12]
    select = np.arange(2000) % 10 < 7
    found = winsorised(outcomes, select)
    bound = np.quantile(np.abs(outcomes[select]), 0.99, axis=0)
    cut = np.clip(outcomes, -bound, bound)
    np.testing.assert_allclose(found, cut / cut[select].std(axis=0))
    assert found[0, 1] == -found[1, 1]


def test_money_is_learned_from_select_customers():
    """What confirm customers spent does not decide where money is cut off."""
    outcomes = np.random.default_rng(0).exponential(10, (300, 1))
    select = np.arange(300) < 200
    other = np.where(select[:, None], outcomes, 1e6)
    np.testing.assert_array_equal(winsorised(other, select)[select], winsorised(outcomes, select)[select])


@pytest.mark.parametrize("select", [np.ones(50, bool), np.zeros(50, bool)], ids=["all", "none"])
def test_money_that_does_not_differ_stays_as_it_is(select):
    """A constant outcome, or nobody to learn from, is no division by 0."""
    assert np.isfinite(winsorised(np.full((50, 2), 3.0), select)).all()


def test_one_scale_does_not_change_the_other():
    """Evidence on two scales is that on each alone, on the same folds and draws."""
    kind, targets, _ = _groups(200, seed=0)
    space = np.column_stack([kind, targets[:, 0] ** 2])
    scales = [(targets, QUICK), (targets**3, QUICK)]
    both = gather_evidence(space, scales, ["a", "b"], _ids(200), seed=0, workers=1)
    for scale, found in zip(scales, both, strict=True):
        (alone,) = gather_evidence(space, [scale], ["a", "b"], _ids(200), seed=0, workers=1)
        assert found.ceiling_errors.tobytes() == alone.ceiling_errors.tobytes()
        assert found.counted.tolist() == alone.counted.tolist()
    assert both[0].draws is both[1].draws


def test_every_forecast_is_told():
    """Progress counts each forecast once, up to as many as were announced."""
    kind, targets, _ = _groups(100, seed=0)
    told: list[int] = []
    gather_evidence(
        kind[:, None].astype(float), [(targets, QUICK)] * 2, ["a", "b"], _ids(100), seed=0, workers=1,
        progress=told.append,
    )  # fmt: skip
    assert told == list(range(1, n_forecasts(2) + 1))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_outcome_that_is_not_known_is_an_error(value):
    """An outcome missing for some customers is named with their number, and no customer's value."""
    targets = np.zeros((60, 2))
    targets[:3, 1] = value
    with pytest.raises(InvalidInputError, match="outcome visits is not a finite number for 3 of 60 customers"):
        _gathered(np.zeros((60, 1)), targets, ["spend", "visits"], _ids(60))


def test_a_snapshot_without_outcomes_has_nothing_to_foresee():
    """Without outcomes there is evidence of nothing, at no cost."""
    evidence = _gathered(np.zeros((60, 1)), np.empty((60, 0)), [], _ids(60))
    assert np.isnan(worth(np.arange(60) % 2, evidence).kept.value)
    assert n_forecasts(0) == 0
