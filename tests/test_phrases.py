"""Figures in words: rounded, in units that people think in."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from patronage.phrases import Phrases, known, round_off, usual_days
from patronage.wording import read_wording

SAY = Phrases(read_wording())


@given(st.floats(-1e9, 1e9, allow_nan=False))
def test_figures_have_two_digits(value):
    """Whatever the figure, no more than two digits of it are told, and it stays about the same."""
    told = SAY.number(value)
    digits = re.sub(r"\D", "", told).strip("0")
    assert len(digits) <= 2
    assert abs(round_off(value) - value) <= max(0.0501, 0.0501 * abs(value))


def test_money_is_whole_and_has_its_currency():
    """Cents are left out; the currency stands behind where it is known."""
    assert SAY.money(8.34) == "8"
    assert SAY.money(1253.4) == "1,300"
    assert Phrases(SAY.wording, "EUR").money(62.6) == "63 EUR"


def test_shares_are_whole_per_cent():
    """A share is told in whole per cent, a trace of it as such."""
    assert [SAY.share(one) for one in (0, 0.003, 0.274, 1)] == ["0%", "under 1%", "27%", "100%"]


@pytest.mark.parametrize(
    ("days", "text", "number"),
    [
        (1, "every day", 1),
        (3.2, "every three days", 3),
        (6.4, "every week", 7),
        (13, "every two weeks", 14),
        (19, "every three weeks", 21),
        (30, "every month", 30),
        (60, "every two months", 61),
        (400, "once a year", 365),
    ],
)
def test_rhythms_are_those_of_a_calendar(days, text, number):
    """A rhythm is told in days, weeks or months; its number is what the words say."""
    assert (SAY.every(days), usual_days(days)) == (text, number)
    assert SAY.every(number) == text


@pytest.mark.parametrize(
    ("per_month", "text"),
    [
        (30, "almost every day"),
        (13, "about three times a week"),
        (8, "about twice a week"),
        (4.3, "about once a week"),
        (3, "about three times a month"),
        (2, "about twice a month"),
        (1, "about once a month"),
        (0.34, "about every three months"),
        (0.02, "hardly once a year"),
    ],
)
def test_frequencies_are_told_as_people_do(per_month, text):
    """How often: by the week, by the month, or every so many months."""
    assert SAY.often(per_month) == text


@pytest.mark.parametrize(
    ("days", "text"), [(1, "a day or two ago"), (14, "about two weeks ago"), (120, "about four months ago")]
)
def test_times_past_are_told_as_people_do(days, text):
    """How long ago: days, weeks or months."""
    assert SAY.ago(days) == text


def test_a_ratio_is_told_from_many_times_to_a_fraction():
    """How a figure stands to that of all customers; without such a figure nothing is said."""
    told = [SAY.ratio(value, 100) for value in (420, 300, 200, 150, 100, 70, 50, 30, 10)]
    assert told[0] == "four times what"
    assert len(set(told)) == len(told)
    assert told[-1] == "a fraction of what"
    assert [SAY.ratio(5, 0), SAY.ratio(math.nan, 5), SAY.ratio(5, math.nan)] == ["", "", ""]


def test_shares_of_things_are_told_as_people_do():
    """One in so many, about half, most, almost all."""
    assert [SAY.of_many(one, "orders") for one in (0, 0.11, 0.5, 0.75, 1)] == [
        "none of the orders",
        "one in nine orders",
        "about half of the orders",
        "most orders",
        "almost all orders",
    ]


def test_lists_end_with_and():
    """One, two, or more."""
    assert [SAY.listed(list(one)) for one in ("a", "ab", "abc")] == ["a", "a and b", "a, b and c"]


def test_figures_of_tables_are_known_or_not():
    """Numbers of any library count; nothing else does."""
    assert [known(one) for one in (1, np.int64(1), np.float32(1), math.nan, None, "1", math.inf)] == [
        True, True, True, False, False, False, False,
    ]  # fmt: skip
