#!/usr/bin/env python3
"""Measures pushes: how long until a pushed row can be read, and how many rows a second are taken.

  scripts/bench --push                             lmdb, sqlite and redis; writes docs/benchmarks-push.md, in a minute
  scripts/bench --push --sides lmdb --rounds 1     prints only

  --rounds    how often each store has its turn (3)
  --seconds   of each measurement (4)
  --sides     only these: lmdb, sqlite, redis
  --output    where to write instead of docs/benchmarks-push.md

One client pushes one row, waits for the answer, and reads the row on another connection: the first read must have it.
Then four clients push as fast as they are answered, one row at a time and a hundred. A row has a key, its time and ten
INT64 features; keys are 10,000, each push newer than the last. Clients and server share the machine.
"""

import argparse
import json
import shutil
import socket
import statistics
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "bench/online")]
import redis_service  # noqa: E402
from common import machine, run, table  # noqa: E402
from programs import Salver, answers_health, free_port, process  # noqa: E402

SIDES = {
    "lmdb": "{type: lmdb, path: online.lmdb}",
    "sqlite": "{type: sqlite, path: online.db}",
    "redis": "{{type: redis, connection_string: '127.0.0.1:{port}'}}",
}
KEPT = {"lmdb": "on the disk, synced", "sqlite": "on the disk, synced", "redis": "in Redis's memory (no append-only file)"}
FEATURES = [f"f{number}" for number in range(10)]
DEFINITIONS = f"""
entities:
  - {{name: item, join_keys: [item_id], value_type: INT64}}
sources:
  - {{name: items, path: items.parquet, timestamp_field: at}}
push_sources:
  - {{name: pushed, batch_source: items}}
feature_views:
  - {{name: items, entities: [item], source: pushed, schema: [{", ".join(f"{{name: {name}, dtype: Int64}}" for name in FEATURES)}]}}
"""
KEYS, CLIENTS, BATCH = 10_000, 4, 100
FIRST_SECOND = 1_767_225_600  # 2026-01-01


class Client:
    """One connection, one request at a time."""

    def __init__(self, port: int):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def post(self, path: str, body: str) -> bytes:
        self.socket.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                            f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
        received = b""
        while b"\r\n\r\n" not in received:
            received += self.more()
        head, _, rest = received.partition(b"\r\n\r\n")
        size = int(next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")).split(b":")[1])
        while len(rest) < size:
            rest += self.more()
        if not head.startswith(b"HTTP/1.1 200"):
            sys.exit(f"error: {path}: {received.decode(errors='replace')}")
        return rest

    def more(self) -> bytes:
        received = self.socket.recv(1 << 16)
        if not received:
            sys.exit("error: the server closed a connection")
        return received


def push_body(keys: list[int], number: int) -> str:
    rows = {"item_id": keys, "at": [FIRST_SECOND + number] * len(keys)}
    rows |= {name: [number] * len(keys) for name in FEATURES}
    return json.dumps({"push_source_name": "pushed", "df": rows})


def latencies(port: int, seconds: float) -> dict:
    """Milliseconds from the first byte of a push to its answer, and to the end of a read that shows the row."""
    pusher, reader = Client(port), Client(port)
    answered, readable = [], []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        number = len(answered) + 1
        key = number * 7919 % KEYS
        push = push_body([key], number)
        read = json.dumps({"features": ["items:f9"], "entities": {"item_id": [key]}})
        start = time.perf_counter()
        pusher.post("/push", push)
        answered.append((time.perf_counter() - start) * 1000)
        answer = reader.post("/get-online-features", read)
        readable.append((time.perf_counter() - start) * 1000)
        if json.loads(answer)["results"][1]["values"] != [number]:
            sys.exit(f"error: push {number} of key {key} was acknowledged and is not there: {answer.decode()}")
    percentile = lambda values, share: sorted(values)[min(len(values) - 1, int(len(values) * share))]
    return {"pushes": len(answered), "answer_p50": percentile(answered, 0.5), "answer_p99": percentile(answered, 0.99),
            "readable_p50": percentile(readable, 0.5), "readable_p99": percentile(readable, 0.99)}


def rows_a_second(port: int, seconds: float, rows: int) -> float:
    """Acknowledged rows of CLIENTS clients that push `rows` at a time."""
    counts = [0] * CLIENTS
    bodies = [[push_body([(client * 2500 + number * rows + row) % KEYS for row in range(rows)], 100_000 + number)
               for number in range(50)] for client in range(CLIENTS)]
    start = time.perf_counter()

    def load(client: int) -> None:
        connection = Client(port)
        while time.perf_counter() < start + seconds:
            connection.post("/push", bodies[client][counts[client] % 50])
            counts[client] += 1

    threads = [threading.Thread(target=load, args=(client,)) for client in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) * rows / (time.perf_counter() - start)


def measure(name: str, folder: Path, seconds: float) -> dict:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        store = SIDES[name]
        if name == "redis":
            redis_port = free_port()
            store = store.format(port=redis_port)
            stack.enter_context(redis_service.redis(folder, redis_port))
        (folder / "definitions.yaml").write_text(DEFINITIONS)
        (folder / "feature_store.yaml").write_text(
            f"project: bench\nprovider: local\nregistry: registry.db\nonline_store: {store}\nentity_key_serialization_version: 3\n")
        run([Salver.command, "-c", folder, "apply", "--skip-source-validation"])
        port = free_port()
        command = [Salver.command, "-c", folder, "serve", "--port", port]
        stack.enter_context(process(f"Salver on {name}", command, folder / "serve.log", port, answers_health))
        measured = latencies(port, seconds)
        measured["single_rate"] = rows_a_second(port, seconds, 1)
        measured["batch_rate"] = rows_a_second(port, seconds, BATCH)
    return measured


def report(results: dict[str, list[dict]]) -> str:
    def middle(rounds, number):
        return statistics.median(one[number] for one in rounds)

    rows = [[name, *(f"{middle(rounds, number):.2f}" for number in ("answer_p50", "answer_p99", "readable_p50", "readable_p99")),
             *(f"{middle(rounds, number):,.0f}" for number in ("single_rate", "batch_rate")), KEPT[name]]
            for name, rounds in results.items()]
    return table(["store", "answer p50, ms", "answer p99, ms", "readable p50, ms", "readable p99, ms",
                  "rows/s, one a push", f"rows/s, {BATCH} a push", "when it is answered, a row is"], rows)


def document(results: dict[str, list[dict]], arguments: argparse.Namespace) -> str:
    return f"""# Pushes, measured

`scripts/bench --push` on {date.today()}: {machine()}. Medians of {arguments.rounds} rounds of {arguments.seconds:g} s each.

A client pushes one row, waits for the answer and reads the row on another connection. "Answer" is from sending the push to
its answer, "readable" to the end of the read, which is the first and must show the row: a row is readable before its push
is answered. Rows a second are those of {CLIENTS} clients at once. A row has a key, a time and {len(FEATURES)} INT64 features.
The clients are Python on the same cores, so their own time is in every number.

{report(results)}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--sides", type=lambda text: text.split(","))
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    sides = arguments.sides or list(SIDES)
    if unknown := set(sides) - set(SIDES):
        parser.error(f"no side {sorted(unknown)}: they are {', '.join(SIDES)}")
    if "redis" in sides and not redis_service.SERVER.exists():
        print("== Redis is not measured: there is none here (Debian's redis-tools has it)")
        sides.remove("redis")
    results: dict[str, list[dict]] = {name: [] for name in sides}
    with tempfile.TemporaryDirectory(prefix="salver_push_", dir=ROOT / "build") as folder:
        for number in range(arguments.rounds):
            for name in sides:
                results[name].append(measure(name, Path(folder) / name, arguments.seconds))
                print(f"== round {number + 1}, {name}: {json.dumps(results[name][-1])}", flush=True)
    print(report(results))
    output = arguments.output or (None if arguments.sides else ROOT / "docs/benchmarks-push.md")
    if output:
        output.write_text(document(results, arguments))


if __name__ == "__main__":
    main()
