"""Segment a wholesaler's clients by what they buy and write down what was found.

    .venv/bin/python experiments/wholesale/run.py

Writes the tables and figures beside this file.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # report.py lies beside the experiments

from report import report

report(Path(__file__).parent, ["data=wholesale"], ["client_kind", "region"])
