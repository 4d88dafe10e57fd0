"""The packaged model: a folder of JSON, NPZ and one skops file that scores customers anywhere, without pickle."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from patronage.assigners import UNASSIGNED, Assigner, Assignment
from patronage.assigners.bisecting import BisectingAssigner
from patronage.assigners.centroid import CentroidAssigner
from patronage.assigners.density import DensityAssigner
from patronage.assigners.grid import GridAssigner
from patronage.assigners.mixture import MixtureAssigner
from patronage.assigners.typing_tool import TypingAssigner
from patronage.catalogue import Catalogue, Feature
from patronage.confidence import Calibration
from patronage.distribution import number_in_words
from patronage.errors import InvalidInputError
from patronage.features import ACTIVE, DORMANT, PROSPECT
from patronage.package_folder import Contents, read_contents, read_document, write_package
from patronage.prospects import ProfileClassifier
from patronage.recipe import REPRESENTATIONS, Representation
from patronage.segments import DORMANT_ID, RESERVED_NAMES, UNASSIGNED_ID, Segment, Trait

ASSIGNERS: Mapping[str, Any] = {
    "centroid": CentroidAssigner,
    "bisecting": BisectingAssigner,
    "mixture": MixtureAssigner,
    "density": DensityAssigner,
    "typing": TypingAssigner,
    "grid": GridAssigner,
}
STATUSES = (ACTIVE, DORMANT, PROSPECT)
BASES = ("behaviour", "profile", "none")
"""What a customer was placed by; `Placed.basis` points into it."""
_TRAITS_SHOWN = 3


@dataclass(frozen=True)
class Placed:
    """Where customers were placed, in numbers.

    Attributes
    ----------
    code : ndarray of shape (n_customers,), int
        Position in `SegmentationModel.texts`.
    runner_up : ndarray of shape (n_customers,), int
        Likewise; −1 where there is none.
    confidence, atypicality : ndarray of shape (n_customers,)
    basis : ndarray of shape (n_customers,), int
        Position in `BASES`.
    """

    code: np.ndarray
    runner_up: np.ndarray
    confidence: np.ndarray
    atypicality: np.ndarray
    basis: np.ndarray


@dataclass(frozen=True)
class SegmentationModel:
    """Everything that scoring needs, exactly as training left it.

    Attributes
    ----------
    catalogue : Catalogue
        Feature definitions with learned vocabularies.
    representation, assigner
        The fitted recipe.
    segments : tuple of Segment
        In the order of the assigner's labels.
    calibration : Calibration
    lookback_days, outcome_days : int
        The window that features were built with.
    trained_as_of : date
        The newest day at training.
    recipe : mapping
        How representation and assigner were made, as `Recipe.to_dict` tells it: what a challenger is compared with.
    last_number : int
        The highest number that a segment's id was ever given, by this model or one before it.
    about : mapping
        Headline figures and provenance, for people.
    min_confidence : float in [0, 1], default 0
        An active customer whose segment a refit is less likely to keep is placed nowhere.
    profiles : ProfileClassifier, optional
        Places customers who never bought; None where profiles cannot tell segments apart.
    """

    catalogue: Catalogue
    representation: Representation
    assigner: Assigner
    segments: tuple[Segment, ...]
    calibration: Calibration
    lookback_days: int
    outcome_days: int
    trained_as_of: date
    recipe: Mapping[str, Any] = field(default_factory=dict)
    last_number: int = 0
    about: Mapping[str, Any] = field(default_factory=dict)
    min_confidence: float = 0.0
    profiles: ProfileClassifier | None = None

    @property
    def input_columns(self) -> list[str]:
        """Feature columns that scoring needs."""
        return [feature.name for feature in self.catalogue.basis]

    @property
    def profile_inputs(self) -> tuple[Feature, ...]:
        """Further features, that only customers who never bought are placed by; a table may lack them."""
        read = () if self.profiles is None else self.profiles.names
        return tuple(one for one in self.catalogue.features if one.name in read and one.role != "basis")

    @property
    def inputs(self) -> tuple[Feature, ...]:
        """All features that scoring reads."""
        return (*self.catalogue.basis, *self.profile_inputs)

    def lacking_profile(self, columns: Collection[str]) -> list[str]:
        """Features that a table lacks to place customers who never bought; these are then unassigned."""
        return [feature.name for feature in self.profile_inputs if feature.name not in columns]

    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        """Place customers in segments, each row by itself.

        Parameters
        ----------
        features : DataFrame of shape (n_customers, …)
            Columns of `input_columns`; values that are empty are imputed as in training. ``customer_status``
            (active, dormant, prospect) decides how a customer is placed; without it everyone counts as active.
            Prospects are placed if all of `profile_inputs` are there too.

        Returns
        -------
        DataFrame of shape (n_customers, 6)
            ``segment_id, segment_name, confidence, runner_up_id, atypicality, basis``, on the same index.
            ``basis`` is ``behaviour``; of prospects it is ``profile``, or ``none`` for those who are not placed.
            ``confidence`` is the probability that a refit keeps the segment; of prospects, that a customer of this
            profile is in it. Who is less certain than the model asks for is unassigned, without a confidence, and
            ``runner_up_id`` is then the segment it would have been. Atypicality is a matter of behaviour: prospects
            have none.

        Raises
        ------
        InvalidInputError
            A feature of the model is not there, or a column holds something else than numbers or categories.
        """
        placed = self.place(features)
        ids, names = (pd.array(texts, dtype="str") for texts in self.texts)
        return pd.DataFrame(
            {
                "segment_id": ids.take(placed.code),
                "segment_name": names.take(placed.code),
                "confidence": placed.confidence,
                "runner_up_id": ids.take(placed.runner_up, allow_fill=True),
                "atypicality": placed.atypicality,
                "basis": pd.array(BASES, dtype="str").take(placed.basis),
            },
            index=features.index,
        )

    @property
    def texts(self) -> tuple[list[str], list[str]]:
        """Ids and names that `Placed.code` points into: the segments', then those of unassigned and dormant."""
        return (
            [*(segment.id for segment in self.segments), UNASSIGNED_ID, DORMANT_ID],
            [*(segment.name for segment in self.segments), RESERVED_NAMES[UNASSIGNED_ID], RESERVED_NAMES[DORMANT_ID]],
        )

    def place(self, features: pd.DataFrame) -> Placed:
        """As `predict`, in numbers: texts per row would take half the time of scoring."""
        self.require_columns(features.columns)
        prepared = _prepare(features, self.catalogue.basis)
        status = _status(features)
        active, dormant, prospect = (status == code for code in range(len(STATUSES)))
        nowhere = len(self.segments)
        code = np.where(dormant, nowhere + 1, nowhere)
        runner_up = np.full(len(features), -1)
        confidence = np.full(len(features), np.nan)
        atypicality = np.full(len(features), np.nan)
        basis = np.where(prospect, 2, 0)
        if active.any():
            one = self.assigner.assign(
                self.representation.transform(prepared if active.all() else prepared.loc[active])
            )
            sure = self.calibration.confidence(one)
            withheld = sure < self.min_confidence
            code[active] = np.where((one.label == UNASSIGNED) | withheld, nowhere, one.label)
            # UNASSIGNED is −1, which takes no id.
            runner_up[active] = np.where(withheld, one.label, one.runner_up)
            confidence[active] = np.where(withheld, np.nan, sure)
            atypicality[active] = self._atypicality(one)
        if self.profiles is not None and prospect.any() and not self.lacking_profile(features.columns):
            read = [feature for feature in self.inputs if feature.name in self.profiles.names]
            typed = self.profiles.place(_prepare(features.loc[prospect], read))
            code[prospect] = np.where(typed.label == UNASSIGNED, nowhere, typed.label)
            runner_up[prospect], confidence[prospect] = typed.runner_up, typed.confidence
            basis[prospect] = np.where(typed.label == UNASSIGNED, 2, 1)
        return Placed(code, runner_up, confidence, atypicality, basis)

    @property
    def table(self) -> pd.DataFrame:
        """The segments as a table, in the order of ids."""
        return pd.DataFrame(
            [
                {
                    "segment_id": one.id,
                    "segment_name": one.name,
                    "n_customers": one.n_customers,
                    "share": one.share,
                    "later_value_per_customer": one.value_per_customer,
                    "jaccard": one.jaccard,
                    "traits": "; ".join(trait.label for trait in one.traits[:_TRAITS_SHOWN]),
                }
                for one in sorted(self.segments, key=lambda one: one.id)
            ]
        )

    def _repr_html_(self) -> str:
        """What a notebook shows: where the model comes from, and its segments."""
        shown = self.table.to_html(index=False, border=0, na_rep="–", float_format=number_in_words)
        told = f"{self.about.get('candidate', '')} · {self.about.get('data', '')} as of {self.trained_as_of}"
        return f"<p><strong>{len(self.segments)} customer segments</strong> · {escape(told)}</p>{shown}"

    def require_columns(self, columns: Collection[str]) -> None:
        """Check that a feature table has what scoring reads.

        Raises
        ------
        InvalidInputError
            A feature of the model is not there.
        """
        absent = [name for name in self.input_columns if name not in columns]
        if absent:
            shown = ", ".join(absent[:12]) + (", …" if len(absent) > 12 else "")  # noqa: PLR2004 - enough to read
            raise InvalidInputError(
                f"the feature table lacks {len(absent)} of the model's {len(self.input_columns)} columns: {shown}. "
                "A column may be empty, but must be there; `patronage features model=…` writes such a table, "
                "and data=… scores raw tables."
            )

    def _atypicality(self, placed: Assignment) -> np.ndarray:
        return placed.distance if self.assigner.kind == "density" else self.calibration.atypicality(placed)

    def save(self, folder: Path) -> None:
        """Write the package; an existing one is replaced as a whole, and never left half-written.

        Raises
        ------
        InvalidInputError
            The folder holds something else than a package.
        """
        write_package(folder, self._contents())

    def _contents(self) -> Contents:
        parts = {
            "assigner": self.assigner.arrays(),
            "calibration": vars(self.calibration),
            "representation": self.representation.arrays(),
            "profiles": {} if self.profiles is None else self.profiles.arrays(),
        }
        arrays = {f"{part}/{name}": array for part, held in parts.items() for name, array in held.items()}
        document = {
            "lookback_days": self.lookback_days,
            "outcome_days": self.outcome_days,
            "trained_as_of": self.trained_as_of.isoformat(),
            "catalogue": self.catalogue.to_dict(),
            "representation": {"kind": self.representation.kind, **self.representation.state()},
            "assigner": self.assigner.kind,
            "min_confidence": self.min_confidence,
            "profiles": None if self.profiles is None else self.profiles.state(),
            "segments": [asdict(segment) for segment in self.segments],
            "recipe": dict(self.recipe),
            "last_number": self.last_number,
            "about": dict(self.about),
        }
        return Contents(document, arrays, self.representation.trees())

    @classmethod
    def load(cls, folder: Path) -> SegmentationModel:
        """Read a package.

        Raises
        ------
        InvalidInputError
            The folder holds no package, one of another format, or one that is damaged or carries foreign types.
        """
        document = read_document(folder)
        try:
            return cls._rebuilt(read_contents(folder, document))
        except InvalidInputError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a damaged file brings about, the message is the same
            raise InvalidInputError(
                f"{folder} is damaged or was tampered with ({type(error).__name__}); write the model again."
            ) from None

    @classmethod
    def _rebuilt(cls, contents: Contents) -> SegmentationModel:
        document = contents.document
        profiles = document["profiles"]
        model = cls(
            catalogue=Catalogue.from_dict(document["catalogue"]),
            representation=_representation(contents),
            assigner=ASSIGNERS[document["assigner"]](**contents.part("assigner")),
            segments=tuple(
                Segment(**{**entry, "traits": tuple(Trait(**trait) for trait in entry["traits"])})
                for entry in document["segments"]
            ),
            calibration=Calibration(**contents.part("calibration")),
            lookback_days=document["lookback_days"],
            outcome_days=document["outcome_days"],
            trained_as_of=date.fromisoformat(document["trained_as_of"]),
            recipe=document["recipe"],
            last_number=document["last_number"],
            about=document["about"],
            min_confidence=document["min_confidence"],
            profiles=None if profiles is None else ProfileClassifier.from_state(profiles, contents.part("profiles")),
        )
        model._check()
        return model

    def _check(self) -> None:
        """Check that the parts belong together; what does not would fail, or mislead, only when customers are scored.

        Raises
        ------
        ValueError
            They do not.
        """
        n_segments = self.assigner.n_segments
        if len(self.segments) != n_segments or not 0 <= self.min_confidence <= 1:
            raise ValueError("segments and assigner do not belong together")
        ids = [segment.id for segment in self.segments]
        numbers = [int(one[1:]) for one in ids if re.fullmatch(r"S\d{2,9}", one)]
        if len(set(ids)) != len(ids) or len(numbers) != len(ids) or not isinstance(self.last_number, int):
            raise ValueError("ids of segments are S01, S02 and so on, each once")
        self.calibration.require_sound(n_segments)
        nobody = pd.DataFrame(
            {feature.name: pd.Series([None], dtype="str" if feature.is_text else "float64") for feature in self.inputs}
        )
        # A customer of whom nothing is known takes the way of every other.
        point = self.representation.transform(nobody)
        if not np.isfinite(point).all():
            raise ValueError("the representation gives no finite point")
        self.assigner.assign(point)
        if self.profiles is not None:
            if self.profiles.n_segments != n_segments:
                raise ValueError("profiles and segments do not belong together")
            self.profiles.place(nobody)


def _prepare(features: pd.DataFrame, declared: Sequence[Feature]) -> pd.DataFrame:
    """Columns as texts and numbers, whatever type they come in."""
    columns: dict[str, pd.Series] = {}
    for feature in declared:
        if feature.is_text:
            columns[feature.name] = features[feature.name].astype("str")
        else:
            given = features[feature.name]
            numbers = given
            if given.dtype != np.float64:
                numbers = pd.to_numeric(given, errors="coerce").astype(float)
            bad = int(np.isinf(numbers.to_numpy()).sum())
            if numbers is not given:
                bad += int((numbers.isna() & given.notna()).sum())
            if bad:
                raise InvalidInputError(
                    f"feature table, column {feature.name}: {bad:,} value(s) are no finite numbers; "
                    "mend them or leave them empty."
                )
            columns[feature.name] = numbers
    return pd.DataFrame(columns, index=features.index, copy=False)


def _status(features: pd.DataFrame) -> np.ndarray:
    """Position of each customer's status in `STATUSES`, of shape (n_customers,)."""
    if "customer_status" not in features.columns:
        return np.zeros(len(features), dtype=int)
    given = features["customer_status"]
    known = pd.Index(STATUSES)
    if isinstance(given.dtype, pd.CategoricalDtype):
        # The last place is that of rows without any.
        status = np.append(known.get_indexer(given.cat.categories), -1)[given.cat.codes]
    else:
        status = np.asarray(known.get_indexer(pd.Index(given)))
    if n_unknown := int((status < 0).sum()):
        raise InvalidInputError(
            f"feature table, column customer_status: {n_unknown:,} value(s) are none of {', '.join(STATUSES)}."
        )
    return status


def _representation(contents: Contents) -> Representation:
    state = contents.document["representation"]
    kind: Any = REPRESENTATIONS[state["kind"]]
    rebuilt: Representation = kind.from_state(state, contents.part("representation"), contents.trees)
    return rebuilt
