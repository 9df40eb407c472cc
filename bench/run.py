#!/usr/bin/env python3
"""Measures Salver beside Feast on the same data in the same run, and writes the table to docs/benchmarks.md.

Sides take turns in every round, so that a machine that is busy for a while slows all of them. A number is the median of
the rounds; a ratio is the median of the rounds' ratios. See --help for what can be chosen.
"""

import argparse
import os
import shutil
import statistics
import sys
from datetime import date
from pathlib import Path

import make_repo
from common import machine, ratio_text, run, table
from programs import Feast, Salver, Side

ROOT = Path(__file__).resolve().parent.parent


def measure_batch(sides: list[Side], rounds: int, action) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {side.title: [] for side in sides}
    for number in range(rounds):
        for side in sides:
            times[side.title].append(action(side))
            print(f"  round {number + 1} {side.title}: {times[side.title][-1]:.3g} s", flush=True)
    return times


def batch_rows(times: dict[str, list[float]], base: str) -> list[list[str]]:
    return [[title, f"{statistics.median(values):.3g}", "1" if title == base else ratio_text(times[base], values)]
            for title, values in times.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each side has its turn (default 3)")
    parser.add_argument("--entities", type=int, default=10000, help="entities in the data (default 10000)")
    parser.add_argument("--feast-only", action="store_true", help="measure Feast alone, to try the harness; writes nothing")
    parser.add_argument("--output", type=Path, default=ROOT / "docs/benchmarks.md")
    parser.add_argument("--folder", type=Path, default=ROOT / "build/bench", help="for data and repositories")
    arguments = parser.parse_args()
    python = os.environ.get("SALVER_FEAST_PYTHON", str(ROOT / ".venv-feast/bin/python"))
    if not Path(python).exists():
        sys.exit(f"error: no Feast: {python} does not exist. Run scripts/bootstrap --feast")
    if not arguments.feast_only and not Salver.command.exists():
        sys.exit(f"error: no command at {Salver.command}. Run scripts/build release")

    folder = arguments.folder
    shutil.rmtree(folder, ignore_errors=True)
    make_repo.make(folder, arguments.entities, views=25, features=10, days=4, labels=50000)
    dask = Feast("Feast, Dask, SQLite", folder / "feast_dask", python)
    duckdb = Feast("Feast, DuckDB, SQLite", folder / "feast_duckdb", python)
    salvers = [] if arguments.feast_only else [
        Salver("Salver, LMDB", folder / "salver_lmdb"), Salver("Salver, SQLite", folder / "salver_sqlite")]
    for side in [dask, duckdb, *salvers]:
        side.empty()

    print("start of the command", flush=True)
    started = measure_batch([dask, *salvers[:1]], arguments.rounds, lambda side: side.start())
    print("historical retrieval", flush=True)
    historical = measure_batch([duckdb, dask, *salvers[:1]], arguments.rounds, lambda side: side.historical("service_5"))
    print("materialization", flush=True)

    def materialize_anew(side: Side) -> float:
        side.empty()
        return side.materialize()

    written = measure_batch([dask, duckdb, *salvers], arguments.rounds, materialize_anew)

    first = "Feast's time / this"
    text = f"""# Benchmarks

Written by `scripts/bench` on {date.today()}; every number below comes from that one run.

- Machine: {machine()}
- Beside: {run([python, '-c', 'import feast; print("Feast", feast.__version__)']).strip()} on Python \
{run([python, '-c', 'import platform; print(platform.python_version())']).strip()}, installed from packages/pip-feast.txt
- Data: 25 feature views of 10 INT64 features each, {arguments.entities:,} entities, 4 rows per entity and view, Parquet
- Rounds: {arguments.rounds}, the sides in turn; medians; ratios are medians of the rounds' ratios, with their range

## Start of the command

`feast version` and `salver version`, the whole process.

{table(["", "seconds", first], batch_rows(started, dask.title))}
## Historical retrieval

50,000 entity rows, 50 features from 5 views. Feast's clock starts when it is imported and its registry read, and stops
with the Arrow table; Salver's time is that of the whole command, start to written Parquet file.

{table(["", "seconds", "Feast with DuckDB / this"], batch_rows(historical, duckdb.title))}
## Materialization

All 25 views into an empty online store: {arguments.entities * 25:,} rows of 10 features. Clocks as above.

{table(["", "seconds", "Feast with DuckDB / this"], batch_rows(written, duckdb.title))}
## Online reads

Measured by `scripts/bench --online`, in a table of their own: [benchmarks-online.md](benchmarks-online.md).
"""
    text = text.rstrip() + "\n"
    if arguments.feast_only:
        print(text)
    else:
        arguments.output.write_text(text)
        print(f"written to {arguments.output}")


if __name__ == "__main__":
    main()
