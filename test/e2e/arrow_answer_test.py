"""Arrow answers hold what the JSON answers hold, for every type of a feature."""

import base64
import datetime
import json
import math
import urllib.request

import pyarrow as pa
import pytest
from salver_command import PUSHED_STATS, check, needs_command, request, serving, write_repository

pytestmark = needs_command

STREAM = "application/vnd.apache.arrow.stream"
DEFINITIONS = PUSHED_STATS + """\
    schema: [{name: i32, dtype: Int32}, {name: i64, dtype: Int64}, {name: f32, dtype: Float32}, {name: f64, dtype: Float64},
             {name: text, dtype: String}, {name: flag, dtype: Bool}, {name: at, dtype: UnixTimestamp}, {name: raw, dtype: Bytes},
             {name: tags, dtype: Array(String)}, {name: counts, dtype: Array(Int64)}, {name: points, dtype: Array(Float32)},
             {name: uid, dtype: Uuid}, {name: doc, dtype: Json}, {name: pairs, dtype: Map}]
  - name: old
    entities: [driver]
    source: pushed
    ttl: 1s
    schema: [{name: i64, dtype: Int64}]
"""
TYPES = {"driver_id": pa.int64(), "i32": pa.int32(), "i64": pa.int64(), "f32": pa.float32(), "f64": pa.float64(), "text": pa.string(),
         "flag": pa.bool_(), "at": pa.timestamp("us", "UTC"), "raw": pa.binary(), "tags": pa.list_(pa.string()),
         "counts": pa.list_(pa.int64()), "points": pa.list_(pa.float32()), "uid": pa.string(), "doc": pa.large_string(),
         "pairs": pa.map_(pa.string(), pa.string())}


def ask_arrow(url, body):
    call = urllib.request.Request(url + "/get-online-features", json.dumps(body).encode(), {"accept": STREAM})
    with urllib.request.urlopen(call, timeout=30) as answer:
        assert answer.headers["content-type"] == STREAM
        with pa.ipc.open_stream(answer.read()) as reader:
            table = reader.read_all()
    table.validate(full=True)
    return table


def as_json(value):
    """A value of an Arrow column as the JSON answer has it."""
    if isinstance(value, datetime.datetime):
        return int(value.timestamp())
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    return value


@pytest.mark.parametrize("expired", ["null", "serve"])
def test_values_statuses_and_times_are_those_of_the_json_answer(tmp_path, expired):
    repository = write_repository(tmp_path / "repo", {"definitions.yaml": DEFINITIONS}, extra=f"serving: {{expired_values: {expired}}}\n")
    check(repository, "apply", "--skip-source-validation")
    rows = {"driver_id": [1, 2, 3], "i32": [-(2**31), 7, None], "i64": [2**53 + 1, None, -5], "f32": [0.1, None, 2.5], "f64": [0.1, "NaN", "Infinity"],
            "text": ["\u00e9 \"quoted\"", "", None], "flag": [True, False, None], "at": ["2026-01-01T00:00:00Z", None, "1969-12-31T23:59:59Z"],
            "raw": ["bytes", None, ""], "tags": [["a", "b"], [], None], "counts": [[1, 2**60], [], None], "points": [[0.5, 1.5], None, []],
            "uid": ["123e4567-e89b-12d3-a456-426614174000", None, None], "doc": ['{"a": [1]}', None, "[]"], "pairs": [{"k": "v"}, None, {}],
            "event_timestamp": ["2026-01-01T00:00:00.123456Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"]}
    features = [f"stats:{name}" for name in TYPES if name != "driver_id"]
    with serving(repository) as url:
        for view in ("stats", "old"):
            status, answer = request(url, "POST", "/write-to-online-store", {"feature_view_name": view, "df": rows})
            assert status == 200, answer
        asked = {"features": features + ["old:i64"], "full_feature_names": True, "entities": {"driver_id": [1, 2, 3, 4, 1]},
                 "include_feature_view_version_metadata": True}
        status, found = request(url, "POST", "/get-online-features", asked)
        assert status == 200
        table = ask_arrow(url, asked)
        names = found["metadata"]["feature_names"]
        states = [f"{name}__{state}" for name in names if name != "driver_id" for state in ("status", "ts")]
        assert table.column_names == names + states
        assert json.loads(table.schema.metadata[b"feature_view_metadata"]) == found["metadata"]["feature_view_metadata"]
        for name, column in zip(names, found["results"], strict=True):
            if name != "old__i64":
                assert table.schema.field(name).type.equals(TYPES[name.removeprefix("stats__")]), name
            values = [as_json(value) for value in table[name].to_pylist()]
            if pa.types.is_map(table.schema.field(name).type):
                values = [None if value is None else dict(value) for value in values]
            assert values == column["values"], name
            if name == "driver_id":
                continue
            assert table[name + "__status"].to_pylist() == column["statuses"]
            times = [time or datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) for time in table[name + "__ts"].to_pylist()]
            assert times == [datetime.datetime.fromisoformat(time) for time in column["event_timestamps"]]
        statuses = set(table["old__i64__status"].to_pylist()) | set(table["stats__i32__status"].to_pylist())
        assert statuses == {"PRESENT", "NOT_FOUND", "OUTSIDE_MAX_AGE"}
        assert (table["old__i64"].to_pylist()[0] is None) == (expired == "null")
