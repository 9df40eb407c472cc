"""POST /push to the offline store, to both stores and to the online store alone: where its rows are afterwards."""

import json

import deltalake
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from salver_command import check, needs_command, request, serving, write_repository

pytestmark = needs_command

# Both views are fed by one push source; the source has a column, "note", that neither declares.
DEFINITIONS = """
entities:
  - {name: driver, join_keys: [driver_id], value_type: INT64}
sources:
  - {name: history, path: data/history%s, timestamp_field: event_timestamp, created_timestamp_column: created%s}
push_sources:
  - {name: pushed, batch_source: history}
feature_views:
  - {name: stats, entities: [driver], source: pushed, schema: [{name: trips, dtype: Int64}, {name: rate, dtype: Float32}]}
  - {name: places, entities: [driver], source: pushed, schema: [{name: city, dtype: String}]}
"""
FEATURES = ["stats:trips", "stats:rate", "places:city"]
HISTORY = pd.DataFrame({"driver_id": [1, 2], "trips": [10, 20], "rate": pd.Series([0.5, 0.25], dtype="float32"), "city": ["Oslo", "Lima"],
                        "note": ["a", "b"], "event_timestamp": pd.to_datetime(["2026-01-01"] * 2, utc=True),
                        "created": pd.to_datetime(["2026-01-01"] * 2, utc=True)})
PUSHED = {"driver_id": [1, 3], "trips": [11, 30], "rate": [0.75, None], "city": ["Rome", "Kiel"], "note": ["c", None],
          "event_timestamp": ["2026-02-01T00:00:00Z"] * 2, "created": ["2026-02-01T00:00:01Z"] * 2}
BEFORE, AFTER = [[10, 0.5, "Oslo"], [20, 0.25, "Lima"], [None, None, None]], [[11, 0.75, "Rome"], [20, 0.25, "Lima"], [30, None, "Kiel"]]


@pytest.fixture(params=["parquet", "delta"])
def repository(request, tmp_path):
    path, more = (".parquet", "") if request.param == "parquet" else ("", ", format: delta")
    write_repository(tmp_path, {"definitions.yaml": DEFINITIONS % (path, more)})
    if request.param == "parquet":
        HISTORY.to_parquet(tmp_path / "data/history.parquet", index=False)
    else:
        deltalake.write_deltalake(str(tmp_path / "data/history"), pa.Table.from_pandas(HISTORY, preserve_index=False))
    check(tmp_path, "apply")
    check(tmp_path, "materialize", "2025-01-01T00:00:00", "2026-01-15T00:00:00")
    return tmp_path


def stored(repository):
    """(driver_id, note) of every row of the source, oldest first."""
    file, folder = repository / "data/history.parquet", repository / "data/history"
    table = pq.read_table(file) if file.exists() else deltalake.DeltaTable(str(folder)).to_pyarrow_table()
    rows = table.sort_by([("event_timestamp", "ascending"), ("driver_id", "ascending")]).to_pylist()
    return [(row["driver_id"], row["note"]) for row in rows]


def history(repository, moment="2026-03-01T00:00:00Z"):
    """What each of drivers 1, 2 and 3 was at a moment, read from the offline store."""
    (repository / "labels.csv").write_text("driver_id,event_timestamp\n" + "".join(f"{driver},{moment}\n" for driver in (1, 2, 3)))
    check(repository, "get-historical-features", "-d", repository / "labels.csv", "-o", repository / "out.parquet",
          *(a for f in FEATURES for a in ("-f", f)))
    return [[row[feature.split(":")[1]] for feature in FEATURES] for row in pq.read_table(repository / "out.parquet").to_pylist()]


def online(url):
    status, body = request(url, "POST", "/get-online-features", {"features": FEATURES, "entities": {"driver_id": [1, 2, 3]}})
    assert status == 200, body
    by_name = dict(zip(body["metadata"]["feature_names"], (column["values"] for column in body["results"])))
    return [list(row) for row in zip(*(by_name[feature.split(":")[1]] for feature in FEATURES))]


def push(url, df=PUSHED, **more):
    return request(url, "POST", "/push", {"push_source_name": "pushed", "df": df, **more})


@pytest.mark.parametrize("to, in_history, in_online", [("offline", AFTER, BEFORE), ("online_and_offline", AFTER, AFTER),
                                                       ("online", BEFORE, AFTER), (None, BEFORE, AFTER)])
def test_pushed_rows_are_where_they_were_pushed_to(repository, to, in_history, in_online):
    with serving(repository) as url:
        assert history(repository) == online(url) == BEFORE
        status, body = push(url, **({} if to is None else {"to": to}))
        assert (status, body) == (200, "")
        assert history(repository) == in_history
        assert online(url) == in_online
        assert history(repository, "2026-01-31T23:59:59Z") == BEFORE  # before the moment of what was pushed
    # Once, though two views read the source; with the column that neither declares.
    assert stored(repository) == [(1, "a"), (2, "b")] + ([(1, "c"), (3, None)] if in_history == AFTER else [])


def test_what_was_pushed_offline_is_materialized(repository):
    with serving(repository) as url:
        assert push(url, to="offline")[0] == 200
        status, body = request(url, "POST", "/materialize-incremental", {"end_ts": "2026-03-01T00:00:00"})
        assert status == 200, body
        assert online(url) == AFTER


@pytest.mark.parametrize("to", ["offline", "online_and_offline"])
def test_a_push_that_is_refused_leaves_both_stores_as_they_were(repository, to):
    with serving(repository) as url:
        for df, says in [({name: values for name, values in PUSHED.items() if name != "note"}, "note"),
                         ({**PUSHED, "tips": [1, 2]}, "tips"), ({**PUSHED, "trips": ["many", "few"]}, "trips")]:
            status, body = push(url, df, to=to)
            assert status >= 400 and says in json.dumps(body), body
        assert push(url, to="everywhere")[0] >= 400
        assert online(url) == BEFORE
    assert stored(repository) == [(1, "a"), (2, "b")]
