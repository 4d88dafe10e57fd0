"""A challenger beside the champion: what is compared, and which gates it must pass."""

from __future__ import annotations

import pytest

from patronage.challenge import Challenge, ChallengeGates, failed_challenge
from patronage.errors import InvalidConfigError

GOOD = {
    "kept_difference": -0.01,
    "kept_difference_low": -0.04,
    "kept_difference_high": 0.02,
    "ari": 0.85,
    "ari_champion": 0.9,
    "changed_share": 0.2,
}


def test_a_challenger_that_is_about_as_good_passes():
    """A difference whose interval reaches zero, a little less steadiness and a fifth of changes fail no gate."""
    assert failed_challenge(GOOD, ChallengeGates()) == ()


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"kept_difference": -0.05, "kept_difference_high": -0.01}, "keeps less than the champion's recipe"),
        ({"ari": 0.79}, "less steady than the champion's recipe: ARI of refits 0.79, not 0.90"),
        ({"changed_share": 0.51}, "51.0% of the customers change segment (allowed: 50%)"),
    ],
)
def test_each_shortcoming_fails_its_gate(figures, words):
    """One gate per shortcoming, in words with figure and limit; none fails for another one's figure."""
    (failed,) = failed_challenge({**GOOD, **figures}, ChallengeGates())
    assert words in failed


def test_all_shortcomings_are_told_at_once():
    """A reviewer sees every gate that fails, not the first only."""
    worse = {**GOOD, "kept_difference_high": -0.01, "ari": 0.5, "changed_share": 0.9}
    assert len(failed_challenge(worse, ChallengeGates())) == 3


def test_what_does_not_apply_fails_no_gate():
    """A snapshot's models have no figures of what came later."""
    assert failed_challenge({"ari": 0.8, "ari_champion": 0.8}, ChallengeGates()) == ()
    assert failed_challenge({}, ChallengeGates()) == ()


def test_limits_can_be_raised():
    """Fewer segments keep less by nature: who wants them allows the loss."""
    fewer = {**GOOD, "kept_difference": -0.05, "kept_difference_high": -0.03}
    assert failed_challenge(fewer, ChallengeGates(max_kept_loss=0.05)) == ()
    assert failed_challenge(fewer, ChallengeGates(max_kept_loss=0.02)) != ()


@pytest.mark.parametrize("gate", ["max_kept_loss", "max_ari_loss", "max_changed_share"])
def test_a_limit_below_zero_is_refused(gate):
    """A negative limit, or none that is a number, is an option's error."""
    for limit in (-0.1, float("nan")):
        with pytest.raises(InvalidConfigError, match=rf"gates\.{gate} must be 0 or more"):
            ChallengeGates(**{gate: limit})


def test_a_share_above_one_is_refused():
    """Every customer may change segment, and no more than that."""
    assert ChallengeGates(max_changed_share=1).max_changed_share == 1
    with pytest.raises(InvalidConfigError, match=r"gates\.max_changed_share must be from 0 to 1; got 2"):
        ChallengeGates(max_changed_share=2)


def test_figures_are_those_that_apply():
    """What is not known is left out instead of written as no number."""
    told = Challenge("3", 4, 5, float("nan"), float("nan"), float("nan"), float("nan"), 0.9, 0.8, 0.25).figures
    assert told == {
        "n_segments": 4.0,
        "n_segments_champion": 5.0,
        "ari": 0.9,
        "ari_champion": 0.8,
        "changed_share": 0.25,
    }
