"""Sources, and entity rows, on s3://: against a local S3 that the test starts and stops."""

import contextlib
import os
import re
import subprocess
from pathlib import Path

import pyarrow
import pyarrow.fs
import pyarrow.ipc
import pyarrow.parquet
import pytest

from salver_command import check, needs_command, run, write_repository

SERVER = os.environ.get("SALVER_S3_SERVER", "")
pytestmark = [needs_command, pytest.mark.skipif(not Path(SERVER or "?").exists(), reason="SALVER_S3_SERVER names no moto_server")]

DEFINITIONS = """
from datetime import timedelta

from salver import Entity, FeatureView, Field, FileSource
from salver.types import Int64

driver = Entity(name="driver", join_keys=["driver_id"])
stats = FileSource(name="stats_source", path="{path}", timestamp_field="event_timestamp", s3_endpoint_override="{endpoint}")
view = FeatureView(name="stats", entities=[driver], ttl=timedelta(days=1), source=stats, schema=[Field(name="trips", dtype=Int64)])
"""


@contextlib.contextmanager
def s3_server():
    process = subprocess.Popen([SERVER, "-H", "127.0.0.1", "-p", "0"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        for line in process.stderr:
            found = re.search(r"Running on (http://127\.0\.0\.1:\d+)", line)
            if found:
                break
        else:
            raise RuntimeError(f"moto_server ended with {process.wait()}")
        yield found.group(1)
    finally:
        process.terminate()
        process.wait(timeout=30)
        process.stderr.close()


@pytest.fixture(scope="module")
def endpoint():
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true"}
    before = {key: os.environ.get(key) for key in keys}
    os.environ.update(keys)
    with s3_server() as url:
        files = pyarrow.fs.S3FileSystem(endpoint_override=url, allow_bucket_creation=True)
        files.create_dir("lake")
        for day in (1, 2):
            table = pyarrow.table({
                "driver_id": pyarrow.array([1, 2], pyarrow.int64()),
                "event_timestamp": pyarrow.array([f"2026-01-0{day}T10:00:00Z", f"2026-01-0{day}T11:00:00Z"]).cast(pyarrow.timestamp("us", "UTC")),
                "trips": pyarrow.array([day * 10, day * 10 + 1], pyarrow.int64())})
            pyarrow.parquet.write_table(table, f"lake/stats/day={day}/part.parquet", filesystem=files)
        with files.open_output_stream("lake/stats.csv") as out:
            out.write(b"driver_id,event_timestamp,trips\n1,2026-01-02T10:00:00Z,20\n")
        with files.open_output_stream("lake/stats.json") as out:
            out.write(b'{"driver_id": 1, "event_timestamp": "2026-01-02T10:00:00Z", "trips": 20}\n')
        with files.open_output_stream("lake/stats.arrow") as out, pyarrow.ipc.new_file(out, table.schema) as file:
            file.write_table(table.slice(0, 1))
        with files.open_output_stream("lake/labels.csv") as out:
            out.write(b"driver_id,event_timestamp\n1,2026-01-02T12:00:00Z\n2,2026-01-01T12:00:00Z\n3,2026-01-01T12:00:00Z\n")
        with files.open_output_stream("lake/damaged.parquet") as out:
            out.write(b"PAR1 this is none")
        yield url
    for key, value in before.items():
        os.environ.pop(key) if value is None else os.environ.__setitem__(key, value)


def repository(folder, endpoint, path):
    return write_repository(folder, {"definitions.py": DEFINITIONS.format(path=path, endpoint=endpoint)})


@pytest.mark.parametrize("path", ["s3://lake/stats", "s3://lake/stats/", "s3://lake/stats/*/part.parquet", "s3://lake/**/part.parquet"])
def test_parquet_folders_and_globs_on_s3(tmp_path, endpoint, path):
    where = repository(tmp_path, endpoint, path)
    check(where, "apply")
    labels = tmp_path / "labels.csv"
    labels.write_text("driver_id,event_timestamp\n1,2026-01-02T12:00:00Z\n2,2026-01-01T12:00:00Z\n")
    lines = check(where, "get-historical-features", "-d", labels, "-f", "stats:trips").splitlines()
    assert [line.rsplit(",", 1)[1] for line in lines[1:]] == ["20", "11"]


@pytest.mark.parametrize("path", ["stats/day=2/part.parquet", "stats.csv", "stats.json", "stats.arrow"])
def test_a_file_of_each_format_and_entity_rows_on_s3(tmp_path, endpoint, path):
    where = repository(tmp_path, endpoint, "s3://lake/" + path)
    check(where, "apply")
    host = endpoint.removeprefix("http://")
    labels = f"s3://lake/labels.csv?scheme=http&endpoint_override={host}"
    lines = check(where, "get-historical-features", "-d", labels, "-f", "stats:trips").splitlines()
    assert [line.rsplit(",", 1)[1] for line in lines[1:]] == ["20", "", ""]


@pytest.mark.parametrize("path, says", [("s3://lake/nothing.parquet", "there is no file"), ("s3://lake/none/*.parquet", "no .parquet file"),
                                        ("s3://no-such-bucket/x.parquet", "no-such-bucket"),
                                        ("s3://lake/damaged.parquet", "can not be read as Parquet")])
def test_what_is_not_there_or_damaged_on_s3_is_named(tmp_path, endpoint, path, says):
    code, out, err = run(repository(tmp_path, endpoint, path), "apply")
    assert code == 1, out
    assert says in err + out
    assert "FinalizeS3" not in err


def test_rows_can_not_be_added_on_s3(tmp_path, endpoint):
    pytest.importorskip("salver._core")
    from salver import FeatureStore

    where = repository(tmp_path, endpoint, "s3://lake/stats.csv")
    check(where, "apply")
    rows = {"driver_id": [1], "trips": [1], "event_timestamp": pyarrow.array([0], pyarrow.timestamp("us", "UTC"))}
    with pytest.raises(Exception, match="not on this machine's disk"):
        FeatureStore(str(where)).write_to_offline_store("stats", rows)
