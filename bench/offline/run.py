#!/usr/bin/env python3
"""Measures the point-in-time join beside Polars, DuckDB, pandas and Feast, and writes docs/benchmarks-offline.md.

Each side runs in a process of its own, from Parquet files (warm in the page cache) to an Arrow table in memory. The sides
take turns; a number is the median of the rounds. In the first round the answers are compared, row by row.
"""

import argparse
import os
import shutil
import statistics
import sys
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import growth
import make_data
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import small
from common import last_json, machine, run, table

TITLES = {"salver": "Salver", "polars": "Polars `join_asof`", "duckdb": "DuckDB `ASOF JOIN`", "pandas": "pandas `merge_asof`",
          "feast_duckdb": "Feast, duckdb", "feast_dask": "Feast, dask"}
ALONE = ["growth", "small"]  # parts with a table of their own
PEERS = ["polars", "duckdb", "pandas", "feast_duckdb", "feast_dask"]


def measure(side: str, python: str, folder: Path, case: make_data.Case, scale: float, answer: Path | None) -> dict:
    for path in [folder / "data" / f"labels_{case.name}.parquet", *(folder / "data" / f"{t.name}.parquet" for t in case.tables)]:
        with open(path, "rb") as file:  # into the page cache
            while file.read(1 << 24):
                pass
    command = [python, ROOT / "bench/offline/sides.py", side, folder, case.name, scale, *([answer] if answer else [])]
    return last_json(run(command))


def differences(expected: pa.Table, got: pa.Table) -> list[str]:
    """Columns that differ in any row."""
    if expected.num_rows != got.num_rows:
        return [f"{got.num_rows} rows for {expected.num_rows}"]
    found = []
    for name in expected.column_names:
        one, two = expected[name].combine_chunks(), pc.cast(got[name], expected[name].type).combine_chunks()
        same = pc.or_kleene(pc.equal(one, two), pc.and_(pc.is_null(one), pc.is_null(two)))
        if not pc.all(pc.fill_null(same, False)).as_py():
            found.append(name)
    return found


def measure_case(case: make_data.Case, sides: list[str], pythons: dict, folder: Path, scale: float, rounds: int) -> list[list[str]]:
    results: dict[str, list[dict]] = {side: [] for side in sides}
    answers = folder / "answers"
    answers.mkdir(exist_ok=True)
    for number in range(rounds):
        for side in sides:
            answer = answers / f"{side}.parquet" if number == 0 else None
            results[side].append(measure(side, pythons[side], folder, case, scale, answer))
            print(f"  {case.name} round {number + 1} {side}: {results[side][-1]}", flush=True)
    expected = pq.read_table(answers / f"{sides[0]}.parquet")
    said = {}
    for side in sides[1:]:
        found = differences(expected, pq.read_table(answers / f"{side}.parquet"))
        said[side] = found[0] if found else "equal"
        if found and side != "feast_dask":  # whose engine drops entity rows without a match: that is Feast's answer
            sys.exit(f"error: {side} and {sides[0]} answer differently for {case.name}: {', '.join(found[:5])}; nothing was written")
    shutil.rmtree(answers)
    rows = []
    mine = results[sides[0]]
    for side in sides:
        ratios = [one["seconds"] / two["seconds"] for one, two in zip(results[side], mine)]
        memory = [one["peak_mb"] / two["peak_mb"] for one, two in zip(results[side], mine)]
        middle = lambda name: statistics.median(one[name] for one in results[side])
        rows.append([case.title if side == sides[0] else "", TITLES[side], f"{middle('seconds'):.2f}",
                     f"{statistics.median(ratios):.1f} ({min(ratios):.1f}-{max(ratios):.1f})", f"{middle('peak_mb'):,.0f}",
                     f"{statistics.median(memory):.1f}", said.get(side, "")])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each side has its turn (default 3)")
    parser.add_argument("--scale", type=float, default=1.0, help="of all row counts; small ones try the harness (default 1)")
    parser.add_argument("--cases", default="", help="only these, separated by commas")
    parser.add_argument("--sides", default=",".join(PEERS), help="beside Salver, separated by commas")
    parser.add_argument("--output", type=Path, default=ROOT / "docs/benchmarks-offline.md")
    parser.add_argument("--folder", type=Path, default=ROOT / "build/bench-offline", help="for data and repositories; kept")
    arguments = parser.parse_args()
    peers_python = os.environ.get("SALVER_FEAST_PYTHON", str(ROOT / ".venv-feast/bin/python"))
    sides = ["salver", *filter(None, arguments.sides.split(","))]
    pythons = {side: sys.executable if side == "salver" else peers_python for side in sides}
    folder = arguments.folder / f"scale_{arguments.scale:g}"
    known = [*(case.name for case in make_data.cases(arguments.scale)), *ALONE]
    names = arguments.cases.split(",") if arguments.cases else known
    if unknown := set(names) - set(known):
        parser.error(f"no case {', '.join(sorted(unknown))}: they are {', '.join(known)}")
    chosen = [case for case in make_data.cases(arguments.scale) if case.name in names]
    command = ROOT / "build/release/salver"
    rows = []
    for case in chosen:
        make_data.write_case(folder, case)
        run([command, "-c", folder / f"{case.name}_salver", "apply"])
        for side in sides:
            if side.startswith("feast"):
                run([Path(peers_python).parent / "feast", "-c", folder / f"{case.name}_{side}", "apply"])
        rows += measure_case(case, sides, pythons, folder, arguments.scale, arguments.rounds)
    parts = []
    if "growth" in names:
        parts.append(growth.section(command, sys.executable, ROOT / "bench/offline/sides.py", folder, arguments.scale, arguments.rounds))
    if "small" in names:
        parts.append(small.section(command, {"salver": sys.executable, "feast": peers_python}, folder, arguments.rounds))
    versions = run([peers_python, "-c", "import polars, duckdb, pandas, feast; print(f'Polars {polars.__version__}, DuckDB "
                    "{duckdb.__version__}, pandas {pandas.__version__}, Feast {feast.__version__}')"]).strip()
    text = f"""# The point-in-time join, measured

Written by `scripts/bench --offline` on {date.today()}; every number below comes from that one run.

- Machine: {machine()}
- Beside: {versions}
- Clock: Parquet files, warm in the page cache, to an Arrow table in memory; each side in a process of its own
- Answers: compared with Salver's row by row in the first round
- Rounds: {arguments.rounds}, the sides in turn; medians; ratios with their range

{table(["", "", "seconds", "this / Salver", "peak MB", "this / Salver", "answer"], rows) if rows else ""}
"""
    text += "\n".join(parts)
    if arguments.scale == 1.0 and not arguments.cases:
        arguments.output.write_text(text.rstrip() + "\n")
        print(f"written to {arguments.output}")
    else:
        print(text)


if __name__ == "__main__":
    main()
