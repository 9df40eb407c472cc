"""The values of feast_feature_freshness_seconds: the time since the end of what was materialized last."""

import re
import time
from datetime import datetime, timedelta, timezone

import pytest
from salver_command import check, needs_command, request, serving, write_repository

pytestmark = needs_command

DEFINITIONS = """
entities:
  - {name: driver, join_keys: [driver_id], value_type: INT64}
sources:
  - {name: history, path: data/history.csv, timestamp_field: event_timestamp}
push_sources:
  - {name: pushed, batch_source: history}
feature_views:
  - {name: stats, entities: [driver], source: pushed, schema: [{name: trips, dtype: Int64}]}
  - {name: trips, entities: [driver], source: history, schema: [{name: trips, dtype: Int64}]}
"""
NOW = datetime.now(timezone.utc).replace(microsecond=0)
HOUR = timedelta(hours=1)


def text(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


@pytest.fixture
def repository(tmp_path):
    write_repository(tmp_path, {"definitions.yaml": DEFINITIONS})
    (tmp_path / "data/history.csv").write_text(f"driver_id,event_timestamp,trips\n1,{text(NOW - 9 * HOUR)}Z,5\n")
    check(tmp_path, "apply")
    return tmp_path


def wrong(url, ends):
    """What is wrong, if something is: the metric has a sample of each of these views and of no other, and each tells the
    time since that moment."""
    before = time.time()
    status, metrics = request(url, "GET", "/metrics")
    after = time.time()
    samples = dict(re.findall(r'^feast_feature_freshness_seconds{feature_view="(\w+)",project="p"} (\S+)$', metrics, re.MULTILINE))
    right = {view: (before - end.timestamp() - 0.01, after - end.timestamp() + 0.01) for view, end in ends.items()}
    if status != 200 or metrics.count("\nfeast_feature_freshness_seconds{") != len(ends) or set(samples) != set(ends):
        return status, samples, right
    return [(view, value, right[view]) for view, value in samples.items() if not right[view][0] <= float(value) <= right[view][1]]


def check_ends(url, **ends):
    # A server may see the registry as it was a tenth of a second ago.
    end = time.monotonic() + 10
    while found := wrong(url, ends):
        assert time.monotonic() < end, found
        time.sleep(0.01)


def materialize(url, start, end, *views):
    status, body = request(url, "POST", "/materialize", {"start_ts": text(start), "end_ts": text(end), "feature_views": list(views)})
    assert status == 200, body


def test_freshness_is_the_time_since_the_latest_end_of_what_was_materialized(repository):
    check(repository, "materialize", text(NOW - 10 * HOUR), text(NOW - 5 * HOUR), "-v", "stats")
    check(repository, "materialize", text(NOW - 20 * HOUR), text(NOW - 7 * HOUR), "-v", "stats")  # last, and not the newest
    with serving(repository) as url:
        check_ends(url, stats=NOW - 5 * HOUR)  # the other view was never materialized
        materialize(url, NOW - 10 * HOUR, NOW - 3 * HOUR, "trips")
        check_ends(url, stats=NOW - 5 * HOUR, trips=NOW - 3 * HOUR)
        status, body = request(url, "POST", "/materialize-incremental", {"end_ts": text(NOW - HOUR), "feature_views": ["stats"]})
        assert status == 200, body
        check_ends(url, stats=NOW - HOUR, trips=NOW - 3 * HOUR)


def test_a_materialization_into_the_future_is_fresh_by_less_than_nothing(repository):
    with serving(repository) as url:
        materialize(url, NOW - 10 * HOUR, NOW + 2 * HOUR, "stats")
        check_ends(url, stats=NOW + 2 * HOUR)


@pytest.mark.parametrize("to", ["online", "offline", "online_and_offline"])
def test_a_push_is_no_materialization(repository, to):
    """As in Feast, whose gauge looks at materialized intervals alone."""
    df = {"driver_id": [1], "event_timestamp": [text(NOW) + "Z"], "trips": [7]}
    check(repository, "materialize", text(NOW - 10 * HOUR), text(NOW - 5 * HOUR), "-v", "stats")
    with serving(repository) as url:
        status, body = request(url, "POST", "/push", {"push_source_name": "pushed", "df": df, "to": to})
        assert status == 200, body
    with serving(repository) as url:  # which has read the registry after the push
        assert not wrong(url, {"stats": NOW - 5 * HOUR})
