"""Real faults while clients ask: a server that is told to end, a disk that is full."""

import http.client
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
from pathlib import Path

import pytest

from salver_command import COMMAND, ROOT, environment, needs_command, request, start, write_repository

sys.path.append(str(ROOT / "test"))
from service import free_port

pytestmark = needs_command

DEFINITIONS = """
entities:
  - {name: item, join_keys: [item_id], value_type: INT64}
sources:
  - {name: items, path: data/items.parquet, timestamp_field: at}
push_sources:
  - {name: pushed, batch_source: items}
feature_views:
  - {name: items, entities: [item], source: pushed, schema: [{name: count, dtype: Int64}, {name: word, dtype: String}]}
"""
EMBEDDED = pytest.mark.parametrize("online_store", ["{type: lmdb, path: small/online.lmdb}", "{type: sqlite, path: small/online.db}"],
                                   ids=["lmdb", "sqlite"])


@pytest.fixture
def repository(tmp_path, online_store):
    (tmp_path / "small").mkdir()
    return write_repository(tmp_path, {"definitions.yaml": DEFINITIONS}, online_store=online_store)


def wait_until(condition, what, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def push_body(numbers, word):
    numbers = list(numbers)
    rows = {"item_id": numbers, "at": ["2026-02-01T00:00:00Z"] * len(numbers), "count": [n * 7 for n in numbers], "word": [word] * len(numbers)}
    return json.dumps({"push_source_name": "pushed", "df": rows})


def count_of(url, numbers):
    """The feature `count` of each item."""
    status, body = request(url, "POST", "/get-online-features", {"features": ["items:count"], "entities": {"item_id": list(numbers)}})
    assert status == 200, body
    return dict(zip(*(column["values"] for column in body["results"])))


class Client(threading.Thread):
    """Asks the same again and again. `keeps`: on one connection; else each request has its own."""

    def __init__(self, url, path, body, right, keeps):
        super().__init__()
        self.address = urllib.parse.urlsplit(url).netloc
        self.path, self.body, self.right, self.keeps = path, body, right, keeps
        self.answered, self.wrong, self.unanswered_since = 0, [], None

    def run(self):
        connection = None
        while True:
            connection = connection or http.client.HTTPConnection(self.address, timeout=30)
            sent = None
            try:
                connection.request("POST", self.path, self.body, {"content-type": "application/json"})
                sent = time.monotonic()
                answer = connection.getresponse()
                status, text = answer.status, answer.read()
            except (http.client.RemoteDisconnected, ConnectionError):
                # Not one byte of an answer: this request was not taken.
                self.unanswered_since = sent
                return
            except http.client.HTTPException as error:  # an answer that breaks off
                self.wrong.append(repr(error))
                return
            if status != 200 or not self.right(text):
                self.wrong.append((status, text[:200]))
                return
            self.answered += 1
            if not self.keeps or answer.getheader("connection") == "close":
                connection.close()
                connection = None


@EMBEDDED
def test_a_request_that_was_sent_before_sigterm_is_answered_in_full(repository):
    assert start(repository, "apply").wait(timeout=60) == 0
    read = json.dumps({"features": ["items:count", "items:word"], "entities": {"item_id": [1, 2, 3]}})
    for _ in range(5):
        process = start(repository, "serve", "--port", "0")
        url = re.search(r"http://[^ ]+", process.stdout.readline()).group(0)
        assert request(url, "POST", "/push", push_body(range(10), "w"))[0] == 200
        expected = request(url, "POST", "/get-online-features", read)[1]["results"]
        clients = [Client(url, "/get-online-features", read, lambda text: json.loads(text)["results"] == expected, keeps=number < 4)
                   for number in range(6)]
        clients += [Client(url, "/push", push_body(range(number, 10), "w"), lambda text: True, keeps=True) for number in range(2)]
        for client in clients:
            client.start()
        try:
            wait_until(lambda: min(client.answered for client in clients) > random.randrange(5, 40), "answers")
        finally:
            told = time.monotonic()
            process.send_signal(signal.SIGTERM)
            for client in clients:
                client.join()
        assert process.wait(timeout=30) == 0, process.stderr.read()
        for client in clients:
            assert not client.wrong, client.wrong
            assert client.unanswered_since is None or client.unanswered_since >= told, "sent before SIGTERM, and dropped"


class SmallDisk:
    """A server whose online store lies on a file system of 6 MiB that only it sees. Killed, it starts again there."""

    def __init__(self, repository, port):
        script = (f"mount -t tmpfs -o size=6m none {repository}/small && {COMMAND} -c {repository} apply >/dev/null && "
                  f"while true; do {COMMAND} -c {repository} serve --port {port} >/dev/null; done")
        self.shell = subprocess.Popen(["unshare", "-rm", "sh", "-c", script], env=environment(), start_new_session=True)
        self.folder = Path(f"/proc/{self.shell.pid}/root{repository}/small")
        self.url = f"http://127.0.0.1:{port}"

    def ready(self):
        try:
            return request(self.url, "GET", "/health")[0] == 200
        except OSError:
            return False

    def kill_server(self):
        children = Path(f"/proc/{self.shell.pid}/task/{self.shell.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)
        wait_until(lambda: not Path(f"/proc/{children[0]}").exists(), "the end of the server")

    def end(self):
        os.killpg(self.shell.pid, signal.SIGKILL)
        self.shell.wait()


@pytest.fixture
def small_disk(repository):
    probe = ["unshare", "-rm", "sh", "-c", f"mount -t tmpfs -o size=64k none {repository}/small"]
    if shutil.which("unshare") is None or subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("file systems can not be mounted here")
    disk = SmallDisk(repository, free_port())
    yield disk
    disk.end()


@EMBEDDED
def test_a_disk_that_fills_under_pushes_loses_no_acknowledged_row(small_disk):
    wait_until(small_disk.ready, "the server")
    ballast = small_disk.folder / "ballast"
    ballast.write_bytes(bytes(1 << 20))
    acknowledged, refusals = [set() for _ in range(3)], []

    def fill(thread):
        for first in range(thread * 1_000_000, (thread + 1) * 1_000_000, 20):
            numbers = range(first, first + 20)
            status, body = request(small_disk.url, "POST", "/push", push_body(numbers, "w" * 200))
            if status == 200:
                acknowledged[thread].update(numbers)
            else:
                refusals.append((status, json.dumps(body)))
                return

    threads = [threading.Thread(target=fill, args=(thread,)) for thread in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = sorted(set.union(*acknowledged))
    assert len(rows) > 500, "the disk was full from the start"
    for status, body in refusals:
        assert status >= 500 and "Free some space" in body, body

    def all_there():
        for first in range(0, len(rows), 500):
            some = rows[first:first + 500]
            counts = count_of(small_disk.url, some)
            assert counts == {number: number * 7 for number in some}

    all_there()  # reads go on meanwhile
    small_disk.kill_server()
    wait_until(small_disk.ready, "the server again, on a full disk")
    all_there()
    ballast.unlink()
    status, body = request(small_disk.url, "POST", "/push", push_body([5_000_000], "w"))
    assert status == 200, body
    assert count_of(small_disk.url, [5_000_000]) == {5_000_000: 35_000_000}
    all_there()
