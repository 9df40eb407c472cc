"""SIGKILL at random moments: no torn registry, no lost or older row, no interval claimed without its rows.

SALVER_KILLS sets how many kills each test makes (200); the seed is printed.
"""

import json
import os
import random
import shutil
import time

import numpy as np
import pandas as pd
import pytest

from salver_command import check, needs_command, run, start, write_repository

pytestmark = needs_command
KILLS = int(os.environ.get("SALVER_KILLS", "200"))
ENTITIES = 5_000

DEFINITIONS = """
entities:
  - {name: driver, join_keys: [driver_id], value_type: INT64}
sources:
  - {name: stats, path: data/stats.parquet, timestamp_field: event_timestamp}
feature_views:
  - {name: stats, entities: [driver], schema: [{name: trips, dtype: Int64}, {name: note, dtype: String}], source: stats}
"""


@pytest.fixture
def seed():
    value = int(time.time() * 1000)
    print("seed", value)
    random.seed(value)
    return value


def repository_with_data(folder, online_store):
    repository = write_repository(folder, {"definitions.yaml": DEFINITIONS}, online_store=online_store)
    rows = 4 * ENTITIES
    numbers = np.arange(rows)
    pd.DataFrame({"driver_id": numbers % ENTITIES, "event_timestamp": pd.Timestamp("2026-01-01", tz="UTC") +
                  pd.to_timedelta(numbers // ENTITIES, unit="h"), "trips": numbers, "note": [f"row {n}" for n in numbers]}
                 ).to_parquet(repository / "data/stats.parquet")
    return repository


MATERIALIZE = ("materialize", "2026-01-01T00:00:00", "2026-01-02T00:00:00")
ASKED = random.Random(1).sample(range(ENTITIES), 40)


def online_rows(repository):
    keys = [argument for key in ASKED for argument in ("-e", f"driver_id={key}")]
    return json.loads(check(repository, "--output", "json", "get-online-features", *keys, "-f", "stats:trips", "-f", "stats:note"))


def intervals(repository):
    view = json.loads(check(repository, "--output", "json", "feature-views", "describe", "stats"))
    return view["meta"].get("materialization_intervals", [])


def kill_after(process, seconds):
    """True when the process was still running."""
    try:
        process.wait(timeout=seconds)
        return False
    except Exception:
        process.kill()
        process.wait()
        return True
    finally:
        process.stdout.close()
        process.stderr.close()


@pytest.mark.parametrize("online_store", ["{type: lmdb, path: data/online.lmdb}", "{type: sqlite, path: data/online.db}"],
                         ids=["lmdb", "sqlite"])
def test_materialize_killed_at_any_moment_is_as_if_it_never_was(tmp_path, seed, online_store):
    repository = repository_with_data(tmp_path / "repo", online_store)
    check(repository, "apply")
    shutil.copytree(repository / "data", tmp_path / "applied")
    began = time.monotonic()
    check(repository, *MATERIALIZE)
    whole = time.monotonic() - began
    expected = online_rows(repository)
    assert expected["trips"] == [3 * ENTITIES + key for key in ASKED]
    killed = 0
    for _ in range(KILLS // 2):
        shutil.rmtree(repository / "data")
        shutil.copytree(tmp_path / "applied", repository / "data")
        killed += kill_after(start(repository, *MATERIALIZE), random.uniform(0, whole))
        if intervals(repository):  # claimed: then its rows are there
            assert online_rows(repository) == expected
        check(repository, *MATERIALIZE)
        assert online_rows(repository) == expected
        assert len(intervals(repository)) == 1
    assert killed > KILLS // 8, "too few kills hit a running process to prove anything"


def test_apply_killed_at_any_moment_leaves_the_old_registry_or_the_new(tmp_path, seed):
    repository = repository_with_data(tmp_path / "repo", "{type: lmdb, path: data/online.lmdb}")
    check(repository, "apply")
    check(repository, *MATERIALIZE)
    expected = online_rows(repository)
    began = time.monotonic()
    check(repository, "plan")
    whole = 2 * (time.monotonic() - began)
    killed = 0
    for turn in range(KILLS):
        text = f"turn {turn}"
        (repository / "definitions.yaml").write_text(DEFINITIONS.replace("{name: stats, entities", f'{{name: stats, description: "{text}", entities'))
        before = json.loads(check(repository, "--output", "json", "feature-views", "describe", "stats"))["spec"].get("description")
        killed += kill_after(start(repository, "apply"), random.uniform(0, whole))
        code, out, err = run(repository, "--output", "json", "feature-views", "describe", "stats")
        assert code == 0, err
        assert json.loads(out)["spec"].get("description") in (before, text)
        assert len(intervals(repository)) == 1
        check(repository, "apply")
        assert json.loads(check(repository, "--output", "json", "feature-views", "describe", "stats"))["spec"]["description"] == text
    assert online_rows(repository) == expected
    assert killed > KILLS // 8, "too few kills hit a running process to prove anything"
