"""Real Feast 0.67 as judge of history: the rows of a source that each pulls and adds, and training sets that one keeps and
the other reads."""

import inspect
from datetime import datetime, timedelta, timezone

import pandas as pd
import pytest

pa = pytest.importorskip("pyarrow")
pytest.importorskip("salver._core", reason="the compiled package is not installed: pip install .")

import pyarrow.parquet as pq
from real_feast import feast, needs_feast
from salver import FeatureStore, SavedDatasetFileStorage
from salver.errors import SalverError
from salver_command import check, needs_command, write_repository

pytestmark = [needs_command, needs_feast]

DAY = datetime(2026, 1, 1, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
DEFINITIONS = """
from datetime import timedelta
from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.types import Int64, String
driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
source = FileSource(name="stats_source", path="data/stats.parquet", timestamp_field="event_timestamp", created_timestamp_column="created")
stats = FeatureView(name="stats", entities=[driver], ttl=timedelta(0), source=source,
                    schema=[Field(name="trips", dtype=Int64), Field(name="city", dtype=String)])
"""
COLUMNS = ["driver_id", "trips", "city", "event_timestamp", "created"]


def rows(*given):
    """Of (driver_id, trips, city, hour of the event, hour of its creation)."""
    drivers, trips, cities, events, created = zip(*given)
    moments = lambda hours: pa.array([DAY + hour * HOUR for hour in hours], pa.timestamp("us", "UTC"))
    return pa.table([pa.array(drivers), pa.array(trips), pa.array(cities), moments(events), moments(created)], names=COLUMNS)


@pytest.fixture
def repository(tmp_path):
    write_repository(tmp_path, {"definitions.py": DEFINITIONS}, online_store="{type: sqlite, path: data/online.db}")
    pq.write_table(rows((1, 13, "Oslo", 3, 9), (2, 20, "Lima", 0, 0), (1, 10, "Rome", 0, 0), (1, 12, "Bonn", 3, 8), (2, 25, "Kiel", 5, 5)),
                   tmp_path / "data/stats.parquet")
    check(tmp_path, "apply")
    return tmp_path


@pytest.fixture
def store(repository):
    return FeatureStore(repo_path=str(repository))


def shown(table):
    """Rows by all but their times, every value as text: Arrow's and pandas' types differ."""
    order = [(name, "ascending") for name in sorted(table.column_names) if "timestamp" not in name]
    return [{name: str(value) for name, value in row.items()} for row in table.sort_by(order).to_pylist()]


def by_feast(repository, code):
    """`shown` of the Arrow table that `code` makes, run by Feast's Python."""
    begin, end = "import datetime\nimport pyarrow as pa\n", "\nprint(json.dumps(shown(table)))"
    return feast(repository, begin + inspect.getsource(shown) + code + end)


@pytest.mark.parametrize("kind", ["latest", "all"])
@pytest.mark.parametrize("start, end", [(0, 5), (3, 3), (1, 4), (6, 7)])
def test_feast_pulls_the_same_rows(repository, store, kind, start, end):
    start, end = DAY + start * HOUR, DAY + end * HOUR
    pull = getattr(store, f"pull_{kind}_from_table_or_query")
    pulled = pull("stats_source", join_key_columns=["driver_id"], feature_name_columns=["trips", "city"], start_date=start, end_date=end)
    assert pulled.schema.names == COLUMNS
    assert shown(pulled.read_all()) == by_feast(repository, f"""
job = store._get_provider().offline_store.pull_{kind}_from_table_or_query(
    config=store.config, data_source=store.get_data_source("stats_source"), join_key_columns=["driver_id"],
    feature_name_columns=["trips", "city"], timestamp_field="event_timestamp", created_timestamp_column="created",
    start_date={start!r}, end_date={end!r})
table = job.to_arrow().select({COLUMNS!r})
""")


# All are found: Feast makes floating point numbers of integers where one is missing.
LABELS = pd.DataFrame({"driver_id": [1, 2], "event_timestamp": [DAY + 4 * HOUR, DAY + HOUR]})
FEATURES = ["stats:trips", "stats:city"]
PATHS = ["data/kept.parquet", "data/kept"]


@pytest.mark.parametrize("path", PATHS)
def test_feast_reads_a_dataset_that_salver_saved(repository, store, path):
    job = store.get_historical_features(LABELS, FEATURES)
    made = store.create_saved_dataset(job, "january", SavedDatasetFileStorage(path), tags={"team": "rides"})
    assert shown(made.to_arrow()) == by_feast(repository, "table = pa.Table.from_pandas(store.get_saved_dataset('january').to_df())")
    told = """
def told(one):
    times = (one.min_event_timestamp, one.max_event_timestamp)
    return [one.name, one.features, one.join_keys, one.full_feature_names, one.tags, *(int(time.timestamp()) for time in times)]
"""
    names = {}
    exec(told, names)
    assert feast(repository, told + "print(json.dumps([told(one) for one in store.list_saved_datasets()]))") == [names["told"](made)]


@pytest.mark.parametrize("path", PATHS)
def test_salver_reads_a_dataset_that_feast_saved(repository, store, path):
    saved = by_feast(repository, f"""
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
moments = pd.to_datetime({[str(moment) for moment in LABELS["event_timestamp"]]!r})
labels = pd.DataFrame({{"driver_id": {LABELS["driver_id"].tolist()!r}, "event_timestamp": moments}})
job = store.get_historical_features(entity_df=labels, features={FEATURES!r})
made = store.create_saved_dataset(from_=job, name="january", storage=SavedDatasetFileStorage({path!r}), tags={{"team": "rides"}})
table = pa.Table.from_pandas(made.to_df(), preserve_index=False)
""")
    (dataset,) = store.list_saved_datasets()
    assert (dataset.name, dataset.features, dataset.join_keys, dataset.tags) == ("january", FEATURES, ["driver_id"], {"team": "rides"})
    assert dataset.storage.path == path and (dataset.min_event_timestamp, dataset.max_event_timestamp) == (DAY + HOUR, DAY + 4 * HOUR)
    table = dataset.to_arrow()
    assert shown(table.select([name for name in table.column_names if not name.startswith("__")])) == saved
    store.delete_saved_dataset("january")
    assert feast(repository, "print(json.dumps(len(store.list_saved_datasets())))") == 0


def test_both_add_the_same_rows_to_a_source_and_refuse_the_same(repository, store):
    more = rows((3, 30, "Nice", 7, 7))
    store.write_to_offline_store("stats", more.select(COLUMNS[::-1]).to_pandas())
    added = by_feast(repository, f"""
more = pa.table({more.set_column(0, "driver_id", pa.array([4])).to_pydict()!r}).to_pandas()[{COLUMNS[::-1]!r}]
for name in ("event_timestamp", "created"):
    more[name] = more[name].astype("datetime64[us, UTC]")
store.write_to_offline_store("stats", more)
table = pa.Table.from_pandas(pd.read_parquet("data/stats.parquet"), preserve_index=False)
""".replace("zoneinfo.ZoneInfo(key='UTC')", "datetime.timezone.utc"))
    pulled = store.pull_all_from_table_or_query("stats_source").read_all()
    assert shown(pulled) == added and sorted(row["driver_id"] for row in added) == ["1", "1", "1", "2", "2", "3", "4"]
    for refused in (more.drop_columns(["city"]), more.append_column("tips", pa.array([1]))):
        with pytest.raises(SalverError):
            store.write_to_offline_store("stats", refused)
        assert "do not match the batch source columns" in feast(repository, f"""
try:
    store.write_to_offline_store("stats", pd.DataFrame(columns={refused.column_names!r}))
    print(json.dumps("written"))
except ValueError as error:
    print(json.dumps(str(error)))
""")
