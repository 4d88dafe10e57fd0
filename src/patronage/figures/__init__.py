"""The pictures of a training run, and those of its report."""

from patronage.figures.choice import choice_of_k
from patronage.figures.described import reliability, size_and_value
from patronage.figures.diagnosed import distributions
from patronage.figures.flows import across_k
from patronage.figures.heat import heat_map
from patronage.figures.separated import separation
from patronage.figures.signature import effects_by_segment, persona_card, signature
from patronage.figures.trade_off import frontier
from patronage.figures.valued import capture, size_by_value

__all__ = [
    "across_k",
    "capture",
    "choice_of_k",
    "distributions",
    "effects_by_segment",
    "frontier",
    "heat_map",
    "persona_card",
    "reliability",
    "separation",
    "signature",
    "size_and_value",
    "size_by_value",
]
