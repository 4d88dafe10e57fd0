"""Data with planted truth: what a segmentation finds in them can be held against what is there.

`planted_personas` draws all seven canonical tables for customers of known personas, prospects among them, with
campaigns whose effect is known.
"""

from patronage.datasets.campaigns import EFFECT_DAYS, OFFERS
from patronage.datasets.personas import NAMES, PERSONAS, PROSPECT, Persona
from patronage.datasets.planted import PlantedPersonas, planted_personas

__all__ = [
    "EFFECT_DAYS",
    "NAMES",
    "OFFERS",
    "PERSONAS",
    "PROSPECT",
    "Persona",
    "PlantedPersonas",
    "planted_personas",
]
