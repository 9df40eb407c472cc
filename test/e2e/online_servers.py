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


# Entries of a map have no order in a serialized message, and Feast's differs from run to run.
ORDERED = """
import json, sys
from feast.protos.feast.types.Value_pb2 import Value
def ordered(value):
    message = Value.FromString(value)
    has_map = (message.WhichOneof("val") or "").startswith(("map", "struct"))
    return (message.SerializeToString(deterministic=True) if has_map else value).hex()
"""


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
        return in_feasts_python(ORDERED + """
import redis
client = redis.Redis(port=int(sys.argv[1]))
def text(field, value):
    return value.hex() if len(field) != 4 else ordered(value)
print(json.dumps({key.hex(): {f.hex(): text(f, v) for f, v in sorted(client.hgetall(key).items())} for key in sorted(client.keys("*"))}))
""", self.server.port)

    def take_golden_rows(self, database):
        """Rows of Feast's SQLite file, as Feast keeps them in Redis."""
        in_feasts_python("""
import json, sqlite3, sys, redis
from feast.infra.online_stores.helpers import _mmh3
from google.protobuf.timestamp_pb2 import Timestamp
client, rows = redis.Redis(port=int(sys.argv[1])), sqlite3.connect(sys.argv[2])
for (table,) in rows.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB 'quickstart_*'").fetchall():
    view = table.removeprefix("quickstart_")
    for key, feature, value, event in rows.execute(f"SELECT entity_key, feature_name, value, event_ts FROM {table}"):
        client.hset(key + b"quickstart", mapping={_mmh3(f"{view}:{feature}"): value, f"_ts:{view}": Timestamp(seconds=event).SerializeToString()})
print(json.dumps(client.dbsize()))
""", self.server.port, database)


class Postgres:
    name = "postgres"
    modules = ("feast", "psycopg")
    installed = postgres_server.binaries() is not None

    def __init__(self):
        self.server = postgres_server.PostgresServer()
        # Feast writes times without their zone, and so relies on the server's.
        self.server.psql("ALTER DATABASE postgres SET timezone = 'UTC'; ALTER DATABASE postgres SET datestyle = 'ISO'")

    def online_store(self, more=""):
        one = self.server
        return (f"{{type: postgres, host: {one.host}, port: {one.port}, database: {one.database}, db_schema: online, "
                f"user: {one.user}, password: {one.password}{more}}}")

    def clear(self):
        self.server.psql("SET client_min_messages = error; DROP SCHEMA IF EXISTS online CASCADE")

    def _connection(self):
        one = self.server
        return f"host={one.host} port={one.port} dbname={one.database} user={one.user} password={one.password}"

    def rows(self):
        """Everything that is stored, byte for byte, and how the tables are made."""
        return in_feasts_python(ORDERED + """
import psycopg
def text(at, value):
    return None if value is None else str(value) if not isinstance(value, bytes) else ordered(value) if at == 2 else value.hex()
with psycopg.connect(sys.argv[1]) as connection:
    tables = connection.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'online' ORDER BY 1").fetchall()
    print(json.dumps({table: {
        "rows": [[text(at, v) for at, v in enumerate(row)] for row in connection.execute(f'SELECT * FROM online."{table}" ORDER BY entity_key, feature_name')],
        "columns": connection.execute("SELECT column_name, data_type, is_nullable FROM information_schema.columns WHERE table_schema = 'online' AND table_name = %s ORDER BY ordinal_position", [table]).fetchall(),
        "indexes": connection.execute("SELECT indexdef FROM pg_indexes WHERE schemaname = 'online' AND tablename = %s ORDER BY 1", [table]).fetchall(),
    } for (table,) in tables}))
""", self._connection())

    def take_golden_rows(self, database):
        """Rows of Feast's SQLite file, in tables as Feast makes them."""
        in_feasts_python("""
import json, sqlite3, sys, psycopg
rows = sqlite3.connect(sys.argv[2])
with psycopg.connect(sys.argv[1]) as connection:
    for (table,) in rows.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB 'quickstart_*'").fetchall():
        found = rows.execute(f"SELECT entity_key, feature_name, value, value_text, event_ts, created_ts FROM {table}").fetchall()
        connection.execute("CREATE SCHEMA IF NOT EXISTS online")
        connection.execute(f"CREATE TABLE IF NOT EXISTS online.{table} (entity_key BYTEA, feature_name TEXT, value BYTEA, value_text TEXT NULL, vector_value BYTEA NULL, event_ts TIMESTAMPTZ, created_ts TIMESTAMPTZ, PRIMARY KEY (entity_key, feature_name))")
        connection.cursor().executemany(f"INSERT INTO online.{table} VALUES (%s, %s, %s, %s, NULL, to_timestamp(%s), to_timestamp(%s))", found)
print(json.dumps(0))
""", self._connection(), database)


KINDS = [Redis, Postgres]
