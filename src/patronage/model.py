"""The packaged model: a folder of JSON, NPZ and one skops file that scores customers anywhere, without pickle."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.isotonic import IsotonicRegression

from patronage import __version__
from patronage.assigners import UNASSIGNED, Assigner, Assignment
from patronage.assigners.bisecting import BisectingAssigner
from patronage.assigners.centroid import CentroidAssigner
from patronage.assigners.density import DensityAssigner
from patronage.assigners.grid import GridAssigner
from patronage.assigners.mixture import MixtureAssigner
from patronage.assigners.typing_tool import TypingAssigner
from patronage.catalogue import Catalogue
from patronage.errors import InvalidInputError
from patronage.features import ACTIVE, DORMANT, PROSPECT
from patronage.recipe import REPRESENTATIONS, Representation
from patronage.segments import DORMANT_ID, RESERVED_NAMES, UNASSIGNED_ID, Segment, Trait
from patronage.writing import sync

FORMAT_VERSION = 2
TRUSTED_TYPES = ["sklearn.tree._tree.Tree"]
"""The only type beyond skops' own defaults that a package may hold; never read from the package itself."""

PACKAGE_FILES = frozenset({"model.json", "arrays.npz", "trees.skops"})
ASSIGNERS: Mapping[str, Any] = {
    "centroid": CentroidAssigner,
    "bisecting": BisectingAssigner,
    "mixture": MixtureAssigner,
    "density": DensityAssigner,
    "typing": TypingAssigner,
    "grid": GridAssigner,
}
_QUANTILES = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class Calibration:
    """What turns margins into confidence, and distances into atypicality.

    Attributes
    ----------
    margins, confidences : ndarray of shape (n_knots,)
        Isotonic curve: probability that a refit keeps an assignment of this margin.
    distances : ndarray of shape (n_segments, 101)
        Percentiles of the training distances, per segment.
    """

    margins: np.ndarray
    confidences: np.ndarray
    distances: np.ndarray

    @classmethod
    def learn(
        cls, assignment: Assignment, stayed: np.ndarray, n_segments: int, refitted: np.ndarray | None = None
    ) -> Calibration:
        """Learn from training customers and the share of refits that kept each one's segment.

        Parameters
        ----------
        assignment : Assignment
            Of all training customers.
        stayed : ndarray of shape (n_refitted,)
            Of those that refits have labelled.
        n_segments : int
        refitted : ndarray of shape (n_customers,), bool, optional
            Which these are; default: all.
        """
        rows = np.ones(len(assignment.label), dtype=bool) if refitted is None else refitted
        assigned = assignment.label[rows] != UNASSIGNED
        curve = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
        curve.fit(assignment.margin[rows][assigned], stayed[assigned])
        distances = np.zeros((n_segments, len(_QUANTILES)))
        for segment in range(n_segments):
            inside = assignment.distance[assignment.label == segment]
            if len(inside):
                distances[segment] = np.quantile(inside, _QUANTILES)
        return cls(np.asarray(curve.X_thresholds_), np.asarray(curve.y_thresholds_), distances)


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
    about : mapping
        Headline figures and provenance, for people.
    """

    catalogue: Catalogue
    representation: Representation
    assigner: Assigner
    segments: tuple[Segment, ...]
    calibration: Calibration
    lookback_days: int
    outcome_days: int
    trained_as_of: date
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def input_columns(self) -> list[str]:
        """Feature columns that scoring reads."""
        return [feature.name for feature in self.catalogue.basis]

    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        """Place customers in segments, each row by itself.

        Parameters
        ----------
        features : DataFrame of shape (n_customers, …)
            Columns of `input_columns`; values that are empty are imputed as in training. ``customer_status``
            (active, dormant, prospect) decides who is placed; without it everyone counts as active.

        Returns
        -------
        DataFrame of shape (n_customers, 6)
            ``segment_id, segment_name, confidence, runner_up_id, atypicality, basis``, on the same index.

        Raises
        ------
        InvalidInputError
            A feature of the model is not there, or a column holds something else than numbers or categories.
        """
        prepared = self._prepare(features)
        status = _status(features)
        active = status == ACTIVE
        # Texts are looked up by number: a column of Python strings per row would take half the time of scoring.
        reserved = (UNASSIGNED_ID, DORMANT_ID)
        ids = pd.array([*(segment.id for segment in self.segments), *reserved], dtype="str")
        names = pd.array(
            [*(segment.name for segment in self.segments), *(RESERVED_NAMES[one] for one in reserved)], dtype="str"
        )
        nowhere, dormant = len(self.segments), len(self.segments) + 1
        code = np.where(status == DORMANT, dormant, nowhere)
        runner_up = np.full(len(features), -1)
        confidence = np.full(len(features), np.nan)
        atypicality = np.full(len(features), np.nan)
        if active.any():
            placed = self.assigner.assign(self.representation.transform(prepared.loc[active]))
            code[active] = np.where(placed.label == UNASSIGNED, nowhere, placed.label)
            runner_up[active] = np.where(placed.runner_up == UNASSIGNED, -1, placed.runner_up)
            curve = np.interp(placed.margin, self.calibration.margins, self.calibration.confidences)
            confidence[active] = np.where(placed.label == UNASSIGNED, np.nan, curve)
            atypicality[active] = self._atypicality(placed)
        return pd.DataFrame(
            {
                "segment_id": ids.take(code),
                "segment_name": names.take(code),
                "confidence": confidence,
                "runner_up_id": ids.take(runner_up, allow_fill=True),
                "atypicality": atypicality,
                "basis": pd.array(["behaviour", "none"], dtype="str").take((status == PROSPECT).astype(int)),
            },
            index=features.index,
        )

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

    def _prepare(self, features: pd.DataFrame) -> pd.DataFrame:
        self.require_columns(features.columns)
        columns: dict[str, pd.Series] = {}
        for feature in self.catalogue.basis:
            if feature.is_text:
                columns[feature.name] = features[feature.name].astype("str")
            else:
                numbers = pd.to_numeric(features[feature.name], errors="coerce").astype(float)
                bad = int((numbers.isna() & features[feature.name].notna()).sum() + np.isinf(numbers).sum())
                if bad:
                    raise InvalidInputError(
                        f"feature table, column {feature.name}: {bad:,} value(s) are no finite numbers; "
                        "mend them or leave them empty."
                    )
                columns[feature.name] = numbers
        return pd.DataFrame(columns, index=features.index)

    def _atypicality(self, placed: Assignment) -> np.ndarray:
        if self.assigner.kind == "density":
            return placed.distance
        result = np.ones(len(placed.label))  # who is in no segment is as far out as can be
        for segment in range(len(self.segments)):
            inside = placed.label == segment
            result[inside] = np.interp(placed.distance[inside], self.calibration.distances[segment], _QUANTILES)
        return result

    def save(self, folder: Path) -> None:
        """Write the package; an existing one is replaced as a whole, and never left half-written.

        Raises
        ------
        InvalidInputError
            The folder holds something else than a package.
        """
        require_replaceable(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            self._write(fresh)
            fresh.chmod(0o755)
            old = fresh.with_name(fresh.name + "-old")
            if folder.exists():
                folder.rename(old)
            fresh.rename(folder)
            shutil.rmtree(old, ignore_errors=True)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def _write(self, folder: Path) -> None:
        arrays = {f"assigner/{name}": array for name, array in self.assigner.arrays().items()}
        arrays |= {f"calibration/{name}": array for name, array in vars(self.calibration).items()}
        representation: dict[str, Any] = {"kind": self.representation.kind, **self.representation.state()}
        arrays |= {f"representation/{name}": array for name, array in self.representation.arrays().items()}
        if trees := self.representation.trees():
            from skops import io  # noqa: PLC0415 - only this kind of package needs it

            io.dump(trees, folder / "trees.skops")
            sync(folder / "trees.skops")
        document = {
            "format_version": FORMAT_VERSION,
            "patronage_version": __version__,
            "lookback_days": self.lookback_days,
            "outcome_days": self.outcome_days,
            "trained_as_of": self.trained_as_of.isoformat(),
            "catalogue": self.catalogue.to_dict(),
            "representation": representation,
            "assigner": self.assigner.kind,
            "segments": [asdict(segment) for segment in self.segments],
            "about": dict(self.about),
        }
        np.savez_compressed(folder / "arrays.npz", **arrays)  # type: ignore[arg-type] # numpy's stub lacks the keywords
        (folder / "model.json").write_text(
            json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False), encoding="utf-8"
        )
        sync(folder / "arrays.npz")
        sync(folder / "model.json")

    @classmethod
    def load(cls, folder: Path) -> SegmentationModel:
        """Read a package.

        Raises
        ------
        InvalidInputError
            The folder holds no package, one of a newer format, or one that is damaged or carries foreign types.
        """
        try:
            document = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise InvalidInputError(f"{folder} holds no patronage model (no readable model.json).") from None
        version = document.get("format_version") if isinstance(document, dict) else None
        if version != FORMAT_VERSION:
            raise InvalidInputError(
                f"{folder} has format version {version!r}; this patronage {__version__} reads {FORMAT_VERSION}. "
                "Install the version that wrote it."
            )
        try:
            return cls._read(folder, document)
        except InvalidInputError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a damaged file brings about, the message is the same
            raise InvalidInputError(
                f"{folder} is damaged or was tampered with ({type(error).__name__}); write the model again."
            ) from None

    @classmethod
    def _read(cls, folder: Path, document: Mapping[str, Any]) -> SegmentationModel:
        with np.load(folder / "arrays.npz", allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}

        def part(prefix: str) -> dict[str, np.ndarray]:
            return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}

        model = cls(
            catalogue=Catalogue.from_dict(document["catalogue"]),
            representation=_read_representation(folder, document["representation"], part("representation/")),
            assigner=ASSIGNERS[document["assigner"]](**part("assigner/")),
            segments=tuple(
                Segment(**{**entry, "traits": tuple(Trait(**trait) for trait in entry["traits"])})
                for entry in document["segments"]
            ),
            calibration=Calibration(**part("calibration/")),
            lookback_days=document["lookback_days"],
            outcome_days=document["outcome_days"],
            trained_as_of=date.fromisoformat(document["trained_as_of"]),
            about=document["about"],
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
        n_segments, curve = self.assigner.n_segments, self.calibration
        sound = (
            len(self.segments) == n_segments
            and curve.distances.shape == (n_segments, len(_QUANTILES))
            and curve.margins.ndim == 1
            and curve.margins.shape == curve.confidences.shape
            and len(curve.margins) > 0
            and all(np.issubdtype(array.dtype, np.floating) for array in vars(curve).values())
            and all(np.isfinite(array).all() for array in vars(curve).values())
            and (np.diff(curve.margins) >= 0).all()
            and ((curve.confidences >= 0) & (curve.confidences <= 1)).all()
        )
        if not sound:
            raise ValueError("segments, assigner and calibration do not belong together")
        nobody = pd.DataFrame(
            {
                feature.name: pd.Series([None], dtype="str" if feature.is_text else "float64")
                for feature in self.catalogue.basis
            }
        )
        # A customer of whom nothing is known takes the way of every other.
        point = self.representation.transform(nobody)
        if not np.isfinite(point).all():
            raise ValueError("the representation gives no finite point")
        self.assigner.assign(point)


def require_replaceable(folder: Path) -> None:
    """Check that writing a package to the folder deletes nothing but a former package.

    Raises
    ------
    InvalidInputError
        The path is a file, the working directory or one above it, or a folder that holds something else.
    """
    if folder.resolve() in (Path.cwd(), *Path.cwd().parents):
        raise InvalidInputError(f"output={folder} is the working directory or one above it; name a folder in it.")
    if folder.exists():
        held = {path.name for path in folder.iterdir()} if folder.is_dir() else {folder.name}
        if foreign := sorted(held - PACKAGE_FILES):
            raise InvalidInputError(
                f"output={folder} holds {len(foreign)} file(s) that are no part of a packaged model, such as "
                f"{foreign[0]}; name another folder, or an empty one."
            )


def _status(features: pd.DataFrame) -> np.ndarray:
    if "customer_status" not in features.columns:
        return np.full(len(features), ACTIVE, dtype=object)
    status = features["customer_status"].astype(object).to_numpy()
    unknown = ~np.isin(status.astype(str), [ACTIVE, DORMANT, PROSPECT])
    if unknown.any():
        raise InvalidInputError(
            f"feature table, column customer_status: {int(unknown.sum()):,} value(s) are none of "
            f"{ACTIVE}, {DORMANT}, {PROSPECT}."
        )
    return np.asarray(status)


def _read_representation(folder: Path, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Representation:
    trees: list[Any] = []
    if (stored := folder / "trees.skops").exists():
        from skops import io  # noqa: PLC0415 - only this kind of package needs it

        trees = io.load(stored, trusted=TRUSTED_TYPES)
    kind: Any = REPRESENTATIONS[state["kind"]]
    rebuilt: Representation = kind.from_state(state, arrays, trees)
    return rebuilt
