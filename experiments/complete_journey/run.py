"""Run the main job on Complete Journey and write down what it found.

    .venv/bin/python experiments/complete_journey/run.py

Writes the tables and figures beside this file.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # report.py lies beside the experiments

from report import report

report(Path(__file__).parent)
