"""Command lines with one fault each: the command says what is wrong and what to do, and changes nothing."""

import hashlib
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from salver_command import COMMAND, check, environment, needs_command, run, write_repository

pytestmark = needs_command

DEFINITIONS = """
entities:
  - {name: driver, join_keys: [driver_id], value_type: INT64}
sources:
  - {name: stats_source, path: data/stats.parquet, timestamp_field: event_timestamp}
feature_views:
  - {name: stats, entities: [driver], ttl: 1d, source: stats_source, schema: [{name: trips, dtype: Int64}]}
  - {name: hidden, entities: [driver], online: false, source: stats_source, schema: [{name: trips, dtype: Int64}]}
feature_services:
  - {name: ranking, features: [stats]}
"""

HISTORICAL = ["get-historical-features"]
ONLINE = ["get-online-features"]
# Name -> (arguments, what the message says).
FAULTS = {
    "no verb": ([], ["--help"]),
    "unknown verb": (["aply"], ['"aply"', 'Did you mean "apply"?']),
    "unknown option": (["apply", "--forced"], ["--forced"]),
    "argument too many": (["apply", "now"], ["now"]),
    "describe without a name": (["entities", "describe"], ["name"]),
    "entity that is not there": (["entities", "describe", "drivr"], ["drivr", 'Did you mean "driver"?']),
    "view that is not there": (["feature-views", "describe", "stat"], ["stat", 'Did you mean "stats"?']),
    "service that is not there": (["feature-services", "describe", "rankin"], ['Did you mean "ranking"?']),
    "source that is not there": (["data-sources", "describe", "stats"], ["stats_source"]),
    "project that is not there": (["projects", "describe", "q"], ["q"]),
    "unknown list command": (["entities", "show"], ['"show"', "list", "describe"]),
    "materialize without a range": (["materialize"], ["START_TS"]),
    "materialize without an end": (["materialize", "2026-01-01"], ["END_TS"]),
    "materialize from no time": (["materialize", "monday", "2026-01-02"], ["monday", "ISO 8601"]),
    "materialize to no day": (["materialize", "2026-01-01", "2026-02-30"], ["2026-02-30", "ISO 8601"]),
    "materialize backwards": (["materialize", "2026-01-02", "2026-01-01"], ["2026-01-02", "after"]),
    "materialize an unknown view": (["materialize", "2026-01-01", "2026-01-02", "-v", "stat"], ["stat", 'Did you mean "stats"?']),
    "materialize a view that is not online": (["materialize", "2026-01-01", "2026-01-02", "-v", "hidden"], ["hidden", "online"]),
    "incremental without an end": (["materialize-incremental"], ["end"]),
    "incremental to no time": (["materialize-incremental", "later"], ["later", "ISO 8601"]),
    "history without features": ([*HISTORICAL, "-d", "labels.parquet"], ["features"]),
    "history of an unknown view": ([*HISTORICAL, "-d", "labels.parquet", "-f", "stat:trips"], ['Did you mean "stats"?']),
    "history of an unknown feature": ([*HISTORICAL, "-d", "labels.parquet", "-f", "stats:tips"], ['"trips"']),
    "history of a reference without a view": ([*HISTORICAL, "-d", "labels.parquet", "-f", "trips"], ["trips", "view:feature"]),
    "history by an unknown service": ([*HISTORICAL, "-d", "labels.parquet", "--feature-service", "rankin"], ['"ranking"']),
    "history by features and a service": (
        [*HISTORICAL, "-d", "labels.parquet", "-f", "stats:trips", "--feature-service", "ranking"], ["one of"]),
    "history of a missing file": ([*HISTORICAL, "-d", "none.parquet", "-f", "stats:trips"], ["none.parquet"]),
    "history of a folder whose files have the feature already": ([*HISTORICAL, "-d", "data", "-f", "stats:trips"], ["trips"]),
    "history of an unknown kind of file": ([*HISTORICAL, "-d", "labels.xlsx", "-f", "stats:trips"], ["labels.xlsx", ".parquet"]),
    "history of a file that is no Parquet": ([*HISTORICAL, "-d", "fake.parquet", "-f", "stats:trips"], ["fake.parquet"]),
    "history without a join key": ([*HISTORICAL, "-d", "keyless.parquet", "-f", "stats:trips"], ["driver_id"]),
    "history without a time": ([*HISTORICAL, "-d", "timeless.parquet", "-f", "stats:trips"], ["event_timestamp"]),
    "history into a missing folder": (
        [*HISTORICAL, "-d", "labels.parquet", "-f", "stats:trips", "-o", "no/such/out.parquet"], ["no/such/out.parquet"]),
    "history into an unknown kind of file": (
        [*HISTORICAL, "-d", "labels.parquet", "-f", "stats:trips", "-o", "out.xlsx"], ["out.xlsx", ".parquet"]),
    "history from no time": ([*HISTORICAL, "-f", "stats:trips", "-s", "spring"], ["spring"]),
    "history backwards": ([*HISTORICAL, "-f", "stats:trips", "-s", "2026-02-01", "-e", "2026-01-01"], ["2026-02-01"]),
    "history of rows and a range": (
        [*HISTORICAL, "-d", "labels.parquet", "-f", "stats:trips", "-s", "2026-01-01"], ["start"]),
    "online without entities": ([*ONLINE, "-f", "stats:trips"], ["--entities"]),
    "online without features": ([*ONLINE, "-e", "driver_id=1"], ["features"]),
    "online with an entity that is no pair": ([*ONLINE, "-e", "driver_id", "-f", "stats:trips"], ["driver_id", "="]),
    "online with a wrong key": ([*ONLINE, "-e", "driver=1", "-f", "stats:trips"], ["driver_id"]),
    "online with a key of letters": ([*ONLINE, "-e", "driver_id=one", "-f", "stats:trips"], ["one", "INT64"]),
    "online of a view that is not online": ([*ONLINE, "-e", "driver_id=1", "-f", "hidden:trips"], ["hidden"]),
    "serve on a taken port": (["serve", "--port", "{taken}"], ["{taken}", "--port"]),
    "serve on no port": (["serve", "--port", "http"], ["http"]),
    "serve on a port too high": (["serve", "--port", "65536"], ["65536"]),
    "serve on no address": (["serve", "--host", "nowhere.invalid", "--port", "0"], ["nowhere.invalid"]),
    "serve what is not there": (["serve", "--type", "smoke"], ["smoke", "http"]),
    "listen without a port": (["listen", "--address", "localhost"], ["--address", "localhost:50051"]),
    "serve with half of TLS": (["serve", "--port", "0", "--key", "k.pem"], ["--key", "--cert"]),
    "serve with no key": (["serve", "--port", "0", "--key", "none.pem", "--cert", "none.pem"], ["none.pem", "--cert"]),
    "listen with a certificate that is none": (["listen", "--address", "localhost:0", "--key", "feature_store.yaml", "--cert", "feature_store.yaml"],
                                               ["feature_store.yaml", "PEM"]),
    "init over a folder": (["init", "taken"], ["taken", "exists"]),
    "init in no folder": (["init", "."], [".", "project name"]),
    "init of an unknown store": (["init", "fresh", "--online-store", "cassandra"], ["cassandra", "lmdb"]),
    "init of a bad name": (["init", "a b"], ["a b"]),
}


def fingerprint(folder):
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(Path(folder).rglob("*")) if path.is_file() and "lock" not in path.name}


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = write_repository(tmp_path_factory.mktemp("repo"), {"definitions.yaml": DEFINITIONS})
    moments = pd.to_datetime(["2026-01-01", "2026-01-02"], utc=True)
    pd.DataFrame({"driver_id": [1, 2], "trips": [10, 20], "event_timestamp": moments}).to_parquet(folder / "data/stats.parquet")
    pd.DataFrame({"driver_id": [1], "event_timestamp": moments[:1]}).to_parquet(folder / "labels.parquet")
    pd.DataFrame({"event_timestamp": moments[:1]}).to_parquet(folder / "keyless.parquet")
    pd.DataFrame({"driver_id": [1]}).to_parquet(folder / "timeless.parquet")
    (folder / "fake.parquet").write_text("hello")
    (folder / "taken").mkdir()
    (folder / "taken/feature_store.yaml").write_text("project: taken")
    (folder / "labels.xlsx").write_text("hello")
    check(folder, "apply")
    check(folder, "materialize", "2026-01-01", "2026-01-03")
    return folder


@pytest.fixture(scope="module")
def taken_port():
    import socket

    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        yield held.getsockname()[1]


@pytest.mark.parametrize("name", FAULTS)
def test_is_refused(repository, taken_port, name):
    arguments, words = FAULTS[name]
    before = fingerprint(repository)
    command = [COMMAND, *(argument.format(taken=taken_port) for argument in arguments)]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, env=environment(), timeout=60)
    assert done.returncode not in (0, -6, -11), done.stdout + done.stderr
    assert done.returncode > 0
    for word in words:
        assert word.format(taken=taken_port) in done.stderr, f"no {word!r} in:\n{done.stderr}"
    assert done.stdout == ""
    assert fingerprint(repository) == before


@pytest.mark.parametrize("verb", ["apply", "plan", "materialize-incremental 2026-01-01", "serve", "teardown", "entities list"])
def test_outside_a_repository(tmp_path, verb):
    code, out, err = run(tmp_path, *verb.split())
    assert code == 1 and "feature_store.yaml" in err and "salver init" in err, err


def test_before_apply(tmp_path):
    repository = write_repository(tmp_path, {"definitions.yaml": DEFINITIONS})
    code, _, err = run(repository, "get-online-features", "-e", "driver_id=1", "-f", "stats:trips")
    assert code == 1 and "salver apply" in err, err
