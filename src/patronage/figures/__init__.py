"""The pictures of a training run."""

from patronage.figures.choice import choice_of_k
from patronage.figures.described import reliability, size_and_value
from patronage.figures.diagnosed import distributions
from patronage.figures.flows import across_k
from patronage.figures.trade_off import frontier

__all__ = ["across_k", "choice_of_k", "distributions", "frontier", "reliability", "size_and_value"]
