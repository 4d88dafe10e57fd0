"""Segment households by their response to a campaign, and without it, and write down what was found.

    .venv/bin/python experiments/customer_personality/run.py

Writes the tables and figures beside this file; those of the standard representation in the folder standard.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # report.py lies beside the experiments

from report import report

HERE = Path(__file__).parent
DESCRIPTORS = ["earlier_campaigns_taken", "spend", "income_per_year", "children", "age_years"]

report(HERE, ["data=customer_personality"], DESCRIPTORS)
report(HERE / "standard", ["data=customer_personality", "representation=standard"], DESCRIPTORS)
