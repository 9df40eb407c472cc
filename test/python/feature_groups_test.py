"""Feature groups through the compiled package."""

import json
import os
import subprocess
import sys
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("salver._core", reason="the compiled package is not installed: pip install .")

from salver import (DataType, DuckDBQueryExecutor, FeatureGroupSchema, FeatureSchema, FeatureStoreMetadata, FeatureType,
                    MaterializedFeatureStore, Pipeline, QueryExecutor, SparkQueryExecutor, VirtualizedFeatureStore)
from salver.errors import (FeatureGroupNotFoundError, FeatureMaterializationError, FeatureNotFoundError,
                           FeatureNotFoundException, FeatureRegistryError, FeatureStoreException, FeatureViewNotFoundException,
                           MetadataError, SalverError, SchemaValidationError, VirtualizationQueryError)
from salver.pipeline import function_node, read_features_node, table_node, write_features_node

ROOT = Path(__file__).resolve().parents[2]
DAY = datetime(2026, 1, 1, tzinfo=timezone.utc)
TIMES = pa.timestamp("us", tz="UTC")


@pytest.fixture
def repository(tmp_path):
    (tmp_path / "feature_store.yaml").write_text("project: p\nregistry: registry.db\nonline_store: null\n")
    return tmp_path


def schema(version=1, **changes):
    features = [FeatureSchema("trips", DataType.BIGINT, metadata={"min": 0}),
                FeatureSchema("city", "STRING", FeatureType.CATEGORICAL, nullable=True)]
    return FeatureGroupSchema(**{"name": "stats", "entity_keys": ["driver_id"], "timestamp_key": "event_timestamp",
                                 "features": features, "version": version, "tags": {"team": "rides"}, **changes})


def rows(*entries):
    drivers, hours, trips, cities = zip(*entries)
    return pa.table({"driver_id": list(drivers), "event_timestamp": pa.array([DAY + timedelta(hours=h) for h in hours], TIMES),
                     "trips": list(trips), "city": list(cities)})


@pytest.fixture
def store(repository):
    store = MaterializedFeatureStore(repository)
    store.register_feature_group(schema())
    store.write_features("stats", rows((1, 0, 5, "Oslo"), (1, 2, 7, "Rome"), (2, 1, 9, None)))
    return store


def test_written_features_come_back_as_of_a_moment(store):
    answer = store.get_features(["stats:trips", "city"], {"driver_id": [2, 1, 3]}, point_in_time=DAY + timedelta(hours=1))
    assert answer.to_pydict() == {"driver_id": [2, 1, 3], "trips": [9, 5, None], "city": [None, "Oslo", None]}
    assert store.get_features(["trips"], [{"driver_id": 1}]).to_pydict() == {"driver_id": [1], "trips": [7]}
    assert store.cache_stats()["hit_rate"] > 0
    assert store.lookup_stats()["row_groups_read"] == 2


def test_modes_of_writing(store):
    assert store.write_features("stats", rows((1, 3, 8, "Lima")), mode="append")["rows_total"] == 4
    assert store.write_features("stats", rows((1, 2, 6, "Lima")), backfill=True)["rows_replaced"] == 1
    assert store.backfill("stats", rows((1, 1, 4, "Nome")), DAY, DAY + timedelta(hours=2))["rows_total"] == 2
    assert store.write_features("stats", rows((9, 0, 1, "Oslo")), mode="overwrite")["rows_total"] == 1
    with pytest.raises(ValueError, match="neither"):
        store.write_features("stats", rows((9, 0, 1, "Oslo")), mode="upsert")


def write_parquet_commit(table, rows):
    """A commit by a program that says little: no statistics, and a file with an escaped name."""
    pq.write_table(rows, table / "by other.parquet")
    number = len(list((table / "_delta_log").glob("*.json")))
    (table / "_delta_log" / f"{number:020}.json").write_text(json.dumps(
        {"add": {"path": "by%20other.parquet", "partitionValues": {}, "size": 1, "modificationTime": 0, "dataChange": True}}) + "\n")


def test_a_delta_table_is_one_to_deltas_own_readers_and_writers(repository):
    """The package deltalake as judge: of every version, and as a writer beside Salver."""
    deltalake = pytest.importorskip("deltalake")
    store = MaterializedFeatureStore(repository, storage_format="delta")
    path = store.register_feature_group(schema()).path
    store.write_features("stats", rows((1, 0, 5, "Oslo"), (1, 2, 7, "Rome"), (2, 1, 9, None)))
    store.write_features("stats", rows((1, 2, 6, "Lima")), backfill=True)
    store.write_features("stats", rows((4, 2, 6, "Lima")), mode="overwrite")
    trips = lambda *version: sorted(deltalake.DeltaTable(str(repository / path), *version).to_pyarrow_table()["trips"].to_pylist())
    assert [trips(version) for version in range(4)] == [[], [5, 7, 9], [5, 6, 9], [6]] and trips() == [6]
    added = rows((4, 3, 8, "Nome"), (5, 0, 1, None))
    deltalake.write_deltalake(str(repository / path), added, mode="append")
    deltalake.DeltaTable(str(repository / path)).optimize.compact()
    assert store.get_features(["trips"], {"driver_id": [4, 5]})["trips"].to_pylist() == [8, 1]
    store.write_features("stats", rows((5, 1, 2, "Rome")))
    assert store.get_features(["trips"], {"driver_id": [4, 5]})["trips"].to_pylist() == [8, 2]
    assert trips() == [1, 2, 6, 8]
    # Another program's types for the same: read as the table's own.
    foreign = added.set_column(0, "driver_id", pa.array([6, 7], pa.int32())).set_column(3, "city", pa.array(["Bari", None], pa.large_string()))
    write_parquet_commit(repository / path, foreign)
    assert store.get_features(["trips", "city"], {"driver_id": [6, 7]}).select([1, 2]).to_pydict() == {"trips": [8, 1], "city": ["Bari", None]}
    store.write_features("stats", rows((6, 4, 3, "Rome")))
    assert store.get_features(["trips"], {"driver_id": [6, 7]})["trips"].to_pylist() == [3, 1]
    store.backfill("stats", rows((6, 3, 4, "Rome")), DAY, DAY + timedelta(days=9))
    assert store.get_features(["trips"], {"driver_id": [6, 7]})["trips"].to_pylist() == [4, None] and trips() == [4]
    store.write_features("stats", rows((4, 3, 8, "Nome"), (4, 4, 6, "Nome"), (5, 0, 3, None)), mode="overwrite")
    virtual = VirtualizedFeatureStore(repository)
    virtual.define_virtual_features(FeatureGroupSchema(name="totals", entity_keys=["driver_id"], features=[FeatureSchema("total", DataType.BIGINT)]),
                                    {"total": "SELECT driver_id, sum(trips) AS total FROM stats GROUP BY ALL"})
    assert virtual.get_features(["total"], {"driver_id": [4, 5]})["total"].to_pylist() == [14, 3]


def test_pandas_frames_are_rows_too(store):
    assert store.write_features("stats", rows((5, 0, 1, "Oslo")).to_pandas())["rows_total"] == 4
    ids = rows((5, 0, 1, "x")).select(["driver_id"]).to_pandas()
    assert store.get_features(["trips"], ids)["trips"].to_pylist() == [1]


def test_every_exception_and_what_it_still_is(store, repository):
    for error, older in [(FeatureNotFoundError, FeatureNotFoundException),
                         (FeatureGroupNotFoundError, FeatureViewNotFoundException), (SchemaValidationError, SalverError),
                         (FeatureMaterializationError, SalverError), (VirtualizationQueryError, SalverError),
                         (MetadataError, SalverError), (FeatureRegistryError, SalverError)]:
        assert issubclass(error, FeatureStoreException) and issubclass(error, older)
    with pytest.raises(SchemaValidationError, match=r'"trips": out of range \(at least 0\) in 1 row: row 0 \(-1\)'):
        store.write_features("stats", rows((1, 0, -1, "x")))
    with pytest.raises(FeatureNotFoundError, match='Did you mean "trips"'):
        store.get_features(["stats:tips"], {"driver_id": [1]})
    with pytest.raises(FeatureGroupNotFoundError):
        store.write_features("stat", rows((1, 0, 1, "x")))
    with pytest.raises(MetadataError, match="Register it as version 2"):
        store.register_feature_group(schema(timestamp_key="other"))
    with pytest.raises(VirtualizationQueryError, match="Parser Error|syntax"):
        VirtualizedFeatureStore(repository).define_virtual_features(
            schema(name="v", features=[FeatureSchema("x", DataType.INT)]), {"x": "SELEC 1"})
    (repository / "data/feature_groups/stats_v1/_manifest.json").write_text("{}")
    with pytest.raises(FeatureMaterializationError, match="damaged"):
        MaterializedFeatureStore(repository).write_features("stats", rows((1, 0, 1, "x")))
    (repository / "registry.db").write_bytes(b"none")
    with pytest.raises(FeatureRegistryError):
        FeatureStoreMetadata(repository).list_feature_groups()


def test_metadata(store, repository):
    store.register_feature_group(schema(version=2, features=[FeatureSchema("trips", DataType.STRING)]))
    metadata = FeatureStoreMetadata(repository)
    assert [(g.schema.name, g.schema.version) for g in metadata.list_feature_groups()] == [("stats", 1), ("stats", 2)]
    first = metadata.get_feature_group("stats", 1)
    assert first.schema == FeatureGroupSchema.from_dict(schema().to_dict()) and first.view == "stats_v1"
    assert [f["name"] for f in metadata.list_features("stats@v1")] == ["trips", "city"]
    metadata.set_lineage("stats:trips", ["rides"])
    assert metadata.get_lineage("stats")["all_inputs"] == ["rides"]
    with pytest.raises(MetadataError, match="stats:trips -> stats"):
        metadata.set_lineage("stats:trips", ["stats"])
    assert metadata.get_last_updated("stats@v1") > datetime(2026, 1, 1, tzinfo=timezone.utc)
    health = store.health_check()
    assert health["healthy"] and [c["name"] for c in health["checks"]] == ["registry", "table", "table", "lineage", "storage"]


def test_virtual_features(store, repository):
    virtual = VirtualizedFeatureStore(repository, DuckDBQueryExecutor(query_timeout_seconds=20))
    virtual.define_virtual_features(
        schema(name="doubled", features=[FeatureSchema("double_trips", DataType.BIGINT)]),
        {"double_trips": "SELECT driver_id, event_timestamp, 2 * trips AS double_trips FROM stats"})
    ids = {"driver_id": [1, 2]}
    assert virtual.get_features(["double_trips"], ids)["double_trips"].to_pylist() == [14, 18]
    assert virtual.get_features(["double_trips"], ids, DAY)["double_trips"].to_pylist() == [10, None]
    assert "driver_id" in virtual.explain(["double_trips"], ids)
    with pytest.raises(NotImplementedError, match="Spark"):
        SparkQueryExecutor()


VALUES = {  # of each type: three values, and what is said of it in the schema
    "INT": (pa.array([1, None, -2**31], pa.int32()), {}),
    "BIGINT": (pa.array([2**62, None, -1]), {}),
    "FLOAT": (pa.array([1.5, None, -0.25], pa.float32()), {}),
    "DOUBLE": (pa.array([0.1, None, -1e300]), {}),
    "DECIMAL": (pa.array(["12.34", None, "-0.01"]), {}),  # as text, whatever its digits
    "STRING": (pa.array(["å", None, ""]), {}),
    "TIMESTAMP": (pa.array([DAY, None, DAY - timedelta(microseconds=1)], TIMES), {}),
    "DATE": (pa.array([date(2026, 1, 2), None, date(1969, 12, 31)]), {}),
    "ARRAY": (pa.array([[1.5, 2.5], None, []], pa.list_(pa.float64())), {"element_type": "DOUBLE"}),
    "MAP": (pa.array([[("a", "b")], None, []], pa.map_(pa.string(), pa.string())), {}),
    "STRUCT": (pa.array([{"lat": 1.5, "city": "x"}, None, {"lat": None, "city": "y"}],
                        pa.struct([("lat", pa.float64()), ("city", pa.string())])),
               {"fields": '{"lat": "FLOAT64", "city": "STRING"}'}),
    "BOOLEAN": (pa.array([True, None, False]), {}),
}


@pytest.mark.parametrize("storage_format", ["parquet", "delta"])
@pytest.mark.parametrize("data_type", list(VALUES))
def test_values_of_every_type_are_written_and_read(repository, storage_format, data_type):
    values, metadata = VALUES[data_type]
    assert set(VALUES) == {data_type.name for data_type in DataType}
    store = MaterializedFeatureStore(repository, storage_path="groups", storage_format=storage_format)
    store.register_feature_group(FeatureGroupSchema(
        name="all", entity_keys=["id"], timestamp_key="event_timestamp",
        features=[FeatureSchema("f", data_type, nullable=True, metadata=metadata)]))
    store.write_features("all", pa.table({"id": [1, 2, 3], "event_timestamp": pa.array([DAY] * 3, TIMES), "f": values}))
    found = store.get_features(["all:f"], {"id": [3, 1, 2, 4]})["f"]
    first, null, last = values.to_pylist()
    assert found.to_pylist() == [last, first, null, None] and found.type.equals(values.type)


class Recorded(QueryExecutor):
    """Answers from memory, and keeps what it was asked."""

    name = "recorded"

    def __init__(self, answer):
        self.answer, self.asked = answer, []

    def execute(self, query):
        self.asked.append(query)
        return self.answer()

    def explain(self, query):
        return "from memory: " + query.sql


def test_an_executor_of_ones_own_runs_the_sql(store, repository):
    sql = "SELECT driver_id, event_timestamp, 2 * trips AS double_trips FROM stats"
    answer = pa.table({"driver_id": [1, 2], "event_timestamp": pa.array([DAY, DAY], TIMES), "double_trips": [5, 6]})
    executor = Recorded(lambda: answer)
    virtual = VirtualizedFeatureStore(repository, executor)
    virtual.define_virtual_features(
        schema(name="doubled", features=[FeatureSchema("double_trips", DataType.BIGINT)]), {"double_trips": sql})
    features = virtual.get_features(["double_trips"], {"driver_id": [2, 1, 3]})
    assert features["double_trips"].to_pylist() == [6, 5, None]
    (asked,) = executor.asked
    assert (asked.sql, [table.name for table in asked.tables]) == (sql, ["stats"])
    assert "double_trips" in asked.asked_by and sorted(asked.keys["driver_id"].to_pylist()) == [1, 2, 3]
    assert "from memory: " + sql in virtual.explain(["double_trips"], {"driver_id": [1]})
    executor.answer = lambda: 1 // 0
    with pytest.raises(VirtualizationQueryError, match='"recorded": ZeroDivisionError'):
        virtual.get_features(["double_trips"], {"driver_id": [1]})
    with pytest.raises(TypeError, match="QueryExecutor"):
        VirtualizedFeatureStore(repository, "duckdb")


def test_a_group_is_registered_without_a_store(repository):
    metadata = FeatureStoreMetadata(repository)
    features = [FeatureSchema("trips", DataType.BIGINT)]
    group = metadata.register_feature_group(schema(name="kept", features=features), path="tables/kept", format="delta")
    assert (group.is_virtual, group.path, group.format) == (False, "tables/kept", "delta")
    sql = {"trips": "SELECT 1 AS driver_id, now() AS event_timestamp, 2 AS trips"}
    assert metadata.register_feature_group(schema(name="made", features=features), sql=sql).sql == sql
    assert [one.schema.name for one in metadata.list_feature_groups()] == ["kept", "made"]
    assert metadata.get_feature_group("kept") == group


def test_a_query_past_its_timeout_ends(repository):
    virtual = VirtualizedFeatureStore(repository, DuckDBQueryExecutor(query_timeout_seconds=0.2))
    virtual.define_virtual_features(
        schema(name="slow", features=[FeatureSchema("s", DataType.BIGINT)]),
        {"s": "SELECT 1 AS driver_id, TIMESTAMP '2020-01-01' AS event_timestamp, sum(a.range * b.range) AS s "
              "FROM range(10000000) a, range(10000000) b"})
    with pytest.raises(VirtualizationQueryError, match="query_timeout_seconds") as caught:
        virtual.get_features(["s"], {"driver_id": [1]})
    assert caught.value.code == "DeadlineExceeded"


def test_pipeline(store):
    nodes = [read_features_node("read", store, ["stats:trips"], "ids", after=["write"]),
             write_features_node("write", store, "stats", "more"),
             function_node("more", lambda table: table.set_column(2, "trips", [[70]]), ["raw"]),
             table_node("raw", rows((1, 5, 1, "x"))), table_node("ids", {"driver_id": [1]})]
    assert Pipeline(nodes).order() == ["ids", "raw", "more", "write", "read"]
    assert Pipeline(nodes).run()["read"].to_pydict() == {"driver_id": [1], "trips": [70]}
    with pytest.raises(MetadataError, match="needs \"idz\"") as caught:
        Pipeline([read_features_node("read", store, ["trips"], "idz"), function_node("a", len, ["a"])]).run()
    assert "a -> a" in str(caught.value)
    with pytest.raises(SalverError, match="division"):
        Pipeline([function_node("a", lambda: 1 / 0, [])]).run()


def test_the_example_runs_and_logs_its_operations(repository):
    example = ROOT / "examples/feature_groups"
    (repository / "feature_store.yaml").write_text((example / "feature_store.yaml").read_text())
    run = subprocess.run([sys.executable, example / "pipeline.py", repository], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert "'trips': [1, 2, 3]" in lines[0] and "'total_trips': [3, 6, 9]" in lines[1], run.stdout
    assert lines[-1].startswith("healthy")
    operations = [json.loads(line) for line in run.stderr.splitlines()]
    written = [line for line in operations if line["operation"] == "write_features" and line["level"] == "info"]
    assert written[0]["group"] == "driver_daily" and written[0]["rows"] == 12 and written[0]["duration_us"] > 0
    off = subprocess.run([sys.executable, example / "pipeline.py", repository], capture_output=True, text=True, timeout=120,
                         env={**os.environ, "SALVER_LOG": "off"})
    assert off.returncode == 0 and off.stderr == ""
    assert off.stdout.splitlines()[:2] == lines[:2], "a backfill that runs again changes nothing"


# Writes one acknowledged row after another and says so; killed at any moment, what was said is there.
WRITER = """
import sys
from datetime import datetime, timezone
import pyarrow as pa
from salver import MaterializedFeatureStore
store = MaterializedFeatureStore(sys.argv[1])
for number in range(int(sys.argv[2]), 1_000_000):
    rows = pa.table({"driver_id": [number], "trips": [number], "city": ["x"],
                     "event_timestamp": pa.array([datetime(2026, 1, 1, tzinfo=timezone.utc)], pa.timestamp("us", tz="UTC"))})
    store.write_features("stats", rows)
    print(number, flush=True)
"""


def test_a_killed_writer_leaves_what_it_acknowledged(repository):
    MaterializedFeatureStore(repository).register_feature_group(schema())
    acknowledged = -1
    for kills in range(4):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, repository, str(acknowledged + 1)], stdout=subprocess.PIPE,
                                  text=True)
        for _ in range(3 + 5 * kills):
            acknowledged = int(writer.stdout.readline())
        writer.kill()
        rest = writer.communicate()[0].split()
        acknowledged = int(rest[-1]) if rest else acknowledged
        ids = {"driver_id": list(range(acknowledged + 2))}
        trips = MaterializedFeatureStore(repository).get_features(["trips"], ids)["trips"].to_pylist()
        assert trips[:-1] == ids["driver_id"][:-1]
        acknowledged += trips[-1] is not None  # written, and killed before it could say so
