#!/usr/bin/env python3
"""Reads features from PostgreSQL: Salver, which copies rows in binary into Arrow, beside Feast's own store and psycopg.

  bench/offline/postgres.py [--rows N] [--rounds N] [--salver COMMAND]

A server of its own holds one table (a key, a time, 10 float columns). Three questions:
  read     every row of the table as an Arrow table: Salver's time is the command's, its start and one label included;
           Feast's way is psycopg's fetchall, columns turned, pyarrow.array (PostgreSQLRetrievalJob, 0.67)
  train    10,000 labels of 1,000 keys: the command, and Feast's get_historical_features in a process that has imported it
Answers are compared. Prints a table; needs .venv-feast (scripts/bootstrap --feast) and a release build.
"""

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "test" / "postgres")]

from common import last_json, machine, run, table, wall_time
from server import PostgresServer

COLUMNS = [f"f{i}" for i in range(10)]
KEYS = 10_000
DEFINITIONS = f"""
from feast import Entity, FeatureView, Field
from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import PostgreSQLSource
from feast.types import Float64

driver = Entity(name="driver", join_keys=["driver_id"])
source = PostgreSQLSource(name="events", table="events", timestamp_field="event_timestamp")
stats = FeatureView(name="stats", entities=[driver], source=source, schema=[Field(name=f"f{{i}}", dtype=Float64) for i in range(10)])
"""
FEAST_READ = """
import json, time, psycopg, pyarrow as pa
start = time.perf_counter()
with psycopg.connect({dsn!r}) as connection, connection.cursor() as cursor:
    cursor.execute("SELECT * FROM events")
    names, rows = [c.name for c in cursor.description], cursor.fetchall()
answer = pa.Table.from_arrays([pa.array([row[i] for row in rows]) for i in range(len(names))], names=names)
print(json.dumps({{"seconds": time.perf_counter() - start, "rows": answer.num_rows}}))
"""
FEAST_TRAIN = """
import json, time, warnings
warnings.simplefilter("ignore")
import pandas as pd, psycopg
from feast import FeatureStore
store = FeatureStore(".")
labels = pd.read_parquet("labels.parquet")
start = time.perf_counter()
answer = store.get_historical_features(entity_df=labels, features=[f"stats:f{i}" for i in range(10)]).to_df()
seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "rows": len(answer), "sum": float(answer["f0"].sum())}))
"""


def write_repository(folder: Path, server: PostgresServer, rows: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (folder / "feature_store.yaml").write_text(
        "project: p\nregistry: registry.db\nprovider: local\nonline_store: {type: sqlite, path: online.db}\n"
        f"entity_key_serialization_version: 3\noffline_store: {{type: postgres, host: {server.host}, port: {server.port}, "
        f"database: {server.database}, user: {server.user}, password: '{server.password}'}}\n")
    (folder / "definitions.py").write_text(DEFINITIONS)
    last = rows * 1_000_000  # one row a second from 2020 on
    start = 1_577_836_800_000_000
    for name, count, keys in (("one", 1, 1), ("labels", 10_000, 1_000)):
        pq.write_table(pa.table({"driver_id": pa.array([i % keys for i in range(count)], pa.int64()),
                                 "event_timestamp": pa.array([start + last - i for i in range(count)], pa.timestamp("us", tz="UTC"))}),
                       folder / f"{name}.parquet")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--salver", default=str(ROOT / "build/release/salver"))
    options = parser.parse_args()
    feast = ROOT / ".venv-feast/bin/python"
    os.environ["PATH"] = f"{ROOT / '.venv/bin'}{os.pathsep}{os.environ['PATH']}"
    with PostgresServer() as server, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server.psql(f"CREATE TABLE events AS SELECT (i * 7919 % {KEYS})::bigint AS driver_id, to_timestamp(1577836800 + i) AS event_timestamp, "
                    + ", ".join(f"sin(i * {n + 1}) AS f{n}" for n in range(10))
                    + f" FROM generate_series(1, {options.rows}) AS i; VACUUM ANALYZE events")
        write_repository(folder, server, options.rows)
        run([options.salver, "-c", folder, "apply"])
        dsn = f"host={server.host} port={server.port} user={server.user} password={server.password} dbname={server.database}"
        features = [word for column in COLUMNS for word in ("-f", f"stats:{column}")]
        ask = lambda labels: [options.salver, "-c", folder, "get-historical-features", "-d", folder / f"{labels}.parquet", *features,
                              "-o", folder / f"{labels}_out.parquet"]
        results: dict[str, list[float]] = {}
        for _ in range(options.rounds):
            results.setdefault("read, Salver", []).append(wall_time(ask("one")))
            results.setdefault("read, psycopg as Feast", []).append(last_json(run([feast, "-c", FEAST_READ.format(dsn=dsn)]))["seconds"])
            results.setdefault("train, Salver", []).append(wall_time(ask("labels")))
            theirs = last_json(run([feast, "-c", FEAST_TRAIN], cwd=folder))
            results.setdefault("train, Feast", []).append(theirs["seconds"])
        import pyarrow.parquet as pq

        mine = pq.read_table(folder / "labels_out.parquet")
        total = sum(value or 0 for value in mine["f0"].to_pylist())
        if mine.num_rows != theirs["rows"] or abs(total - theirs["sum"]) > 1e-6:
            sys.exit(f"error: answers differ: {mine.num_rows} rows and {total}, {theirs}")
        print(f"{options.rows:,} rows, median of {options.rounds}; {machine()}\n")
        print(table(["question", "seconds"], [[what, f"{statistics.median(times):.2f}"] for what, times in results.items()]))


if __name__ == "__main__":
    main()
