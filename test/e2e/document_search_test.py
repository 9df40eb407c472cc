"""Searches of documents over HTTP, by vectors and by words; on sqlite beside real Feast on the same file."""

import hashlib
import json
import sqlite3
import time

import pytest

from real_feast import feast, feast_command, needs_feast
from salver_command import check, needs_command, request, serving, write_repository

pytestmark = needs_command

DEFINITIONS = """
from datetime import timedelta
from feast import Entity, FeatureView, Field, FileSource, PushSource, ValueType
from feast.types import Array, Float32, Int64, String

item = Entity(name="item", join_keys=["item_id"], value_type=ValueType.INT64)
source = FileSource(name="docs_source", path="data/docs.parquet", timestamp_field="event_timestamp")
docs = FeatureView(
    name="docs", entities=[item], ttl=timedelta(days=0), source=PushSource(name="docs_push", batch_source=source),
    schema=[Field(name="emb", dtype=Array(Float32), vector_index=True, vector_length=4, vector_search_metric="L2"),
            Field(name="title", dtype=String), Field(name="body", dtype=String), Field(name="pages", dtype=Int64)])
"""
DOCUMENTS = {
    1: ([1.0, 0.0, 0.0, 0.0], "red apple", "an apple is a fruit", 10),
    2: ([0.0, 1.0, 0.0, 0.0], "green pear", "a pear is another fruit", 20),
    3: ([0.5, 0.5, 0.0, 0.0], "blue sky", "the sky is not a fruit, and has no apples", 30),
    4: ([0.0, 0.0, 1.0, 0.0], "old house", "stones and wood", 40),
}
EVENT = "2026-11-20T00:00:00Z"


def frame(documents=DOCUMENTS, event=EVENT):
    rows = list(documents.items())
    return {"item_id": [key for key, _ in rows], "event_timestamp": [event] * len(rows),
            **{name: [values[i] for _, values in rows] for i, name in enumerate(("emb", "title", "body", "pages"))}}


def make_repository(folder, online_store):
    import pyarrow as pa
    import pyarrow.parquet as pq

    repository = write_repository(folder, {"definitions.py": DEFINITIONS}, online_store=online_store)
    table = pa.table({**frame(), "event_timestamp": pa.array([1795132800000000] * 4, pa.timestamp("us", "UTC")),
                      "emb": pa.array([d[0] for d in DOCUMENTS.values()], pa.list_(pa.float32()))})
    pq.write_table(table, repository / "data/docs.parquet")
    return repository


def columns(body):
    return {name: column["values"] for name, column in zip(body["metadata"]["feature_names"], body["results"])}


def search(url, path="/search", **body):
    status, answer = request(url, "POST", path, {"top_k": 2, "api_version": 2, **body})
    assert status == 200, answer
    return columns(answer)


def test_views_with_vectors_are_listed_as_vector_stores(tmp_path):
    repository = make_repository(tmp_path, "{type: memory}")
    check(repository, "apply")
    with serving(repository) as url:
        status, stores = request(url, "GET", "/v1/vector_stores", None)
        assert status == 200 and stores["object"] == "list" and len(stores["data"]) == 1
        store = stores["data"][0]
        assert {**store, "created_at": 0} == {"id": store["id"], "object": "vector_store", "name": "docs", "status": "completed",
                                              "created_at": 0}
        assert abs(store["created_at"] - time.time()) < 600
        assert store["id"] == "vs_" + hashlib.sha256(b"p:docs").hexdigest()[:24]
        assert request(url, "GET", f"/v1/vector_stores/{store['id']}", None) == (200, store)
        status, body = request(url, "POST", f"/v1/vector_stores/{store['id']}/search", {"query": "fruit"})
        assert status == 422 and "POST /search" in body["error"]["message"]
        for path in ("vs_0", "vs_0/search"):
            status, body = request(url, "POST" if "/" in path else "GET", f"/v1/vector_stores/{path}", {} if "/" in path else None)
            assert (status, body) == (404, {"error": {"message": "No vector store found with id 'vs_0'", "type": "not_found_error"}})
        assert request(url, "POST", "/v1/vector_stores/vs_0", {})[0] == 405
        assert request(url, "GET", "/v1/vector_stores/", None)[0] == 404


STORES = {"lmdb": "{type: lmdb, path: data/online.lmdb}",
          "sqlite": "{type: sqlite, path: data/online.db, vector_enabled: true, text_search_enabled: true}",
          "memory": "{type: memory}"}


@pytest.mark.parametrize("store", STORES)
def test_vectors_over_http(tmp_path, store):
    repository = make_repository(tmp_path, STORES[store])
    check(repository, "apply")
    with serving(repository) as url:
        status, body = request(url, "POST", "/push", {"push_source_name": "docs_push", "df": frame()})
        assert status == 200, body
        # A row is found as soon as its push is answered.
        found = search(url, features=["docs:title", "docs:pages"], query=[0.9, 0.1, 0, 0], top_k=3)
        assert list(found) == ["title", "pages", "distance", "item_id"]
        assert found["title"] == ["red apple", "blue sky", "green pear"]
        assert found["item_id"] == [1, 3, 2]
        assert found["distance"] == pytest.approx([0.02**0.5, 0.32**0.5, 1.62**0.5], abs=1e-6)
        found = search(url, features=["docs:title"], query=[0.9, 0.1, 0, 0],
                       filters={"type": "and", "filters": [{"type": "gte", "key": "pages", "value": 20},
                                                           {"type": "nin", "key": "title", "value": ["blue sky"]}]})
        assert found["item_id"] == [2, 4]
        # The first version: what is asked for by name, in that order.
        found = search(url, "/retrieve-online-documents", features=["docs:item_id", "docs:emb", "docs:distance"],
                       query=[0, 0, 0.9, 0], top_k=1, api_version=1)
        assert list(found) == ["item_id", "emb", "distance"]
        assert found["item_id"] == [4] and found["emb"] == [[0, 0, 1, 0]]
        for wrong, words in (({"query": [1, 0]}, "vector_length 4"), ({}, "Give one of them"),
                             ({"query": [1, 0, 0, 0], "distance_metric": "l7"}, None),
                             ({"query": [1, 0, 0, 0], "filters": {"type": "eq", "key": "titles", "value": "x"}}, '"titles"'),
                             ({"query": [1, 0, 0, 0], "filters": {"type": "eqq", "key": "title", "value": "x"}}, '"eqq" is no type of filter'),
                             ({"query": [1, 0, 0, 0], "top_k": 0}, "top_k is 0")):
            status, body = request(url, "POST", "/search", {"features": ["docs:title"], "top_k": 1, "api_version": 2, **wrong})
            # The metric that the feature declares comes before the request's, whatever that is.
            assert (status == 500 and words in body) if words else status == 200, (wrong, status, body)
        status, body = request(url, "POST", "/search", {"features": ["docs:title"], "query": "text", "top_k": 1})
        assert status == 422, body
        status, body = request(url, "POST", "/search", {"features": ["nodocs:title"], "query": [1], "top_k": 1})
        assert status == 404 and "FeatureViewNotFoundException" in body
        for features, words in ((["docs@v2:title"], "names a version"), (["docs:title", "docs@v2:pages"], "names a version"),
                                (["docs@v2:item_id"], "names a version"), (["docs"], "is not view:feature")):
            status, body = request(url, "POST", "/search", {"features": features, "query": [1, 0, 0, 0], "top_k": 1})
            assert status == 500 and words in body, (features, status, body)
        if store != "sqlite":
            status, body = request(url, "POST", "/search", {"features": ["docs:title"], "query_string": "apple", "top_k": 1,
                                                            "api_version": 2})
            assert status == 501 and "docs/online-stores.md" in body


def test_words_over_http(tmp_path):
    repository = make_repository(tmp_path, STORES["sqlite"])
    check(repository, "apply")
    check(repository, "materialize", "2026-01-01T00:00:00", "2027-01-01T00:00:00")
    with serving(repository) as url:
        found = search(url, features=["docs:title", "docs:body"], query_string="apple")
        assert list(found) == ["title", "body", "distance", "text_rank", "item_id"]
        assert found["item_id"] == [1, 3]
        assert found["distance"] == found["text_rank"] and found["distance"][0] < found["distance"][1] < 0
        assert search(url, features=["docs:title"], query_string="zebra") == {"title": [], "distance": [], "text_rank": []}
        assert search(url, features=["docs:title"], query_string="fruit", query=[0, 1, 0, 0])["item_id"] == [2, 3]
        assert search(url, features=["docs:title"], query_string="title: apple")["item_id"] == [1]
        request(url, "POST", "/push", {"push_source_name": "docs_push",
                                       "df": frame({1: ([1.0, 0, 0, 0], "grey zebra", "stripes", 1)}, "2026-11-21T00:00:00Z")})
        assert search(url, features=["docs:title"], query_string="zebra")["item_id"] == [1]
        assert search(url, features=["docs:title"], query_string="apple")["item_id"] == [3]
        status, body = request(url, "POST", "/search", {"features": ["docs:title"], "query_string": '"open', "top_k": 1, "api_version": 2})
        assert status == 500 and "FTS5" in body


def test_search_that_is_not_enabled_says_which_key_enables_it(tmp_path):
    repository = make_repository(tmp_path, "{type: sqlite, path: data/online.db}")
    check(repository, "apply")
    with serving(repository) as url:
        for body, key in (({"query": [1, 0, 0, 0]}, "vector_enabled"), ({"query_string": "apple"}, "text_search_enabled")):
            status, text = request(url, "POST", "/search", {"features": ["docs:title"], "top_k": 1, "api_version": 2, **body})
            assert status == 500 and key in text


WRITE = f"""
frame = pd.DataFrame({frame()!r})
frame['event_timestamp'] = pd.to_datetime(frame['event_timestamp'])
store.write_to_online_store('docs', frame)
"""
TEXT_SEARCH = """
found = {}
for text in ('apple', 'fruit', 'fruit NOT apple', 'zebra'):
    # Each search adds all rows to the same words again, so more are asked for than there are.
    answer = store.retrieve_online_documents_v2(features=['docs:title'], query_string=text, top_k=50).to_dict()
    found[text] = answer.get('item_id', [])
print(json.dumps(found))
"""


@needs_feast
def test_words_in_a_file_that_feast_writes_before_and_after(tmp_path):
    text_only = STORES["sqlite"].replace("vector_enabled: true, ", "")
    repository = make_repository(tmp_path, text_only)
    feast_command(repository, "apply")
    feast(repository, WRITE + "print(0)")
    by_feast = feast(repository, TEXT_SEARCH)
    check(repository, "apply")
    with serving(repository) as url:
        for text, ids in by_feast.items():
            found = search(url, features=["docs:title"], query_string=text, top_k=50)
            assert sorted(found.get("item_id", [])) == sorted(ids), text
        feast(repository, WRITE.replace("red apple", "striped zebra").replace("11-20", "11-22") + "print(0)")
        assert search(url, features=["docs:title"], query_string="zebra", top_k=3)["item_id"] == [1]


@needs_feast
def test_vectors_that_feast_wrote_are_found_and_both_leave_the_same_bytes(tmp_path):
    store = STORES["sqlite"].replace(", text_search_enabled: true", "")
    repository = make_repository(tmp_path, store)
    feast_command(repository, "apply")
    feast(repository, WRITE + "print(0)")

    def vectors():
        with sqlite3.connect(repository / "data/online.db") as database:
            return database.execute("SELECT entity_key, value, vector_value FROM p_docs WHERE feature_name = 'emb' ORDER BY 1").fetchall()

    by_feast = vectors()
    assert len(by_feast) == 4 and by_feast[0][2]
    check(repository, "apply")
    with serving(repository) as url:
        assert search(url, features=["docs:title"], query=[0.9, 0.1, 0, 0], top_k=3)["item_id"] == [1, 3, 2]
    (repository / "data/online.db").unlink()
    check(repository, "apply")
    check(repository, "materialize", "2026-01-01T00:00:00", "2027-01-01T00:00:00")
    assert vectors() == by_feast
