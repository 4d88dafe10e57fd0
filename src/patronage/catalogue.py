"""What a feature is: one SQL expression over one relation, with what people need to know about it.

The catalogue travels with the model, so that scoring computes exactly what training computed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from patronage.errors import InvalidConfigError

FAMILIES = (
    "demographic",
    "geographic",
    "psychographic",
    "behaviour",
    "affinity",
    "engagement",
    "intent",
    "service",
    "influence",
    "benefit",
    "value",
    "occasion",
)
ROLES = ("basis", "descriptor", "sensitive")
SCALES = ("none", "log", "yeo_johnson", "ordinal", "one_hot", "binary")
RELATIONS = ("lines", "orders", "ledger", "events", "contacts", "campaigns", "answers", "customers")
SPECIAL_CHOICES = ("leave_out", "allow")
OTHER = "other"


@dataclass(frozen=True)
class Expand:
    """One feature per value of a column.

    Attributes
    ----------
    by : str
        Column of the relation.
    top : int
        How many values get a feature of their own, the most by revenue; the rest share ``other``.
    where : str, optional
        SQL condition: only rows that meet it give values, and only they match.
    other : bool, default True
        Whether all further values share a feature.
    """

    by: str
    top: int
    where: str | None = None
    other: bool = True

    def __post_init__(self) -> None:
        """Check the number of values."""
        if self.top < 1:
            raise InvalidConfigError(f"expand by {self.by}: top must be at least 1; got {self.top}.")


@dataclass(frozen=True)
class Feature:
    """A declared feature (or outcome).

    Attributes
    ----------
    name : str
        Column name in the feature table.
    relation : str
        One of ``RELATIONS``.
    sql : str
        Aggregate over one customer's rows of the relation (for customers: over its single row). ``$as_of`` is the
        end of the lookback; ``{match}`` in an expanded feature is the condition that the row has the value.
    family, role, scale : str
        See ``FAMILIES``, ``ROLES``, ``SCALES``.
    empty : float, optional
        Value for a customer without rows in the relation; None leaves it empty.
    labels : mapping
        ``low`` and ``high`` in words, for names and profiles.
    unit : str
        What the number counts.
    levels : tuple of str
        Levels of an ordinal feature, lowest first.
    expand : Expand, optional
        One feature per value of a column.
    required : bool
        Its absence is an error instead of a line in the log.
    window_days : int, optional
        See the last so many days before ``as_of`` only; ``$start`` is then their first moment. Default: the lookback.
    special : {"leave_out", "allow"}
        Whether a feature of a special category of personal data (ethnicity, religion, health …) may be used.
    why : str
        What the feature tells, in one line.
    """

    name: str
    relation: str
    sql: str
    family: str = "behaviour"
    role: str = "basis"
    scale: str = "none"
    empty: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    unit: str = ""
    levels: tuple[str, ...] = ()
    expand: Expand | None = None
    required: bool = False
    window_days: int | None = None
    special: str = "leave_out"
    why: str = ""

    def __post_init__(self) -> None:
        """Check the declaration; the message names the feature, the rule and what came."""
        for option, value, allowed in (
            ("family", self.family, FAMILIES),
            ("role", self.role, ROLES),
            ("scale", self.scale, SCALES),
            ("relation", self.relation, RELATIONS),
            ("special", self.special, SPECIAL_CHOICES),
        ):
            if value not in allowed:
                raise InvalidConfigError(
                    f"feature {self.name}: {option} must be one of {', '.join(allowed)}; got {value!r}."
                )
        if self.scale == "ordinal" and not self.levels:
            raise InvalidConfigError(f"feature {self.name}: scale=ordinal needs levels, lowest first; got none.")
        if self.window_days is not None and (self.window_days < 1 or self.relation == "customers"):
            rule = "customers have no dates" if self.relation == "customers" else "must be at least 1"
            raise InvalidConfigError(f"feature {self.name}: window_days {rule}; got {self.window_days}.")
        if self.empty is not None and not math.isfinite(self.empty):
            raise InvalidConfigError(f"feature {self.name}: empty must be a finite number or null; got {self.empty}.")
        outside_literals = re.sub(r"'(?:[^']|'')*'", "''", self.sql)  # a value may be called {match}
        if (self.expand is not None) != ("{match}" in outside_literals):
            raise InvalidConfigError(f"feature {self.name}: expand and {{match}} in sql belong together.")

    @property
    def is_text(self) -> bool:
        """Whether the feature comes out as text instead of a number."""
        return self.scale in ("ordinal", "one_hot")


@dataclass(frozen=True)
class Catalogue:
    """Features ready to be computed: expansions carried out, sorted by name.

    Attributes
    ----------
    features : tuple of Feature
        None of them has ``expand`` left.
    skipped : mapping
        Declared feature → why it is not computed.
    vocabularies : mapping
        Expanded feature → its values, most revenue first.
    """

    features: tuple[Feature, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)
    vocabularies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Feature names in column order."""
        return [feature.name for feature in self.features]

    @property
    def basis(self) -> tuple[Feature, ...]:
        """Features that segments are formed on."""
        return tuple(feature for feature in self.features if feature.role == "basis")

    def without(self, reasons: Mapping[str, str]) -> Catalogue:
        """The catalogue less some features, each with the reason why."""
        kept = tuple(feature for feature in self.features if feature.name not in reasons)
        return replace(self, features=kept, skipped={**self.skipped, **reasons})

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Catalogue:
        """Rebuild from `to_dict`."""
        features = tuple(
            Feature(**{**entry, "levels": tuple(entry["levels"]), "expand": None}) for entry in plain["features"]
        )
        vocabularies = {name: tuple(values) for name, values in plain["vocabularies"].items()}
        return cls(features, dict(plain["skipped"]), vocabularies)


def expand_feature(feature: Feature, values: Sequence[str]) -> list[Feature]:
    """One feature per value, and one for all other values together.

    Names are the value in lower case with other signs as underscores; two values that would share a name are
    numbered.
    """
    if feature.expand is None:
        return [feature]
    # As text, like the vocabulary: another data set may hold the column as a number.
    column = '"' + feature.expand.by.replace('"', '""') + '"::VARCHAR'
    listed = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    matches = [(value, f"{column} = '" + value.replace("'", "''") + "'") for value in values]
    if values and feature.expand.other:
        matches.append((OTHER, f"({column} IS NULL OR {column} NOT IN ({listed}))"))
    if feature.expand.where is not None:
        matches = [(value, f"({match} AND ({feature.expand.where}\n))") for value, match in matches]
    expanded: dict[str, Feature] = {}
    for value, match in matches:
        slug = re.sub(r"\W+", "_", value.lower()).strip("_") or "value"
        name = f"{feature.name}_{slug}"
        number = 2
        while name in expanded:
            name = f"{feature.name}_{slug}_{number}"
            number += 1
        labels = {side: text.replace("{value}", value.lower()) for side, text in feature.labels.items()}
        sql = feature.sql.replace("{match}", match)
        expanded[name] = replace(feature, name=name, sql=sql, labels=labels, expand=None)
    return list(expanded.values())
