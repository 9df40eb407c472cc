"""The tables of the point-in-time benchmark, and the repositories of Salver and Feast over them.

Feature tables: one row a day and key on average, event times all different (so that no tie decides an answer), ten
FLOAT64 columns. The same arguments give the same bytes.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

START_US = 1_767_225_600_000_000  # 2026-01-01
DAY_US = 86_400_000_000
TIME = pa.timestamp("us", tz="UTC")
COLUMNS = 10


@dataclass(frozen=True)
class Table:
    """rows of `keys` keys, sorted by time or in random order, `columns` feature columns."""
    name: str
    rows: int
    keys: int
    columns: int = COLUMNS
    sorted: bool = True

    @property
    def days(self) -> int:
        return max(2, self.rows // self.keys)

    def column_names(self) -> list[str]:
        return [f"{self.name}_{i}" for i in range(self.columns)]


@dataclass(frozen=True)
class Case:
    """labels rows of label_keys keys, joined with `tables`; a table of more than ten columns has a view for each ten."""
    name: str
    title: str
    tables: tuple[Table, ...]
    labels: int
    label_keys: int

    def views(self) -> list[tuple[Table, list[str]]]:
        return [(table, table.column_names()[at:at + COLUMNS]) for table in self.tables for at in range(0, table.columns, COLUMNS)]


def cases(scale: float) -> list[Case]:
    def n(count: int) -> int:
        return max(100, int(count * scale))

    big = Table("big", n(10_000_000), n(100_000))
    shuffled = Table("shuffled", n(10_000_000), n(100_000), sorted=False)
    small = tuple(Table(f"view{i:02}", n(1_000_000), n(10_000)) for i in range(20))
    wide = Table("wide", n(1_000_000), n(10_000), columns=200)
    return [
        Case("sorted", "10 M rows sorted by time, 1 M labels", (big,), n(1_000_000), big.keys),
        Case("few", "10 M rows sorted by time, 10,000 labels of 1,000 keys", (big,), n(10_000), n(1_000)),
        Case("unsorted", "10 M rows in random order, 1 M labels", (shuffled,), n(1_000_000), shuffled.keys),
        Case("views", "20 views of 10 features, a file of 1 M rows each, 100,000 labels", small, n(100_000), small[0].keys),
        Case("wide", "20 views of 10 features on one file of 1 M rows, 100,000 labels", (wide,), n(100_000), wide.keys),
    ]


def feature_table(table: Table) -> pa.Table:
    random = np.random.default_rng(sum(table.name.encode()))
    span = table.days * DAY_US
    # Different times: a step of their own each, and noise below the step.
    step = span // table.rows
    times = START_US + np.arange(table.rows, dtype="int64") * step + random.integers(0, step, table.rows)
    order = np.arange(table.rows) if table.sorted else random.permutation(table.rows)
    columns = {"key": random.integers(0, table.keys, table.rows), "event_timestamp": pa.array(times[order], TIME)}
    for name in table.column_names():
        columns[name] = random.random(table.rows)
    return pa.table(columns)


def label_table(case: Case) -> pa.Table:
    random = np.random.default_rng(len(case.name) + case.labels)
    days = case.tables[0].days
    times = START_US + random.integers(DAY_US, days * DAY_US, case.labels)
    keys = random.choice(case.tables[0].keys, case.label_keys, replace=False)[random.integers(0, case.label_keys, case.labels)]
    return pa.table({"label_id": np.arange(case.labels), "key": keys, "event_timestamp": pa.array(times, TIME)})


DEFINITIONS = """from datetime import timedelta
from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.types import Float64

item = Entity(name="item", join_keys=["key"], value_type=ValueType.INT64)
sources = {{}}
views = []
for number, (table, path, columns) in enumerate({views!r}):
    if table not in sources:
        sources[table] = FileSource(name=table, path=path, timestamp_field="event_timestamp")
    views.append(FeatureView(name=f"{case}_{{number:02}}", entities=[item], ttl=timedelta(days=1), source=sources[table],
                             schema=[Field(name=name, dtype=Float64) for name in columns]))
    globals()[f"view_{{number:02}}"] = views[-1]
service = FeatureService(name="{case}", features=views)
"""
STORES = {"salver": "offline_store: {type: file}", "feast_dask": "offline_store: {type: dask}",
          "feast_duckdb": "offline_store: {type: duckdb}"}


def write_case(folder: Path, case: Case, sides: list[str] = list(STORES), settings: str = "") -> None:
    """`settings` are lines for feature_store.yaml."""
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    for table in case.tables:
        path = data / f"{table.name}.parquet"
        if not path.exists():
            pq.write_table(feature_table(table), path)
    pq.write_table(label_table(case), data / f"labels_{case.name}.parquet")
    views = [(table.name, str((data / f"{table.name}.parquet").resolve()), columns) for table, columns in case.views()]
    for side in sides:
        repository = folder / f"{case.name}_{side}"
        repository.mkdir(exist_ok=True)
        (repository / "definitions.py").write_text(DEFINITIONS.format(views=views, case=case.name))
        (repository / "feature_store.yaml").write_text(
            f"project: bench\nprovider: local\nregistry: registry.db\n{STORES[side]}\n{settings}"
            "online_store: {type: sqlite, path: online.db}\nentity_key_serialization_version: 3\n")
