"""Special categories of personal data, recognised by name, so that none enters a segmentation unnoticed.

The categories are those of article 9 of the General Data Protection Regulation (EU) 2016/679.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from patronage.catalogue import Feature

SPECIAL: Mapping[str, tuple[str, ...]] = {
    "ethnic origin": (
        "ethnic", "ethnicity", "race", "racial", "skin colour", "skin color", "etniciteit", "afkomst", "herkomst",
        "ras", "etnicitet", "etnisk", "herkunft", "ethnie", "раса", "этнос", "этничность", "национальность",
    ),
    "political opinions": ("political", "politics", "politiek", "politisk", "политика", "партия"),
    "religion or belief": (
        "religion", "religious", "faith", "church", "creed", "geloof", "godsdienst", "kerk", "tro", "kirke",
        "konfession", "confession", "религия", "вера",
    ),
    "trade union membership": (
        "trade union", "labour union", "labor union", "union member", "union membership", "vakbond", "fagforening",
        "gewerkschaft", "syndicat", "профсоюз",
    ),
    "health": (
        "health", "disability", "disabled", "disease", "illness", "diagnosis", "medical", "pregnant", "pregnancy",
        "laxative", "laxatives", "analgesic", "analgesics", "contraceptive", "contraceptives", "family planning",
        "smoking cessation", "smoking cessations", "diabetic", "diabetes", "incontinence", "antacid", "antacids",
        "bmi", "gezondheid", "ziekte", "handicap", "zwanger", "sundhed", "helbred", "sygdom", "gravid", "gesundheit",
        "krankheit", "santé", "здоровье", "инвалидность", "болезнь",
    ),
    "sex life or orientation": (
        "sexual", "sexuality", "lgbt", "lgbtq", "seksualiteit", "geaardheid", "seksualitet", "ориентация",
    ),
    "genetic or biometric data": ("genetic", "dna", "genome", "biometric", "fingerprint", "genetisch", "biometrisch"),
}  # fmt: skip
"""Category → words, or words side by side, by which a name tells that it holds such data."""

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
    words = f" {' '.join(_words(name))} "
    return next((category for category, known in SPECIAL.items() if any(f" {one} " in words for one in known)), None)


def is_sensitive(name: str) -> bool:
    """Whether a name tells of age or gender."""
    return bool(set(_words(name)) & set(SENSITIVE))


def is_audited(feature: Feature) -> bool:
    """Whether a feature tells of age, gender or a special category of personal data, by its role or its name."""
    return feature.role == "sensitive" or is_sensitive(feature.name) or special_category(feature.name) is not None


def is_told(feature: Feature) -> bool:
    """Whether a feature may describe segments; sensitive ones are audited instead, unless they form segments."""
    return feature.role == "basis" or not is_audited(feature)


def may_name(feature: Feature) -> bool:
    """Whether a feature may stand in a segment's name, which goes wherever the segment goes.

    As `is_told`; and of a special category only what the catalogue allows, even if segments are formed on it: what is
    bought may tell of health.
    """
    return is_told(feature) and (feature.special == "allow" or special_category(feature.name) is None)


def _words(name: str) -> list[str]:
    apart = re.sub(r"(?<=[a-zа-яø])(?=[A-ZА-ЯØ])", " ", name)
    return re.split(r"[\W_\d]+", apart.lower())
