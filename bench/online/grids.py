"""What is asked of the online stores: the data, one repository a side, and the requests, all of them made from seeds.

  Plain      Feast's own grid: 25 views of 10 INT64 features, whole numbers as keys, each key as likely as another
  Mixed      5 views of strings, floats, lists, times and nulls; text keys of which few are asked for often (Zipf), one
             in ten was never written, and one in ten has a row that is older than the views' time to live
  ManyViews  a registry of 1,000 views over one file, to see how long a start takes
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import make_repo  # noqa: E402

BODIES = 200  # different requests of a case
STORES = {
    "feast_sqlite": "online_store: {type: sqlite, path: online.db}\n",
    "feast_redis": "online_store: {type: redis, connection_string: \"127.0.0.1:REDIS_PORT\"}\n",
    "salver_lmdb": "online_store: {type: lmdb, path: online.lmdb}\n",
}
STRING, INT64 = 2, 4  # feast.types.ValueType


def entity_key(name: str, value: int | str) -> bytes:
    """The bytes by which Feast's layouts know an entity, in version 3 of the encoding."""
    kind, payload = (INT64, struct.pack("<q", value)) if isinstance(value, int) else (STRING, value.encode())
    text = name.encode()
    return struct.pack("<III", 1, STRING, len(text)) + text + struct.pack("<II", kind, len(payload)) + payload


class Grid:
    def __init__(self, folder: Path, entities: int):
        self.folder, self.entities = folder / self.name, entities

    def keys(self, case: "Case") -> list[list]:
        random = np.random.default_rng([case.entities, case.views])
        return [self.choose(random, case.entities) for _ in range(BODIES)]

    def is_expired(self, key) -> bool:
        return False


class Plain(Grid):
    name, prefix, key_name, range = "plain", "", "item_id", ("2026-01-01T00:00:00", "2026-02-01T00:00:00")
    title = "25 views of 10 INT64 features"

    def make(self) -> None:
        make_repo.make(self.folder, self.entities, views=25, features=10, days=1, labels=10, sides=STORES)

    def choose(self, random: np.random.Generator, count: int) -> list[int]:
        return random.integers(0, self.entities, count).tolist()


class Mixed(Grid):
    name, prefix, key_name, range = "mixed", "mixed_", "user", ("2020-01-01T00:00:00", "2026-02-01T00:00:00")
    title = "5 views of strings, floats, lists, times and nulls; Zipf keys, 10 % of them unknown, 10 % expired"
    VIEWS, MISSES, NULLS, ZIPF, TIMES = 5, 0.1, 0.1, 1.1, 7  # TIMES: which column

    DEFINITIONS = '''from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.types import Array, Bool, Float32, Float64, Int64, String, UnixTimestamp

user = Entity(name="user", join_keys=["user"], value_type=ValueType.STRING)
TYPES = [String, String, Float64, Float64, Float32, Int64, Bool, UnixTimestamp, Array(Float32), Array(String)]


def view(number):
    return FeatureView(
        name=f"view_{number:02}",
        entities=[user],
        # Rows of 2026 are served until 2035; those of 2020 have expired.
        ttl=timedelta(days=1500),
        schema=[Field(name=f"f{number:02}_{at}", dtype=dtype) for at, dtype in enumerate(TYPES)],
        source=FileSource(
            name=f"source_{number:02}", path=f"DATA/view_{number:02}.parquet", timestamp_field="event_timestamp"
        ),
    )


views = [view(number) for number in range(VIEWS)]
for number, made in enumerate(views):
    globals()[f"view_{number:02}"] = made
service_5 = FeatureService(name="service_5", features=views[:5])
'''

    def make(self) -> None:
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        for number in range(self.VIEWS):
            pq.write_table(self.view_table(number), data / f"view_{number:02}.parquet")
        text = self.DEFINITIONS.replace("DATA/", f"{data.resolve()}/").replace("range(VIEWS)", f"range({self.VIEWS})")
        make_repo.write_repositories(self.folder, text, STORES)

    def view_table(self, number: int) -> pa.Table:
        random, count = np.random.default_rng([2026, number]), self.entities
        words = np.array([f"word-{at:04} é" for at in range(1000)])
        day = make_repo.START.value // 1000 + random.integers(0, make_repo.DAY_US, count)
        old = np.array([self.is_expired(self.key(at)) for at in range(count)])
        six_years = 2192 * make_repo.DAY_US
        columns = [
            pa.array(random.choice(words, count)),
            pa.array([f"a longer text about user {at}, \"quoted\", number {number}" for at in range(count)]),
            pa.array(random.normal(size=count)),
            pa.array(random.random(count) * 1e9),
            pa.array(random.random(count).astype("float32")),
            pa.array(random.integers(-(10**9), 10**9, count)),
            pa.array(random.random(count) < 0.5),
            pa.array(random.integers(0, 2 * 10**9, count) * 10**6, make_repo.TIME),
            pa.array(list(random.random((count, 8)).astype("float32")), pa.list_(pa.float32())),
            pa.array([list(row) for row in random.choice(words, (count, 3))], pa.list_(pa.string())),
        ]
        table = {"user": pa.array([self.key(at) for at in range(count)]),
                 "event_timestamp": pa.array(day - old * six_years, make_repo.TIME)}
        for at, column in enumerate(columns):
            # No null times: Feast stores one as the smallest whole number, and answers with that.
            present = pa.array(random.random(count) >= (0 if at == self.TIMES else self.NULLS))
            table[f"f{number:02}_{at}"] = compute.if_else(present, column, pa.scalar(None, column.type))
        return pa.table(table)

    @staticmethod
    def key(number: int) -> str:
        return f"user-{number:06}"

    def is_expired(self, key: str) -> bool:
        return int(key[5:]) % 10 == 3

    def choose(self, random: np.random.Generator, count: int) -> list[str]:
        weights = 1 / np.arange(1, self.entities + 1) ** self.ZIPF
        order = np.random.default_rng(7).permutation(self.entities)  # which users are popular
        chosen = order[random.choice(self.entities, count, p=weights / weights.sum())]
        unknown = random.random(count) < self.MISSES
        return [self.key(int(at) + self.entities * int(misses)) for at, misses in zip(chosen, unknown)]


class ManyViews(Grid):
    name, VIEWS = "many", 1000
    body = json.dumps({"features": ["view_0000:f00_0"], "entities": {"item_id": [1]}})

    DEFINITIONS = '''from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.types import Int64

item = Entity(name="item", join_keys=["item_id"], value_type=ValueType.INT64)
source = FileSource(name="source", path="DATA/view_00.parquet", timestamp_field="event_timestamp")
for number in range(VIEWS):
    globals()[f"view_{number:04}"] = FeatureView(
        name=f"view_{number:04}",
        entities=[item],
        schema=[Field(name=f"f00_{feature}", dtype=Int64) for feature in range(10)],
        source=source,
    )
'''

    def make(self) -> None:
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        pq.write_table(make_repo.view_table(0, entities=100, features=10, days=1), data / "view_00.parquet")
        text = self.DEFINITIONS.replace("DATA/", f"{data.resolve()}/").replace("range(VIEWS)", f"range({self.VIEWS})")
        make_repo.write_repositories(self.folder, text, {side: STORES[side] for side in ("feast_sqlite", "salver_lmdb")})


class Case:
    """One shape of request over a grid: so many entities, all features of so many views."""

    def __init__(self, grid: Grid, entities: int, views: int):
        self.grid, self.entities, self.views = grid, entities, views
        self.name = f"{grid.prefix}{entities}x{10 * views}"

    @property
    def bodies(self) -> Path:
        return self.path("bodies")

    @property
    def keys(self) -> Path:
        return self.path("keys")

    def path(self, kind: str) -> Path:
        return self.grid.folder / f"{kind}_{self.entities}_{self.views}"

    def write(self) -> list[str]:
        """Writes the requests as JSON and as encoded keys, a request a line, and returns the bodies."""
        requests = self.grid.keys(self)
        bodies = [json.dumps({"feature_service": f"service_{self.views}", "entities": {self.grid.key_name: keys}})
                  for keys in requests]
        self.bodies.write_text("\n".join(bodies) + "\n")
        lines = [" ".join(entity_key(self.grid.key_name, key).hex() for key in keys) for keys in requests]
        self.keys.write_text("\n".join(lines) + "\n")
        return bodies

    def stored_keys(self, answered: int) -> int:
        """How many of the keys of the first `answered` requests (taken in turn) were ever written."""
        known = self.known()
        counts = [sum(key in known for key in keys) for keys in self.grid.keys(self)]
        return sum(counts) * (answered // len(counts)) + sum(counts[:answered % len(counts)])

    def known(self):
        grid = self.grid
        return range(grid.entities) if isinstance(grid, Plain) else {grid.key(at) for at in range(grid.entities)}
