"""The customers table: profiles that tell of the persona, each column only to a degree, and one that tells nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd

from patronage.datasets.drawing import labels, pick, varied_size
from patronage.datasets.people import People, Period, typical_of
from patronage.datasets.personas import ACQUISITION_CHANNELS, parameter

EDUCATION_LEVELS = ("primary", "secondary", "bachelor", "master")
MOST_PEOPLE = 8
"""In a household."""

# City, region, country, first characters of the postcode, whether it is a big city.
_PLACES = (
    ("Dresden", "Saxony", "Germany", "01", True),
    ("Pirna", "Saxony", "Germany", "01", False),
    ("Leipzig", "Saxony", "Germany", "04", True),
    ("Jena", "Thuringia", "Germany", "07", False),
    ("Berlin", "Berlin", "Germany", "10", True),
    ("Hamburg", "Hamburg", "Germany", "20", True),
    ("Celle", "Lower Saxony", "Germany", "29", False),
    ("Munich", "Bavaria", "Germany", "80", True),
    ("Vienna", "Vienna", "Austria", "1", True),
    ("Krems", "Lower Austria", "Austria", "3", False),
    ("Zurich", "Zurich", "Switzerland", "8", True),
    ("Chur", "Grisons", "Switzerland", "7", False),
)
N_PLACES = len(_PLACES)

_REFERRERS = ("none", "search engine", "social network", "friend", "newspaper", "price portal")
"""What usually goes with each of the acquisition channels, in their order."""

_BROWSERS = ("Chrome", "Safari", "Samsung Internet", "Firefox", "Edge")
_BROWSERS_DESKTOP = (5, 1, 0, 2, 3)
_BROWSERS_MOBILE = (5, 6, 3, 0.5, 0.2)

_COLOURS = ("red", "orange", "yellow", "green", "blue", "violet")

_GENDERS = ("female", "male", "other")
_EMPLOYED = ("employee", "self-employed", "homemaker", "unemployed")
STUDENT_UNTIL_YEARS, RETIRED_FROM_YEARS = 26, 65

OTHER_GENDER_SHARE = 0.01
LONE_PARENT_SHARE = 0.1
"""Of households of three and more."""
STUDENT_SHARE = 0.6
"""Of the young."""
USUAL_REFERRER_SHARE = 0.7
"""Of customers, with the referrer that usually goes with the channel; the others have any."""

MISSING_SHARE = 0.06
"""Share of empty values, at ``noise=1``, in columns that customers need not tell."""


def draw_places(rng: np.random.Generator, people: People, noise: float) -> np.ndarray:
    """Draw where each customer lives, as a position among the places; of shape (n_customers,)."""
    urban = parameter("urban_share")[typical_of(rng, people, noise)] > rng.random(len(people))
    big = np.array([place[-1] for place in _PLACES])
    return pick(rng, np.array([~big, big], dtype=float), urban.astype(np.int8))


def draw_profiles(
    rng: np.random.Generator, people: People, ids: pd.Index, places: np.ndarray, period: Period, noise: float
) -> pd.DataFrame:
    """Draw the customers table, of shape (n_customers, 19); every column but ``favourite_colour`` follows the persona.

    Parameters
    ----------
    ids : Index of shape (n_customers,)
    places : ndarray of shape (n_customers,), int
        From `draw_places`.
    noise : float
        Raises how often a customer is typical of another persona in one respect, the spread, and the share of empty
        values.
    """
    n = len(people)

    def typical(name: str) -> np.ndarray:
        return parameter(name)[typical_of(rng, people, noise)]

    def chance(name: str) -> np.ndarray:
        return typical(name) > rng.random(n)

    def spread(name: str, by: float, least: int, most: int) -> np.ndarray:
        drawn = typical(name) + by * (0.5 + 0.5 * noise) * rng.standard_normal(n)
        return np.clip(np.rint(drawn), least, most).astype(np.int8)

    def told(values: pd.Categorical | np.ndarray) -> pd.Series:
        column = pd.Series(values)
        return column.mask(rng.random(n) < min(MISSING_SHARE * noise, 0.5))

    age = np.clip(typical("age_years") + (3 + 4 * noise) * rng.standard_normal(n), 18, 92)
    birth = np.datetime64(period.last_day) - np.floor(age * 365.25).astype("timedelta64[D]")
    female = chance("female_share")
    gender = np.where(rng.random(n) < OTHER_GENDER_SHARE, 2, np.where(female, 0, 1))
    channel = pick(rng, parameter("acquisition"), typical_of(rng, people, noise))
    referrer = np.where(rng.random(n) < USUAL_REFERRER_SHARE, channel, rng.integers(0, len(_REFERRERS), n))
    mobile = chance("mobile_share")
    education = spread("education_level", 0.7, 0, len(EDUCATION_LEVELS) - 1)
    income = typical("income") * varied_size(rng, n, 0.2 + 0.3 * noise)
    people_at_home = spread("household_size", 0.8, 1, MOST_PEOPLE)
    adults = np.where(rng.random(n) < LONE_PARENT_SHARE, 1, 2)
    city, region, country, postcode, _ = zip(*_PLACES, strict=True)
    frame = {
        "customer_id": ids,
        "birth_date": told(birth.astype("datetime64[us]")),
        "gender": told(labels(gender, _GENDERS)),
        "postcode": pd.Index(np.array(postcode)[places]) + _three_digits(rng, n),
        "region": labels(places, region),
        "country": labels(places, country),
        "city": labels(places, city),
        "education": told(labels(education, EDUCATION_LEVELS)),
        "occupation": told(_occupation(rng, age)),
        "income": told(np.rint(income / 1_000) * 1_000),
        "household_size": told(people_at_home),
        "children": told(np.maximum(people_at_home - adults, 0)),
        "signed_up_at": period.moments(people.signed_up),
        "acquisition_channel": labels(channel, ACQUISITION_CHANNELS),
        "referrer": labels(referrer, _REFERRERS),
        "browser": labels(pick(rng, np.array([_BROWSERS_DESKTOP, _BROWSERS_MOBILE]), mobile), _BROWSERS),
        "followers": np.rint(typical("followers") * varied_size(rng, n, 0.4 + 0.5 * noise)).astype(np.int64),
        "email_opt_in": chance("opt_in_share"),
        "favourite_colour": labels(rng.integers(0, len(_COLOURS), n), _COLOURS),
    }
    return pd.DataFrame(frame)


def _three_digits(rng: np.random.Generator, n: int) -> pd.Index:
    return pd.Index([f"{number:03d}" for number in range(1000)])[rng.integers(0, 1000, n)]


def _occupation(rng: np.random.Generator, age: np.ndarray) -> pd.Categorical:
    """Occupations follow age: students, then workers, then the retired."""
    names = (*_EMPLOYED, "student", "retired")
    working = pick(rng, np.array([[7.0, 1.5, 1.0, 0.5]]), np.zeros(len(age), dtype=np.int8))
    still_student = (age < STUDENT_UNTIL_YEARS) & (rng.random(len(age)) < STUDENT_SHARE)
    return labels(np.where(age >= RETIRED_FROM_YEARS, 5, np.where(still_student, 4, working)), names)
