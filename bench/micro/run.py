#!/usr/bin/env python3
"""Runs the microbenchmarks of the kernels (salver_micro) and writes docs/benchmarks-micro.md.

Each step of a join or of a window runs on one thread. Beside its time stand the bytes that it must read and write at
least once, a second, and what share that is of the machine's memory bandwidth, which a plain sum over 512 MB measures in
the same run; decoding the columns that a step needs is measured as a step of its own. See --help.
"""

import argparse
import json
import statistics
import sys
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
from common import machine, run, table  # noqa: E402

PROGRAM = ROOT / "build/release/bench/salver_micro"
TITLES = {
    "ReadMemory": "limit: reading memory",
    "DecodeColumn": "limit: decoding a column of doubles, 1 M rows, from its file",
    "DecodeKeys": "limit: decoding a column of keys, 1 M rows of 10,000 keys, from its file",
    "FindRows": "rows with keys of the labels, and their numbers, from the file",
    "FindKeys": "keys to numbers of the labels' keys, from an Arrow array",
    "IndexLabels": "100,000 labels by key and time",
    "Join/1/1": "join, rows in the order of time, ttl a day",
    "Join/0/1": "join, rows in the order of time, no ttl",
    "Join/1/0": "join, rows in no order, ttl a day",
    "Join/0/0": "join, rows in no order, no ttl",
    "GatherColumn/2": "gather every second value of a column, from its file",
    "GatherColumn/10": "gather every tenth value",
    "GatherColumn/1000": "gather every thousandth value",
    "MakeKeyRuns": "rows by key and time, for windows",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="repetitions of each step; medians are shown (default 5)")
    parser.add_argument("--output", type=Path, default=ROOT / "docs/benchmarks-micro.md")
    arguments = parser.parse_args()
    if not PROGRAM.exists():
        sys.exit(f"error: no program at {PROGRAM}. Run scripts/build release salver_micro")
    text = run([PROGRAM, "--benchmark_format=json", f"--benchmark_repetitions={arguments.rounds}",
                "--benchmark_enable_random_interleaving=true", "--benchmark_min_time=0.2"])
    times: dict[str, list[dict]] = {}
    for one in json.loads(text)["benchmarks"]:
        if one["run_type"] == "iteration":
            times.setdefault(one["run_name"], []).append(one)
    middle = lambda name, what: statistics.median(one[what] for one in times[name])
    memory = middle("ReadMemory", "touched_bytes")
    order = [name for name in TITLES if name in times] + [name for name in times if name not in TITLES]
    rows = []
    for name in order:
        title = TITLES.get(name) or f"window: {name.removeprefix('Aggregate/')} over 1, 7 and 30 days"
        bandwidth = middle(name, "touched_bytes")
        rows.append([title, f"{middle(name, 'cpu_time'):.2f}", f"{bandwidth / 2**30:.2f}", f"{bandwidth / memory:.0%}"])
    arguments.output.write_text(f"""# Microbenchmarks

Written by `scripts/bench --micro` on {date.today()}; every number below comes from that one run.

- Machine: {machine()}
- One thread; 1 M rows of 10,000 keys over 100 days, 100,000 labels; milliseconds of CPU, medians of {arguments.rounds}
- GiB/s: bytes that the step must read and write at least once, a second; beside it, the share of memory's bandwidth

{table(["step", "ms", "GiB/s", "of memory"], rows)}
A step far below memory's bandwidth either decodes, which the two limits above show, or waits for places in memory that
come in no order: labels of a join, slots of a key.
""")
    print(f"== written to {arguments.output}")


if __name__ == "__main__":
    main()
