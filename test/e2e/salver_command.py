"""The command under test, and repositories made for it."""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "test" / "golden"
COMMAND = os.environ.get("SALVER_COMMAND", "")
# A feature view that is written by pushes alone; its schema comes behind.
PUSHED_STATS = """
entities:
  - {name: driver, join_keys: [driver_id], value_type: INT64}
sources:
  - {name: file, path: data/none.parquet, timestamp_field: event_timestamp}
push_sources:
  - {name: pushed, batch_source: file}
feature_views:
  - name: stats
    entities: [driver]
    source: pushed
"""
needs_command = pytest.mark.skipif(not Path(COMMAND or "?").exists(), reason="SALVER_COMMAND names no salver command")


def environment():
    # Definitions in Python are evaluated by the interpreter first in PATH: the one that runs this test.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return os.environ | {"PATH": path, "TZ": "UTC"}


def start(repository, *arguments):
    return subprocess.Popen([COMMAND, "-c", str(repository), *map(str, arguments)], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env=environment())


def run(repository, *arguments):
    """(exit code, stdout, stderr)"""
    process = start(repository, *arguments)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def check(repository, *arguments):
    """stdout of a command that must succeed."""
    code, out, err = run(repository, *arguments)
    assert code == 0, f"{arguments}: exit {code}\n{out}{err}"
    return out


def write_repository(folder, files, project="p", online_store="{type: lmdb, path: data/online.lmdb}", extra=""):
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "feature_store.yaml").write_text(
        f"project: {project}\nregistry: data/registry.db\nprovider: local\nonline_store: {online_store}\n"
        f"entity_key_serialization_version: 3\n{extra}")
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


@contextlib.contextmanager
def serving(repository, *arguments):
    """The URL of a running server; ended with SIGTERM, and it must end cleanly."""
    process = start(repository, "serve", "--port", "0", *arguments)
    line = process.stdout.readline()
    found = re.search(r"http://[^ ]+", line)
    assert found, line + process.stderr.read()
    try:
        yield found.group(0)
    finally:
        process.terminate()
        process.wait(timeout=30)
    assert process.returncode == 0, process.stderr.read()


def request(url, method, path, body=None):
    """(status, JSON or text)"""
    import urllib.error
    import urllib.request

    data = body.encode() if isinstance(body, str) else json.dumps(body).encode() if body is not None else None
    call = urllib.request.Request(url + path, data=data, method=method, headers={"content-type": "application/json"})
    try:
        with urllib.request.urlopen(call, timeout=30) as answer:
            status, text = answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read().decode()
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text
