"""The file MLflow runs to load a registered model: it opens the package beside it and predicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pyarrow as pa

from patronage.model import SegmentationModel
from patronage.scoring.rows import CUSTOMER, as_text

ARTIFACT = "segmentation"


class Placed(pd.DataFrame):
    """Customers with their segments, whose records say None where there is nothing.

    MLflow's endpoint writes records as JSON, which knows no NaN: strict readers would refuse the whole answer.
    """

    def to_dict(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as pandas
        """See `pandas.DataFrame.to_dict`."""
        plain = pd.DataFrame(self).astype(object)
        return plain.where(plain.notna(), None).to_dict(*arguments, **options)


class SegmentationPyfunc(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined, misc] # loaded lazily by mlflow
    """MLflow's face of a `SegmentationModel`."""

    def load_context(self, context: Any) -> None:  # noqa: ANN401 - MLflow's own type is private
        """Open the package among the model's artifacts."""
        self.model = SegmentationModel.load(Path(context.artifacts[ARTIFACT]))

    def predict(
        self,
        context: Any,  # noqa: ANN401, ARG002 - MLflow's signature
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """Place customers in segments; ``customer_id`` is passed through where it is given."""
        scored = self.model.predict(model_input)
        if CUSTOMER in model_input.columns:
            scored.insert(0, CUSTOMER, _ids(model_input[CUSTOMER]))
        return Placed(scored.reset_index(drop=True))


def _ids(column: pd.Series) -> pd.Series:
    """Ids as `patronage score` writes them: 7 and 7.0 are both "7"."""
    try:
        texts = as_text(CUSTOMER, pa.array(column, from_pandas=True))
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # texts and numbers beside each other
        each = [as_text(CUSTOMER, pa.array([value], from_pandas=True))[0].as_py() for value in column]
        texts = pa.array(each, pa.string())
    return pd.Series(texts.to_pandas(), index=column.index, dtype="str")


mlflow.models.set_model(SegmentationPyfunc())
