"""Online stores on real servers: real Feast reads what Salver wrote and the reverse, the golden HTTP pairs, and a server
that is killed and comes back under load."""

import json
import random
import re
import shutil
import threading
import time
import urllib.error
import urllib.request

import pytest

from feast_judge_test import ONLINE, QUESTION, RANGE, check_feasts_remote_client
from golden_http_test import GOLDEN_ROWS, golden_repository, replay_pairs
from online_servers import KINDS
from real_feast import can_import, feast, feast_command
from salver_command import check, needs_command, run, serving, start, write_repository

pytestmark = needs_command


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name)
def server(request):
    if not request.param.installed:
        pytest.skip(f"this machine has no {request.param.name}")
    one = request.param()
    yield one
    one.server.close()


@pytest.fixture
def empty(server):
    server.clear()
    return server


@pytest.fixture
def template(empty, tmp_path):
    """The repository that `feast init` writes, on the server."""
    if not can_import(*empty.modules):
        pytest.skip("SALVER_FEAST_PYTHON names no Python with " + ", ".join(empty.modules))
    feast_command(tmp_path, "init", "judged")
    repository = tmp_path / "judged" / "feature_repo"
    use_store(repository, empty.online_store())
    return repository


def use_store(repository, online_store):
    lines, skipping = [], False
    for line in (repository / "feature_store.yaml").read_text().splitlines():
        skipping = line.startswith("online_store") or (skipping and line.startswith((" ", "#")))
        if not skipping:
            lines.append(line)
    (repository / "feature_store.yaml").write_text("\n".join([*lines, f"online_store: {online_store}", ""]))


MATERIALIZE = """
from datetime import datetime
store.materialize(datetime(2020, 1, 1), datetime(2100, 1, 1), feature_views=['driver_hourly_stats'])
"""


def test_what_salver_writes_is_what_feast_writes(template, empty):
    check(template, "apply")
    check(template, "materialize", *RANGE, "-v", "driver_hourly_stats")
    by_salver = empty.rows()
    assert by_salver
    check(template, "teardown")
    assert not empty.rows()
    feast_command(template, "apply")
    feast(template, MATERIALIZE + "print(json.dumps(0))")
    assert empty.rows() == by_salver


def test_each_reads_what_the_other_materialized(template, empty):
    check(template, "apply")
    check(template, "materialize", *RANGE, "-v", "driver_hourly_stats")
    by_salver = json.loads(check(template, *QUESTION))
    assert by_salver["avg_daily_trips"][0] is not None and by_salver["avg_daily_trips"][2] is None
    assert feast(template, ONLINE) == by_salver

    check(template, "teardown")
    shutil.rmtree(template / "data" / "registry.db", ignore_errors=True)
    feast_command(template, "apply")
    by_feast = feast(template, MATERIALIZE + ONLINE)
    assert by_feast == by_salver
    assert json.loads(check(template, *QUESTION)) == by_feast


def test_feasts_remote_client_reads_from_salvers_server(template, empty, tmp_path):
    check_feasts_remote_client(template, tmp_path / "client")
    assert empty.rows()  # they were on the server


def test_golden_pairs(empty, tmp_path):
    if not can_import(*empty.modules):
        pytest.skip("SALVER_FEAST_PYTHON names no Python with " + ", ".join(empty.modules))
    repository = golden_repository(tmp_path / "repo", empty.online_store())
    empty.take_golden_rows(GOLDEN_ROWS)
    replay_pairs(repository)


DEFINITIONS = '''
from datetime import timedelta
from feast import Entity, FeatureView, Field, FileSource, PushSource
from feast.types import Int64, String
item = Entity(name="item", join_keys=["item_id"])
source = FileSource(name="items", path="data/items.csv", timestamp_field="at")
pushed = PushSource(name="pushed", batch_source=source)
items = FeatureView(name="items", entities=[item], ttl=timedelta(0), source=pushed,
                    schema=[Field(name="count", dtype=Int64), Field(name="word", dtype=String)])
'''


def write_items(folder, online_store, definitions=DEFINITIONS):
    write_repository(folder, {"definitions.py": definitions}, online_store=online_store)
    (folder / "data" / "items.csv").write_text(
        "item_id,at,count,word\n" + "".join(f"{i},2026-01-01T00:00:00Z,{i},w{i}\n" for i in range(200)))
    check(folder, "apply")
    check(folder, "materialize", "2025-01-01T00:00:00", "2027-01-01T00:00:00")
    return folder


@pytest.fixture
def items(empty, tmp_path):
    return write_items(tmp_path, empty.online_store())


def ask(url, path, body):
    """(status, JSON, Retry-After)"""
    call = urllib.request.Request(url + path, data=json.dumps(body).encode(), headers={"content-type": "application/json"})
    try:
        with urllib.request.urlopen(call, timeout=30) as answer:
            return answer.status, json.loads(answer.read() or b"null"), None
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read()), error.headers.get("Retry-After")


READ = {"features": ["items:count", "items:word"], "entities": {"item_id": [7, 100, 999]}}


def read(url):
    status, body, _ = ask(url, "/get-online-features", READ)
    assert status == 200, body
    return [column["values"] for column in body["results"]]


def push(url, rows):
    """(status, JSON, Retry-After) of a push of (item_id, at, count, word)."""
    columns = dict(zip(["item_id", "at", "count", "word"], map(list, zip(*rows))))
    return ask(url, "/push", {"push_source_name": "pushed", "df": columns})


def wait_until(condition, what):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def test_a_store_that_is_down_is_503_with_retry_after_and_comes_back(items, empty, monkeypatch):
    monkeypatch.setenv("SALVER_LOG", "off")  # each refused push is a line, and nobody reads them here
    with serving(items) as url:
        before = read(url)
        assert before == [[7, 100, 999], [7, 100, None], ["w7", "w100", None]]
        seen, stop, wrong, acknowledged = [], threading.Event(), [], {}

        def load():
            while not stop.is_set():
                status, body, retry_after = ask(url, "/get-online-features", READ)
                seen.append(status)
                right = [column["values"] for column in body["results"]] == before if status == 200 else retry_after
                if status not in (200, 503) or not right:
                    wrong.append((status, body, retry_after))

        def write(item):
            for number in range(1_000_000):
                if stop.is_set():
                    return
                status, body, retry_after = push(url, [(item, f"2026-03-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z", number, "n")])
                if status == 200:
                    acknowledged[item] = number
                elif status != 503 or not retry_after:
                    wrong.append((status, body, retry_after))

        threads = [threading.Thread(target=load) for _ in range(4)]
        threads += [threading.Thread(target=write, args=(1000 + number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(3):
                wait_until(lambda: seen[-50:].count(200) == 50, "answers")
                empty.server.stop()
                wait_until(lambda: seen[-20:].count(503) == 20, "503s")
                pushed = push(url, [(1, "2026-02-01T00:00:00Z", 5, "x")])
                assert pushed[0] == 503 and pushed[2], pushed
                empty.server.start()
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert not wrong, wrong[:3]
        wait_until(lambda: ask(url, "/get-online-features", READ)[0] == 200, "an answer after the restart")
        _, body, _ = ask(url, "/get-online-features", {"features": ["items:count"], "entities": {"item_id": sorted(acknowledged)}})
        stored = dict(zip(body["results"][0]["values"], body["results"][1]["values"]))
        assert len(stored) == 2 and all(stored[item] >= number for item, number in acknowledged.items()), (stored, acknowledged)
        status, body, _ = push(url, [(7, "2026-02-01T00:00:00Z", 70, "new")])
        assert status == 200, body
        assert read(url) == [[7, 100, 999], [70, 100, None], ["new", "w100", None]]


def test_a_server_starts_while_its_store_is_down(items, empty):
    empty.server.stop()
    try:
        with serving(items) as url:
            status, body, retry_after = ask(url, "/get-online-features", READ)
            assert status == 503 and retry_after and str(empty.server.port) in json.dumps(body)
            empty.server.start()
            wait_until(lambda: ask(url, "/get-online-features", READ)[0] == 200, "an answer")
    finally:
        if empty.server.process is None:
            empty.server.start()


def test_an_acknowledged_push_outlives_a_kill_of_the_store(items, empty):
    with serving(items) as url:
        for number in range(20):
            status, body, _ = push(url, [(7, "2026-03-01T00:00:00Z", number, f"n{number}")])
            assert status == 200, body
        empty.server.stop()
        empty.server.start()
        wait_until(lambda: ask(url, "/get-online-features", READ)[0] == 200, "an answer")
        assert read(url)[1][0] == 19


def test_faults_name_the_server(items, empty):
    empty.server.stop()
    try:
        code, out, err = run(items, "get-online-features", "-e", "item_id=7", "-f", "items:count")
        assert code == 1 and f"127.0.0.1:{empty.server.port}" in out + err, out + err
    finally:
        empty.server.start()


def test_the_packed_layout_is_materialized_pushed_and_served(empty, tmp_path):
    items = write_items(tmp_path, empty.online_store(", layout: packed"))
    with serving(items) as url:
        assert read(url) == [[7, 100, 999], [7, 100, None], ["w7", "w100", None]]
        assert push(url, [(7, "2026-02-01T00:00:00Z", 70, "new"), (100, "2020-01-01T00:00:00Z", -1, "old")])[0] == 200
        assert read(url) == [[7, 100, 999], [70, 100, None], ["new", "w100", None]]
    # A feature is added: rows that were written without it stay readable.
    (items / "definitions.py").write_text(DEFINITIONS.replace('Field(name="word"', 'Field(name="more", dtype=Int64), Field(name="word"'))
    check(items, "apply")
    got = json.loads(check(items, "--output", "json", "get-online-features", "-e", "item_id=7", "-f", "items:more", "-f", "items:word"))
    assert got["word"] == ["new"] and got["more"] == [None]
    check(items, "teardown")


def test_a_hybrid_store_keeps_each_view_where_its_tag_says(empty, tmp_path):
    conf = re.match(r"{type: (\w+), (.*)}$", empty.online_store()).groups()
    definitions = DEFINITIONS.replace("source=pushed,", f"source=pushed, tags={{'team': '{conf[0]}'}},") + """
local = FeatureView(name="local", entities=[item], ttl=timedelta(0), source=source, tags={"team": "lmdb"},
                    schema=[Field(name="count", dtype=Int64)])
"""
    items = write_items(tmp_path, f"{{type: hybrid, routing_tag: team, online_stores: [{{type: {conf[0]}, conf: {{{conf[1]}}}}}, "
                        "{type: lmdb, conf: {path: data/online.lmdb}}]}", definitions)
    asked = {"features": ["items:count", "local:count"], "entities": {"item_id": [7, 999]}, "full_feature_names": True}
    with serving(items) as url:
        status, body, _ = ask(url, "/get-online-features", asked)
        assert status == 200 and [column["values"] for column in body["results"]] == [[7, 999], [7, None], [7, None]], body
        empty.server.stop()
        assert ask(url, "/get-online-features", asked)[0] == 503
        assert ask(url, "/get-online-features", asked | {"features": ["local:count"]})[0] == 200
        empty.server.start()
        wait_until(lambda: ask(url, "/get-online-features", asked)[0] == 200, "an answer")
    assert (items / "data" / "online.lmdb").exists()
    if can_import(*empty.modules) and empty.name == "redis":
        assert len(empty.rows()) == 200


def kill_under_pushes(items, seed):
    """Pushes from four threads until the serving process is killed; every acknowledged one must be there."""
    chance = random.Random(seed)
    process = start(items, "serve", "--port", "0")
    url = re.search(r"http://[^ ]+", process.stdout.readline()).group(0)
    acknowledged = {}

    def load(thread):
        for number in range(1_000_000):
            item = 1000 + thread * 50 + number % 50
            try:
                if push(url, [(item, "2026-03-01T00:00:00Z", number, f"n{number}")])[0] == 200:
                    acknowledged[item] = number
            except OSError:
                return

    threads = [threading.Thread(target=load, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    wanted = chance.randrange(50, 400)
    try:
        wait_until(lambda: sum(acknowledged.values()) > wanted, "pushes")
    finally:
        process.kill()
        process.wait()
        for thread in threads:
            thread.join()
    with serving(items) as url:
        status, body, _ = ask(url, "/get-online-features", {"features": ["items:count"], "entities": {"item_id": sorted(acknowledged)}})
        assert status == 200, body
        stored = dict(zip(body["results"][0]["values"], body["results"][1]["values"]))
    lost = {item: (number, stored[item]) for item, number in acknowledged.items() if stored[item] is None or stored[item] < number}
    assert not lost, (seed, lost)


@pytest.mark.parametrize("online_store", ["{type: lmdb, path: data/online.lmdb}", "{type: sqlite, path: data/online.db}"], ids=["lmdb", "sqlite"])
def test_acknowledged_pushes_survive_a_killed_server(tmp_path, online_store):
    kill_under_pushes(write_items(tmp_path, online_store), seed=random.randrange(1 << 30))


def test_acknowledged_pushes_survive_a_killed_server_on_a_server(items):
    kill_under_pushes(items, seed=random.randrange(1 << 30))
