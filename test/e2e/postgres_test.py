"""PostgreSQL as the offline store, with real Feast on the same server and the same definitions as judge."""

import csv
import json
import sys
from pathlib import Path

import pytest

from real_feast import can_import, feast, feast_command
from salver_command import ROOT, check, needs_command, run

sys.path.insert(0, str(ROOT / "test" / "postgres"))
from server import PostgresServer, binaries

pytestmark = [needs_command, pytest.mark.skipif(binaries() is None, reason="no PostgreSQL 15 on this machine")]


needs_feast = pytest.mark.skipif(not can_import("feast", "psycopg"), reason="SALVER_FEAST_PYTHON names no Python with Feast and psycopg")

DEFINITIONS = '''
from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, PushSource
from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import PostgreSQLSource
from feast.types import Array, Bool, Float32, Float64, Int32, Int64, String, UnixTimestamp

driver = Entity(name="driver", join_keys=["driver_id"])
trips = PostgreSQLSource(name="trips", table="trips", timestamp_field="event_timestamp", created_timestamp_column="created")
ratings = PostgreSQLSource(name="ratings", query="SELECT driver_id, at, rating, city FROM ratings WHERE rating > 0",
                           timestamp_field="at")
unnamed = PostgreSQLSource(table="public.ratings", timestamp_field="at")
pushed = PushSource(name="pushed", batch_source=trips)
trip_stats = FeatureView(name="trip_stats", entities=[driver], ttl=timedelta(hours=6), source=trips,
                         schema=[Field(name="count", dtype=Int64), Field(name="fare", dtype=Float64),
                                 Field(name="share", dtype=Float32), Field(name="small", dtype=Int32)])
rating_stats = FeatureView(name="rating_stats", entities=[driver], ttl=timedelta(days=30), source=ratings,
                           schema=[Field(name="rating", dtype=Float64), Field(name="city", dtype=String)])
pushed_stats = FeatureView(name="pushed_stats", entities=[driver], ttl=timedelta(days=1), source=pushed,
                           schema=[Field(name="count", dtype=Int64)])
'''
TABLES = """
-- Feast's client reads no other way of writing dates than this.
ALTER DATABASE postgres SET datestyle = 'ISO';
CREATE TABLE trips (driver_id bigint, event_timestamp timestamptz, created timestamptz, count bigint, fare numeric(10, 2),
                    share real, small smallint);
INSERT INTO trips SELECT i % 20, '2026-01-01Z'::timestamptz + i * '7 minutes'::interval,
    '2026-01-01Z'::timestamptz + i * '8 minutes'::interval, i, i / 3.0, i / 7.0, i % 100 FROM generate_series(1, 2000) AS i;
CREATE TABLE ratings (driver_id bigint, at timestamptz, rating double precision, city text, notes text);
INSERT INTO ratings SELECT i % 15, '2026-01-01Z'::timestamptz + i * '1 hour'::interval, (i % 6), 'city ' || i % 4, NULL
    FROM generate_series(1, 200) AS i;
"""
FEATURES = ["trip_stats:count", "trip_stats:fare", "trip_stats:share", "trip_stats:small", "rating_stats:rating", "rating_stats:city"]


@pytest.fixture(scope="module")
def server():
    with PostgresServer() as one:
        one.psql(TABLES)
        yield one


@pytest.fixture
def repository(server, tmp_path, monkeypatch):
    monkeypatch.setenv("SALVER_TEST_PASSWORD", server.password)
    (tmp_path / "data").mkdir()
    (tmp_path / "feature_store.yaml").write_text(
        "project: p\nregistry: data/registry.db\nprovider: local\nonline_store: {type: sqlite, path: data/online.db}\n"
        "entity_key_serialization_version: 3\n"
        f"offline_store: {{type: postgres, host: {server.host}, port: {server.port}, database: {server.database}, "
        f"user: {server.user}, password: '${{SALVER_TEST_PASSWORD}}'}}\n")
    (tmp_path / "definitions.py").write_text(DEFINITIONS)
    lines = ["driver_id,event_timestamp,label"]
    for i in range(300):
        lines.append(f"{i % 25},2026-01-{1 + i % 9:02}T{i % 24:02}:{i % 60:02}:00Z,{i}")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def answers_of_feast(repository):
    """By label: the features, null as None."""
    return feast(repository, f"""
labels = pd.read_csv("labels.csv")
labels["event_timestamp"] = pd.to_datetime(labels["event_timestamp"], utc=True)
got = store.get_historical_features(entity_df=labels, features={FEATURES!r}).to_df()
got = got.astype(object).where(got.notna(), None)
columns = {[f.split(":")[1] for f in FEATURES]!r}
print(json.dumps({{str(row["label"]): [None if row[c] is None else (row[c] if c == "city" else float(row[c])) for c in columns]
                  for _, row in got.iterrows()}}))
""")


def answers_of_salver(repository):
    check(repository, "get-historical-features", "-d", repository / "labels.csv", *(word for f in FEATURES for word in ("-f", f)),
          "-o", repository / "out.csv")
    rows = list(csv.DictReader((repository / "out.csv").open()))
    assert [row["label"] for row in rows] == [str(i) for i in range(300)]  # all kept, in their order
    columns = [f.split(":")[1] for f in FEATURES]
    return {row["label"]: [None if row[c] == "" else row[c] if c == "city" else float(row[c]) for c in columns] for row in rows}


@needs_feast
@pytest.mark.parametrize("writer", ["feast", "salver"])
def test_both_answer_the_same_from_the_others_registry(repository, writer):
    if writer == "feast":
        feast_command(repository, "apply")
    else:
        check(repository, "apply")
    mine, theirs = answers_of_salver(repository), answers_of_feast(repository)
    assert sum(values[0] is not None for values in mine.values()) > 100
    assert mine.keys() == theirs.keys()
    for label, values in mine.items():
        # Feast's answer has gone through pandas: real is a double there.
        expected = [pytest.approx(value, rel=1e-6) if isinstance(value, float) else value for value in theirs[label]]
        assert values == expected, label


SOURCES = """
print(json.dumps(sorted((type(s).__name__, s.name, s._postgres_options._table, s._postgres_options._query,
                         s._postgres_options._name, s.timestamp_field, s.created_timestamp_column)
                        for s in store.list_data_sources() if hasattr(s, "_postgres_options"))))
"""
PUSHED = "print(json.dumps(type(store.get_feature_view('pushed_stats').batch_source).__name__))"


@needs_feast
def test_feast_sees_in_salvers_registry_what_it_would_have_written(repository, tmp_path):
    check(repository, "apply")
    by_salver = feast(repository, SOURCES), feast(repository, PUSHED)
    (repository / "data/registry.db").unlink()
    feast_command(repository, "apply")
    assert (feast(repository, SOURCES), feast(repository, PUSHED)) == by_salver


def test_materializes_into_the_online_store(repository, server):
    check(repository, "apply")
    check(repository, "materialize", "2026-01-01T00:00:00", "2026-02-01T00:00:00", "-v", "trip_stats", "-v", "rating_stats")
    got = json.loads(check(repository, "--output", "json", "get-online-features", "-e", "driver_id=7", "-e", "driver_id=99",
                           "-f", "trip_stats:count", "-f", "trip_stats:fare"))
    count, fare = server.psql("SELECT count, fare::float8 FROM trips WHERE driver_id = 7 ORDER BY event_timestamp DESC LIMIT 1").split("|")
    # The newest row is weeks old; what is served of it is the view's ttl to say.
    assert got["count"][1] is None
    assert got["count"][0] in (int(count), None) and got["fare"][0] in (float(fare), None)


def test_faults_are_said_without_the_password(repository, server, monkeypatch):
    check(repository, "apply")
    asked = ("get-historical-features", "-d", repository / "labels.csv", "-f", "trip_stats:count", "-o", repository / "out.csv")
    server.stop()
    code, out, err = run(repository, *asked)
    assert code == 1 and f"{server.host}:{server.port}" in out + err and not (repository / "out.csv").exists()
    server.start()
    check(repository, *asked)
    monkeypatch.setenv("SALVER_TEST_PASSWORD", "hunter2")
    code, out, err = run(repository, *asked)
    assert code == 1 and "password authentication failed" in out + err and "hunter2" not in out + err
    code, out, err = run(repository, "configuration")
    assert code == 0 and "hunter2" not in out + err
