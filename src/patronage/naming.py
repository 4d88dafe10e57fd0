"""Names of segments: the few words that tell each from the others, from the labels of features."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from patronage.catalogue import Feature
from patronage.errors import InvalidConfigError
from patronage.wording import Wording

LONGEST_NAME = 40
"""Characters that a name is kept to, where the traits allow."""

_TRAITS = 2
_MOST_TRAITS = 5
_NOTABLE = 0.1
_VERY = 1.0
_FURTHER = 0.25
_NEAR_THE_MIDDLE = 0.25
_OFF_THE_MIDDLE = 0.5
_ALIKE = 0.7
_SAME_FAMILY = 0.75
_STOOD_FOR = 0.8
_NEGATED = 0.85
_LONGEST_VALUE = 28
_LONGEST_GIVEN = 60


@dataclass(frozen=True)
class Term:
    """A trait as a name says it.

    Attributes
    ----------
    feature : int
        Its position.
    text : str
    strength : float
        By which terms are chosen and ordered.
    """

    feature: int
    text: str
    strength: float


def name_segments(
    ids: Sequence[str],
    effects: np.ndarray,
    features: Sequence[Feature],
    correlation: np.ndarray,
    wording: Wording,
    *,
    known: Mapping[str, str] | None = None,
    taken: Collection[str] = (),
) -> list[str]:
    """Name segments, each unlike the others, whatever their order.

    A name is a segment's strongest trait and the next that adds most to it: one that does not say the same over again
    (rank correlation of .7 or more, or a feature of which the other's name is the beginning), of another family if
    possible, and apart from the segments that share the first. Where that leaves two alike, further traits decide, and
    the id where there are none.

    Parameters
    ----------
    ids : sequence of str
    effects : ndarray of shape (n_segments, n_features)
        Differences of mean ranks from all customers, in standard deviations of ranks; NaN where nothing can be said.
    features : sequence of Feature
        What the columns of ``effects`` are, with labels.
    correlation : ndarray of shape (n_features, n_features)
        Rank correlations of the features.
    wording : Wording
    known : mapping, optional
        Id → name, of segments that have one: they keep it.
    taken : collection of str
        Names that no segment may get.
    """
    known = known or {}
    fresh = [row for row, one in enumerate(ids) if one not in known]
    used = {_folded(name) for name in (*known.values(), *taken)}
    choice = _Choice(effects, features, correlation, wording)
    terms = {row: choice.terms(row, _TRAITS, LONGEST_NAME) for row in fresh}
    unclear = _unclear(terms, used, wording)
    for n_terms in range(_TRAITS + 1, _MOST_TRAITS + 1):
        if not unclear:
            break
        for row in unclear:
            terms[row] = choice.terms(row, n_terms, None)
        unclear = _unclear(terms, used, wording)
    names = {row: _sentence(found, wording) for row, found in terms.items()}
    return [
        known[one]
        if one in known
        else wording("names.with_id", name=names[row], id=one)
        if row in unclear
        else names[row]
        for row, one in enumerate(ids)
    ]


def check_names(names: Mapping[str, str], taken: Collection[str] = ()) -> None:
    """Check names that a user gives to segments by their ids.

    Raises
    ------
    InvalidConfigError
        A key is no id, a name is no text of 1 to 60 characters on one line, is reserved, or is given twice.
    """
    seen: dict[str, str] = {_folded(name): "a segment of its own" for name in taken}
    for one, name in names.items():
        if not isinstance(one, str) or re.fullmatch(r"S\d{2,}", one) is None:
            raise InvalidConfigError(f"names: expected the ids of segments, such as S01; got {one!r}.")
        plain = isinstance(name, str) and all(unicodedata.category(sign)[0] != "C" for sign in name)
        if not plain or not 1 <= len(name.strip()) <= _LONGEST_GIVEN:
            raise InvalidConfigError(
                f"names: {one} must have a name of 1 to {_LONGEST_GIVEN} characters on one line; got {name!r}."
            )
        if _folded(name) in seen:
            raise InvalidConfigError(
                f"names: {one} cannot be called {name!r}, for {seen[_folded(name)]} is; names must differ."
            )
        seen[_folded(name)] = one


def readable_label(feature: str, label: str, wording: Wording) -> str:
    """A feature's label with the value of a column in it, if any, as a reader would write it.

    A feature made for one value of a column ends in that value's letters, by which the label's words are found.
    """
    words = label.split()
    stem = re.sub(r"_\d+$", "", feature)
    spans = [(first, last) for first in range(len(words)) for last in range(first + 1, len(words) + 1)]
    for first, last in sorted(spans, key=lambda span: span[0] - span[1]):
        slug = re.sub(r"\W+", "_", " ".join(words[first:last]).lower()).strip("_")
        if slug and (stem.endswith(f"_{slug}") or feature.endswith(f"_{slug}")):
            value = readable_value(" ".join(words[first:last]), wording)
            return " ".join([*words[:first], value, *words[last:]])
    return _without_control(label)


def readable_value(value: str, wording: Wording) -> str:
    """A column's value, such as a category, in plain letters: no capitals throughout, no known abbreviations."""
    text = _without_control(value)
    if text.isupper():
        text = text.lower()
    meanings = _meanings(wording("names.abbreviations"))
    text = re.sub(r"[_|;~^*#\\]+", " ", text)
    pieces = re.split(r"[-\s]+", text)
    if any(piece.lower() in meanings for piece in pieces):
        said = [meanings.get(piece.lower(), piece) for piece in pieces]
        before = set(wording("names.leading").split())
        text = " ".join(sorted(said, key=lambda piece: piece not in before))
    text = " ".join(text.split())
    return _shortened(text, _LONGEST_VALUE) or value.strip()


class _Choice:
    """Which traits say most about each segment."""

    def __init__(
        self, effects: np.ndarray, features: Sequence[Feature], correlation: np.ndarray, wording: Wording
    ) -> None:
        self.effects = effects
        self.features = features
        self.wording = wording
        self.labels = [
            {
                side: _shortened(readable_label(feature.name, feature.labels.get(side, ""), wording), LONGEST_NAME)
                for side in ("low", "high")
            }
            for feature in features
        ]
        self.negations, self.gradable, self.opposites = (
            frozenset(wording(f"names.{key}").split()) for key in ("negations", "gradable", "opposites")
        )
        stems = [feature.name + "_" for feature in features]
        same = np.array([[a.startswith(b) or b.startswith(a) for a in stems] for b in stems], bool)
        self.correlation = np.abs(np.nan_to_num(correlation))
        self.alike = same.reshape(len(stems), len(stems)) | (self.correlation >= _ALIKE)
        self.weight = self._weights()
        self.first = [self._first(row) for row in range(len(effects))]

    def terms(self, row: int, n_terms: int, longest: int | None) -> list[Term]:
        """The terms of a segment's name, most telling first."""
        first = self.first[row]
        if first is None:
            return []
        found = [first]
        # Who begins alike must go on differently.
        rivals = [
            other
            for other, theirs in enumerate(self.first)
            if other != row and theirs is not None and (theirs.feature, theirs.text) == (first.feature, first.text)
        ]
        while len(found) < n_terms:
            further = [
                term
                for term in self._further(row, found, rivals)
                if longest is None or len(_sentence([*found, term], self.wording)) <= longest
            ]
            if not further:
                break
            found.append(further[0])
        return found

    def _weights(self) -> np.ndarray:
        """Of features that say the same, the one that orders all segments best stands for the others.

        So names are of one feature throughout, and can be compared.
        """
        spread = np.round(np.nansum(self.effects**2, axis=0), 9)
        weights = np.ones(len(self.features))
        standing: list[int] = []
        for column in sorted(range(len(spread)), key=lambda one: (-spread[one], self.features[one].name)):
            if self.alike[column, standing].any():
                weights[column] = _STOOD_FOR
            else:
                standing.append(column)
        return weights

    def _first(self, row: int) -> Term | None:
        terms = [self._term(row, column) for column in range(len(self.features))]
        own = [replace(term, text=self._graded(row, term)) for term in terms if term is not None]
        if not any(abs(self.effects[row, term.feature]) >= _OFF_THE_MIDDLE for term in own):
            own += self._averages(row)
        return min(own, key=self._order, default=None)

    def _further(self, row: int, found: Sequence[Term], rivals: Sequence[int]) -> list[Term]:
        families = {self.features[term.feature].family for term in found}
        texts = {term.text for term in found}
        candidates = []
        for column, feature in enumerate(self.features):
            term = self._term(row, column)
            if term is None or term.text in texts or any(self.alike[column, one.feature] for one in found):
                continue
            # What the traits before it foretell adds little; a name that tells of two sides tells more.
            news = 1 - max(self.correlation[column, one.feature] for one in found) ** 2
            news *= _SAME_FAMILY if feature.family in families else 1.0
            candidates.append(Term(column, term.text, news * term.strength + self._apart(row, column, rivals)))
        return sorted(candidates, key=self._order)

    def _order(self, term: Term) -> tuple[float, str, str]:
        # Rounded: sums over segments in another order differ in their last digit.
        return (-round(term.strength, 9), self.features[term.feature].name, term.text)

    def _term(self, row: int, column: int) -> Term | None:
        """A trait that the segment has, if it is notable and has words."""
        effect = self.effects[row, column]
        if not abs(effect) >= _NOTABLE:  # NaN is not notable either
            return None
        label = self.labels[column]["high" if effect > 0 else "low"]
        if not label:
            return None
        others = [other for other in range(len(self.effects)) if other != row]
        strength = self.weight[column] * (abs(effect) + self._apart(row, column, others) / 3)
        if label.split()[0] in self.negations:
            strength *= _NEGATED
        return Term(column, label, float(strength))

    def _graded(self, row: int, term: Term) -> str:
        """The first trait, said with "very" where another segment shares it and is less so."""
        label = term.text
        effect = self.effects[row, term.feature]
        along = self.effects[:, term.feature] * np.sign(effect)
        less = (along >= _OFF_THE_MIDDLE) & (along <= abs(effect) - _FURTHER)
        gradable = label.split()[0] in self.gradable
        return self.wording("names.very", label=label) if gradable and abs(effect) >= _VERY and less.any() else label

    def _averages(self, row: int) -> list[Term]:
        """Features in which the segment stands in the middle, between segments on either side."""
        found = []
        for column in range(len(self.features)):
            low, high = (self.labels[column][side].partition(" ") for side in ("low", "high"))
            pair = f"{low[0]}/{high[0]}"
            known = self.effects[:, column]
            either = min(np.nanmax(known, initial=0.0), -np.nanmin(known, initial=0.0))
            middle = abs(known[row]) <= _NEAR_THE_MIDDLE and either >= _OFF_THE_MIDDLE
            if middle and low[2] and low[2] == high[2] and pair in self.opposites:
                text = self.wording("names.average", thing=low[2])
                found.append(Term(column, text, float(self.weight[column] * either)))
        return found

    def _apart(self, row: int, column: int, others: Sequence[int]) -> float:
        """How far the segment is beyond the others, in the direction in which it differs: from −1 to 1."""
        if not others:
            return 0.0
        ahead = (self.effects[row, column] - self.effects[list(others), column]) * np.sign(self.effects[row, column])
        known = ahead[~np.isnan(ahead)]
        return float(np.clip(known, -1, 1).mean()) if len(known) else 0.0


def _unclear(terms: Mapping[int, Sequence[Term]], used: Collection[str], wording: Wording) -> set[int]:
    """Segments whose name another has too, in whatever order of its traits."""
    sets = {row: frozenset(_folded(term.text) for term in found) for row, found in terms.items()}
    every = list(sets.values())
    return {
        row for row, found in terms.items() if every.count(sets[row]) > 1 or _folded(_sentence(found, wording)) in used
    }


def _sentence(terms: Sequence[Term], wording: Wording) -> str:
    """The terms as a name; words that two begin with are said once."""
    said: list[str] = []
    for term in terms:
        words, before = term.text.split(), terms[0].text.split()
        shared = 0
        while shared < min(len(words), len(before)) - 1 and words[shared] == before[shared]:
            shared += 1
        said.append(" ".join(words[shared:]) if said and shared > 1 else term.text)
    text = wording("names.between").join(said) or wording("names.plain")
    return text[:1].upper() + text[1:]


@cache
def _meanings(abbreviations: str) -> dict[str, str]:
    listed = (pair.split("=") for pair in abbreviations.split(";"))
    return {short.strip(): meaning.strip() for short, meaning in listed}


def _folded(name: str) -> str:
    return name.strip().casefold()


def _without_control(text: str) -> str:
    return " ".join("".join(" " if unicodedata.category(sign)[0] == "C" else sign for sign in text).split())


def _shortened(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    cut = text[: longest - 1]
    return (cut.rsplit(" ", 1)[0] if " " in cut[longest // 2 :] else cut).rstrip(" ,;-") + "…"
