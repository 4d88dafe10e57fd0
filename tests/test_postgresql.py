"""A real PostgreSQL server: raw tables and features come out of it, scored customers go in, whole or not at all."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from patronage.errors import InvalidInputError
from patronage.model import SegmentationModel
from patronage.scoring import DatabaseOutput, FileOutput, from_database, from_file, score
from patronage.tables import DataSource, TableSource, open_tables
from tests.scored import N_CUSTOMERS, feature_table, small_model

pytest.importorskip("pg8000", reason="pg8000, which speaks with PostgreSQL, is not installed")

BINARIES = [Path(found).parent for found in [shutil.which("initdb")] if found] + sorted(
    Path("/usr/lib/postgresql").glob("*/bin"), reverse=True
)
pytestmark = pytest.mark.skipif(not BINARIES, reason="PostgreSQL is not installed (no initdb on the path)")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Address of a fresh server on this machine, in a folder of its own."""
    # Its own account must reach the folder, which pytest's would not let it.
    home = Path(tempfile.mkdtemp(prefix="patronage-pg-"))
    account = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
    if account is not None:
        shutil.chown(home, account)

    def run(*command: str) -> None:
        # Output goes to files: a server that keeps a pipe open would be waited for.
        asked = [str(BINARIES[0] / command[0]), *command[1:]]
        subprocess.run(asked, check=True, user=account, cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    run(
        "initdb", "--pgdata", f"{home}/data", "--username", "shop", "--auth", "trust", "--no-sync", "--encoding", "UTF8"
    )
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='{home}' -c fsync=off"
    run("pg_ctl", "start", "--wait", "--pgdata", f"{home}/data", "--log", f"{home}/log", "--options", options)
    try:
        yield f"postgresql+pg8000://shop@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "stop", "--wait", "--mode", "fast", "--pgdata", f"{home}/data")
        shutil.rmtree(home)


@pytest.fixture
def database(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sa.Engine]:
    """A server without tables, and a working directory."""
    monkeypatch.chdir(tmp_path)
    engine = sa.create_engine(server)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP SCHEMA public CASCADE"))
        connection.execute(sa.text("CREATE SCHEMA public"))
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def model() -> SegmentationModel:
    """Two segments on a number and a category."""
    return small_model()


def rows(engine: sa.Engine, query: str) -> list[Any]:
    """What a query gives."""
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


def test_features_come_out_and_customers_go_in(model: SegmentationModel, database: sa.Engine, server: str) -> None:
    """Every bit is what a file would hold; a second run replaces the rows and keeps index and rights."""
    feature_table().to_sql("features", database, index=False)
    feature_table().to_parquet("f.parquet")
    score(model, from_file(Path("f.parquet"), model), FileOutput(Path("s.parquet")))
    for chunk_rows in (64, 50_000):
        done = score(
            model, from_database(server, "features"), DatabaseOutput(server, "public.segments"), chunk_rows=chunk_rows
        )
        assert done.n_customers == N_CUSTOMERS
        if chunk_rows == 64:
            with database.begin() as connection:
                connection.execute(sa.text("CREATE INDEX by_segment ON segments (segment_id)"))
                connection.execute(sa.text("GRANT SELECT ON segments TO PUBLIC"))
    expected = pd.read_parquet("s.parquet")
    columns = ", ".join(expected.columns)
    found = pd.DataFrame(rows(database, f"SELECT {columns} FROM segments"), columns=expected.columns)
    expected, found = (one.sort_values("customer_id", ignore_index=True) for one in (expected, found))
    pd.testing.assert_frame_equal(found.astype(expected.dtypes), expected, check_exact=True)
    assert rows(database, "SELECT indexname FROM pg_indexes WHERE tablename = 'segments'") == [("by_segment",)]
    assert rows(database, "SELECT has_table_privilege('public', 'segments', 'SELECT')") == [(True,)]


def test_a_server_that_refuses_half_way_is_as_before(
    model: SegmentationModel, database: sa.Engine, server: str
) -> None:
    """A row that the table refuses undoes the whole, and no value of it is shown."""
    feature_table().to_parquet("f.parquet")
    score(model, from_file(Path("f.parquet"), model), DatabaseOutput(server, "segments"))
    last = rows(database, "SELECT max(customer_id) FROM segments")[0][0]
    with database.begin() as connection:
        connection.execute(sa.text("DELETE FROM segments"))
        connection.execute(sa.text("INSERT INTO segments (customer_id) VALUES ('as it was')"))
        connection.execute(sa.text(f"ALTER TABLE segments ADD CHECK (customer_id <> '{last}')"))
    with pytest.raises(InvalidInputError, match="the database refuses") as refused:
        score(model, from_file(Path("f.parquet"), model), DatabaseOutput(server, "segments"))
    assert str(last) not in str(refused.value)
    assert rows(database, "SELECT customer_id FROM segments") == [("as it was",)]


def test_raw_tables_are_read_with_their_types(database: sa.Engine, server: str) -> None:
    """Moments with a zone become the shop's clock, exact money stays exact, and whole numbers are ids."""
    with database.begin() as connection:
        connection.execute(
            sa.text("CREATE TABLE sales (client bigint, moment timestamptz, amount numeric(12, 4), note text)")
        )
        connection.execute(sa.text("INSERT INTO sales VALUES (7, '2024-03-31 23:30:00+00', 0.1, NULL)"))
        connection.execute(sa.text("INSERT INTO sales VALUES (8, '2024-01-01 00:00:00+00', 12345678.9, 'é')"))
    table = TableSource(
        path=server,
        table="sales",
        columns={"customer_id": "client", "ordered_at": "moment", "revenue": "amount"},
    )
    with open_tables(DataSource("shop", {"transactions": table}, "Europe/Amsterdam")) as tables:
        found = [
            tables.row(
                f"SELECT customer_id, ordered_at, revenue, note FROM transactions WHERE customer_id = '{client}'"
            )
            for client in (7, 8)
        ]
    assert found == [
        ("7", datetime(2024, 4, 1, 1, 30), Decimal("0.1"), None),  # noqa: DTZ001 - the shop's own clock
        ("8", datetime(2024, 1, 1, 1, 0), Decimal("12345678.9"), "é"),  # noqa: DTZ001
    ]
