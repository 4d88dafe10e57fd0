"""One SQL statement over the relations of some tables, with the values that are bound in it."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from datetime import date, datetime, time, timedelta

import duckdb
import pandas as pd
import pyarrow as pa

from patronage.catalogue import Feature
from patronage.errors import InvalidConfigError, InvalidInputError
from patronage.features.hoisting import Hoisted
from patronage.features.past import Cut
from patronage.features.relations import relations_of
from patronage.tables import EARLIEST, Tables, first_line
from patronage.windows import Window


class Statement:
    """The SQL that computes features over the relations of some tables, and the values bound in it."""

    def __init__(
        self,
        tables: Tables,
        features: Sequence[Feature],
        start: date,
        as_of: date,
        used: Collection[str] | None = None,
        hoisted: Hoisted | None = None,
        *,
        later: bool = False,
    ) -> None:
        self.tables = tables
        self.bound = {"start": datetime.combine(start, time()), "as_of": datetime.combine(as_of, time())}
        moments = {**self.bound, "first": datetime.combine(EARLIEST, time())}
        stored = {name: tables.stored(moment) for name, moment in moments.items()}
        self.cut = Cut(as_stored=None not in stored.values())
        if self.cut.as_stored:
            self.bound |= {f"stored_{name}": moment for name, moment in stored.items() if moment is not None}
        self.relations = relations_of(tables, used, hoisted or Hoisted(), self.cut, later=later)
        windows = sorted({feature.window_days for feature in features if feature.window_days is not None})
        for days in windows:
            self.bound[start_of(days)] = self.bound["as_of"] - timedelta(days=days)
        # DuckDB wants every bound value used, whatever the features read.
        dates = ", ".join(f"${name} AS {name}_" for name in self.bound)
        parts = {**self.relations, "patronage_dates": f"SELECT {dates}"}
        self.with_relations = "WITH " + ", ".join(
            f"{name} AS NOT MATERIALIZED ({query})" for name, query in parts.items()
        )

    def run(self, query: str) -> pa.Table:
        """Run a query over the relations."""
        try:
            return self.tables.connection.sql(f"{self.with_relations} {query}", params=self.bound).to_arrow_table()
        except (duckdb.BinderException, duckdb.CatalogException) as error:
            raise InvalidInputError(f"the tables lack what a feature needs: {first_line(error)}") from None
        except duckdb.Error as error:
            # DuckDB's message may quote a customer's value.
            raise InvalidConfigError(
                f"a feature cannot be computed ({type(error).__name__}); use try_cast where a value may not convert."
            ) from None

    def bind(self, query: str) -> None:
        """Let DuckDB check a query over the relations without running it."""
        self.tables.connection.execute(f"{self.with_relations} {query} LIMIT 0", self.bound)


def start_of(window_days: int) -> str:
    """Name of the bound value that is the first moment of the last so many days."""
    return f"start_{window_days}"


def query_relations(tables: Tables, window: Window, query: str, placed: pd.Series) -> pd.DataFrame:
    """Ask something of the relations in the lookback of a window, such as a table by segment.

    Parameters
    ----------
    tables : Tables
    window : Window
    query : str
        SQL over the relations that the tables allow (`relations_of`) and ``placed (customer_id, segment_id)``, in
        which every customer stands once; ``customer_id`` is of the same type in all of them.
    placed : Series of shape (n_customers,)
        Segment by customer id (text).

    Raises
    ------
    InvalidInputError
        The tables lack what the query reads.
    """
    name = f"placed_{secrets.token_hex(4)}"  # two queries at a time may not share it
    rows = pa.table({"customer_id": pa.array(placed.index, pa.string()), "segment_id": pa.array(placed, pa.string())})
    tables.connection.register(name, rows)
    try:
        statement = Statement(tables, (), window.features_from, window.as_of)
        # The ids' own type is asked for; to join those who are known would read all transactions in every query.
        keyed = "keyed_transactions" if tables.has("transactions") else "keyed_customers"
        (kind,) = tables.connection.sql(f"SELECT customer_id FROM {keyed}").types
        key = f"SELECT TRY_CAST(customer_id AS {kind}) AS customer_id, segment_id FROM {name}"
        statement.with_relations += f", placed AS MATERIALIZED ({key})"
        return statement.run(query).to_pandas()
    finally:
        tables.connection.unregister(name)
