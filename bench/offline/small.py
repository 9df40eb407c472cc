"""Small asks in a process that runs already: small.py SIDE FOLDER [ASKS] asks for three features of three labels of the
quickstart's driver table, and prints the median as a line of JSON. SIDE is salver or feast; FOLDER becomes its repository.
"""

import json
import shutil
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEFINITIONS = """from datetime import timedelta
from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.types import Float32, Int64

driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
stats = FileSource(name="stats", path={path!r}, timestamp_field="event_timestamp", created_timestamp_column="created")
driver_stats = FeatureView(name="driver_stats", entities=[driver], ttl=timedelta(days=36500), source=stats, schema=[
    Field(name="conv_rate", dtype=Float32), Field(name="acc_rate", dtype=Float32), Field(name="avg_daily_trips", dtype=Int64)])
"""
FEATURES = [f"driver_stats:{name}" for name in ("conv_rate", "acc_rate", "avg_daily_trips")]


def write_repository(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path = next((ROOT / "test/golden/quickstart/data").glob("driver_stats*.parquet"))
    (folder / "definitions.py").write_text(DEFINITIONS.format(path=str(path)))
    (folder / "feature_store.yaml").write_text("project: small\nprovider: local\nregistry: registry.db\noffline_store: {type: file}\n"
                                               "online_store: {type: sqlite, path: online.db}\nentity_key_serialization_version: 3\n")


def labels():
    import pyarrow.parquet as pq

    path = next((ROOT / "test/golden/quickstart/data").glob("driver_stats*.parquet"))
    rows = pq.ParquetFile(path).read(columns=["driver_id", "event_timestamp"])
    return rows.take([rows.num_rows // 4, rows.num_rows // 2, rows.num_rows - 10])


def main() -> None:
    side, folder = sys.argv[1], Path(sys.argv[2])
    asks = int(sys.argv[3]) if len(sys.argv) > 3 else 200
    if side == "feast":
        from feast import FeatureStore
        entities = labels().to_pandas()
    else:
        from salver import FeatureStore
        entities = labels()
    store = FeatureStore(repo_path=str(folder))

    def ask():
        return store.get_historical_features(entities, FEATURES).to_arrow()

    for _ in range(3):
        answer = ask()
    times = []
    for _ in range(asks):
        start = time.perf_counter()
        ask()
        times.append(time.perf_counter() - start)
    said = sorted(tuple(row[name.split(":")[1]] for name in FEATURES) for row in answer.to_pylist())
    print("\n" + json.dumps({"ms": 1000 * statistics.median(times), "answer": said}))


def section(command: Path, pythons: dict, folder: Path, rounds: int) -> str:
    from common import last_json, ratio_text, run, table

    got = {"salver": [], "feast": []}
    for side in got:
        write_repository(folder / f"small_{side}")
    run([command, "-c", folder / "small_salver", "apply"])
    run([Path(pythons["feast"]).parent / "feast", "-c", folder / "small_feast", "apply"])
    for _ in range(rounds):
        for side, asks in (("salver", 200), ("feast", 20)):
            got[side].append(last_json(run([pythons[side], __file__, side, folder / f"small_{side}", asks])))
        if got["salver"][-1]["answer"] != got["feast"][-1]["answer"]:
            sys.exit(f"error: the small asks are answered differently: {got['salver'][-1]} and {got['feast'][-1]}; nothing was written")
    milliseconds = {side: [one["ms"] for one in results] for side, results in got.items()}
    rows = [[side.capitalize(), f"{statistics.median(times):.2f}", ratio_text(times, milliseconds["salver"])] for side, times in milliseconds.items()]
    return f"""## Small asks

Three features of three labels from the quickstart's driver table, inside a Python process that runs already.

{table(["", "ms an ask", "this / Salver"], rows)}"""


if __name__ == "__main__":
    main()
