"""Online stores that are servers, for tests that run on each: how one is started, named in feature_store.yaml, and read
past Salver."""

import json
import subprocess
import sys

from real_feast import FEAST
from salver_command import ROOT

sys.path[:0] = [str(ROOT / "test" / "postgres"), str(ROOT / "test" / "redis")]
import importlib.util


def load(name):
    spec = importlib.util.spec_from_file_location(f"{name}_server", ROOT / "test" / name / "server.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


redis_server = load("redis")
postgres_server = load("postgres")


def in_feasts_python(program, *arguments):
    """What the program prints as JSON: Feast's Python has the clients of both servers."""
    done = subprocess.run([FEAST, "-c", program, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Redis:
    name = "redis"
    modules = ("feast", "redis", "mmh3")
    installed = redis_server.program() is not None

    def __init__(self):
        self.server = redis_server.RedisServer()

    def online_store(self, more=""):
        return f"{{type: redis, connection_string: '127.0.0.1:{self.server.port}'{more}}}"

    def clear(self):
        redis_server.ask(self.server.port, "FLUSHALL")

    def rows(self):
        """Everything that is stored, byte for byte."""
        return in_feasts_python("""
import json, sys, redis
client = redis.Redis(port=int(sys.argv[1]))
print(json.dumps({key.hex(): {f.hex(): v.hex() for f, v in sorted(client.hgetall(key).items())} for key in sorted(client.keys("*"))}))
""", self.server.port)

    def take_golden_rows(self, database):
        """Rows of Feast's SQLite file, as Feast keeps them in Redis."""
        in_feasts_python("""
import json, sqlite3, sys, redis
from feast.infra.online_stores.helpers import _mmh3
from google.protobuf.timestamp_pb2 import Timestamp
client, rows = redis.Redis(port=int(sys.argv[1])), sqlite3.connect(sys.argv[2])
for (table,) in rows.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'quickstart\\\\_%' ESCAPE '\\\\'").fetchall():
    view = table.removeprefix("quickstart_")
    for key, feature, value, event in rows.execute(f"SELECT entity_key, feature_name, value, event_ts FROM {table}"):
        client.hset(key + b"quickstart", mapping={_mmh3(f"{view}:{feature}"): value, f"_ts:{view}": Timestamp(seconds=event).SerializeToString()})
print(json.dumps(client.dbsize()))
""", self.server.port, database)


KINDS = [Redis]
