"""Continuity: segments keep their ids where they keep their customers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patronage.continuity import ACCEPT, Event, carry_ids, first_ids, follow, segment_id
from patronage.evaluation.stability import jaccard_matrix

IDS = ["S01", "S02", "S03"]
FORMER = np.repeat([0, 1, 2], 40)


@given(names=st.permutations(range(3)))
@settings(deadline=None, max_examples=6)
def test_renumbered_segments_keep_their_ids(names):
    """The clusterer's numbers mean nothing: the same customers keep the same id."""
    current = np.array(names)[FORMER]
    ids = carry_ids(FORMER, IDS, current, 3)
    assert [ids[label] for label in current] == [IDS[label] for label in FORMER]


def test_two_segments_that_swap_numbers_swap_ids():
    """Ids follow customers, not positions."""
    assert carry_ids(FORMER, IDS, np.repeat([1, 0, 2], 40), 3) == ["S02", "S01", "S03"]


def test_a_split_gives_one_new_id():
    """Where a segment splits, the part that holds most of it keeps the id, the other gets a new one; others persist."""
    current = FORMER.copy()
    current[-10:] = 3
    assert carry_ids(FORMER, IDS, current, 4) == ["S01", "S02", "S03", "S04"]


def test_a_new_id_follows_the_highest_ever_given():
    """A new id is not one that an earlier segment bore, whatever the order of ids."""
    current = FORMER.copy()
    current[-10:] = 3
    assert carry_ids(FORMER, ["S12", "S03", "S07"], current, 4) == ["S12", "S03", "S07", "S13"]


def test_a_merged_segment_keeps_the_bigger_parts_id():
    """Where segments merge, the one that makes up at least half of the union goes on."""
    former = np.repeat([0, 1, 2], [60, 20, 40])
    current = np.repeat([0, 1], [80, 40])
    assert carry_ids(former, IDS, current, 2) == ["S01", "S03"]


def test_segments_with_nothing_in_common_are_all_new():
    """Where no two segments share half of their customers, every id is new."""
    current = np.arange(120) % 3
    assert carry_ids(FORMER, IDS, current, 3) == ["S04", "S05", "S06"]


def test_a_match_is_not_given_up_for_two_that_are_none():
    """A pair that shares half of its customers keeps its id, even where other pairs add up to more likeness."""
    former = np.repeat([0, 0, 1], [60, 30, 30])
    current = np.repeat([0, 1, 0], [60, 30, 30])
    assert jaccard_matrix(current, former)[0, 0] == ACCEPT
    assert carry_ids(former, ["S01", "S02"], current, 2) == ["S01", "S03"]


def test_a_segment_nobody_is_in_gets_a_new_id():
    """A current segment without customers matches nothing, and a former one without customers is not carried."""
    current = np.where(FORMER == 1, 3, FORMER)
    assert carry_ids(FORMER, IDS, current, 4) == ["S01", "S04", "S03", "S02"]
    assert carry_ids(np.where(FORMER == 1, 0, FORMER), IDS, FORMER, 3) == ["S01", "S04", "S03"]


def test_the_unassigned_are_no_segment():
    """Customers without a segment in both models make no match."""
    former = np.where(FORMER == 0, -1, FORMER)
    current = np.where(FORMER == 1, -1, FORMER)
    assert carry_ids(former, IDS, current, 3) == ["S04", "S05", "S03"]


@pytest.mark.parametrize(
    ("former", "current"), [(np.full(9, -1), np.arange(9) % 2), (np.arange(9) % 2, np.full(9, -1))]
)
def test_nobody_assigned_is_no_error(former, current):
    """A model that assigned nobody has nothing to carry over or to receive."""
    assert carry_ids(former, ["S01", "S02"], current, 2) == ["S03", "S04"]


@given(
    labels=st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 4)), min_size=1, max_size=60),
    numbers=st.lists(st.integers(1, 30), min_size=4, max_size=4, unique=True),
)
@settings(deadline=None, max_examples=80)
def test_ids_are_unique_and_carried_only_between_alike_segments(labels, numbers):
    """No id is given twice; one is carried over at a Jaccard similarity of half or more; above half it always is."""
    former, current = (np.array(side) for side in zip(*labels, strict=True))
    former_ids = [segment_id(number) for number in numbers]
    ids = carry_ids(former, former_ids, current, 5)
    similarity = np.zeros((5, 4))
    found = jaccard_matrix(current, former, 5)
    similarity[:, : found.shape[1]] = found
    assert len(set(ids)) == 5
    for label, name in enumerate(ids):
        if name in former_ids:
            assert similarity[label, former_ids.index(name)] >= ACCEPT
        else:
            assert int(name[1:]) > max(numbers)
            assert similarity[label].max() <= ACCEPT


def test_first_ids_go_by_worth():
    """The first segment is the one whose customers are worth most; one of unknown worth comes last."""
    assert first_ids(np.array([5.0, np.nan, 90.0, -3.0])) == ["S02", "S04", "S01", "S03"]


def test_equal_worth_keeps_the_order():
    """Segments of equal worth are numbered as they come."""
    assert first_ids(np.array([2.0, 2.0, 7.0])) == ["S02", "S03", "S01"]


def test_ids_have_two_digits_or_more():
    """Ids sort as text up to 99."""
    assert [segment_id(1), segment_id(20), segment_id(100)] == ["S01", "S20", "S100"]


def test_a_split_a_merge_a_birth_and_a_death_are_told_apart():
    """Worked by hand: S01 loses a third to a split, S02 is spread over others and dies, S04 merges into S03."""
    former = np.repeat([0, 1, 2, 3, -1], [90, 30, 80, 20, 12])
    current = np.concatenate(
        [
            np.repeat([0, 3], [60, 30]),  # S01: two thirds stay, a third is split off
            np.repeat([0, 2, 1], [10, 10, 10]),  # S02: spread evenly
            np.repeat(1, 80),  # S03 stays whole
            np.repeat([1, 2], [15, 5]),  # S04: most of it joins S03
            np.repeat(2, 12),  # who was in no segment is most of a new one
        ]
    )
    found = follow(former, ["S01", "S02", "S03", "S04"], current, 4)
    assert found.ids == ("S01", "S03", "S05", "S06")
    assert found.events == (
        Event("persists", "S01", "S01", 60, 60 / 90, 60 / 70, 60 / 100),
        Event("persists", "S03", "S03", 80, 1.0, 80 / 105, 80 / 105),
        _Like(Event("birth", "S05", "", 27, np.nan, np.nan, 0.0)),
        Event("split", "S06", "S01", 30, 30 / 90, 1.0, 30 / 90),
        _Like(Event("death", "", "S02", 30, np.nan, np.nan, 0.0)),
        Event("merge", "S03", "S04", 15, 15 / 20, 15 / 105, 15 / 110),
    )
    assert found.last_number == 6
    assert found.n_customers == 232
    assert found.changed_share == (232 - 60 - 80) / 232


class _Like:
    """Equal to an event whose shares that do not apply are NaN, which equals nothing."""

    def __init__(self, event):
        self.event = event

    def __eq__(self, other):
        return self.event.to_dict() == other.to_dict()

    def __hash__(self):
        return hash(self.event.segment_id)


def test_the_unassigned_change_by_being_assigned_and_not_by_staying_so():
    """Who is in no segment before and after has not changed; who enters or leaves one has."""
    found = follow(np.array([-1, -1, 0, 0, 0, 0]), ["S01"], np.array([-1, 0, -1, 0, 0, 0]), 1)
    assert found.changed_share == 2 / 6


def test_ids_that_ended_long_ago_are_not_given_again():
    """The highest number ever given counts, also where no segment bears it today."""
    found = follow(FORMER, IDS, np.where(FORMER == 2, 3, np.where(np.arange(120) < 5, 2, FORMER)), 4, last_number=9)
    assert found.ids == ("S01", "S02", "S10", "S03")
    assert found.last_number == 10


def test_new_ids_go_by_worth():
    """Of two new segments the one whose customers are worth more gets the lower number."""
    ids = carry_ids(FORMER, IDS, np.arange(120) % 2, 2, worth=np.array([1.0, 5.0]))
    assert ids == ["S05", "S04"]


def test_a_first_model_has_no_former_one():
    """Without former segments all are births, and nobody has moved between segments that are known."""
    found = follow(np.full(6, -1), [], np.array([0, 0, 0, 1, 1, 1]), 2)
    assert found.ids == ("S01", "S02")
    assert [event.event for event in found.events] == ["birth", "birth"]


def test_two_segments_that_are_joined_are_no_split():
    """Where two former segments become one that is neither, both were merged into it, and it was split off none."""
    former = np.repeat([0, 1, 2], [55, 45, 60])
    current = np.repeat([0, 2, 0, 2, 1], [50, 5, 45, 0, 60])
    found = follow(former, IDS, np.where(current == 2, 1, current), 2)
    assert [(event.event, event.segment_id, event.former_id) for event in found.events] == [
        ("persists", "S01", "S01"), ("persists", "S03", "S03"), ("merge", "S01", "S02"),
    ]  # fmt: skip
    former = np.repeat([0, 1, 2, 3], [49, 49, 49, 49])
    joined = follow(former, [*IDS, "S04"], np.repeat([0, 0, 0, 1], 49), 2)
    assert [(event.event, event.segment_id, event.former_id) for event in joined.events] == [
        ("persists", "S04", "S04"),
        ("birth", "S05", ""),
        ("merge", "S05", "S01"),
        ("merge", "S05", "S02"),
        ("merge", "S05", "S03"),
    ]
    # Most of the joined one comes from S02, which is not the same all the same: 60 of 70 + 115 − 60.
    mostly = follow(np.repeat([0, 1, 2], [100, 70, 55]), IDS, np.repeat([0, 1, 1], [110, 60, 55]), 2)
    assert [(event.event, event.segment_id, event.former_id) for event in mostly.events] == [
        ("persists", "S01", "S01"), ("birth", "S04", ""), ("merge", "S04", "S02"), ("merge", "S04", "S03"),
    ]  # fmt: skip


def test_a_segment_that_falls_into_two_new_ones_is_split():
    """Where a former segment ends and two new ones come from it, both were split off it."""
    former, current = np.repeat([0, 1], [100, 40]), np.repeat([0, 2, 3, 1], [40, 30, 30, 40])
    found = follow(former, IDS[:2], current, 4)
    assert [(event.event, event.former_id) for event in found.events] == [
        ("persists", "S02"), ("split", "S01"), ("split", "S01"), ("split", "S01"), ("death", "S01"),
    ]  # fmt: skip
