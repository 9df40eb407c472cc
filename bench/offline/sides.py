"""One measured join of one side: sides.py SIDE FOLDER CASE SCALE [ANSWER]. Prints a line of JSON.

The clock runs from Parquet files to an Arrow table in memory, the interpreter and its imports are up by then. Peak memory
is that of the whole process. With ANSWER, the table is written there afterwards, rows in the order of the labels.
"""

import json
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import growth
import make_data
from make_data import DAY_US, Case


def paths(folder: Path, case: Case) -> tuple:
    return str(folder / f"data/labels_{case.name}.parquet"), lambda table: str(folder / f"data/{table.name}.parquet")


def polars_side(folder: Path, case: Case):
    import polars as pl

    def join() -> pa.Table:
        labels_path, table_path = paths(folder, case)
        labels = pl.scan_parquet(labels_path).sort("event_timestamp")
        for table, columns in case.views():
            rows = pl.scan_parquet(table_path(table)).select("key", "event_timestamp", *columns)
            rows = rows.set_sorted("event_timestamp") if table.sorted else rows.sort("event_timestamp")
            labels = labels.join_asof(rows, on="event_timestamp", by="key", tolerance="1d", check_sortedness=False)
        return labels.sort("label_id").collect().to_arrow()

    return join


def duckdb_side(folder: Path, case: Case):
    import duckdb

    def join() -> pa.Table:
        labels_path, table_path = paths(folder, case)
        connection = duckdb.connect()
        joins, chosen = "", ""
        for number, (table, columns) in enumerate(case.views()):
            name = f"v{number}"
            joins += (f" ASOF LEFT JOIN (SELECT key, event_timestamp, {', '.join(columns)} FROM '{table_path(table)}') {name}"
                      f" ON l.key = {name}.key AND l.event_timestamp >= {name}.event_timestamp")
            fresh = f"{name}.event_timestamp >= l.event_timestamp - INTERVAL 1 DAY"
            chosen += "".join(f", CASE WHEN {fresh} THEN {name}.{column} END AS {column}" for column in columns)
        query = f"SELECT l.label_id, l.key, l.event_timestamp{chosen} FROM '{labels_path}' l{joins} ORDER BY l.label_id"
        return connection.execute(query).to_arrow_table()

    return join


def pandas_side(folder: Path, case: Case):
    import pandas as pd

    def join() -> pa.Table:
        labels_path, table_path = paths(folder, case)
        labels = pd.read_parquet(labels_path).sort_values("event_timestamp")
        for table, columns in case.views():
            rows = pd.read_parquet(table_path(table), columns=["key", "event_timestamp", *columns])
            if not table.sorted:
                rows = rows.sort_values("event_timestamp")
            labels = pd.merge_asof(labels, rows, on="event_timestamp", by="key", tolerance=pd.Timedelta(days=1))
        return pa.Table.from_pandas(labels.sort_values("label_id"), preserve_index=False)

    return join


def store_side(store, folder: Path, case: Case):
    def join() -> pa.Table:
        labels = pq.ParquetFile(paths(folder, case)[0]).read()  # pq.read_table would import a dataset library first
        if type(store).__module__.startswith("feast"):
            labels = labels.to_pandas()
        return store.get_historical_features(labels, store.get_feature_service(case.name)).to_arrow()

    return join


def salver_side(folder: Path, case: Case):
    from salver import FeatureStore

    return store_side(FeatureStore(repo_path=str(folder / f"{case.name}_salver")), folder, case)


def feast_side(name: str, folder: Path, case: Case):
    from feast import FeatureStore

    store = FeatureStore(repo_path=str(folder / f"{case.name}_{name}"))
    store.list_feature_views()
    return store_side(store, folder, case)


SIDES = {"salver": salver_side, "polars": polars_side, "duckdb": duckdb_side, "pandas": pandas_side,
         "feast_duckdb": lambda *a: feast_side("feast_duckdb", *a), "feast_dask": lambda *a: feast_side("feast_dask", *a)}


def peak_mb() -> float:
    # Not ru_maxrss: a child inherits that from its parent.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def main() -> None:
    side, folder, case_name, scale = sys.argv[1:5]
    known = [*make_data.cases(float(scale)), *(case for _, _, case in growth.growth_cases(float(scale)))]
    case = next(case for case in known if case.name == case_name)
    join = SIDES[side](Path(folder), case)
    begin = time.perf_counter()
    answer = join()
    seconds = time.perf_counter() - begin
    peak = peak_mb()
    if len(sys.argv) > 5:
        names = ["label_id", "key", *(name for _, columns in case.views() for name in columns)]
        pq.write_table(answer.select(names).sort_by("label_id"), sys.argv[5])
    print("\n" + json.dumps({"seconds": seconds, "peak_mb": peak, "rows": answer.num_rows}))


if __name__ == "__main__":
    main()
