"""SQL sources, Delta tables and views by SQL through the command: defined in YAML and in Python, applied, asked for,
materialized; and what real Feast sees of them."""

import json
import os
import subprocess
from pathlib import Path

import deltalake
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from salver_command import check, needs_command, run, write_repository

pytestmark = needs_command
FEAST = os.environ.get("SALVER_FEAST_PYTHON", "")

YAML = """
entities: [{name: driver, join_keys: [driver_id], value_type: INT64}]
sources:
  - {name: trips, path: data/trips.parquet, timestamp_field: event_timestamp}
  - name: doubled
    query: SELECT driver_id, event_timestamp, 2 * fare AS twice FROM 'data/trips.parquet'
    timestamp_field: event_timestamp
  - {name: rates, path: data/rates, format: delta, version: 0, timestamp_field: event_timestamp}
  - {name: earned_rows, path: data/earned.parquet, timestamp_field: event_timestamp}
feature_views:
  - {name: twice, source: doubled, entities: [driver], schema: [{name: twice, dtype: Float64}]}
  - {name: rates, source: rates, entities: [driver], schema: [{name: rate, dtype: Float64}]}
  - name: daily
    source: trips
    entities: [driver]
    schema: [{name: total, dtype: Float64}]
    sql: |
      SELECT driver_id, max(event_timestamp) AS event_timestamp,
             sum(fare) AS total
      FROM trips GROUP BY driver_id, event_timestamp::DATE
  - name: earned
    source_views: [daily, rates]
    sink_source: earned_rows
    entities: [driver]
    schema: [{name: earned, dtype: Float64}]
    sql: SELECT driver_id, d.event_timestamp, d.total * r.rate AS earned FROM daily d JOIN rates r USING (driver_id)
"""

PYTHON = """
from feast import BatchFeatureView, Entity, FeatureView, Field, FileSource, ValueType
from feast.data_format import DeltaFormat
from feast.types import Float64
from salver import SqlSource

driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
trips = FileSource(name="trips", path="data/trips.parquet", timestamp_field="event_timestamp")
doubled = SqlSource(name="doubled", query="SELECT driver_id, event_timestamp, 2 * fare AS twice FROM 'data/trips.parquet'",
                    timestamp_field="event_timestamp")
rates_source = FileSource(name="rates", path="data/rates", file_format=DeltaFormat(version=0), timestamp_field="event_timestamp")
earned_rows = FileSource(name="earned_rows", path="data/earned.parquet", timestamp_field="event_timestamp")
twice = FeatureView(name="twice", source=doubled, entities=[driver], schema=[Field(name="twice", dtype=Float64)])
rates = FeatureView(name="rates", source=rates_source, entities=[driver], schema=[Field(name="rate", dtype=Float64)])


def daily_sql():
    return '''SELECT driver_id, max(event_timestamp) AS event_timestamp, sum(fare) AS total
              FROM trips GROUP BY driver_id, event_timestamp::DATE'''


daily = BatchFeatureView(name="daily", mode="sql", udf=daily_sql, source=trips, entities=[driver], online=True,
                         schema=[Field(name="total", dtype=Float64)])
earned = BatchFeatureView(name="earned", mode="sql", source=[daily, rates], sink_source=earned_rows, entities=[driver], online=True,
                          udf_string="SELECT driver_id, d.event_timestamp, d.total * r.rate AS earned FROM daily d JOIN rates r USING (driver_id)",
                          schema=[Field(name="earned", dtype=Float64)])
"""


def times(*texts):
    return pa.array([pd.Timestamp(text, tz="UTC") for text in texts], pa.timestamp("us", "UTC"))


@pytest.fixture(params=["yaml", "python"])
def repository(request, tmp_path):
    files = {"features.yaml": YAML} if request.param == "yaml" else {"features.py": PYTHON}
    write_repository(tmp_path, files)
    pq.write_table(pa.table({"driver_id": [1, 1, 2, 1], "event_timestamp": times("2026-01-01T08", "2026-01-01T10", "2026-01-01T09", "2026-01-02T08"),
                             "fare": [10.0, 20.0, 5.0, 7.0]}), tmp_path / "data" / "trips.parquet")
    rate = lambda one, two: pa.table({"driver_id": [1, 2], "event_timestamp": times("2026-01-01T00", "2026-01-01T00"), "rate": [one, two]})
    deltalake.write_deltalake(str(tmp_path / "data" / "rates"), rate(0.5, 2.0))
    deltalake.write_deltalake(str(tmp_path / "data" / "rates"), rate(9.0, 9.0), mode="overwrite")
    return tmp_path


def test_apply_ask_materialize(repository):
    check(repository, "apply")
    pq.write_table(pa.table({"driver_id": [1, 1, 2], "event_timestamp": times("2026-01-01T12", "2026-01-03", "2026-01-01T08")}), repository / "labels.parquet")
    check(repository, "get-historical-features", "-d", str(repository / "labels.parquet"), "-o", str(repository / "out.parquet"),
          *(a for f in ("twice:twice", "daily:total", "earned:earned", "rates:rate") for a in ("-f", f)))
    rows = pq.read_table(repository / "out.parquet").to_pylist()
    assert [(r["twice"], r["total"], r["earned"], r["rate"]) for r in rows] == [(40.0, 30.0, 15.0, 0.5), (14.0, 7.0, 3.5, 0.5), (None, None, None, 2.0)]
    check(repository, "materialize", "2026-01-01T00:00:00", "2026-01-05T00:00:00")
    out = check(repository, "--output", "json", "get-online-features", "-e", "driver_id=1", "-e", "driver_id=2", "-f", "earned:earned", "-f", "daily:total")
    assert "3.5" in out and "10" in out, out


def test_windows_aggregate_what_the_sql_gives(tmp_path):
    write_repository(tmp_path, {"features.yaml": """
entities: [{name: driver, join_keys: [driver_id], value_type: INT64}]
sources: [{name: trips, path: data/trips.parquet, timestamp_field: event_timestamp}]
feature_views:
  - name: spent
    source: trips
    entities: [driver]
    schema: [{name: twice_2h, dtype: Float64}]
    sql: SELECT driver_id, event_timestamp, 2 * fare AS twice FROM trips
    aggregations: [{column: twice, function: sum, time_window: 2h, name: twice_2h}]
"""})
    moments = times("2026-01-01T01", "2026-01-01T02", "2026-01-01T03")
    pq.write_table(pa.table({"driver_id": [1, 1, 1], "event_timestamp": moments, "fare": [1.0, 10.0, 100.0]}), tmp_path / "data" / "trips.parquet")
    check(tmp_path, "apply")
    pq.write_table(pa.table({"driver_id": [1, 1, 1], "event_timestamp": moments}), tmp_path / "labels.parquet")
    check(tmp_path, "get-historical-features", "-d", str(tmp_path / "labels.parquet"), "-o", str(tmp_path / "out.parquet"), "-f", "spent:twice_2h")
    assert pq.read_table(tmp_path / "out.parquet")["twice_2h"].to_pylist() == [2.0, 22.0, 220.0]
    check(tmp_path, "materialize", "2026-01-01T00:00:00", "2026-01-01T02:00:00")
    assert "22" in check(tmp_path, "--output", "json", "get-online-features", "-e", "driver_id=1", "-f", "spent:twice_2h")


def test_apply_binds_the_sql(repository):
    path = next(repository.glob("features.*"))
    good = path.read_text()
    for old, new, says in [("sum(fare)", "sum(fair)", ['feature view "daily"', "fair", "(line "]), ("AS total", "AS totals", ['"total"', "daily"]),
                           ("d.total * r.rate", "d.totl * r.rate", ['feature view "earned"', "totl"])]:
        path.write_text(good.replace(old, new))
        code, out, err = run(repository, "apply")
        assert code == 1, out + err
        for part in says:
            assert part in err, err
        assert not (repository / "data" / "registry.db").exists()


@pytest.mark.skipif(not Path(FEAST or "?").exists(), reason="SALVER_FEAST_PYTHON names no Python with Feast")
def test_feast_reads_the_registry(repository):
    """Without skip_udf Feast 0.67 does not read a view of mode="sql" that it wrote itself: SQLTransformation has no from_proto."""
    check(repository, "apply")
    code = """
import json
import pathlib
from feast.infra.registry.registry import Registry
from feast.repo_config import RegistryConfig
registry = Registry("p", RegistryConfig(path="data/registry.db"), pathlib.Path("."))
print(json.dumps([sorted(type(s).__name__ + " " + s.name for s in registry.list_data_sources("p")),
                  sorted(v.name for v in registry.list_feature_views("p", skip_udf=True))]))
"""
    done = subprocess.run([FEAST, "-W", "ignore", "-c", code], cwd=repository, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [["FileSource doubled", "FileSource earned_rows", "FileSource rates", "FileSource trips"],
                                                        ["daily", "earned", "rates", "twice"]]
