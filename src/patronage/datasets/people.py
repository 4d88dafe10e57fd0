"""Who there is: each customer's persona, active days and own rates, spread around the persona's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from patronage.datasets.drawing import moments_within, pick, varied_rate, varied_share, varied_size
from patronage.datasets.personas import PERSONAS, parameter
from patronage.datasets.products import CATEGORIES_PER_DEPARTMENT, N_BRANDS

LONG_STANDING = 0.75
"""Share of customers who signed up before the period; the others do in its first 60 %."""
LATEST_JOIN = 0.6
STOPS_BETWEEN = (0.15, 0.65)
"""The parts of the period between which those who lapse stop; they are silent for the rest."""
EARLIEST_SIGN_UP_DAYS = 5 * 365
MIN_STAY_DAYS = 30
MONTH_DAYS = 365.25 / 12
MOST_ORDERS_PER_MONTH = 60.0
MOST_LINES = 60.0


@dataclass(frozen=True)
class Period:
    """The days the tables cover.

    Attributes
    ----------
    last_day : date
    n_days : int
    """

    last_day: date
    n_days: int

    @property
    def first_day(self) -> date:
        """First day of the period."""
        return self.last_day - timedelta(days=self.n_days - 1)

    def moments(self, seconds: np.ndarray) -> np.ndarray:
        """Timestamps of seconds since the period's first midnight."""
        # In place: these are the longest arrays there are.
        micros = seconds.astype(np.int64)
        micros *= 1_000_000
        micros += np.datetime64(self.first_day, "us").astype(np.int64)
        return micros.view("datetime64[us]")


@dataclass(frozen=True)
class People:
    """What drives each customer; all arrays are of shape (n_customers,).

    Attributes
    ----------
    persona : ndarray of int
        Position in `PERSONAS`; of a prospect, what it would be.
    is_prospect : ndarray of bool
    signed_up : ndarray of int
        Seconds since the period's first midnight; negative before it.
    first_day, end_day : ndarray of int
        Active in ``[first_day, end_day)``, in days since the period's first.
    orders_per_day, lines_per_order : ndarray of float
        Means; of a prospect, what they would be.
    coupon_share, promotion_share, offline_share, mobile_share : ndarray of float
        Probabilities.
    events_factor, contacts_factor, uplift_factor : ndarray of float
        Multiples of the persona's rates.
    category, brand : ndarray of int
        The favourite.
    """

    persona: np.ndarray
    is_prospect: np.ndarray
    signed_up: np.ndarray
    first_day: np.ndarray
    end_day: np.ndarray
    orders_per_day: np.ndarray
    lines_per_order: np.ndarray
    coupon_share: np.ndarray
    promotion_share: np.ndarray
    offline_share: np.ndarray
    mobile_share: np.ndarray
    events_factor: np.ndarray
    contacts_factor: np.ndarray
    uplift_factor: np.ndarray
    category: np.ndarray
    brand: np.ndarray

    def __len__(self) -> int:
        return len(self.persona)

    def of_persona(self, name: str) -> np.ndarray:
        """A parameter of each customer's persona."""
        return parameter(name)[self.persona]


def draw_people(rng: np.random.Generator, n_customers: int, n_days: int, noise: float, prospect_share: float) -> People:
    """Draw the customers: personas by their exact shares, in random order.

    ``noise`` multiplies the spread of individual rates and the rate of leaving.
    """
    n = n_customers
    is_prospect = rng.permutation(n) < round(prospect_share * n)
    shares = parameter("share")
    # Whoever never bought cannot have stopped buying.
    becoming = shares * ~parameter("stops").astype(bool)
    persona = np.empty(n, dtype=np.int8)
    for group, weights in ((is_prospect, becoming), (~is_prospect, shares)):
        size = int(group.sum())
        places = (rng.permutation(size) + 0.5) / max(size, 1)
        persona[group] = np.searchsorted(np.cumsum(weights)[:-1] / weights.sum(), places, side="right")

    stops = parameter("stops")[persona].astype(bool)
    new = (rng.random(n) > LONG_STANDING) & ~stops
    # Exclusive ends; a customer of long standing signed up before the first day.
    signed_up = moments_within(
        rng,
        np.where(new, 0, -EARLIEST_SIGN_UP_DAYS),
        np.where(new, max(int(LATEST_JOIN * n_days), 1), 0),
    )
    first_day = np.where(new, signed_up // 86_400 + 1, 0)
    stay = MIN_STAY_DAYS + rng.exponential(365 / np.maximum(parameter("churn_per_year")[persona] * noise, 1e-9))
    end_day = np.where(is_prospect, n_days, np.minimum(first_day + stay, n_days)).astype(np.int64)
    stopped = np.floor(n_days * rng.uniform(*STOPS_BETWEEN, n)).astype(np.int64)
    end_day = np.where(stops, stopped, end_day)

    def of_persona(name: str) -> np.ndarray:
        return parameter(name)[persona]

    rate = np.minimum(of_persona("orders_per_month") * varied_rate(rng, n, 0.5 * noise), MOST_ORDERS_PER_MONTH)
    favourite = pick(rng, np.repeat(parameter("departments"), CATEGORIES_PER_DEPARTMENT, axis=1), persona)
    lines = 1 + (of_persona("lines_per_order") - 1) * varied_size(rng, n, 0.35 * noise)
    return People(
        persona=persona,
        is_prospect=is_prospect,
        signed_up=signed_up,
        first_day=first_day,
        end_day=end_day,
        orders_per_day=rate / MONTH_DAYS,
        lines_per_order=np.minimum(lines, MOST_LINES),
        coupon_share=varied_share(rng, of_persona("coupon_share"), 0.7 * noise),
        promotion_share=varied_share(rng, of_persona("promotion_share"), 0.5 * noise),
        offline_share=varied_share(rng, of_persona("offline_share"), 0.8 * noise),
        mobile_share=varied_share(rng, of_persona("mobile_share"), 0.7 * noise),
        events_factor=np.minimum(varied_rate(rng, n, 0.6 * noise), 20.0),
        contacts_factor=np.minimum(varied_rate(rng, n, 0.5 * noise), 20.0),
        uplift_factor=varied_rate(rng, n, 0.4 * noise),
        category=favourite.astype(np.int8),
        brand=rng.integers(0, N_BRANDS, n).astype(np.int8),
    )


def typical_of(rng: np.random.Generator, people: People, noise: float) -> np.ndarray:
    """The persona that each customer is typical of in one respect of its profile, of shape (n_customers,).

    Its own with probability 1 / (1 + noise / 2), else any by its share: so single respects mislead, and all of them
    together seldom do.
    """
    own = rng.random(len(people)) < 1 / (1 + noise / 2)
    anyone = pick(rng, parameter("share")[None, :], np.zeros(len(people), dtype=np.int8))
    return np.where(own, people.persona, anyone).astype(np.int8)


def persona_names(codes: np.ndarray) -> np.ndarray:
    """Names of positions in `PERSONAS`."""
    return np.array([persona.name for persona in PERSONAS], dtype=object)[codes]
