"""Real Feast 0.67 as judge: registries, online stores and its client, in both directions."""

import json
import shutil

import pytest

from real_feast import feast, feast_command, needs_feast
from salver_command import check, needs_command, serving, write_repository

pytestmark = [needs_command, needs_feast]


@pytest.fixture
def template(tmp_path):
    """The repository that `feast init` writes, nothing changed."""
    feast_command(tmp_path, "init", "judged")
    return tmp_path / "judged" / "feature_repo"


SEEN = """
print(json.dumps({
    "entities": sorted(e.name for e in store.list_entities()),
    "views": sorted((v.name, sorted(f.name + ":" + str(f.dtype) for f in v.features), v.join_keys, str(v.ttl), v.online) for v in store.list_feature_views()),
    "on_demand": sorted((v.name, sorted(f.name for f in v.features)) for v in store.list_on_demand_feature_views()),
    "labels": sorted(v.name for v in store.list_label_views()),
    "services": sorted((s.name, [(p.name, sorted(f.name for f in p.features)) for p in s.feature_view_projections]) for s in store.list_feature_services()),
    "sources": sorted((d.name, type(d).__name__) for d in store.list_data_sources()),
    "projects": sorted(p.name for p in store.list_projects()),
}))
"""
ONLINE = """
rows = store.get_online_features(features=["driver_hourly_stats:conv_rate", "driver_hourly_stats:acc_rate", "driver_hourly_stats:avg_daily_trips"],
                                 entity_rows=[{"driver_id": 1001}, {"driver_id": 1005}, {"driver_id": 7}]).to_dict()
print(json.dumps(rows))
"""
RANGE = ("2020-01-01T00:00:00", "2100-01-01T00:00:00")
QUESTION = ("--output", "json", "get-online-features", "-e", "driver_id=1001", "-e", "driver_id=1005", "-e", "driver_id=7",
            *(a for f in ("conv_rate", "acc_rate", "avg_daily_trips") for a in ("-f", f"driver_hourly_stats:{f}")))


def test_feast_sees_in_salvers_registry_what_it_would_have_written(template, tmp_path):
    shutil.copytree(template, tmp_path / "by_feast")
    feast_command(tmp_path / "by_feast", "apply")
    check(template, "apply")
    assert feast(template, SEEN) == feast(tmp_path / "by_feast", SEEN)


def test_salver_changes_feasts_registry_and_feast_loses_nothing(template):
    feast_command(template, "apply")
    before = feast(template, SEEN)
    definitions = template / "feature_definitions.py"
    definitions.write_text(definitions.read_text() + "\nextra = FeatureService(name='extra', features=[driver_stats_fv[['acc_rate']]])\n")
    out = check(template, "apply")
    assert "Created feature service extra" in out
    after = feast(template, SEEN)
    assert ["extra", [["driver_hourly_stats", ["acc_rate"]]]] in after["services"]
    after["services"].remove(["extra", [["driver_hourly_stats", ["acc_rate"]]]])
    assert after == before


def test_each_reads_the_sqlite_store_that_the_other_materialized(template, tmp_path):
    shutil.copytree(template, tmp_path / "by_feast")
    check(template, "apply")
    check(template, "materialize", *RANGE, "-v", "driver_hourly_stats")
    by_salver = json.loads(check(template, *QUESTION))
    assert by_salver["avg_daily_trips"][0] is not None and by_salver["avg_daily_trips"][2] is None
    assert feast(template, ONLINE) == by_salver

    repository = tmp_path / "by_feast"
    feast_command(repository, "apply")
    by_feast = feast(repository, "from datetime import datetime\nstore.materialize(datetime(2020, 1, 1), datetime(2100, 1, 1), feature_views=['driver_hourly_stats'])\n" + ONLINE)
    assert json.loads(check(repository, *QUESTION)) == by_feast


def check_feasts_remote_client(template, client):
    """What Feast's client of a remote online store, in the folder `client`, gets from a server is what the store holds."""
    check(template, "apply")
    check(template, "materialize", *RANGE, "-v", "driver_hourly_stats")
    by_salver = json.loads(check(template, *QUESTION))
    assert by_salver["avg_daily_trips"][0] is not None and by_salver["avg_daily_trips"][2] is None
    with serving(template) as url:
        write_repository(client, {}, project="judged", online_store=f"{{type: remote, path: '{url}'}}")
        shutil.copy(template / "data/registry.db", client / "data/registry.db")
        assert feast(client, ONLINE) == by_salver


def test_feasts_remote_client_reads_from_salvers_server(template, tmp_path):
    check_feasts_remote_client(template, tmp_path / "client")


def test_the_local_template_trains_and_serves_on_salver_unchanged(template):
    check(template, "apply")
    (template / "labels.csv").write_text("driver_id,event_timestamp\n1001,2100-01-01T00:00:00\n")
    check(template, "get-historical-features", "-d", template / "labels.csv", "-f", "driver_hourly_stats:conv_rate", "-o", template / "out.csv")
    assert (template / "out.csv").read_text().count("\n") == 2
