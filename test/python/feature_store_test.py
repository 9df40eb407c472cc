"""FeatureStore through the compiled package: what goes in comes out, in types and order."""

from datetime import datetime, timedelta, timezone

import pandas as pd
import pytest

pa = pytest.importorskip("pyarrow")
pytest.importorskip("salver._core", reason="the compiled package is not installed: pip install .")

from salver import (Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, OnDemandFeatureView, PushSource,
                    RequestSource, ValueType)
from salver.data_source import PushMode
from salver.errors import (FeastObjectNotFoundException, FeatureServiceNotFoundException, FeatureViewNotFoundException,
                           PushSourceNotFoundException, SalverError)
from salver.types import Array, Bool, Float32, Float64, Int32, Int64, String, Struct, UnixTimestamp

UTC = timezone.utc
DAY = datetime(2026, 1, 1, tzinfo=UTC)

driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64, tags={"team": "rides"})
stats_source = FileSource(name="stats_source", path="data/stats.parquet", timestamp_field="event_timestamp",
                          created_timestamp_column="created")
stats_push = PushSource(name="stats_push", batch_source=stats_source)
SCHEMA = {"rate": Float32, "score": Float64, "trips": Int64, "level": Int32, "city": String, "active": Bool, "seen": UnixTimestamp,
          "ratings": Array(Float64), "profile": Struct({"name": String, "age": Int64})}
stats = FeatureView(name="stats", entities=[driver], ttl=timedelta(days=2), source=stats_push, description="Of drivers",
                    tags={"tier": "gold"}, schema=[Field(name=name, dtype=dtype) for name, dtype in SCHEMA.items()])
ranking = FeatureService(name="ranking", features=[stats[["trips", "rate"]]], owner="rides@example.com", precompute_online=True)
OBJECTS = [driver, stats, ranking]


def rows():
    """Two rows of driver 1 and one of driver 2."""
    times = pa.timestamp("us", tz="UTC")
    return pa.table({
        "driver_id": pa.array([1, 1, 2], pa.int64()),
        "rate": pa.array([0.5, 0.25, None], pa.float32()),
        "score": pa.array([1.5, 2.5, 3.5]),
        "trips": pa.array([10, 11, 20], pa.int64()),
        "level": pa.array([1, 2, 3], pa.int32()),
        "city": ["Oslo", "Rome", "Lima"],
        "active": [True, False, True],
        "seen": pa.array([DAY, DAY, None], times),
        "ratings": pa.array([[5.0], [4.0, 3.0], []], pa.list_(pa.float64())),
        "profile": pa.array([{"name": "a", "age": 1}, {"name": "b", "age": 2}, None],
                            pa.struct([("name", pa.string()), ("age", pa.int64())])),
        "event_timestamp": pa.array([DAY, DAY + timedelta(days=1), DAY], times),
        "created": pa.array([DAY, DAY + timedelta(days=1), DAY], times),
    })


@pytest.fixture
def store(tmp_path):
    import pyarrow.parquet as pq

    (tmp_path / "data").mkdir()
    pq.write_table(rows(), tmp_path / "data/stats.parquet")
    (tmp_path / "feature_store.yaml").write_text(
        "project: rides\nprovider: local\nregistry: registry.db\nonline_store: {type: lmdb, path: online.lmdb}\n"
        "entity_key_serialization_version: 3\n")
    made = FeatureStore(repo_path=str(tmp_path))
    made.apply(OBJECTS)
    return made


def test_apply_tells_what_changed_and_is_idempotent(store):
    assert store.apply(OBJECTS)["changes"] == []
    other = Entity(name="rider", value_type=ValueType.STRING)
    assert store.plan([other])["changes"] == [{"change": "created", "type": "entity", "name": "rider"}]
    assert [entity.name for entity in store.list_entities()] == ["driver"]
    store.apply(other)
    assert [entity.name for entity in store.list_entities()] == ["driver", "rider"]
    assert store.plan([], objects_to_delete=[other])["changes"] == [{"change": "deleted", "type": "entity", "name": "rider"}]
    store.apply([], objects_to_delete=[other])  # partial: nothing is deleted, as in Feast
    assert len(store.list_entities()) == 2
    store.apply([], objects_to_delete=[other], partial=False)
    assert [entity.name for entity in store.list_entities()] == ["driver"]


def test_what_is_registered_comes_back_as_objects_that_can_be_applied(store):
    view, service, source = store.get_feature_view("stats"), store.get_feature_service("ranking"), store.get_data_source("stats_push")
    assert isinstance(view, FeatureView) and isinstance(service, FeatureService) and isinstance(source, PushSource)
    assert service.precompute_online
    assert isinstance(store.get_entity("driver"), Entity) and store.get_entity("driver").tags == {"team": "rides"}
    assert (view.ttl, view.tags, view.description, view.entities) == (timedelta(days=2), {"tier": "gold"}, "Of drivers", ["driver"])
    assert {field.name: field.dtype for field in view.features} == SCHEMA
    assert [field.name for field in view.schema] == ["driver_id", *SCHEMA]
    assert source.batch_source.path == "data/stats.parquet"
    assert view.created_timestamp.tzinfo is not None and view.materialization_intervals == []
    assert store.plan([view, service, source, store.get_entity("driver"), store.get_project()])["changes"] == []
    view.ttl = timedelta(days=3)
    assert [change["change"] for change in store.apply(view)["changes"]] == ["updated"]
    assert store.get_feature_view("stats").ttl == timedelta(days=3)


def test_lists_by_tags(store):
    assert [view.name for view in store.list_feature_views(tags={"tier": "gold"})] == ["stats"]
    assert store.list_feature_views(tags={"tier": "tin"}) == []
    assert {source.name for source in store.list_data_sources()} == {"stats_push", "stats_source"}
    assert [service.name for service in store.list_feature_services()] == ["ranking"]
    assert [project.name for project in store.list_projects()] == ["rides"]


def test_views_of_other_kinds_are_listed_and_survive(store):
    request = RequestSource(name="trip", schema=[Field(name="km", dtype=Float64)])
    store.apply(OnDemandFeatureView(name="price", sources=[stats, request], schema=[Field(name="fare", dtype=Float64)],
                                    udf_string="def price(x):\n    return x\n", udf=None))
    store.apply(Entity(name="rider", value_type=ValueType.STRING))
    (view,) = store.list_on_demand_feature_views()
    assert view.name == "price" and [field.name for field in view.features] == ["fare"]
    assert "price" in [one.name for one in store.list_all_feature_views()]
    with pytest.raises(SalverError, match="on-demand"):
        store.get_online_features(["price:fare"], [{"driver_id": 1, "km": 2.0}])


def labels(**more):
    moments = [DAY + timedelta(hours=1), DAY + timedelta(days=1), DAY + timedelta(days=9), DAY - timedelta(seconds=1)]
    return pd.DataFrame({"driver_id": [1, 1, 1, 2], "event_timestamp": moments, "label": [1, 2, 3, 4], **more})


def test_training_set_keeps_rows_and_order(store):
    job = store.get_historical_features(labels(), ["stats:trips", "stats:rate"])
    assert "PointInTimeJoin stats" in job.explain() and "1 of 1 row group" in job.explain()
    assert "4 rows in, 2 out" in job.explain(analyze=True)
    frame = job.to_df()
    assert list(frame.columns) == ["driver_id", "event_timestamp", "label", "trips", "rate"]
    assert frame["label"].tolist() == [1, 2, 3, 4]
    assert frame["trips"].tolist()[:2] == [10, 11] and frame["trips"].isna().tolist() == [False, False, True, True]
    table = store.get_historical_features(pa.Table.from_pandas(labels()), store.get_feature_service("ranking")).to_arrow()
    assert table.column_names == ["driver_id", "event_timestamp", "label", "trips", "rate"]
    assert table.schema.field("trips").type == pa.int64() and table.schema.field("rate").type == pa.float32()
    assert table["trips"].to_pylist() == [10, 11, None, None]


def test_entity_rows_from_sql(store):
    sql = "SELECT 1 AS driver_id, TIMESTAMPTZ '%s' AS event_timestamp, 'a' AS label" % (DAY + timedelta(days=1)).isoformat()
    assert store.get_historical_features(sql, ["stats:trips"]).to_arrow().select(["label", "trips"]).to_pylist() == [{"label": "a", "trips": 11}]


def test_training_set_without_entities_and_with_full_names(store):
    table = store.get_historical_features(features=["stats:city"], start_date=DAY, end_date=DAY + timedelta(days=2),
                                          full_feature_names=True).to_arrow()
    assert table.select(["driver_id", "stats__city"]).to_pylist() == [
        {"driver_id": 1, "stats__city": "Rome"}, {"driver_id": 2, "stats__city": "Lima"}]


def test_a_column_crosses_without_a_copy(store):
    """The label column of the answer is the caller's buffer."""
    table = pa.Table.from_pandas(labels(), preserve_index=False)
    answer = store.get_historical_features(table, ["stats:trips"]).to_arrow()
    address = lambda t: t["label"].chunk(0).buffers()[1].address
    assert address(answer) == address(table)


def test_materialized_rows_of_every_type_are_served(store):
    seen = []
    report = store.materialize(DAY - timedelta(days=1), DAY + timedelta(days=2), progress=lambda *step: seen.append(step))
    assert report["views"][0]["rows_written"] == 2 and seen[-1] == ("stats", 2, 2, True)
    assert len(store.get_feature_view("stats").materialization_intervals) == 1
    features = [f"stats:{name}" for name in SCHEMA]
    answer = store.get_online_features(features, [{"driver_id": 1}, {"driver_id": 3}])
    table = answer.to_arrow()
    for name in SCHEMA:
        assert table.schema.field(name).type == rows().schema.field(name).type, name
    expected = {name: [rows()[name][1].as_py(), None] for name in SCHEMA}
    # Rows are older than their ttl by now: the values are there, and say so.
    (fresh,) = [store.get_online_features(["stats:trips"], [{"driver_id": 1}])]
    assert fresh.to_dict()["trips"] == [None]
    store.apply(_without_ttl())
    answer = store.get_online_features(features, [{"driver_id": 1}, {"driver_id": 3}]).to_dict()
    assert answer == {"driver_id": [1, 3], **expected}
    named = store.get_online_features(store.get_feature_service("ranking"), {"driver_id": ["1"]}, full_feature_names=True)
    assert named.to_df().columns.tolist() == ["driver_id", "stats__trips", "stats__rate"]
    times = named.to_dict(include_event_timestamps=True)
    assert times["stats__trips__ts"] == [int((DAY + timedelta(days=1)).timestamp())]


def _without_ttl():
    return FeatureView(name="stats", entities=[driver], ttl=timedelta(0), source=stats_push, description="Of drivers",
                       tags={"tier": "gold"}, schema=[Field(name=name, dtype=dtype) for name, dtype in SCHEMA.items()])


def test_incremental_takes_up_where_it_ended(store):
    store.materialize(DAY, DAY + timedelta(hours=1))
    report = store.materialize_incremental(DAY + timedelta(days=2))
    assert report["views"][0]["start"] == "2026-01-01T01:00:00Z" and report["views"][0]["rows_read"] == 1
    assert store.materialize_incremental(DAY + timedelta(days=1))["views"][0]["rows_read"] == 0


def test_pushed_and_written_rows_are_served_at_once(store):
    store.apply(_without_ttl())
    store.push("stats_push", rows())
    online = lambda: store.get_online_features(["stats:trips"], {"driver_id": [1, 2]}).to_dict()["trips"]
    assert online() == [11, 20]
    newer = rows().to_pandas().tail(1).assign(trips=21, event_timestamp=DAY + timedelta(days=5))
    store.write_to_online_store("stats", newer)
    assert online() == [11, 21]
    store.push("stats_push", rows().to_pandas())  # older rows change nothing
    assert online() == [11, 21]
    later = rows().slice(2).to_pandas().assign(trips=22, event_timestamp=DAY + timedelta(days=8))
    store.push("stats_push", later, to=PushMode.OFFLINE)
    assert online() == [11, 21]
    at = pd.DataFrame({"driver_id": [2], "event_timestamp": [DAY + timedelta(days=9)]})
    assert store.get_historical_features(at, ["stats:trips"]).to_df()["trips"].tolist() == [22]
    store.push("stats_push", later.assign(trips=23, event_timestamp=DAY + timedelta(days=9)), to=PushMode.ONLINE_AND_OFFLINE)
    assert online() == [11, 23]
    assert store.get_historical_features(at, ["stats:trips"]).to_df()["trips"].tolist() == [23]


@pytest.mark.parametrize("error, name, call", [
    (FeatureViewNotFoundException, 'Did you mean "stats"?', lambda s: s.get_feature_view("stat")),
    (FeatureServiceNotFoundException, 'Did you mean "ranking"?', lambda s: s.get_feature_service("rankin")),
    (FeastObjectNotFoundException, 'Did you mean "driver"?', lambda s: s.get_entity("drivr")),
    (FeastObjectNotFoundException, 'Did you mean "stats_source"?', lambda s: s.get_data_source("stats_sourc")),
    (FeastObjectNotFoundException, "rides", lambda s: s.get_project("ride")),
    (FeatureViewNotFoundException, "It has none", lambda s: s.get_stream_feature_view("stats")),
    (FeatureViewNotFoundException, 'Did you mean "stats"?', lambda s: s.get_online_features(["stat:trips"], {"driver_id": [1]})),
    (FeatureViewNotFoundException, 'Did you mean "stats"?', lambda s: s.get_historical_features(labels(), ["stat:trips"])),
    (PushSourceNotFoundException, "stats_push", lambda s: s.push("stats_pus", rows())),
    (SalverError, "driver_id", lambda s: s.get_online_features(["stats:trips"], {"driver": [1]})),
    (SalverError, "driver_id", lambda s: s.get_historical_features(labels().drop(columns="driver_id"), ["stats:trips"])),
    (SalverError, "trips", lambda s: s.write_to_online_store("stats", rows().drop_columns(["trips"]))),
    (SalverError, "after", lambda s: s.materialize(DAY, DAY - timedelta(days=1))),
    (SalverError, '"gone"', lambda s: s.plan([], objects_to_delete=[Entity(name="gone")])),
    (SalverError, "driver", lambda s: s.plan([], objects_to_delete=[driver])),  # stats joins on it
    (TypeError, "nothing to apply", lambda s: s.apply(["stats"])),
    (SalverError, "event_timestamp", lambda s: s.get_historical_features("SELECT 1", ["stats:trips"])),
    (SalverError, "Parser Error", lambda s: s.get_historical_features("SELECT FROM", ["stats:trips"])),
    (TypeError, "config", lambda s: FeatureStore(config={})),
    (SalverError, "feature_store.yaml", lambda s: FeatureStore(repo_path="/no/such/folder")),
])
def test_refusals_have_feasts_classes_and_say_what_to_do(store, error, name, call):
    with pytest.raises(error) as raised:
        call(store)
    assert name in str(raised.value)
    assert store.plan(OBJECTS)["changes"] == []


def test_teardown(store, tmp_path):
    store.teardown()
    assert not (tmp_path / "registry.db").exists()
    store.teardown()
