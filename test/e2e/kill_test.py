"""SIGKILL at random moments: no torn registry, no lost or older row, no interval claimed without its rows.

SALVER_KILLS sets how many kills each test makes (200); the seed is printed.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import time

import numpy as np
import pandas as pd
import pytest

from salver_command import COMMAND, check, environment, needs_command, run, write_repository

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


def repository_with_data(folder, online_store, entities=ENTITIES, extra=""):
    repository = write_repository(folder, {"definitions.yaml": DEFINITIONS}, online_store=online_store, extra=extra)
    rows = 4 * entities
    numbers = np.arange(rows)
    pd.DataFrame({"driver_id": numbers % entities, "event_timestamp": pd.Timestamp("2026-01-01", tz="UTC") +
                  pd.to_timedelta(numbers // entities, unit="h"), "trips": numbers, "note": [f"row {n}" for n in numbers]}
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


def kill_after(command, seconds):
    """Runs the command and kills it; True when it was still running."""
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(),
                               start_new_session=True)
    try:
        process.wait(timeout=seconds)
        return False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True


class Killer:
    """Kills `kills` runs of a command that takes about `whole` seconds, each at any moment. Runs that ended before make the
    next moments earlier, and there are more of them until a share of `kills` was hit."""

    def __init__(self, command, whole, kills, share):
        self.command, self.whole, self.kills, self.enough = command, whole, kills, kills * share
        self.runs = self.hit = 0

    def goes_on(self):
        assert self.runs < 10 * self.kills, f"only {self.hit} kills of {self.runs} hit a running process"
        return self.runs < self.kills or self.hit <= self.enough

    def kill(self):
        self.runs += 1
        if kill_after(self.command, random.uniform(0, self.whole)):
            self.hit += 1
        else:
            self.whole *= 0.95


def seconds_of(work):
    began = time.monotonic()
    work()
    return time.monotonic() - began


def survive_materializations(repository, command, kills):
    """Kills `command`, which materializes, again and again; fails when what it leaves is not as it should be."""
    applied = repository.parent / "applied"
    shutil.copytree(repository / "data", applied)
    whole = seconds_of(lambda: check(repository, *MATERIALIZE))
    shutil.copy(repository / "data/registry.db", repository.parent / "claimed.db")
    expected = online_rows(repository)
    assert expected["trips"] == [3 * ENTITIES + key for key in ASKED]
    killer = Killer(command, whole, kills, 1 / 4)
    while killer.goes_on():
        shutil.rmtree(repository / "data")
        shutil.copytree(applied, repository / "data")
        killer.kill()
        if intervals(repository):  # claimed: then its rows are there
            assert online_rows(repository) == expected, "an interval was claimed without its rows"
        check(repository, *MATERIALIZE)
        assert online_rows(repository) == expected, "rows are lost, or older than they were"
        assert len(intervals(repository)) == 1


STORES = pytest.mark.parametrize(
    "online_store", ["{type: lmdb, path: data/online.lmdb}", "{type: sqlite, path: data/online.db}"], ids=["lmdb", "sqlite"])


@STORES
def test_materialize_killed_at_any_moment_is_as_if_it_never_was(tmp_path, seed, online_store):
    repository = repository_with_data(tmp_path / "repo", online_store)
    check(repository, "apply")
    survive_materializations(repository, [COMMAND, "-c", repository, *MATERIALIZE], KILLS // 2)


@STORES
def test_a_killed_materialization_of_many_transactions_goes_on_behind_the_durable_ones(tmp_path, seed, online_store):
    entities = 300_000  # transactions hold a megabyte with this limit
    repository = repository_with_data(tmp_path / "repo", online_store, entities, extra="memory_limit: 8MB\n")
    check(repository, "apply")
    applied = tmp_path / "applied"
    shutil.copytree(repository / "data", applied, copy_function=shutil.copy2)
    check(repository, *MATERIALIZE)
    whole = seconds_of(lambda: check(repository, *MATERIALIZE))
    expected = online_rows(repository)
    assert expected["trips"] == [3 * entities + key for key in ASKED]
    files = {path.name for path in (repository / "data").iterdir()}
    resumed, kills = 0, max(8, KILLS // 20)
    for turn in range(10 * kills):
        if turn >= kills and resumed > 0:
            break
        for path in (repository / "data").iterdir():
            if path.name != "stats.parquet":  # a source that changes is read from its start
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in applied.iterdir():
            if path.name != "stats.parquet":
                (shutil.copytree if path.is_dir() else shutil.copy2)(path, repository / "data" / path.name)
        killed = kill_after([COMMAND, "-c", repository, *MATERIALIZE], random.uniform(0.2, 1) * whole)
        claimed = bool(intervals(repository))
        if claimed:
            assert online_rows(repository) == expected, "an interval was claimed without its rows"
        view = json.loads(check(repository, "--output", "json", *MATERIALIZE))["views"][0]
        assert (view["rows_read"], view["rows_written"], view["rows_older"]) == (4 * entities, entities, 0)
        resumed += killed and not claimed and 0 < view["rows_resumed"] < entities
        assert online_rows(repository) == expected, "rows are lost, or older than they were"
        assert {path.name for path in (repository / "data").iterdir()} <= files, "temporary files are left"
    assert resumed > 0, "no run went on behind the rows of the one before"


def test_the_harness_finds_a_materialization_that_claims_its_interval_first(tmp_path, seed):
    repository = repository_with_data(tmp_path / "repo", "{type: lmdb, path: data/online.lmdb}")
    check(repository, "apply")
    planted = f"cp {tmp_path}/claimed.db {repository}/data/registry.db && exec {COMMAND} -c {repository} {' '.join(MATERIALIZE)}"
    with pytest.raises(AssertionError, match="claimed without its rows"):
        survive_materializations(repository, ["sh", "-c", planted], KILLS)


def description(repository):
    """Of the view, as the registry has it."""
    code, out, err = run(repository, "--output", "json", "feature-views", "describe", "stats")
    assert code == 0, f"the registry can not be read: {err}"
    return json.loads(out)["spec"].get("description")


def survive_applies(repository, command, whole, kills):
    """Kills `command`, which applies a changed description, again and again; `whole`: how long it takes."""
    check(repository, "apply")
    check(repository, *MATERIALIZE)
    expected = online_rows(repository)
    killer = Killer(command, whole, kills, 1 / 8)
    while killer.goes_on():
        text = f"turn {killer.runs}"
        (repository / "definitions.yaml").write_text(
            DEFINITIONS.replace("{name: stats, entities", f'{{name: stats, description: "{text}", entities'))
        before = description(repository)
        killer.kill()
        assert description(repository) in (before, text)
        assert len(intervals(repository)) == 1
        check(repository, "apply")
        assert description(repository) == text
    assert online_rows(repository) == expected


def test_apply_killed_at_any_moment_leaves_the_old_registry_or_the_new(tmp_path, seed):
    repository = repository_with_data(tmp_path / "repo", "{type: lmdb, path: data/online.lmdb}")
    whole = 2 * seconds_of(lambda: check(repository, "plan"))
    survive_applies(repository, [COMMAND, "-c", repository, "apply"], whole, KILLS)


def test_the_harness_finds_an_apply_that_writes_in_place(tmp_path, seed):
    repository = repository_with_data(tmp_path / "repo", "{type: lmdb, path: data/online.lmdb}")
    registry = repository / "data/registry.db"
    planted = (f"cp {registry} {tmp_path}/new.db && : > {registry} && "
               f"for at in $(seq 0 20 100000); do dd if={tmp_path}/new.db bs=1 skip=$at count=20 status=none >> {registry}; done")
    with pytest.raises(AssertionError, match="registry can not be read"):
        survive_applies(repository, ["sh", "-c", planted], 0.1, KILLS)
