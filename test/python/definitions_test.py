"""Definitions as data: what the classes say of themselves, and what evaluating a repository prints."""

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta

import pytest

from salver import Aggregation, BatchFeatureView, Entity, FeatureService, FeatureView, Field, FileSource, PushSource, StreamFeatureView, ValueType
from salver import types
from salver.registered import RegistryObjects, field

source = FileSource(name="s", path="s.parquet", timestamp_field="t")
driver = Entity(name="driver", value_type=ValueType.INT64)


def view(**more):
    schema = [types.Int64, types.String]
    return FeatureView(**{"name": "v", "entities": [driver], "source": source,
                          "schema": [Field(name=f"f{i}", dtype=dtype) for i, dtype in enumerate(schema)], **more})


SIMPLE = {types.Bytes: "BYTES", types.String: "STRING", types.Bool: "BOOL", types.Int32: "INT32", types.Int64: "INT64",
          types.Float32: "FLOAT", types.Float64: "DOUBLE", types.UnixTimestamp: "UNIX_TIMESTAMP", types.Map: "MAP",
          types.Json: "JSON", types.Uuid: "UUID", types.TimeUuid: "TIME_UUID", types.Decimal: "DECIMAL"}
ALONE = {types.PdfBytes: "BYTES", types.ImageBytes: "BYTES", types.ScalarMap: "SCALAR_MAP", types.ZonedTimestamp: "ZONED_TIMESTAMP"}


@pytest.mark.parametrize("dtype", [*SIMPLE, *ALONE], ids=repr)
def test_every_type_has_its_registry_name(dtype):
    assert Field(name="f", dtype=dtype).to_json() == {"name": "f", "value_type": {**SIMPLE, **ALONE}[dtype]}


@pytest.mark.parametrize("dtype", SIMPLE, ids=repr)
def test_lists_and_sets_of_every_type(dtype):
    name = SIMPLE[dtype]
    assert Field(name="f", dtype=types.Array(dtype)).to_json()["value_type"] == name + "_LIST"
    if name in ("MAP", "JSON"):
        with pytest.raises(TypeError, match="no type that Feast has"):
            types.Set(dtype)
    else:
        assert Field(name="f", dtype=types.Set(dtype)).to_json()["value_type"] == name + "_SET"


@pytest.mark.parametrize("dtype", [d for d in [*SIMPLE, types.ScalarMap, types.ZonedTimestamp]]
                         + [types.Array(d) for d in SIMPLE] + [types.Struct({"a": types.Int32}), types.Array(types.Struct({"a": types.String}))],
                         ids=repr)
def test_a_field_survives_the_registry(dtype):
    written = Field(name="f", dtype=dtype, description="d", tags={"a": "b"}, vector_index=True, vector_length=3,
                    vector_search_metric="L2")
    assert field(written.to_json()).to_json() == written.to_json()
    assert field(written.to_json()).dtype == dtype


def test_nested_lists_and_records():
    nested = Field(name="f", dtype=types.Array(types.Array(types.Int64)))
    assert nested.to_json()["value_type"] == "VALUE_LIST"
    record = Field(name="f", dtype=types.Struct({"a": types.String, "b": types.Int32}))
    assert record.to_json() == {"name": "f", "value_type": "STRUCT", "tags": {"feast:struct_schema": '{"a": "STRING", "b": "INT32"}'}}


def test_projections_are_copies():
    whole = view()
    part = whole[["f1"]].with_name("other").with_join_key_map({"driver": "rider"})
    assert [f.name for f in part.projection.features] == ["f1"] and [f.name for f in whole.projection.features] == ["f0", "f1"]
    assert (part.projection.name_alias, whole.projection.name_alias) == ("other", None)
    assert FeatureService(name="s", features=[part]).to_json()["spec"]["features"] == [{
        "feature_view_name": "v", "feature_view_name_alias": "other", "join_key_map": {"driver": "rider"}, "view_type": "featureView",
        "feature_columns": [{"name": "f1", "value_type": "STRING"}]}]


def test_a_service_says_that_it_is_precomputed():
    assert FeatureService(name="s", features=[view()], precompute_online=True).to_json()["spec"]["precompute_online"] is True
    assert "precompute_online" not in FeatureService(name="s", features=[view()]).to_json()["spec"]


def test_a_join_key_in_the_schema_is_no_feature():
    made = view(schema=[Field(name="driver", dtype=types.Int64), Field(name="f", dtype=types.Bool)])
    assert [f.name for f in made.features] == ["f"] and [f.name for f in made.entity_columns] == ["driver"]


@pytest.mark.parametrize("ttl, text", [(timedelta(0), "0s"), (timedelta(days=1), "86400s"), (timedelta(microseconds=1_500_000), "1.500000s")])
def test_ttl(ttl, text):
    message = view(ttl=ttl).to_json()
    assert message["spec"].get("ttl", "0s") == text
    back = RegistryObjects({"entities": [_owned(driver.to_json())], "feature_views": [_owned(message)]}, "p").feature_views()
    assert back[0].ttl == ttl


def _owned(message):
    message["spec"]["project"] = "p"
    return message


def test_transformations_are_source_text_only():
    def double(frame):
        return frame * 2

    made = BatchFeatureView(name="b", source=source, entities=[driver], mode="pandas", udf=double, schema=[])
    function = made.to_json()["spec"]["feature_transformation"]["user_defined_function"]
    assert "return frame * 2" in function["body_text"] and "body" not in function
    with pytest.raises(ValueError, match="source text"):
        BatchFeatureView(name="b", source=source, entities=[driver], udf=eval("lambda x: x"), schema=[])
    stream = StreamFeatureView(name="st", source=PushSource(name="p", batch_source=source), entities=[driver], udf=double, schema=[])
    assert stream.to_json()["spec"]["feature_transformation"]["user_defined_function"]["name"] == "double"


def evaluate(folder, **environment):
    done = subprocess.run([sys.executable, "-m", "salver.definitions", str(folder), "--project", "p"], capture_output=True, text=True,
                          env={**os.environ, **environment}, check=True)
    return json.loads(done.stdout), done.stderr


def test_evaluating_a_repository(tmp_path):
    (tmp_path / "helpers").mkdir()
    (tmp_path / "helpers/shared.py").write_text("from feast import Entity\nuser = Entity(name='user')\n")
    (tmp_path / "definitions.py").write_text(
        "import os\nfrom feast import FeatureView, Field, FileSource\nfrom feast.types import Int64\nfrom helpers.shared import user\n"
        "print('hello from user code')\nos.system('echo and its children')\n"
        "v = FeatureView(name='v', entities=[user], schema=[Field(name='f', dtype=Int64)],\n"
        "                source=FileSource(path='data/x.parquet', timestamp_field='t'))\n")
    (tmp_path / "ignored.py").write_text("raise RuntimeError('not me')\n")
    (tmp_path / "skipped").mkdir()
    (tmp_path / "skipped/x.py").write_text("raise RuntimeError('not me')\n")
    (tmp_path / ".feastignore").write_text("# comment\nignored.py\nskipped/\n")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden/x.py").write_text("raise RuntimeError('not me')\n")
    answer, err = evaluate(tmp_path)
    assert answer["problems"] == []
    assert sorted(answer["registry"]) == ["data_sources", "entities", "feature_views"]
    assert answer["locations"]["feature_view:v"] == {"file": "definitions.py", "line": 7}
    assert answer["locations"]["entity:user"] == {"file": os.path.join("helpers", "shared.py"), "line": 2}
    assert "hello from user code" in err and "and its children" in err
    assert not list(tmp_path.rglob("__pycache__"))


def test_real_feast_is_not_needed_and_not_used(tmp_path):
    """A package called feast in the path is passed over: the definitions are Salver's."""
    (tmp_path / "site/feast").mkdir(parents=True)
    (tmp_path / "site/feast/__init__.py").write_text("raise RuntimeError('the real one')\n")
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo/d.py").write_text("from feast import Entity\nimport feast.types\ne = Entity(name='e')\nt = feast.types.Array(feast.types.Int64)\n")
    answer, _ = evaluate(tmp_path / "repo", PYTHONPATH=str(tmp_path / "site"))
    assert answer["problems"] == [] and answer["registry"]["entities"][0]["spec"]["name"] == "e"


def test_aggregations_go_into_the_registry_and_back():
    day, hour = timedelta(days=1), timedelta(hours=1)
    aggregations = [Aggregation(column="fare", function="sum", time_window=day),
                    Aggregation(column="fare", function="mean", time_window=day, slide_interval=hour, name="average"),
                    Aggregation(column="fare", function="last")]
    assert [one.slide_interval for one in aggregations] == [day, hour, None]  # Feast's default is the window
    assert [one.resolved_name(one.time_window) for one in aggregations] == ["sum_fare_86400s", "average", "last_fare"]
    message = BatchFeatureView(name="v", entities=[driver], source=source, aggregations=aggregations).to_json()
    assert message["spec"]["aggregations"][1] == {"column": "fare", "function": "mean", "name": "average", "time_window": "86400s",
                                                  "slide_interval": "3600s"}
    message["spec"] |= {"project": "p", "features": [Field(name="average", dtype=types.Float64).to_json()]}
    back = RegistryObjects({"entities": [{"spec": {"name": "driver", "join_key": "driver", "value_type": "INT64", "project": "p"}}],
                            "feature_views": [message]}, "p").feature_views()[0]
    assert isinstance(back, BatchFeatureView) and back.aggregations == aggregations
    assert back.to_json()["spec"]["aggregations"] == message["spec"]["aggregations"]


def test_sql_sources_and_delta_tables():
    from salver import DeltaFormat, SqlSource
    from salver.registered import data_source

    made = SqlSource(name="s", query="SELECT 1", timestamp_field="t")
    message = made.to_json()
    assert (message["type"], message["sql"], message["file_options"]) == ("BATCH_FILE", "SELECT 1", {})
    again = data_source(message)
    assert isinstance(again, SqlSource) and again.query == "SELECT 1" and again.timestamp_field == "t"
    with pytest.raises(ValueError, match='"s" has no query'):
        SqlSource(name="s", query=" ")
    assert DeltaFormat(version=3).to_json()["delta_format"]["properties"] == {"version": "3"}
    with pytest.raises(ValueError, match="one of the two"):
        DeltaFormat(version=3, timestamp=datetime(2026, 1, 1))


def test_sql_of_a_view_is_text():
    def text():
        return "SELECT 1"

    made = BatchFeatureView(name="v", mode="sql", udf=text, source=source, entities=[driver], schema=[Field(name="f", dtype=types.Int64)])
    assert made.to_json()["spec"]["feature_transformation"]["user_defined_function"]["body_text"] == "SELECT 1"
    assert made.to_json()["spec"]["mode"] == "sql"
    for bad in (lambda inputs: "SELECT 1", lambda: "", lambda: 7):
        with pytest.raises(ValueError, match='"v"'):
            BatchFeatureView(name="v", mode="sql", udf=bad, source=source)
