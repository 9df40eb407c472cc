#!/usr/bin/env python3
"""Measures aggregates over time windows beside DuckDB and Polars, and writes docs/benchmarks-windows.md.

Sums, counts and maxima of one column over three windows that end at each label's own time. Each side runs in a process
of its own, from Parquet files (warm in the page cache) to an Arrow table in memory; the sides take turns, a number is
the median of the rounds, and in the first round the answers are compared.
"""

import argparse
import json
import os
import statistics
import sys
import time
from datetime import date, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import make_data
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from common import last_json, machine, run, table

WINDOWS = [timedelta(days=1), timedelta(days=7), timedelta(days=30)]
FUNCTIONS = ["sum", "count", "max"]
COLUMN = "big_0"
TITLES = {"salver": "Salver", "duckdb_join": "DuckDB, range join", "duckdb_over": "DuckDB, `OVER (RANGE …)` over events and labels",
          "polars": "Polars, `rolling_…_by` over events and labels"}


def name(function: str, window: timedelta) -> str:
    return f"{function}_{COLUMN}_{int(window.total_seconds())}s"


NAMES = [name(function, window) for window in WINDOWS for function in FUNCTIONS]


def the_case(scale: float) -> make_data.Case:
    big = next(case for case in make_data.cases(scale) if case.name == "sorted").tables[0]
    return make_data.Case("windows", "", (big,), max(100, int(1_000_000 * scale)), big.keys)


def write_repository(folder: Path, events: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "feature_store.yaml").write_text("project: bench\nprovider: local\nregistry: registry.db\noffline_store: {type: file}\n"
                                               "online_store: {type: sqlite, path: online.db}\nentity_key_serialization_version: 3\n")
    aggregations = "".join(f"      - {{column: {COLUMN}, function: {function}, time_window: {window.days}d}}\n"
                           for window in WINDOWS for function in FUNCTIONS)
    (folder / "definitions.yaml").write_text(
        "entities:\n  - {name: item, join_keys: [key], value_type: INT64}\n"
        f"sources:\n  - {{name: events, path: {events.resolve()}, timestamp_field: event_timestamp}}\n"
        f"feature_views:\n  - name: windows\n    entities: [item]\n    source: events\n    aggregations:\n{aggregations}"
        "feature_services:\n  - {name: windows, features: [windows]}\n")


def salver_side(folder: Path, events: str, labels: str) -> pa.Table:
    from salver import FeatureStore

    store = FeatureStore(repo_path=str(folder / "windows_repository"))
    service = store.get_feature_service("windows")
    return lambda: store.get_historical_features(pq.ParquetFile(labels).read(), service).to_arrow()


def duckdb_join_side(folder: Path, events: str, labels: str):
    import duckdb

    def join() -> pa.Table:
        chosen = ", ".join(f"{function}(e.{COLUMN}) FILTER (e.event_timestamp > l.event_timestamp - INTERVAL {window.days} DAY) "
                           f"AS {name(function, window)}" for window in WINDOWS for function in FUNCTIONS)
        return duckdb.connect().execute(
            f"SELECT l.label_id, {chosen} FROM '{labels}' l LEFT JOIN '{events}' e ON e.key = l.key AND e.event_timestamp <= "
            f"l.event_timestamp AND e.event_timestamp > l.event_timestamp - INTERVAL {max(WINDOWS).days} DAY "
            "GROUP BY l.label_id").to_arrow_table()

    return join


def duckdb_over_side(folder: Path, events: str, labels: str):
    import duckdb

    def over() -> pa.Table:
        frames = ", ".join(f"w{window.days} AS (PARTITION BY key ORDER BY event_timestamp RANGE BETWEEN INTERVAL "
                           f"{int(window.total_seconds()) * 1_000_000 - 1} MICROSECONDS PRECEDING AND CURRENT ROW)" for window in WINDOWS)
        chosen = ", ".join(f"{function}({COLUMN}) OVER w{window.days} AS {name(function, window)}"
                           for window in WINDOWS for function in FUNCTIONS)
        return duckdb.connect().execute(
            f"SELECT * EXCLUDE (key, event_timestamp, {COLUMN}) FROM (SELECT *, {chosen} FROM (SELECT NULL AS label_id, key, "
            f"event_timestamp, {COLUMN} FROM '{events}' UNION ALL SELECT label_id, key, event_timestamp, NULL FROM '{labels}') "
            f"WINDOW {frames}) WHERE label_id IS NOT NULL").to_arrow_table()

    return over


def polars_side(folder: Path, events: str, labels: str):
    import polars as pl

    def roll() -> pa.Table:
        rows = pl.concat([pl.scan_parquet(events).select("key", "event_timestamp", COLUMN), pl.scan_parquet(labels)], how="diagonal")
        value = pl.col(COLUMN)
        present = value.is_not_null().cast(pl.Int64)
        one = {"sum": lambda w: value.rolling_sum_by("event_timestamp", w, closed="right"),
               "count": lambda w: present.rolling_sum_by("event_timestamp", w, closed="right"),
               "max": lambda w: value.rolling_max_by("event_timestamp", w, closed="right")}
        chosen = [one[function](f"{window.days}d").over("key").alias(name(function, window))
                  for window in WINDOWS for function in FUNCTIONS]
        rolled = rows.sort("event_timestamp").with_columns(chosen).filter(pl.col("label_id").is_not_null())
        return rolled.select("label_id", *NAMES).collect().to_arrow()

    return roll


SIDES = {"salver": salver_side, "duckdb_join": duckdb_join_side, "duckdb_over": duckdb_over_side, "polars": polars_side}


def one_side(side: str, folder: Path, events: str, labels: str, answer: str) -> None:
    work = SIDES[side](folder, events, labels)
    begin = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - begin
    peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
    if answer:
        pq.write_table(result.select(["label_id", *NAMES]).sort_by("label_id"), answer)
    print("\n" + json.dumps({"seconds": seconds, "peak_mb": peak}))


def differs(expected: pa.Table, got: pa.Table) -> list[str]:
    """Columns with another answer. Sums may differ in how they were rounded; an empty window's is null or, of Polars, 0."""
    found = []
    for column in NAMES:
        one, two = (pc.fill_null(t[column].cast(pa.float64()), 0.0).to_numpy() for t in (expected, got))
        near = abs(one - two) <= 1e-9 * abs(one) + 1e-12 if column.startswith("sum") else one == two
        if len(one) != len(two) or not near.all():
            found.append(column)
    return found


def main() -> None:
    if len(sys.argv) > 1 and sys.argv[1] in SIDES:
        return one_side(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:6])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each side has its turn (default 3)")
    parser.add_argument("--scale", type=float, default=1.0, help="of all row counts; with another one nothing is written (default 1)")
    parser.add_argument("--sides", default=",".join(list(TITLES)[1:]), help="beside Salver, separated by commas")
    parser.add_argument("--salver", default=str(ROOT / "build/release/salver"), help="the command")
    parser.add_argument("--folder", type=Path, default=ROOT / "build/bench-offline", help="for data and repositories; kept")
    arguments = parser.parse_args()
    peers_python = os.environ.get("SALVER_FEAST_PYTHON", str(ROOT / ".venv-feast/bin/python"))
    sides = ["salver", *filter(None, arguments.sides.split(","))]
    folder, case = arguments.folder / f"scale_{arguments.scale:g}", the_case(arguments.scale)
    make_data.write_case(folder, case)
    events, labels = folder / "data/big.parquet", folder / "data/labels_windows.parquet"
    write_repository(folder / "windows_repository", events)
    run([arguments.salver, "-c", folder / "windows_repository", "apply"])
    results: dict[str, list[dict]] = {side: [] for side in sides}
    for number in range(arguments.rounds):
        for side in sides:
            answer = folder / f"windows_{side}.parquet"
            python = sys.executable if side == "salver" else peers_python
            results[side].append(last_json(run([python, __file__, side, folder, events, labels, answer if number == 0 else ""])))
            print(f"  round {number + 1} {side}: {results[side][-1]}", flush=True)
    expected = pq.read_table(folder / "windows_salver.parquet")
    rows = []
    for side in sides:
        found = differs(expected, pq.read_table(folder / f"windows_{side}.parquet"))
        if found:
            sys.exit(f"error: {side} and salver answer differently: {', '.join(found)}; nothing was written")
        ratios = [one["seconds"] / two["seconds"] for one, two in zip(results[side], results["salver"])]
        middle = lambda what: statistics.median(one[what] for one in results[side])
        rows.append([TITLES[side], f"{middle('seconds'):.2f}", f"{statistics.median(ratios):.1f} ({min(ratios):.1f}-{max(ratios):.1f})",
                     f"{middle('peak_mb'):,.0f}"])
    versions = run([peers_python, "-c", "import polars, duckdb; print(f'Polars {polars.__version__}, DuckDB {duckdb.__version__}')"])
    big = case.tables[0]
    text = f"""# Aggregates over time windows, measured

Written by `scripts/bench --windows` on {date.today()}; every number below comes from that one run.

- Machine: {machine()}
- Beside: {versions.strip()}
- {big.rows:,} events of {big.keys:,} keys over {big.days} days, {case.labels:,} labels; sum, count and max of one column over 1, 7 and 30
  days before each label
- Clock: Parquet files, warm in the page cache, to an Arrow table in memory; each side in a process of its own
- Answers: compared with Salver's in the first round; sums to 1e-9 of their size
- Rounds: {arguments.rounds}, the sides in turn; medians; ratios with their range

{table(["", "seconds", "this / Salver", "peak MB"], rows)}"""
    if arguments.scale == 1.0:
        (ROOT / "docs/benchmarks-windows.md").write_text(text.rstrip() + "\n")
    print(text)


if __name__ == "__main__":
    main()
