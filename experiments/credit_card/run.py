"""Segment card holders by how they use their card and write down what was found.

    .venv/bin/python experiments/credit_card/run.py

Writes the tables and figures beside this file.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # report.py lies beside the experiments

from report import report

report(
    Path(__file__).parent,
    ["data=credit_card"],
    ["minimum_payments", "months_with_bank", "balance", "purchases", "cash_advance", "full_payment_share"],
)
