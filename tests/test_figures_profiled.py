"""Figures of profiles: what is drawn is what the tables say, in any script, for one segment and for twenty."""

from __future__ import annotations

import numpy as np
import pytest

from patronage.figures import (
    capture,
    effects_by_segment,
    heat_map,
    persona_card,
    separation,
    signature,
    size_by_value,
)
from patronage.figures.heat import effect_matrix
from patronage.figures.lettering import legible, wrapped
from patronage.figures.signature import signatures
from patronage.wording import read_wording
from tests.hand_made_profiles import hand_made_profiles
from tests.leaderboards import PNG, drawn

WORDING = read_wording()
ODD = ("週末に野菜 $x^2$ 𝒞", "Buyers of things with very long names, on weekends and alone")
CASES = {
    "one": {"n_segments": 1},
    "twenty losing": {"n_segments": 20, "names": ODD, "losses": True, "n_features": 50},
}


@pytest.mark.parametrize("case", CASES)
def test_profiles_are_drawn(case):
    """One segment or twenty, names in any script, losses: all make a picture, without a warning."""
    profiles = hand_made_profiles(**CASES[case])
    own = profiles.segments[~profiles.segments["reserved"]]
    names = dict(zip(own["segment_id"], own["segment_name"], strict=True))
    matrix = effect_matrix(profiles.differentiators)
    called = {key: ODD[number % 2] for number, key in enumerate(matrix.index)}
    spokes = signatures(profiles.differentiators)["S01"]
    for figure in (
        size_by_value(profiles.segments, "$", WORDING),
        capture(profiles.capture, profiles.segments, WORDING),
        separation(profiles.positions, (), WORDING),
        heat_map(matrix, called, "Differences"),
        effects_by_segment(profiles.differentiators, dict(list(names.items())[:4]), ("Effects", "forms", "describes")),
        persona_card(f"S01 {ODD[0]}", "120 customers", ODD[1], " ".join(ODD * 9), [(ODD[0], ODD[1])] * 9, spokes),
    ):
        assert drawn(figure).startswith(PNG)


def test_a_blocks_area_is_what_the_segment_is_worth():
    """Blocks are as wide as shares of customers and as high as values per customer, the most valuable first."""
    segments = hand_made_profiles(losses=True).segments
    own = segments[~segments["reserved"]].sort_values("value_per_customer", ascending=False)
    blocks = size_by_value(segments, "EUR", WORDING).axes[0].patches
    areas = [block.get_width() * block.get_height() * own["n_customers"].sum() for block in blocks]
    assert areas == pytest.approx(own["value_total"].to_list())
    assert [block.get_x() for block in blocks] == pytest.approx(
        [0.0, *(own["n_customers"].cumsum() / own["n_customers"].sum())[:-1]]
    )
    assert [block.get_hatch() for block in blocks] == [None, None, None, "///", "///"]


def test_names_of_blocks_do_not_cover_each_other():
    """Of twenty narrow blocks only those are named whose names have room; of five all are."""
    twenty = size_by_value(hand_made_profiles(20).segments, "", WORDING).axes[0]
    told = [text for text in twenty.texts if text.get_text().startswith("S")]
    assert 5 < len(told) < 20
    five = size_by_value(hand_made_profiles().segments, "", WORDING).axes[0]
    assert sum(text.get_text().startswith("S") for text in five.texts) == 5


def test_the_capture_curve_is_the_table():
    """Both lines are the table's, and segments end where their customers do."""
    profiles = hand_made_profiles()
    axes = capture(profiles.capture, profiles.segments, WORDING).axes[0]
    alone, together = [line for line in axes.lines if len(line.get_xdata()) == len(profiles.capture)]
    assert alone.get_ydata() == pytest.approx(profiles.capture["share_value"].to_numpy())
    assert together.get_ydata() == pytest.approx(profiles.capture["segment_share_value"].to_numpy())
    (ends,) = [line for line in axes.lines if line.get_marker() == "s"]
    own = profiles.segments[~profiles.segments["reserved"]]
    assert ends.get_xdata() == pytest.approx((own["n_customers"].cumsum() / own["n_customers"].sum()).to_numpy()[:-1])


def test_every_customer_drawn_is_a_point_of_its_segment():
    """Points stand where the table says, with a colour and a marker that no other segment of six has."""
    positions = hand_made_profiles().positions
    axes = separation(positions, (0.4, 0.2), WORDING).axes[0]
    points = [group for group in axes.collections if len(group.get_offsets())]
    assert [len(group.get_offsets()) for group in points] == positions.groupby("segment_id").size().to_list()
    first = positions[positions["segment_id"] == "S01"]
    assert np.asarray(points[0].get_offsets()) == pytest.approx(first[["x", "y"]].to_numpy())
    assert len({(tuple(group.get_facecolor()[0]), len(group.get_paths()[0].vertices)) for group in points}) == 5
    assert "40%" in axes.get_xlabel()


def test_a_signature_has_the_same_spokes_for_every_segment():
    """Spokes are features in one order; lengths are effects over the largest; those that only describe are hollow."""
    table = hand_made_profiles().differentiators
    found = signatures(table)
    assert {len(spokes) for spokes in found.values()} == {table[["feature", "level"]].drop_duplicates().shape[0]}
    most = table["effect"].abs().max()
    for segment_id, spokes in found.items():
        own = table[table["segment_id"] == segment_id]
        assert sorted(spoke.length for spoke in spokes) == pytest.approx(sorted(own["effect"] / most))
        assert {spoke.label: spoke.forms for spoke in spokes} == dict(
            zip(own["label"], own["role"] == "basis", strict=True)
        )
    wedges = [patch for patch in signature(found["S01"]).axes[0].patches if hasattr(patch, "theta1")]
    assert [wedge.r > 1 for wedge in wedges] == [spoke.length > 0 for spoke in found["S01"]]
    assert signatures(table.iloc[:0]) == {}


def test_the_heat_map_says_every_effect():
    """Cells hold the effects to one decimal, the features with the largest ones on top."""
    table = hand_made_profiles().differentiators
    matrix = effect_matrix(table)
    assert matrix.abs().max(axis=1).is_monotonic_decreasing
    one = table[(table["segment_id"] == "S01") & (table["feature"] == "spend_per_month")]
    assert matrix.loc[("spend_per_month", ""), "S01"] == one["effect"].item()
    axes = heat_map(matrix, {key: key[0] for key in matrix.index}, "").axes[0]
    told = [float(text.get_text().replace("−", "-")) for text in axes.texts]
    assert told == pytest.approx(matrix.to_numpy().ravel(), abs=0.051)


def test_bars_of_what_only_describes_are_hollow():
    """Filled bars are what segments are formed on; colour is not needed to tell them from the others."""
    table = hand_made_profiles(1).differentiators
    axes = effects_by_segment(table, {"S01": "High spend"}, ("", "forms", "describes")).axes[0]
    own = table[table["notable"]].head(6).iloc[::-1]
    assert [bar.get_hatch() is None for bar in axes.patches[: len(own)]] == (own["role"] == "basis").to_list()
    assert [bar.get_width() for bar in axes.patches[: len(own)]] == pytest.approx(own["effect"].to_list())


def test_a_name_is_drawn_in_the_fonts_that_have_its_letters():
    """A letter that the first font lacks comes from another one; one that no font has is an empty box."""
    assert legible("Café") == ("Café", ("DejaVu Sans",))
    script, families = legible("𝒞")
    assert script == "𝒞"
    assert len(families) == 2
    assert legible("a\U000e0041") == ("a□", ("DejaVu Sans",))
    assert wrapped("one two three", 8, 1) == "one …"
