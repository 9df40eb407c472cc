"""The examples, run by the command that SALVER_COMMAND names, give what a plain computation in pandas gives."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMAND = os.environ.get("SALVER_COMMAND", "")
pytestmark = pytest.mark.skipif(not Path(COMMAND or "?").exists(), reason="SALVER_COMMAND names no salver command")


def run(*command, **options):
    # Definitions in Python are evaluated by the interpreter first in PATH: the one that runs this test.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          env=os.environ | {"PATH": path}, **options)
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def copy_of(example, tmp_path):
    return Path(shutil.copytree(ROOT / "examples" / example, tmp_path / example, ignore=shutil.ignore_patterns("data")))


def newest_before(rows, view, key):
    """The as-of join in pandas: each row with the newest row of `view` at or before it; a null key matches nothing."""
    view = view.sort_values("event_timestamp", kind="stable")
    keyed = rows[rows[key].notna()].sort_values("event_timestamp", kind="stable")
    joined = pd.merge_asof(keyed, view, on="event_timestamp", by=key)
    return pd.concat([joined, rows[rows[key].isna()]]).sort_values("row", kind="stable")


def as_floats(table):
    """Whole numbers with nulls have several types in pandas; here only their values matter."""
    return table.astype({name: "float64" for name in table.select_dtypes("number")})


def test_the_flights_training_set_is_the_plain_as_of_join(tmp_path):
    repository = copy_of("flights", tmp_path)
    run(sys.executable, repository / "prepare_data.py")
    data = repository / "data"
    run(COMMAND, "-c", repository, "apply")
    run(COMMAND, "-c", repository, "get-historical-features", "-d", data / "labels.parquet",
        "--feature-service", "departure_delay", "-o", data / "training.parquet")

    labels = pd.read_parquet(data / "labels.parquet")
    expected = labels.assign(row=range(len(labels)))
    expected = newest_before(expected, pd.read_parquet(data / "weather.parquet"), "origin")
    planes = pd.read_parquet(data / "planes.parquet")[["tailnum", "event_timestamp", "built", "engines", "seats"]]
    expected = newest_before(expected, planes, "tailnum")
    # Of two landings in one minute the later row of the file counts, as in merge_asof.
    expected = newest_before(expected, pd.read_parquet(data / "aircraft_history.parquet"), "tailnum")
    expected = expected.drop(columns="row").reset_index(drop=True)

    training = pd.read_parquet(data / "training.parquet")
    assert list(training.columns) == list(expected.columns)
    assert len(training) == 336_776
    pd.testing.assert_frame_equal(as_floats(training), as_floats(expected))


def test_driver_ranking_reproduces_the_walk_through(tmp_path):
    repository = copy_of("driver_ranking", tmp_path / "examples")
    output = run("bash", repository / "run.sh")
    assert "CREATE TABLE driver_ranking_driver_hourly_stats" in output
    assert "CREATE INDEX driver_ranking_driver_hourly_stats_ek" in output
    assert output.rstrip().endswith("best driver: 1003")
    training = pd.read_parquet(repository / "data/training.parquet")
    assert training[["driver_id", "trip_completed", "avg_daily_trips"]].values.tolist() == [
        [1001, 1, 275], [1002, 0, 329], [1003, 1, 742]]
