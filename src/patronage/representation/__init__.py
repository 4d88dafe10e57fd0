"""Features → the space that clusterers see.

A representation is a scikit-learn transformer over feature tables. Its kernels work row by row, and its state is
plain values, arrays and trees, so that it can be packaged without pickle.
"""

from patronage.representation.learners import LEARNERS
from patronage.representation.outcome_aware import OutcomeAwareRepresentation
from patronage.representation.principal import PrincipalRepresentation
from patronage.representation.scales import signed_log
from patronage.representation.standard import Column, StandardRepresentation

__all__ = [
    "LEARNERS",
    "Column",
    "OutcomeAwareRepresentation",
    "PrincipalRepresentation",
    "StandardRepresentation",
    "signed_log",
]
