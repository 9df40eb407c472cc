"""A command whose output does not fit on the disk: a small file system that only the command sees."""

import shutil
import subprocess

import pandas as pd
import pytest

from salver_command import COMMAND, check, environment, needs_command, write_repository

pytestmark = needs_command

DEFINITIONS = """
entities:
  - {name: driver, join_keys: [driver_id], value_type: INT64}
sources:
  - {name: stats, path: data/stats.parquet, timestamp_field: event_timestamp}
feature_views:
  - {name: stats, entities: [driver], schema: [{name: trips, dtype: Int64}], source: stats}
"""


def on_small_disk(folder, script):
    """Runs a shell script with 64 KiB of disk at `folder`."""
    mount = f"mount -t tmpfs -o size=64k none {folder} && "
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rm", "sh", "-c", mount + "true"], capture_output=True).returncode:
        pytest.skip("file systems can not be mounted here")
    return subprocess.run([unshare, "-rm", "sh", "-c", mount + script], capture_output=True, text=True, env=environment(),
                          timeout=120)


@pytest.fixture
def repository(tmp_path):
    repository = write_repository(tmp_path, {"definitions.yaml": DEFINITIONS})
    times = pd.to_datetime(["2026-01-01"] * 20_000, utc=True)
    rows = pd.DataFrame({"driver_id": range(20_000), "event_timestamp": times, "trips": [n * 7919 % 10_007 for n in range(20_000)]})
    rows.to_parquet(repository / "data/stats.parquet")
    rows[["driver_id", "event_timestamp"]].to_parquet(repository / "labels.parquet")
    (repository / "out").mkdir()
    check(repository, "apply")
    return repository


@pytest.mark.parametrize("suffix", ["parquet", "csv", "arrow"])
def test_an_answer_that_does_not_fit_is_refused_and_leaves_nothing(repository, suffix):
    out = repository / "out"
    done = on_small_disk(out, f"echo kept > {out}/answer.{suffix}; {COMMAND} -c {repository} get-historical-features "
                              f"-d {repository}/labels.parquet -f stats:trips -o {out}/answer.{suffix}; "
                              f"echo exit $?; ls -A {out}; cat {out}/answer.{suffix}")
    assert done.stdout.split() == ["exit", "1", f"answer.{suffix}", "kept"], done.stdout + done.stderr
    assert done.stderr.startswith("ResourceExhausted: "), done.stderr
    assert f"/out/answer.{suffix}" in done.stderr and "Free some space" in done.stderr
    assert done.stderr.count("\n") == 1, "an error is said once"
