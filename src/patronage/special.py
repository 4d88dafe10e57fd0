"""Special categories of personal data, recognised by name, so that none enters a segmentation unnoticed.

The categories are those of article 9 of the General Data Protection Regulation (EU) 2016/679.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

SPECIAL: Mapping[str, tuple[str, ...]] = {
    "ethnic origin": (
        "ethnic", "ethnicity", "race", "racial", "skin", "etniciteit", "afkomst", "herkomst", "ras", "etnicitet",
        "etnisk", "herkunft", "ethnie", "раса", "этнос", "этничность", "национальность",
    ),
    "political opinions": ("political", "politics", "party", "politiek", "politisk", "partij", "parti", "политика"),
    "religion or belief": (
        "religion", "religious", "faith", "church", "creed", "geloof", "godsdienst", "kerk", "tro", "kirke",
        "konfession", "confession", "религия", "вера",
    ),
    "trade union membership": ("union", "unions", "vakbond", "fagforening", "gewerkschaft", "syndicat", "профсоюз"),
    "health": (
        "health", "disability", "disabled", "disease", "illness", "diagnosis", "medical", "pregnant", "pregnancy",
        "bmi", "gezondheid", "ziekte", "handicap", "zwanger", "sundhed", "helbred", "sygdom", "gravid", "gesundheit",
        "krankheit", "santé", "здоровье", "инвалидность", "болезнь",
    ),
    "sex life or orientation": (
        "sexual", "sexuality", "orientation", "lgbt", "lgbtq", "seksualiteit", "geaardheid", "seksualitet",
        "ориентация",
    ),
    "genetic or biometric data": ("genetic", "dna", "genome", "biometric", "fingerprint", "genetisch", "biometrisch"),
}  # fmt: skip
"""Category → words by which a column's or feature's name tells that it holds such data."""

SENSITIVE: tuple[str, ...] = (
    "age", "gender", "sex", "birth", "birthday", "birthdate", "birthyear", "dob", "leeftijd", "geslacht", "geboorte",
    "geboortedatum", "alder", "køn", "fødselsdato", "alter", "geschlecht", "возраст", "пол",
)  # fmt: skip
"""Words by which a name tells age or gender: allowed, but forming segments only where the user says so."""


def special_category(name: str) -> str | None:
    """Category of personal data that a name tells of, or None.

    Whole words count, in whatever way they are joined: ``customerEthnicity``, ``ETHNIC_GROUP``, ``ethnic-group``;
    ``embrace`` is no ``race``.
    """
    words = _words(name)
    return next((category for category, known in SPECIAL.items() if words & set(known)), None)


def is_sensitive(name: str) -> bool:
    """Whether a name tells of age or gender."""
    return bool(_words(name) & set(SENSITIVE))


def _words(name: str) -> set[str]:
    apart = re.sub(r"(?<=[a-zа-яø])(?=[A-ZА-ЯØ])", " ", name)
    return set(re.split(r"[\W_\d]+", apart.lower()))
