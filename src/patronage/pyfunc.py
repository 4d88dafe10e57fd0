"""The file MLflow runs to load a registered model: it opens the package beside it and predicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

from patronage.model import SegmentationModel

ARTIFACT = "segmentation"


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
        if "customer_id" in model_input.columns:
            scored.insert(0, "customer_id", model_input["customer_id"].astype("str"))
        return scored.reset_index(drop=True)


mlflow.models.set_model(SegmentationPyfunc())
