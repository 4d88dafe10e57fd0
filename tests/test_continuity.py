"""Continuity: segments keep their ids where they keep their customers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patronage.continuity import ACCEPT, carry_ids, first_ids, segment_id
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
