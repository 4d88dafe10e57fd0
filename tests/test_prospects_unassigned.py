"""Prospects where customers are in no segment: being in none is probable too, and confidence says so."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import entropy

from patronage.card import model_card
from patronage.catalogue import Catalogue, Feature
from patronage.errors import InvalidInputError
from patronage.model import SegmentationModel
from patronage.prospects import MIN_PER_SEGMENT, Prospects, learn_prospects
from patronage.prospects.classifier import Leading
from patronage.scoring import model_digest
from tests.profiled import planted_profiles, simple
from tests.scored import feature_table, small_model

N = 4_000


def towns(share: float) -> tuple[tuple[Feature, ...], pd.DataFrame, np.ndarray]:
    """Two towns of equal size: west is the first segment's for this share of its people, east all the second's."""
    east = np.arange(N) % 2
    label = np.where(east == 1, 1, np.where(np.random.default_rng(4).random(N) < share, 0, -1))
    frame = pd.DataFrame(
        {"town": pd.array(np.where(east == 1, "east", "west"), dtype="str")},
        index=pd.Index([f"c{number}" for number in range(N)], name="customer_id"),
    )
    return (Feature("town", "customers", "town", scale="one_hot", role="descriptor"),), frame, label


def learned(share: float, min_confidence: float = 0.5) -> Prospects:
    """What is learned from the two towns."""
    return learn_prospects(*towns(share), 2, min_confidence=min_confidence)


ASKED = pd.DataFrame({"town": pd.array(["west", "east"], dtype="str")})


def test_a_probability_is_that_of_everyone_with_the_profile() -> None:
    """Where half of a town is in no segment, that of the other half is told with one half, not with certainty."""
    classifier = learned(0.5).classifier
    assert classifier is not None
    _, frame, label = towns(0.5)
    truth = (label == 0)[frame["town"] == "west"].mean()
    west, east = classifier.probabilities(ASKED)
    assert west == pytest.approx([truth, 0, 1 - truth], abs=0.02)
    assert east == pytest.approx([0, 1, 0], abs=0.02)
    assert classifier.n_segments == 2


@pytest.mark.parametrize("min_confidence", [0.0, 0.5])
def test_who_is_most_probably_in_no_segment_is_placed_nowhere(min_confidence: float) -> None:
    """Whatever the least confidence; the runner-up is the most probable segment, and others are placed as ever."""
    classifier = learned(0.4, min_confidence).classifier
    assert classifier is not None
    placed = classifier.place(ASKED)
    assert placed.label.tolist() == [-1, 1]
    assert placed.runner_up[0] == 0
    assert np.isnan(placed.confidence[0])


def test_who_is_rather_in_a_segment_is_placed_there_with_what_remains() -> None:
    """The runner-up is a segment, though being in none is more probable than that."""
    classifier = learned(0.6).classifier
    assert classifier is not None
    placed = classifier.place(ASKED)
    assert placed.label.tolist() == [0, 1]
    assert placed.runner_up.tolist() == [1, 0]
    assert placed.confidence[0] == pytest.approx(0.6, abs=0.02)


@pytest.mark.parametrize(
    ("probability", "least", "placed"),
    [
        ([0.4, 0.2, 0.4], 0.0, True),
        ([0.39, 0.2, 0.41], 0.0, False),
        ([0.5, 0.1, 0.4], 0.5, True),
        ([0.49, 0.11, 0.4], 0.5, False),
        ([0.2, 0.8], 0.5, True),
    ],
)
def test_what_it_takes_to_be_placed(probability: list[float], least: float, placed: bool) -> None:  # noqa: FBT001
    """At least the least probability, and at least that of being in no segment, where it is known."""
    assert Leading.of(np.array([probability]), 2, least).placed.tolist() == [placed]


def test_customers_in_no_segment_are_judged_too() -> None:
    """Placing one is a miss, the log loss is over segments and none, and recall is that of the segments' customers."""
    found = learned(0.6).evaluation
    assert found is not None
    _, frame, label = towns(0.6)
    west = (frame["town"] == "west").to_numpy()
    inside = (label == 0)[west].mean()
    assert (found.n_customers, found.n_unassigned) == (N, (label == -1).sum())
    assert found.recall == (1, 1)
    assert found.placed_share == 1
    assert found.placed_accuracy == found.accuracy == pytest.approx((label >= 0).mean())
    assert found.log_loss == pytest.approx(entropy([inside, 1 - inside]) / 2, abs=0.01)
    shares = np.bincount(np.where(label < 0, 2, label)) / N
    assert found.log_loss_prior == pytest.approx(entropy(shares), abs=1e-3)
    assert found.majority == shares.max()
    assert found.reliability.calibration_error < 0.02


def test_where_segments_are_told_from_none_alone_nobody_is_placed() -> None:
    """A profile that says who is in a segment, and not in which, places nobody."""
    features, frame, label = towns(0.0)
    which = np.where(label == 1, np.random.default_rng(0).integers(0, 2, N), -1)
    found = learn_prospects(features, frame, which, 2)
    assert found.classifier is None
    assert found.evaluation is not None
    assert found.evaluation.skill_low > 0
    assert "no more than the 50% of a guess" in found.why_not


def test_too_few_customers_without_a_segment_teach_nothing() -> None:
    """Below the number that a segment needs they are left out, as if they were not there; from it on they are heard."""
    features, frame, label = simple()
    for n in (MIN_PER_SEGMENT - 1, MIN_PER_SEGMENT):
        noise = np.arange(400) < n
        found = learn_prospects(features, frame, np.where(noise, -1, label), 2)
        alone = learn_prospects(features, frame[~noise], label[~noise], 2)
        assert found.classifier is not None
        assert alone.classifier is not None
        assert found.classifier.knows_unassigned == (n == MIN_PER_SEGMENT)
        assert (found.evaluation == alone.evaluation) == (n < MIN_PER_SEGMENT)
    without_profile = np.arange(400) < 100
    silent = frame.assign(income=frame["income"].where(~without_profile), town=frame["town"].where(~without_profile))
    found = learn_prospects(features, silent, np.where(without_profile, -1, label), 2)
    assert found.classifier is not None
    assert not found.classifier.knows_unassigned


def test_personas_with_noise_among_them_are_told_as_they_are(tmp_path: Path) -> None:
    """Where 4 in 10 of every kind of customer are in no segment, prospects come out as often as forecast."""
    planted = planted_profiles(tmp_path)
    rng = np.random.default_rng(5)

    def noisy(kinds: np.ndarray) -> np.ndarray:
        return np.where(rng.random(len(kinds)) < 0.4, -1, kinds)

    found = learn_prospects(planted.catalogue.features, planted.table.active, noisy(planted.labels), 6)
    assert found.classifier is not None
    assert found.evaluation is not None
    segments = found.classifier.probabilities(planted.prospects)[:, :6]
    came_true = segments.argmax(axis=1) == noisy(planted.would_be)
    assert segments.max(axis=1).mean() == pytest.approx(came_true.mean(), abs=0.08)
    assert found.evaluation.reliability.calibration_error < 0.06


def modelled(share: float) -> SegmentationModel:
    """The small model, with profiles of the two towns."""
    found, one = learned(share), small_model()
    told = {
        "why_not": found.why_not,
        "min_confidence": 0.5,
        "features": ["town"],
        "evaluation": None if found.evaluation is None else asdict(found.evaluation),
    }
    return replace(
        one,
        catalogue=Catalogue((*one.catalogue.features, *towns(share)[0])),
        profiles=found.classifier,
        about={"candidate": "", "why": "", "data": "", "metrics": {}, "confirm": {}, "prospects": told},
    )


def test_a_packaged_model_knows_that_prospects_may_be_in_no_segment(tmp_path: Path) -> None:
    """Loaded again it gives the same bits; who is most probably in none is unassigned, with the runner-up told."""
    model = modelled(0.4)
    model.save(tmp_path / "m")
    again = SegmentationModel.load(tmp_path / "m")
    table = feature_table().assign(customer_status="prospect")
    table["town"] = pd.array(np.where(np.arange(len(table)) % 2, "east", "west"), dtype="str")
    scored = again.predict(table)
    pd.testing.assert_frame_equal(scored, model.predict(table), check_exact=True)
    west = scored[table["town"] == "west"]
    assert set(west["segment_id"]) == {"unassigned"}
    assert set(west["runner_up_id"]) == {"S01"}
    assert set(west["basis"]) == {"none"}
    assert set(scored["segment_id"][table["town"] == "east"]) == {"S02"}
    assert model_digest(again) == model_digest(model)


@pytest.mark.parametrize("said", [False, 1, "yes", None])
def test_a_package_that_hides_the_class_of_no_segment_does_not_load(said: object, tmp_path: Path) -> None:
    """Its probabilities would be read as those of a segment more."""
    modelled(0.6).save(tmp_path / "m")
    path = tmp_path / "m" / "model.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["profiles"]["knows_unassigned"] = said
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(InvalidInputError, match="damaged or was tampered with"):
        SegmentationModel.load(tmp_path / "m")


def test_the_card_says_how_many_are_in_no_segment() -> None:
    """They are counted, and what is said of everyone holds for them too."""
    card = model_card(modelled(0.6))
    n = int((towns(0.6)[2] == -1).sum())
    assert f"Were the 4,000 customers below prospects ({n} of them are in no segment), 100% of them would be" in card
    assert f"| most probable segment, or none, is their own | {1 - n / N:.1%} | 50.0% |" in card
