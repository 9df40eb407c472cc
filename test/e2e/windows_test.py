"""Aggregations over time windows, from a repository in Python: what training sees at T is what is online after
materializing to T."""

import json
import math
import random
from datetime import datetime, timedelta, timezone

import pandas as pd
import pyarrow.parquet as pq
from salver_command import check, needs_command, request, run, serving, write_repository

pytestmark = needs_command

DEFINITIONS = '''from datetime import timedelta

from feast import Aggregation, BatchFeatureView, Entity, Field, FileSource, PushSource, StreamFeatureView, ValueType
from feast.types import Float32, Int64

driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
source = FileSource(name="trips", path="data/trips.parquet", timestamp_field="at", created_timestamp_column="created",
                    field_mapping={"fare_usd": "fare"})
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
spent = BatchFeatureView(
    name="spent", entities=[driver], source=source, online=True,
    aggregations=[Aggregation(column="fare", function=function, time_window=window)
                  for function in ("sum", "count", "mean", "min", "max", "std", "var", "approx_p90") for window in (HOUR, DAY)]
    + [Aggregation(column="city", function=function, time_window=DAY) for function in ("first", "last", "count_distinct", "max")]
    + [Aggregation(column="seats", function="sum", name="seats")])
recent = StreamFeatureView(
    name="recent", entities=[driver], source=PushSource(name="push", batch_source=source), timestamp_field="at",
    schema=[Field(name="driver_id", dtype=Int64), Field(name="mean_fare_7200s", dtype=Float32)],
    aggregations=[Aggregation(column="fare", function="mean", time_window=timedelta(hours=2), slide_interval=timedelta(minutes=5))])
'''
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
VIEWS = ("spent", "recent")


def trips(seed):
    chance = random.Random(seed)
    rows = []
    for _ in range(4000):
        at = START + timedelta(minutes=chance.randrange(4 * 24 * 60))  # whole minutes: many on the edges of windows
        rows.append({"driver_id": chance.randrange(120), "at": at, "created": at + timedelta(minutes=chance.randrange(60)),
                     "fare_usd": None if chance.random() < 0.2 else chance.choice([chance.random() * 100, 1e9 + chance.random(), 12.5]),
                     "city": chance.choice(["Rome", "Oslo", "Bonn", None]), "seats": chance.randrange(8)})
    # Drivers that fall silent: their windows empty, and must be seen to.
    return pd.DataFrame(row for row in rows if row["driver_id"] % 7 or row["at"] < START + timedelta(days=1))


def features(repository):
    registry = json.loads(check(repository, "registry-dump"))
    found = {}
    for kind in ("feature_views", "stream_feature_views"):
        for view in registry.get(kind, []):
            found[view["spec"]["name"]] = [feature["name"] for feature in view["spec"]["features"]]
    return found


def same(one, two):
    if isinstance(one, float) and isinstance(two, float):
        return math.isclose(one, two, rel_tol=1e-12) or (math.isnan(one) and math.isnan(two))
    return one == two


def offline(repository, at, drivers, references):
    entities = repository / "data" / "entities.parquet"
    pd.DataFrame({"driver_id": drivers, "event_timestamp": [at] * len(drivers)}).to_parquet(entities)
    check(repository, "get-historical-features", "-d", entities, *[word for one in references for word in ("-f", one)],
          "-o", repository / "data" / "answer.parquet")
    return pq.read_table(repository / "data" / "answer.parquet").to_pylist()


def online(url, drivers, references):
    status, answer = request(url, "POST", "/get-online-features", {"features": references, "entities": {"driver_id": drivers}})
    assert status == 200, answer
    columns = dict(zip(answer["metadata"]["feature_names"], answer["results"]))
    return [{name: column["values"][i] for name, column in columns.items()} for i in range(len(drivers))]


def test_online_is_what_training_saw(tmp_path):
    seed = random.randrange(10**9)
    print(f"seed {seed}")
    rows = trips(seed)
    repository = write_repository(tmp_path, {"definitions.py": DEFINITIONS})
    rows.to_parquet(repository / "data" / "trips.parquet", row_group_size=500)
    check(repository, "apply")
    names = features(repository)
    assert len(names["spent"]) == 21 and names["recent"] == ["mean_fare_7200s"]
    references = [f"{view}:{feature}" for view in VIEWS for feature in names[view]]
    for number, hours in enumerate((10.0, 30.0, 30.0, 47.5, 96.0)):
        at = START + timedelta(hours=hours)
        verb = ["materialize", START.isoformat(), at.isoformat()] if number == 0 else ["materialize-incremental", at.isoformat()]
        check(repository, *verb)
        # Those with a row so far; a driver that never had one is absent online, and counts 0 in training.
        drivers = sorted(int(driver) for driver in set(rows.driver_id[rows["at"] <= at]))
        expected = offline(repository, at, drivers, references)
        with serving(repository) as url:
            got = online(url, drivers, references)
        for one, two in zip(expected, got):
            for reference in references:
                name = reference.split(":")[1]
                assert same(one[name], two[name]), f"seed {seed}, {at}, driver {one['driver_id']}, {reference}: {one[name]} is not {two[name]}"
    emptied = [row for row in expected if row["driver_id"] % 7 == 0]
    assert emptied and all(row["count_fare_86400s"] == 0 and row["sum_fare_86400s"] is None for row in emptied)


def test_the_plan_shows_what_is_aggregated(tmp_path):
    repository = write_repository(tmp_path, {"definitions.py": DEFINITIONS})
    trips(1).to_parquet(repository / "data" / "trips.parquet")
    check(repository, "apply")
    entities = repository / "data" / "entities.parquet"
    pd.DataFrame({"driver_id": [1], "event_timestamp": [START]}).to_parquet(entities)
    text = check(repository, "get-historical-features", "-d", entities, "-f", "spent:sum_fare_3600s", "-f", "spent:seats", "--explain")
    assert "Aggregate spent on=driver_id -> sum(fare_usd,1h),sum(seats,none)" in text, text


def test_faults_of_aggregations_are_said_at_apply(tmp_path):
    fault = ('v = BatchFeatureView(name="v", entities=[driver], source=source, aggregations=[\n'
             '    Aggregation(column="fares", function="sum", time_window=DAY), Aggregation(column="city", function="avg", time_window=DAY),\n'
             '    Aggregation(column="fare", function="median", time_window=DAY), Aggregation(column="fare", function="max", time_window=-DAY)])\n')
    repository = write_repository(tmp_path, {"definitions.py": DEFINITIONS + fault})
    trips(1).to_parquet(repository / "data" / "trips.parquet")
    code, _, err = run(repository, "apply")
    assert code == 1
    for words in ('column "fares" is not in its source. Did you mean "fare"?', 'function "avg" can not be applied to column "city"',
                  'aggregation function "median" is not known', "its time_window is not positive", "definitions.py:20"):
        assert words in err, err
