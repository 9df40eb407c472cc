"""salver explain: the plan before it runs, what it did, and both for programs."""

import json

import pandas as pd
import pytest
from salver_command import check, needs_command, run, write_repository

pytestmark = needs_command

DEFINITIONS = """
entities:
  - {name: driver, join_keys: [driver_id], value_type: INT64}
sources:
  - {name: stats_source, path: data/stats.parquet, timestamp_field: event_timestamp}
feature_views:
  - {name: trips, entities: [driver], ttl: 1d, source: stats_source, schema: [{name: trips, dtype: Int64}]}
  - {name: tips, entities: [driver], ttl: 2d, source: stats_source, schema: [{name: tips, dtype: Float64}]}
"""
ASKED = ["-f", "trips:trips", "-f", "tips:tips"]


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = write_repository(tmp_path_factory.mktemp("repo"), {"definitions.yaml": DEFINITIONS})
    moments = pd.to_datetime(["2026-01-01", "2026-01-02", "2026-01-02"], utc=True)
    rows = {"driver_id": [1, 1, 2], "trips": [1, 2, 3], "tips": [.1, .2, .3], "event_timestamp": moments}
    pd.DataFrame(rows).to_parquet(folder / "data/stats.parquet")
    pd.DataFrame({"driver_id": [1, 7], "event_timestamp": moments[1:]}).to_parquet(folder / "labels.parquet")
    check(folder, "apply")
    return folder


def explain(repository, *arguments):
    return check(repository, *arguments[:2], "explain", "-d", str(repository / "labels.parquet"), *ASKED,
                 *arguments[2:])


def test_what_views_share_is_shown_once(repository):
    lines = explain(repository, "--output", "text").splitlines()
    assert lines[0] == "Gather 2 features by event_timestamp | 2 entity rows"
    assert sum("Read data/stats.parquet" in line for line in lines) == 1
    assert sum("EncodeKeys driver_id" in line for line in lines) == 1
    assert "times=labels-2d..labels" in "".join(lines) and "1 file, 1 of 1 row group, 3 of 3 rows" in "".join(lines)
    assert "Ran in" not in "".join(lines)


def test_analyze_says_what_it_did(repository):
    text = explain(repository, "--output", "text", "--analyze")
    assert "2 rows in, 2 out" in text and "Ran in" in text


def test_json_has_the_same_nodes(repository):
    plan = json.loads(explain(repository, "--output", "json", "--analyze"))
    kinds = sorted(node["kind"] for node in plan["nodes"])
    assert kinds == ["EncodeKeys", "Gather", "PointInTimeJoin", "PointInTimeJoin", "Read"]
    (read,) = [node for node in plan["nodes"] if node["kind"] == "Read"]
    # Driver 1 is asked for, driver 7 has no rows; the third row is driver 2's.
    assert read["report"]["rows"] == 3 and read["report"]["rows_out"] == 2
    known = {node["id"] for node in plan["nodes"]}
    assert all(set(node["inputs"]) <= known for node in plan["nodes"])
    assert plan["nodes"][-1]["kind"] == "Gather" and plan["ran"] and plan["entity_rows"] == 2


def test_a_request_that_can_not_be_planned_is_refused(repository):
    code, _, err = run(repository, "explain", "-d", str(repository / "labels.parquet"), "-f", "trip:trips")
    assert code == 1 and 'Did you mean "trips"?' in err
