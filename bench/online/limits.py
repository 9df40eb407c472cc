#!/usr/bin/env python3
"""Measures what the server does beyond its load, and what precomputed feature services are worth.

  scripts/bench --limits                     writes docs/benchmarks-limits.md
  scripts/bench --limits --parts overload    prints only

The parts: overload, precomputed. One event loop, `lmdb`, 10,000 entities, 25 views of 10 INT64 features. A whole run takes
about three minutes. Nothing else should be running.
"""

import argparse
import json
import statistics
import sys
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from common import last_json, machine, run, table  # noqa: E402
from measure import BUILD, ask, leave_last_core, load, load_command, throughput  # noqa: E402
from programs import answers_health, free_port, process  # noqa: E402

ENTITIES, VIEWS, FEATURES, BODIES = 10_000, 25, 10, 200
PARTS = ["overload", "precomputed"]


def make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(2026)
    time = pa.array([1_767_225_600_000_000] * ENTITIES, pa.timestamp("us", tz="UTC"))
    yaml = ["entities: [{name: item, join_keys: [item_id], value_type: INT64}]", "sources:"]
    yaml += [f"- {{name: s{v}, path: v{v}.parquet, timestamp_field: event_timestamp}}" for v in range(VIEWS)]
    yaml.append("feature_views:")
    for v in range(VIEWS):
        names = [f"f{v}_{f}" for f in range(FEATURES)]
        columns = {"item_id": pa.array(range(ENTITIES)), "event_timestamp": time}
        columns |= {name: pa.array(random.integers(0, 10**6, ENTITIES)) for name in names}
        pq.write_table(pa.table(columns), folder / f"v{v}.parquet")
        schema = ", ".join(f"{{name: {name}, dtype: Int64}}" for name in names)
        yaml.append(f"- {{name: v{v}, entities: [item], source: s{v}, schema: [{schema}]}}")
    yaml.append("feature_services:")
    for kind, precompute in [("by_view", "false"), ("packed", "true")]:
        yaml += [f"- {{name: {kind}_{count}, precompute_online: {precompute}, "
                 f"features: [{', '.join(f'v{v}' for v in range(count))}]}}" for count in (5, 25)]
    (folder / "definitions.yaml").write_text("\n".join(yaml) + "\n")
    (folder / "feature_store.yaml").write_text(
        "project: limits\nprovider: local\nregistry: registry.db\nonline_store: {type: lmdb, path: online.lmdb}\n"
        "entity_key_serialization_version: 3\n")
    run([BUILD / "salver", "-c", folder, "apply"])
    run([BUILD / "salver", "-c", folder, "materialize", "2025-12-01T00:00:00", "2026-02-01T00:00:00"])


def bodies(folder: Path, service: str, entities: int) -> Path:
    random = np.random.default_rng([entities])
    path = folder / f"{service}_{entities}.bodies"
    path.write_text("".join(
        json.dumps({"feature_service": service,
                    "entities": {"item_id": random.integers(0, ENTITIES, entities).tolist()}}) + "\n"
        for _ in range(BODIES)))
    return path


def serving(folder: Path, port: int, *arguments):
    command = [BUILD / "salver", "-c", folder, "serve", "--port", port, "--workers", 1, *arguments]
    return process("salver", command, folder / "server.log", port, answers_health, preexec_fn=leave_last_core)


def first_of(path: Path) -> str:
    return path.read_text().splitlines()[0]


def overload(folder: Path, seconds: float) -> str:
    asked = bodies(folder, "by_view_5", 100)
    rows = []
    port = free_port()
    with serving(folder, port) as server:
        size = len(json.dumps(ask(port, first_of(asked))))
        # As many connections as the open loop has: what a request costs depends on it.
        most = throughput("salver", server.pid, port, asked, 16, seconds, size)["rate"]
        calm = load("salver", port, asked, 16, seconds, most / 10, size)
    limit_ms = max(1, round(calm["p99_ms"]))
    rows.append(["a tenth", f"{most / 10:,.0f}", "500 ms", f"{most / 10:,.0f}", "0", f"{calm['p50_ms']:.2f}",
                 f"{calm['p99_ms']:.2f}", "1.0"])
    for share, label, queue_ms in [(2, "twice", 60_000), (2, "twice", limit_ms), (5, "five times", limit_ms)]:
        port = free_port()
        with serving(folder, port, "--queue-time-ms", queue_ms):
            warm = load_command("salver", port, asked, 16, 0.5, 0, size)
            run(warm)
            measured = last_json(run(load_command("salver", port, asked, 512, seconds, share * most, size)))
        good = measured["requests"] - measured["failed"]
        rows.append([label, f"{share * most:,.0f}", f"{queue_ms:,} ms", f"{good / measured['seconds']:,.0f}",
                     f"{measured['failed'] / measured['seconds']:,.0f}", f"{measured['good_p50_ms']:.2f}",
                     f"{measured['good_p99_ms']:.2f}", f"{measured['good_p99_ms'] / calm['p99_ms']:.1f}"])
    heading = ["Load, of the most that is answered", "asked a second", "`--queue-time-ms`", "answered a second",
               "refused a second", "50 %, ms", "99 %, ms", "99 % / that of a tenth"]
    return ("## Overload\n\nRequests for 100 entities x 50 features arrive at even distances whatever the server does; "
            "latencies of answered requests count from the moment at which a request was due.\n\n" + table(heading, rows))


def precomputed(folder: Path, seconds: float, rounds: int) -> str:
    rows = []
    port = free_port()
    with serving(folder, port) as server:
        for entities in (1, 100):
            for views in (5, 25):
                rates: dict[str, list[float]] = {"by_view": [], "packed": []}
                asked = {kind: bodies(folder, f"{kind}_{views}", entities) for kind in rates}
                answers = [ask(port, first_of(path)) for path in asked.values()]
                if answers[0] != answers[1]:
                    sys.exit(f"error: the answers differ: {answers}")
                size = len(json.dumps(answers[0]))
                for _ in range(rounds):
                    for kind, path in asked.items():
                        rates[kind].append(throughput(kind, server.pid, port, path, 16, seconds, size)["rate"])
                middle = {kind: statistics.median(values) for kind, values in rates.items()}
                rows.append([f"{entities}", f"{views}", f"{middle['by_view']:,.0f}", f"{middle['packed']:,.0f}",
                             f"{middle['packed'] / middle['by_view']:.2f}"])
    heading = ["Entities", "views of 10 features", "without, requests/s", "with `precompute_online`, requests/s", "ratio"]
    return "## Precomputed feature services\n\nClosed loop, 16 connections, the same answers.\n\n" + table(heading, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=ROOT / "build/bench-limits")
    parser.add_argument("--output", type=Path, default=ROOT / "docs/benchmarks-limits.md")
    arguments = parser.parse_args()
    if not (arguments.folder / "online.lmdb").exists():
        make(arguments.folder)
    parts = arguments.parts.split(",")
    texts = []
    if "overload" in parts:
        texts.append(overload(arguments.folder, arguments.seconds))
    if "precomputed" in parts:
        texts.append(precomputed(arguments.folder, arguments.seconds, arguments.rounds))
    text = "\n".join(texts)
    print(text)
    if parts == PARTS:
        arguments.output.write_text(
            "# Limits of the server, and precomputed services\n\nWritten by `scripts/bench --limits` on "
            f"{date.today()}: {machine()}. One event loop, `lmdb`, {ENTITIES:,} entities, {VIEWS} views of {FEATURES} "
            "INT64 features. The load generator has the other core to itself.\n\n" + text)


if __name__ == "__main__":
    main()
