"""The customer list in falling value, with segments and cumulative shares."""

from __future__ import annotations

import numpy as np
import pandas as pd

from patronage.profiles.customers import Customers


def ranked_columns(value_name: str) -> dict[str, str]:
    """Columns of the list and their types; what a customer is worth stands under its own name, such as ``revenue``."""
    return {
        **dict.fromkeys(("customer_id", "segment_id", "segment_name"), "str"),
        **dict.fromkeys((value_name, f"cumulative_{value_name}_share", "cumulative_customer_share"), "float64"),
        "rank": "int64",
    }


def customers_by_value(customers: Customers) -> pd.DataFrame:
    """Every customer in falling value, ties by id: whom a budget should reach first.

    Parameters
    ----------
    customers : Customers

    Returns
    -------
    DataFrame of shape (n_customers, 7)
        ``customer_id, segment_id, segment_name``; what ``customers.value_name`` names: ``profit``, ``margin`` or
        ``revenue``; ``cumulative_…_share`` of it (of all customers', of this one and those before; above 1 where later
        ones cost money; missing where the total is not above 0), ``cumulative_customer_share, rank`` (1 is first).
        Dormant customers and prospects are in it, and in these shares, with what they brought in and cost. Where there
        is no money, no lines, and the column is ``value``.
    """
    name = "value" if customers.value_name == "none" else customers.value_name
    columns = ranked_columns(name)
    if customers.value_name == "none":
        return pd.DataFrame(columns=list(columns)).astype(columns)
    placed = customers.placed
    listed = pd.DataFrame(
        {
            "customer_id": placed.index.astype("str"),
            "segment_id": placed["segment_id"].to_numpy(),
            "segment_name": placed["segment_name"].to_numpy(),
            name: customers.value.to_numpy(),
        }
    ).sort_values([name, "customer_id"], ascending=[False, True], ignore_index=True)
    running = listed[name].cumsum().to_numpy()
    rank = np.arange(1, len(listed) + 1)
    total = running[-1] if len(running) else 0.0
    listed[f"cumulative_{name}_share"] = running / total if total > 0 else np.nan
    listed["cumulative_customer_share"] = rank / max(len(rank), 1)
    listed["rank"] = rank
    return listed.astype(columns)
