#!/usr/bin/env python3
"""Measures vector search in lmdb (salver_vector_search) and writes docs/benchmarks-vectors.md.

Beside it, on the same vectors in the same run: hnswlib alone on the very graph that the store made, at the smallest effort
that finds as much as the bar asks, and a loop over all vectors in memory. See --help.
"""

import argparse
import json
import sys
import tempfile
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
from common import machine, run, table  # noqa: E402

PROGRAM = ROOT / "build/release/salver_vector_search"
RECALL = 0.95


def measure(arguments) -> dict:
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as folder:
        return json.loads(run([PROGRAM, Path(folder) / "store", "--vectors", str(arguments.count), "--length",
                               str(arguments.length), "--queries", str(arguments.queries)]))


def library_beside(measured: dict) -> dict:
    """hnswlib where it first finds as much as the bar asks; its best when it never does."""
    enough = [one for one in measured["library"] if one["recall"] >= RECALL]
    return enough[0] if enough else measured["library"][-1]


def rows_of(measured: dict) -> list:
    library = library_beside(measured)
    named = [("`lmdb`, with its index, one thread", measured["salver"]),
             ("`lmdb`, with its index, two threads", measured["salver_two_threads"]),
             ("`lmdb`, while there is no index: every row", measured["without_index"]),
             (f"hnswlib alone, one thread, effort {library['effort']}", library),
             ("a loop over all vectors in memory, one thread", measured["all"])]
    return [[name, f"{one['recall']:.3f}", f"{one['queries_per_second']:,.0f}"] for name, one in named]


def page(measured: dict, note: str) -> str:
    efforts = table(["effort", "recall@10", "queries a second"],
                    [[str(one["effort"]), f"{one['recall']:.3f}", f"{one['queries_per_second']:,.0f}"]
                     for one in measured["library"]])
    return f"""# Vector search

Written by `scripts/bench --vectors` on {date.today()}. {machine()}.{note}

{measured['vectors']:,} vectors of {measured['length']} floats, each drawn from a normal distribution on its own, {measured['queries']:,}
queries drawn likewise, the nearest 10 by l2. Such vectors have no structure that a graph could follow: embeddings of texts or
images need a fraction of the effort. Recall is the share of the true nearest ten, found by a loop over all vectors.

{table(["", "recall@10", "queries a second"], rows_of(measured))}

The bar is a recall of {RECALL}. The store chooses its effort itself: as it grows it is searched for the vectors that come next, and
the smallest effort is taken that finds 97.5 % of their neighbours. Its searches also read each hit's row from LMDB, in one transaction with
the rows that the index has not seen yet. hnswlib on the same graph, 32 links a vector, by effort:

{efforts}

Writing all rows took {measured['write_seconds']:.1f} s, making the index behind them {measured['index_seconds']:.0f} s on one thread.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000, help="vectors (default 100,000)")
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--note", default="", help="a sentence for the page, on the machine's state, say")
    parser.add_argument("--output", type=Path, default=ROOT / "docs/benchmarks-vectors.md")
    arguments = parser.parse_args()
    if not PROGRAM.exists():
        sys.exit(f"error: no program at {PROGRAM}. Run scripts/build release salver_vector_search")
    measured = measure(arguments)
    arguments.output.write_text(page(measured, f" {arguments.note}" if arguments.note else ""))
    print(table(["", "recall@10", "queries a second"], rows_of(measured)))
    if measured["salver"]["recall"] < RECALL:
        sys.exit(f"error: the recall is {measured['salver']['recall']}, below {RECALL}")


if __name__ == "__main__":
    main()
