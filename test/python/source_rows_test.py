"""The rows of a source through the compiled package, read and added: a Parquet file, a Delta table, a SQL text."""

from datetime import datetime, timedelta, timezone

import pandas as pd
import pytest

pa = pytest.importorskip("pyarrow")
pytest.importorskip("salver._core", reason="the compiled package is not installed: pip install .")

import deltalake
import pyarrow.parquet as pq
from salver import Entity, FeatureStore, FeatureView, Field, FileSource, PushSource, SqlSource, ValueType
from salver.data_format import DeltaFormat
from salver.errors import FeastObjectNotFoundException, FeatureViewNotFoundException, SalverError
from salver.types import Int64, String

DAY = datetime(2026, 1, 1, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
TIMES = {"timestamp_field": "event_timestamp", "created_timestamp_column": "created"}
SOURCES = {
    "parquet": FileSource(name="stats_source", path="data/stats.parquet", **TIMES),
    "delta": FileSource(name="stats_source", path="data/stats_delta", file_format=DeltaFormat(), **TIMES),
    "sql": SqlSource(name="stats_source", query="SELECT * FROM 'data/stats.parquet' ORDER BY number", **TIMES),
}
COLUMNS = ["driver_id", "trips", "city", "number", "event_timestamp", "created"]


def rows(*given, first=0):
    """Of (driver_id, trips, city, hour of the event, hour of its creation); numbered in their order."""
    drivers, trips, cities, events, created = zip(*given)
    moments = lambda hours: pa.array([DAY + hour * HOUR for hour in hours], pa.timestamp("us", "UTC"))
    return pa.table([pa.array(drivers, pa.int64()), pa.array(trips, pa.int64()), pa.array(cities), list(range(first, first + len(given))),
                     moments(events), moments(created)], names=COLUMNS)


# Neither by key nor by time; driver 1 has two rows of hour 3, the one that was created last comes first.
ROWS = rows((1, 13, "Oslo", 3, 9), (2, 20, "Lima", 0, 0), (1, 10, "Rome", 0, 0), (1, 12, "Bonn", 3, 8),
            (2, 25, None, 5, 5), (3, 36, "Kiel", 6, 6))


@pytest.fixture
def repository(tmp_path):
    (tmp_path / "data").mkdir()
    pq.write_table(ROWS, tmp_path / "data/stats.parquet", row_group_size=2)
    deltalake.write_deltalake(str(tmp_path / "data/stats_delta"), ROWS)
    (tmp_path / "feature_store.yaml").write_text(
        "project: rides\nprovider: local\nregistry: registry.db\nonline_store: {type: lmdb, path: online.lmdb}\n"
        "entity_key_serialization_version: 3\n")
    return tmp_path


def open_store(repository, source):
    driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
    stats = FeatureView(name="stats", entities=[driver], ttl=timedelta(0), source=PushSource(name="stats_push", batch_source=source),
                        schema=[Field(name="trips", dtype=Int64), Field(name="city", dtype=String)])
    store = FeatureStore(repo_path=str(repository))
    store.apply([driver, stats])
    return store


@pytest.fixture(params=SOURCES)
def store(request, repository):
    return open_store(repository, SOURCES[request.param])


def trips(reader):
    return reader.read_all()["trips"].to_pylist()


@pytest.mark.parametrize("start, end, newest", [
    (None, None, {1: 13, 2: 25, 3: 36}),
    (0, 5, {1: 13, 2: 25}),  # both bounds are inside
    (None, 2, {1: 10, 2: 20}),
    (3, 4, {1: 13}),
    (4, None, {2: 25, 3: 36}),
    (7, 9, {}),
])
def test_pull_latest_gives_the_newest_row_of_each_key_between_two_dates(store, start, end, newest):
    moment = lambda hour: None if hour is None else DAY + hour * HOUR
    reader = store.pull_latest_from_table_or_query("stats_source", ["driver_id"], ["trips"], moment(start), moment(end))
    assert isinstance(reader, pa.RecordBatchReader)
    assert reader.schema.names == ["driver_id", "trips", "event_timestamp", "created"]
    table = reader.read_all()
    assert table.num_rows == len(newest) and dict(zip(table["driver_id"].to_pylist(), table["trips"].to_pylist())) == newest


def test_pull_latest_without_features_gives_all_columns_of_the_newest_rows(store):
    table = store.pull_latest_from_table_or_query("stats_source", join_key_columns=["driver_id"]).read_all()
    assert set(table.schema.names) == set(COLUMNS) and table.schema.field("event_timestamp").type == pa.timestamp("us", "UTC")
    expected = [row for row in ROWS.to_pylist() if row["trips"] in (13, 25, 36)]
    assert sorted(table.to_pylist(), key=lambda row: row["number"]) == expected


@pytest.mark.parametrize("start, end, numbers", [
    (None, None, [0, 1, 2, 3, 4, 5]),
    (3, 5, [0, 3, 4]),  # both bounds are inside
    (None, 0, [1, 2]),
    (4, None, [4, 5]),
    (7, 9, []),
])
def test_pull_all_gives_every_row_between_two_dates_in_the_order_of_the_source(store, start, end, numbers):
    moment = lambda hour: None if hour is None else DAY + hour * HOUR
    reader = store.pull_all_from_table_or_query("stats_source", start_date=moment(start), end_date=moment(end))
    assert isinstance(reader, pa.RecordBatchReader) and reader.schema.names == COLUMNS
    assert reader.read_all().to_pylist() == [ROWS.to_pylist()[number] for number in numbers]


def test_pull_all_gives_the_columns_that_are_named_and_the_times(store):
    reader = store.pull_all_from_table_or_query("stats_source", ["driver_id"], ["city"])
    assert reader.schema.names == ["driver_id", "city", "event_timestamp", "created"]
    assert reader.read_all().to_pylist() == ROWS.select(reader.schema.names).to_pylist()


def test_a_source_is_named_by_itself_and_by_the_push_source_over_it(store):
    for name in ("stats_source", store.get_data_source("stats_source"), "stats_push"):
        assert trips(store.pull_all_from_table_or_query(name)) == ROWS["trips"].to_pylist()
        assert sorted(trips(store.pull_latest_from_table_or_query(name, ["driver_id"]))) == [13, 25, 36]


def test_dates_without_a_zone_are_utc(store):
    bare = (DAY + HOUR).replace(tzinfo=None)
    assert trips(store.pull_all_from_table_or_query("stats_source", end_date=bare)) == [20, 10]


@pytest.mark.parametrize("pull", ["pull_latest_from_table_or_query", "pull_all_from_table_or_query"])
def test_what_can_not_be_pulled_is_named(store, pull):
    with pytest.raises(FeastObjectNotFoundException, match=r'Did you mean "stats_source"\?'):
        getattr(store, pull)("stats_sourc", ["driver_id"])
    with pytest.raises(SalverError, match=r'has no column "drivr_id".*Did you mean "driver_id"\?'):
        getattr(store, pull)("stats_source", ["drivr_id"])
    with pytest.raises(SalverError, match=r'has no column "tips".*Did you mean "trips"\?'):
        getattr(store, pull)("stats_source", ["driver_id"], ["tips"])


@pytest.mark.parametrize("column", [
    pa.array([[1.5, None], []], pa.list_(pa.float64())),
    pa.array([{"name": "a", "age": 1}, None], pa.struct([("name", pa.string()), ("age", pa.int64())])),
    pa.array([[("a", 1)], []], pa.map_(pa.string(), pa.int64())),
    pa.array([[{"name": "a"}], []], pa.list_(pa.struct([("name", pa.string())]))),
], ids=["list", "struct", "map", "list of structs"])
def test_pulled_columns_that_are_nested_have_the_types_of_the_source(repository, column):
    times = pa.array([DAY, DAY], pa.timestamp("us", "UTC"))
    pq.write_table(pa.table({"driver_id": [1, 2], "trips": [1, 2], "city": ["a", "b"], "nested": column, "event_timestamp": times}),
                   repository / "data/nested.parquet")
    store = open_store(repository, FileSource(name="nested_source", path="data/nested.parquet", timestamp_field="event_timestamp"))
    for pulled in (store.pull_all_from_table_or_query("nested_source", ["driver_id"], ["nested"]),
                   store.pull_latest_from_table_or_query("nested_source", ["driver_id"], ["nested"])):
        table = pulled.read_all().sort_by("driver_id")
        assert table["nested"].to_pylist() == column.to_pylist() and table["nested"].type.equals(column.type)


MORE = rows((1, 17, "Pisa", 7, 7), (4, 47, "Nice", 7, 7), first=6)
AT_NOON = pd.DataFrame({"driver_id": [1, 2, 4], "event_timestamp": [DAY + 12 * HOUR] * 3})


@pytest.mark.parametrize("kind", ["parquet", "delta"])
@pytest.mark.parametrize("form", ["arrow", "pandas", "columns in another order", "dict"])
def test_written_rows_are_in_the_source_and_in_its_history(repository, kind, form):
    store = open_store(repository, SOURCES[kind])
    given = {"arrow": MORE, "pandas": MORE.to_pandas(), "columns in another order": MORE.select(COLUMNS[::-1]).to_pandas(),
             "dict": {name: MORE[name] for name in COLUMNS}}[form]
    assert store.write_to_offline_store("stats", given) is None
    pulled = store.pull_all_from_table_or_query("stats_source").read_all()
    assert pulled.schema.names == COLUMNS
    assert sorted(pulled.to_pylist(), key=lambda row: row["number"]) == pa.concat_tables([ROWS, MORE]).to_pylist()
    history = store.get_historical_features(AT_NOON, ["stats:trips", "stats:city"]).to_arrow()
    assert history["trips"].to_pylist() == [17, 25, 47] and history["city"].to_pylist() == ["Pisa", None, "Nice"]
    # Nothing of it is online.
    assert store.get_online_features(["stats:trips"], {"driver_id": [1, 4]}).to_dict()["trips"] == [None, None]


@pytest.mark.parametrize("kind", ["parquet", "delta"])
def test_rows_that_do_not_have_exactly_the_columns_of_the_source_are_refused_and_nothing_is_written(repository, kind):
    store = open_store(repository, SOURCES[kind])
    refused = [(SalverError, '"city"', "stats", MORE.drop_columns(["city"])),
               (SalverError, '"created"', "stats", MORE.drop_columns(["created"])),
               (SalverError, '"tips"', "stats", MORE.append_column("tips", pa.array([1, 2]))),
               (SalverError, '"trips"', "stats", MORE.set_column(1, "trips", pa.array(["many", "few"]))),
               (FeatureViewNotFoundException, 'Did you mean "stats"?', "stat", MORE)]
    for error, says, view, given in refused:
        with pytest.raises(error, match=says.replace("?", r"\?")):
            store.write_to_offline_store(view, given)
    assert store.pull_all_from_table_or_query("stats_source").read_all().to_pylist() == ROWS.to_pylist()


def test_rows_can_not_be_added_to_a_sql_text(repository):
    with pytest.raises(SalverError, match="stats_source.*SQL query"):
        open_store(repository, SOURCES["sql"]).write_to_offline_store("stats", MORE)
