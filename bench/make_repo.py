#!/usr/bin/env python3
"""Writes the data of the benchmark and one repository per side, all on the same Parquet files.

  make_repo.py FOLDER [--entities 10000] [--views 25] [--features 10] [--days 4] [--labels 50000]

  FOLDER/data/view_NN.parquet   each entity once a day at a moment of its own, whole numbers as features
  FOLDER/data/labels.parquet    the entity frame of historical retrieval
  FOLDER/<side>/                feature_store.yaml and definitions.py

The same arguments give the same bytes.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

START = pd.Timestamp("2026-01-01", tz="UTC")
DAY_US = 24 * 3600 * 10**6
TIME = pa.timestamp("us", tz="UTC")

# Side -> what its feature_store.yaml says of the stores.
SIDES = {
    "feast_dask": "online_store: {type: sqlite, path: online.db}\noffline_store: {type: dask}\n",
    "feast_duckdb": "online_store: {type: sqlite, path: online.db}\noffline_store: {type: duckdb}\n",
    "salver_lmdb": "online_store: {type: lmdb, path: online.lmdb}\n",
    "salver_sqlite": "online_store: {type: sqlite, path: online.db}\n",
}

DEFINITIONS = '''from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.types import Int64

item = Entity(name="item", join_keys=["item_id"], value_type=ValueType.INT64)


def view(number):
    return FeatureView(
        name=f"view_{number:02}",
        entities=[item],
        schema=[Field(name=f"f{number:02}_{feature}", dtype=Int64) for feature in range(FEATURES)],
        source=FileSource(
            name=f"source_{number:02}", path=f"DATA/view_{number:02}.parquet", timestamp_field="event_timestamp"
        ),
    )


views = [view(number) for number in range(VIEWS)]
for number, made in enumerate(views):
    globals()[f"view_{number:02}"] = made
# A service per number of views that the benchmark asks for.
service_5 = FeatureService(name="service_5", features=views[:5])
service_25 = FeatureService(name="service_25", features=views[:25])
'''


def view_table(number: int, entities: int, features: int, days: int) -> pa.Table:
    random = np.random.default_rng(number)
    ids = np.tile(np.arange(entities, dtype="int64"), days)
    moments = START.value // 1000 + np.repeat(np.arange(days), entities) * DAY_US + random.integers(0, DAY_US, len(ids))
    order = np.argsort(moments, kind="stable")
    columns = {"item_id": ids[order], "event_timestamp": pa.array(moments[order], TIME)}
    for feature in range(features):
        columns[f"f{number:02}_{feature}"] = random.integers(0, 10**6, len(ids))
    return pa.table(columns)


def label_table(rows: int, entities: int, days: int) -> pa.Table:
    random = np.random.default_rng(2013)
    moments = START.value // 1000 + random.integers(DAY_US, max(days, 2) * DAY_US, rows)
    return pa.table({"item_id": random.integers(0, entities, rows), "event_timestamp": pa.array(moments, TIME)})


def write_repositories(folder: Path, definitions: str, sides: dict[str, str]) -> None:
    for side, stores in sides.items():
        repository = folder / side
        repository.mkdir(parents=True, exist_ok=True)
        (repository / "definitions.py").write_text(definitions)
        (repository / "feature_store.yaml").write_text(
            f"project: bench\nprovider: local\nregistry: registry.db\n{stores}entity_key_serialization_version: 3\n"
        )


def make(folder: Path, entities: int, views: int, features: int, days: int, labels: int, sides: dict = SIDES) -> None:
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    for number in range(views):
        pq.write_table(view_table(number, entities, features, days), data / f"view_{number:02}.parquet")
    pq.write_table(label_table(labels, entities, days), data / "labels.parquet")
    text = DEFINITIONS.replace("DATA/", f"{data.resolve()}/")
    text = text.replace("FEATURES", str(features)).replace("VIEWS", str(views))
    write_repositories(folder, text, sides)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    for name, default in (("entities", 10000), ("views", 25), ("features", 10), ("days", 4), ("labels", 50000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    make(**vars(parser.parse_args()))
