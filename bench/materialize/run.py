#!/usr/bin/env python3
"""Measures materialization beside what the stores themselves can do and beside Feast; writes docs/benchmarks-materialize.md.

Three sets of rows: `views` (25 views of 10 integer features, 10,000 entities, 4 rows each), `once` (the same, a row each)
and `large` (one view of 10 integer features, every entity once, in random order). Sides take turns in every round; those
of LMDB, which take a fraction of a second, have several. Salver's seconds are those of the whole command, from its start
to its end. A store itself (salver_raw_load) loads the same rows from memory in key order,
synced as often; its clock starts when it is open, and beside it stands what Salver logs of its own operation, from the
registry that is read to the interval that is recorded. A ratio is the median of the rounds' ratios. See --help.
"""

import argparse
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
import make_repo  # noqa: E402
from common import finished, last_json, machine, resident_mb, run, table  # noqa: E402

LMDB_TURNS = 5  # a round
RANGE = ("2026-01-01T00:00:00", "2026-02-01T00:00:00")
COMMAND = ROOT / "build/release/salver"
RAW = ROOT / "build/release/salver_raw_load"


class Rows:
    """A set of rows and the repositories over it."""

    def __init__(self, name: str, title: str, folder: Path, **sizes):
        self.name, self.title, self.folder, self.sizes = name, title, folder / name, sizes
        shutil.rmtree(self.folder, ignore_errors=True)
        make_repo.make(self.folder, labels=10, **sizes)
        self.row_count = sizes["entities"] * sizes["views"]

    def empty(self, side: str, apply: list) -> Path:
        """The side's repository, applied, with nothing materialized."""
        repository = self.folder / side
        for path in repository.iterdir():
            if path.name not in ("definitions.py", "feature_store.yaml"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        run([*apply, "-c", repository, "apply"])
        return repository


def salver(rows: Rows, store: str) -> tuple[float, float]:
    """Seconds of the whole command, and of the operation as it logs it."""
    repository = rows.empty(f"salver_{store}", [COMMAND])
    began = time.perf_counter()
    done = finished([COMMAND, "-c", repository, "materialize", *RANGE],
                    env=os.environ | {"SALVER_LOG": "materialize=info,format=json"})
    seconds = time.perf_counter() - began
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    return seconds, next(line["duration_us"] for line in lines if line.get("operation") == "materialize") / 1e6


def raw(rows: Rows, store: str) -> float:
    """Into a store of its own, the rows that Salver wrote just before."""
    source = rows.folder / f"salver_{store}" / ("online.lmdb" if store == "lmdb" else "online.db")
    measured = last_json(run([RAW, store, source, rows.folder / f"raw_{store}"]))
    expected = rows.row_count * (1 if store == "lmdb" else rows.sizes["features"])
    if measured["rows"] != expected:
        sys.exit(f"error: Salver wrote {measured['rows']} rows into {store}, not {expected}")
    return measured["seconds"]


def feast(rows: Rows, python: str) -> float:
    repository = rows.empty("feast_dask", [Path(python).parent / "feast"])
    return last_json(run([python, ROOT / "bench/feast_side.py", repository, "materialize", *RANGE]))["seconds"]


def content(path: Path) -> list:
    """Everything of a database in Feast's layout but the creation times, which Feast's clock gives."""
    with sqlite3.connect(path) as db:
        names = sorted(name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'"))
        return [(name, db.execute(f"SELECT entity_key, feature_name, value FROM {name} ORDER BY 1, 2").fetchall())
                for name in names]


def online(rows: Rows, store: str) -> str:
    features = [argument for view in range(rows.sizes["views"]) for argument in ("-f", f"view_{view:02}:f{view:02}_0")]
    entities = [argument for item in range(0, rows.sizes["entities"], rows.sizes["entities"] // 7)
                for argument in ("-e", f"item_id={item}")]
    return run([COMMAND, "-c", rows.folder / f"salver_{store}", "--output", "json", "get-online-features", *entities,
                *features])


def compare(rows: Rows, with_feast: bool) -> None:
    if online(rows, "lmdb") != online(rows, "sqlite"):
        sys.exit(f"error: {rows.title}: lmdb and sqlite do not answer alike")
    mine = content(rows.folder / "salver_sqlite/online.db")
    for other in ["raw_sqlite"] + (["feast_dask/online.db"] if with_feast else []):
        if content(rows.folder / other) != mine:
            sys.exit(f"error: {rows.title}: {other} does not hold the rows that Salver wrote")


def measure(rows: Rows, rounds: int, python: str | None) -> list[list[str]]:
    times: dict[str, list[float]] = {}
    operations: dict[str, list[float]] = {}

    def command(title: str, store: str) -> float:
        seconds, operation = salver(rows, store)
        operations.setdefault(title, []).append(operation)
        return seconds

    for number in range(rounds):
        sides = [("Salver into lmdb", lambda: command("Salver into lmdb", "lmdb")),
                 ("LMDB itself", lambda: raw(rows, "lmdb"))] * LMDB_TURNS
        sides += [("Salver into sqlite", lambda: command("Salver into sqlite", "sqlite")),
                  ("SQLite itself", lambda: raw(rows, "sqlite"))]
        if python and number == 0:  # minutes a round
            sides.append(("Feast into SQLite", lambda: feast(rows, python)))
        for title, action in sides:
            times.setdefault(title, []).append(action())
            print(f"  {rows.name} round {number + 1} {title}: {times[title][-1]:.3f} s", flush=True)
    compare(rows, python is not None)

    def ratio(base: str, values: list[float]) -> str:
        if base not in times:
            return ""
        bases = times[base] * len(values) if len(times[base]) == 1 else times[base]
        ratios = [one / other for one, other in zip(bases, values)]
        return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"

    own = {"Salver into lmdb": "LMDB itself", "Salver into sqlite": "SQLite itself"}
    return [[rows.title, title, f"{statistics.median(values):.3f}",
             f"{rows.row_count / statistics.median(values):,.0f}",
             f"{statistics.median(operations[title]):.3f}" if title in own else "",
             ratio(own[title], operations[title]) if title in own else "",
             ratio("Feast into SQLite", values) if title in own else ""] for title, values in times.items()]


def memory(rows: Rows, limit: str) -> str:
    """Peak resident memory of a materialization under a limit."""
    repository = rows.empty("salver_lmdb", [COMMAND])
    yaml = repository / "feature_store.yaml"
    before = yaml.read_text()
    yaml.write_text(before + f"memory_limit: {limit}\n")
    began = time.perf_counter()
    try:
        own, resident = watch_memory([COMMAND, "-c", repository, "materialize", *RANGE])
    finally:
        yaml.write_text(before)
    seconds = time.perf_counter() - began
    return (f"{rows.row_count:,} rows with `memory_limit: {limit}`: {seconds:.1f} s, {rows.row_count / seconds:,.0f} rows/s; "
            f"at most {own:.0f} MB of the process's own, {resident:.0f} MB with the pages of mapped files (LMDB's data, "
            "programs) that are in memory and may be dropped at any time")


def watch_memory(command: list) -> tuple[float, float]:
    """The most memory a command has at one time, looked at every 10 ms, in MB: its own, and all that is resident."""
    process = subprocess.Popen([str(argument) for argument in command], stdout=subprocess.DEVNULL)
    samples = [(0.0, 0.0)]
    while process.poll() is None:
        samples.append(resident_mb(process.pid))
        time.sleep(0.01)
    if process.returncode != 0:
        sys.exit(f"error: {' '.join(map(str, command))} ended with {process.returncode}")
    return max(own for _, own in samples), max(resident for resident, _ in samples)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each side has its turn (default 3)")
    parser.add_argument("--scale", type=float, default=1, help="of all row counts (1); with another one, print only")
    parser.add_argument("--cases", default="views,once,large,memory", help="of views, once, large, memory")
    parser.add_argument("--without-feast", action="store_true", help="leave Feast out, which takes a minute; print only")
    parser.add_argument("--output", type=Path, default=ROOT / "docs/benchmarks-materialize.md")
    parser.add_argument("--folder", type=Path, default=ROOT / "build/bench-materialize", help="for data and repositories")
    arguments = parser.parse_args()
    python = os.environ.get("SALVER_FEAST_PYTHON", str(ROOT / ".venv-feast/bin/python"))
    if not arguments.without_feast and not Path(python).exists():
        sys.exit(f"error: no Feast: {python} does not exist. Run scripts/bootstrap --feast")
    for program in (COMMAND, RAW):
        if not program.exists():
            sys.exit(f"error: no program at {program}. Run scripts/build release salver salver_raw_load")
    cases = arguments.cases.split(",")
    entities = lambda count: max(100, int(count * arguments.scale))
    lines, sentences = [], []
    if "views" in cases:
        rows = Rows("views", "25 views x 10,000, 4 read for each", arguments.folder, entities=entities(10_000), views=25,
                    features=10, days=4)
        lines += measure(rows, arguments.rounds, None if arguments.without_feast else python)
    if "once" in cases:
        rows = Rows("once", "25 views x 10,000", arguments.folder, entities=entities(10_000), views=25, features=10, days=1)
        lines += measure(rows, arguments.rounds, None)
    if "large" in cases:
        rows = Rows("large", "1 view x 1,000,000", arguments.folder, entities=entities(1_000_000), views=1, features=10, days=1)
        lines += measure(rows, arguments.rounds, None)
        shutil.rmtree(rows.folder)
    if "memory" in cases:
        rows = Rows("memory", "", arguments.folder, entities=entities(20_000_000), views=1, features=10, days=1)
        sentences.append(memory(rows, "512MB"))
        shutil.rmtree(rows.folder)
    text = f"""# Benchmarks of materialization

Written by `scripts/bench --materialize` on {date.today()}; every number below comes from that one run.

- Machine: {machine()}
- Rounds: {arguments.rounds}, the sides in turn, those of LMDB {LMDB_TURNS} times a round; medians; ratios are medians of the rounds' ratios, with their range
- Salver's seconds and rows are those of the whole command: its start, Parquet, keys, rows, the store, the registry; \
"operation" is what it logs of it, without the start and the end of a process
- A store itself loads the same rows from memory in key order: LMDB with MDB_APPEND, SQLite with a prepared INSERT, both \
into the same tables, with the same sync settings (every commit is synced; SQLite: WAL, synchronous FULL), committing as often; \
their clock starts when the store is open, so the operation is what they stand beside
- Feast's clock starts when it is imported and its registry read; measured once

{table(["rows", "", "seconds", "rows/s", "operation", "store itself / operation", "Feast / this"], lines)}
{chr(10).join(sentences)}

What is compared: every value in SQLite between Salver, SQLite itself and Feast; a sample of answers between lmdb and
sqlite.
"""
    if arguments.scale != 1 or arguments.without_feast or set(cases) != {"views", "once", "large", "memory"}:
        print(text)
    else:
        arguments.output.write_text(text)
        print(f"== written to {arguments.output}")


if __name__ == "__main__":
    main()
