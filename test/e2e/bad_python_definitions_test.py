"""Python definitions with one fault each: apply says where and what, and changes nothing."""

import hashlib
from pathlib import Path

import pandas as pd
import pytest
from salver_command import check, needs_command, run, write_repository

pytestmark = needs_command

GOOD = '''from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, FileSource, OnDemandFeatureView, PushSource, RequestSource, ValueType
from feast.types import Array, Float32, Int64, Set, String, Struct

driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
source = FileSource(name="stats_source", path="data/stats.parquet", timestamp_field="event_timestamp")
stats = FeatureView(
    name="stats", entities=[driver], ttl=timedelta(days=1), schema=[Field(name="trips", dtype=Int64)], source=source
)
service = FeatureService(name="ranking", features=[stats])
'''
FAULT_LINE = GOOD.count("\n") + 1

# Name -> (the line that follows the good ones, what the message says besides file and line).
FAULTS = {
    "syntax": ("def (:", ["invalid syntax"]),
    "unknown name": ("x = Entty(name='x')", ["NameError", "Entty"]),
    "raises": ("raise RuntimeError('disk on fire')", ["RuntimeError: disk on fire"]),
    "exits": ("exit(3)", ["SystemExit"]),
    "divides by zero": ("1 / 0", ["ZeroDivisionError"]),
    "unknown module": ("import no_such_module", ["no_such_module"]),
    "unknown module of feast": ("import feast.typos", ["feast.typos"]),
    "unknown name of feast": ("from feast import FeatureVue", ["FeatureVue", 'Did you mean "FeatureView"?']),
    "unknown type": ("from feast.types import Float23", ["Float23", "Did you mean"]),
    "entity without name": ("Entity()", ["name"]),
    "entity with empty name": ("Entity(name='')", ["entity", "''"]),
    "entity named by a number": ("Entity(name=7)", ["entity", "7"]),
    "entity with two keys": ("Entity(name='e', join_keys=['a', 'b'])", ['entity "e"', "2 join keys"]),
    "entity with a text as keys": ("Entity(name='e', join_keys='a')", ['entity "e"', 'join_keys=["a"]']),
    "entity with a type as text": ("Entity(name='e', value_type='INT64')", ['entity "e"', "value_type", "ValueType.INT64"]),
    "entity with a key type of floats": ("e = Entity(name='e', value_type=ValueType.DOUBLE)", ['"e"', "DOUBLE"]),
    "entity with an unknown argument": ("Entity(name='e', key='a')", ["key"]),
    "entity with tags as a list": ("Entity(name='e', tags=['a'])", ['entity "e"', "tags"]),
    "entity with tags of numbers": ("Entity(name='e', tags={'a': 1})", ['entity "e"', "tags", "text to text"]),
    "entity with a number as description": ("Entity(name='e', description=1)", ['entity "e"', "description"]),
    "entity twice": ("other = Entity(name='driver', join_keys=['other_id'], value_type=ValueType.INT64)", ["defined twice", '"driver"']),
    "names that differ in case": ("twin = FeatureView(name='Stats', entities=[driver], schema=[Field(name='trips', dtype=Int64)], source=source)",
                                  ["Stats", "in case only"]),
    "field without a type": ("Field(name='f')", ["dtype"]),
    "field with a type of Python": ("Field(name='f', dtype=int)", ['field "f"', "int"]),
    "field with a type as text": ("Field(name='f', dtype='Int64')", ['field "f"', "Int64"]),
    "field without name": ("Field(name='', dtype=Int64)", ["field", "''"]),
    "list of a Python type": ("Field(name='f', dtype=Array(int))", ["Array(", "int"]),
    "set of records": ("Field(name='f', dtype=Set(Struct({'a': Int64})))", ["Set(", "no type that Feast has"]),
    "record without fields": ("Field(name='f', dtype=Struct({}))", ["Struct({})", "at least one field"]),
    "record of Python types": ("Field(name='f', dtype=Struct({'a': int}))", ['Struct field "a"', "int"]),
    "file source without path": ("FileSource(name='s')", ["path"]),
    "file source with empty path": ("FileSource(name='s', path='')", ['file source "s"', "no path"]),
    "file source with an unknown format": ("FileSource(name='s', path='p', file_format='csv')", ['"s"', "csv", "ParquetFormat"]),
    "file source with one column twice": ("FileSource(name='s', path='p', timestamp_field='t', created_timestamp_column='t')",
                                          ['"s"', "both", '"t"']),
    "push source over a path": ("PushSource(name='s', batch_source='stats.parquet')", ['push source "s"', "stats.parquet"]),
    "source with a missing file": ("late = FeatureView(name='late', entities=[driver], source=FileSource(path='data/none.parquet'))",
                                   ["data/none.parquet"]),
    "source with a missing time column": (
        "late = FeatureView(name='late', entities=[driver], source=FileSource(path='data/stats.parquet', timestamp_field='time'),"
        " schema=[Field(name='trips', dtype=Int64)])", ["time", "data/stats.parquet"]),
    "view without source": ("FeatureView(name='v', entities=[driver], schema=[])", ['feature view "v"', "source None"]),
    "view over a path": ("FeatureView(name='v', source='data/stats.parquet')", ['feature view "v"', "data/stats.parquet"]),
    "view over a request": ("FeatureView(name='v', source=RequestSource(name='r', schema=[]))", ['feature view "v"', "source"]),
    "view over a push without history": ("FeatureView(name='v', source=PushSource(name='p'))", ['"v"', "batch_source"]),
    "view with entity names": ("FeatureView(name='v', entities=['driver'], source=source)", ['"v"', "'driver'", "Entity objects"]),
    "view with one entity for a list": ("FeatureView(name='v', entities=driver, source=source)", ['"v"', "list of Entity"]),
    "view with an entity twice": ("FeatureView(name='v', entities=[driver, driver], source=source)", ['"v"', "twice", "driver_id"]),
    "view with ttl as a number": ("FeatureView(name='v', ttl=3600, source=source)", ['"v"', "3600", "timedelta"]),
    "view with a negative ttl": ("FeatureView(name='v', ttl=timedelta(days=-1), source=source)", ['"v"', "ttl", "0 for no limit"]),
    "view with schema as a dict": ("FeatureView(name='v', schema={'a': Int64}, source=source)", ['"v"', "schema is dict"]),
    "view with names as schema": ("FeatureView(name='v', schema=['a'], source=source)", ['"v"', "'a'", "Field(name=..., dtype=...)"]),
    "view with a feature twice": ("v = FeatureView(name='v', entities=[driver], source=source, schema=[Field(name='trips', dtype=Int64),"
                                  " Field(name='trips', dtype=Int64)])", ['"v"', '"trips"']),
    "view with a feature the file lacks": (
        "v = FeatureView(name='v', entities=[driver], source=source, schema=[Field(name='tips', dtype=Int64)])", ["tips", "trips"]),
    "view named with a colon": ("v = FeatureView(name='a:b', entities=[driver], source=source, schema=[Field(name='trips', dtype=Int64)])",
                                ["a:b"]),
    "view whose join key the file lacks": (
        "v = FeatureView(name='v', entities=[Entity(name='rider', value_type=ValueType.INT64)], source=source,"
        " schema=[Field(name='trips', dtype=Int64)])", ["rider"]),
    "service without features": ("FeatureService(name='s')", ["features"]),
    "service of one view for a list": ("FeatureService(name='s', features=stats)", ['feature service "s"', "list of feature views"]),
    "service of a source": ("FeatureService(name='s', features=[source])", ['feature service "s"', "stats_source"]),
    "service of an unknown view": ("s = FeatureService(name='s', features=['stat'])", ['"s"', "stat", "stats"]),
    "service with an unknown feature": ("s = FeatureService(name='s', features=[stats[['tips']]])", ["tips", '"trips"']),
    "service with one feature as text": ("s = FeatureService(name='s', features=[stats['trips']])", ['stats[["feature"]]']),
    "service twice": ("s = FeatureService(name='ranking', features=[])", ['"ranking"', "twice"]),
    "on-demand view without sources": ("OnDemandFeatureView(name='o', schema=[])", ['"o"', "no sources"]),
    "on-demand view over a file": ("OnDemandFeatureView(name='o', schema=[], sources=[source])", ['"o"', "stats_source"]),
}


def fingerprint(folder):
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(Path(folder).rglob("*")) if path.is_file() and path.suffix != ".py" and "lock" not in path.name}


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = write_repository(tmp_path_factory.mktemp("repo"), {"definitions.py": GOOD})
    moments = pd.to_datetime(["2026-01-01", "2026-01-02"], utc=True)
    pd.DataFrame({"driver_id": [1, 2], "trips": [10, 20], "event_timestamp": moments}).to_parquet(folder / "data/stats.parquet")
    check(folder, "apply")
    check(folder, "materialize", "2026-01-01", "2026-01-03")
    return folder


def test_the_good_ones_are_good(repository):
    assert "No changes" in check(repository, "plan")


@pytest.mark.parametrize("name", FAULTS)
def test_is_refused(repository, name):
    line, words = FAULTS[name]
    before = fingerprint(repository)
    (repository / "definitions.py").write_text(GOOD + line + "\n")
    try:
        code, out, err = run(repository, "apply")
    finally:
        (repository / "definitions.py").write_text(GOOD)
    assert code == 1, out + err
    for word in [f"definitions.py:{FAULT_LINE}", *words]:
        assert word in err, f"no {word!r} in:\n{err}"
    assert "Traceback" not in err
    assert fingerprint(repository) == before


def test_all_faults_are_told_at_once(repository):
    bad = GOOD + "a = FeatureView(name='a', entities=[driver], source=source, schema=[Field(name='tips', dtype=Int64)])\n"
    bad += "b = FeatureService(name='b', features=['stat'])\n"
    (repository / "other.py").write_text("1 / 0\n")
    (repository / "definitions.py").write_text(bad)
    try:
        code, _, err = run(repository, "apply")
    finally:
        (repository / "definitions.py").write_text(GOOD)
        (repository / "other.py").unlink()
    assert code == 1
    for place in (f"definitions.py:{FAULT_LINE}", f"definitions.py:{FAULT_LINE + 1}", "other.py:1"):
        assert place in err, err
