"""retrieve_online_documents through the compiled package, with Feast's arguments and answers."""

from datetime import datetime, timezone

import pytest

pa = pytest.importorskip("pyarrow")
pytest.importorskip("salver._core", reason="the compiled package is not installed: pip install .")

from salver import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from salver.errors import SalverError
from salver.filter_models import ComparisonFilter, CompoundFilter, convert_dict_to_filter
from salver.types import Array, Float32, Int64, String

item = Entity(name="item", join_keys=["item_id"], value_type=ValueType.INT64)
docs = FeatureView(name="docs", entities=[item], source=FileSource(name="s", path="docs.parquet", timestamp_field="event_timestamp"),
                   schema=[Field(name="emb", dtype=Array(Float32), vector_index=True, vector_length=2),
                           Field(name="title", dtype=String), Field(name="pages", dtype=Int64)])


@pytest.fixture
def store(tmp_path):
    import pyarrow.parquet as pq

    rows = pa.table({"item_id": pa.array([1, 2, 3], pa.int64()), "title": ["one", "two", "three"], "pages": pa.array([1, 2, None], pa.int64()),
                     "emb": pa.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], pa.list_(pa.float32())),
                     "event_timestamp": pa.array([datetime(2026, 1, 1, tzinfo=timezone.utc)] * 3, pa.timestamp("us", "UTC"))})
    pq.write_table(rows, tmp_path / "docs.parquet")
    (tmp_path / "feature_store.yaml").write_text(
        "project: p\nprovider: local\nregistry: registry.db\nonline_store: {type: lmdb, path: online.lmdb}\n")
    store = FeatureStore(str(tmp_path))
    store.apply([item, docs])
    store.write_to_online_store("docs", rows)
    return store


def test_second_version(store):
    answer = store.retrieve_online_documents_v2(features=["docs:title"], query=[0.9, 0.0], top_k=2, distance_metric="cosine").to_dict()
    assert answer["title"] == ["one", "three"]
    assert answer["item_id"] == [1, 3]
    assert answer["distance"] == pytest.approx([0, 1 - 0.5**0.5], abs=1e-6)
    by_l2 = store.retrieve_online_documents_v2(features=["docs:title"], query=[0.9, 0.0], top_k=1).to_dict()
    assert by_l2["distance"] == pytest.approx([0.1], abs=1e-6)


def test_filters_as_objects_and_dicts(store):
    either = CompoundFilter("or", [ComparisonFilter("eq", "title", "two"), ComparisonFilter("gt", "pages", 100)])
    as_dict = {"type": "or", "filters": [{"type": "eq", "key": "title", "value": "two"}, {"type": "gt", "key": "pages", "value": 100}]}
    assert convert_dict_to_filter(as_dict) == either
    for filters in (either, as_dict):
        found = store.retrieve_online_documents_v2(features=["docs:title"], query=[1.0, 0.0], top_k=3, filters=filters)
        assert found.to_dict()["title"] == ["two"]


def test_first_version(store):
    answer = store.retrieve_online_documents([0.0, 0.9], 1, ["docs:emb", "docs:item_id", "docs:distance"]).to_dict()
    assert answer == {"emb": [[0.0, 1.0]], "item_id": [2], "distance": pytest.approx([0.1], abs=1e-6)}
    with pytest.raises(ValueError, match="query_string"):
        store.retrieve_online_documents("words", 1, ["docs:emb"])


def test_what_can_not_be_is_said(store):
    with pytest.raises(SalverError, match="no text search"):
        store.retrieve_online_documents_v2(features=["docs:title"], query_string="one", top_k=1)
    with pytest.raises(SalverError, match="vector_length 2"):
        store.retrieve_online_documents_v2(features=["docs:title"], query=[1.0], top_k=1)
    with pytest.raises(ValueError, match="images"):
        store.retrieve_online_documents_v2(features=["docs:title"], query_image_bytes=b"x", top_k=1)
