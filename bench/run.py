#!/usr/bin/env python3
"""Measures Salver beside Feast on the same data in the same run, and writes the table to docs/benchmarks.md.

Sides take turns in every round, so that a machine that is busy for a while slows all of them. A number is the median of
the rounds; a ratio is the median of the rounds' ratios. See --help for what can be chosen.
"""

import argparse
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import make_repo
from common import last_json, machine, ratio_text, run, table, wall_time

ROOT = Path(__file__).resolve().parent.parent
RANGE = ("2026-01-01T00:00:00", "2026-02-01T00:00:00")
ONLINE_CASES = [(1, 5), (10, 5), (100, 5), (100, 25)]  # entities, views of 10 features
WARM_SECONDS = 1
ENOUGH_REQUESTS = 40


class Side:
    """One program with one configuration, on its own repository over the shared data."""

    def __init__(self, name: str, title: str, folder: Path):
        self.name, self.title, self.repository, self.data = name, title, folder / name, folder / "data"

    def empty(self) -> None:
        """Back to a repository of which nothing was materialized."""
        for path in self.repository.iterdir():
            if path.name not in ("definitions.py", "feature_store.yaml"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.apply()


class Feast(Side):
    def __init__(self, name: str, title: str, folder: Path, python: str):
        super().__init__(name, title, folder)
        self.python, self.command = python, Path(python).parent / "feast"

    def apply(self) -> None:
        run([self.command, "-c", self.repository, "apply"])

    def start(self) -> float:
        return wall_time([self.command, "version"])

    def measure(self, *arguments) -> float:
        return last_json(run([self.python, ROOT / "bench/feast_side.py", self.repository, *arguments]))["seconds"]

    def historical(self, service: str) -> float:
        return self.measure("historical", self.data / "labels.parquet", service)

    def materialize(self) -> float:
        return self.measure("materialize", *RANGE)

    def serve(self, port: int) -> list:
        # A worker that restarts itself after 1,000 requests would be measured with its restarts.
        return [self.command, "-c", self.repository, "serve", "--port", port, "--workers", 1, "--no-access-log",
                "--max-requests", 0, "--max-requests-jitter", 0]


class Salver(Side):
    command = ROOT / "build/release/salver"

    def apply(self) -> None:
        run([self.command, "-c", self.repository, "apply"])

    def start(self) -> float:
        return statistics.median(wall_time([self.command, "version"]) for _ in range(20))

    def timed(self, *arguments) -> float:
        return wall_time([self.command, "-c", self.repository, *arguments])

    def historical(self, service: str) -> float:
        output = self.repository / "training.parquet"
        return self.timed("get-historical-features", "-d", self.data / "labels.parquet", "--feature-service", service,
                          "-o", output)

    def materialize(self) -> float:
        return self.timed("materialize", *RANGE)

    def serve(self, port: int) -> list:
        return [self.command, "-c", self.repository, "serve", "--port", port, "--workers", 1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def server(side: Side):
    """The side's server, on a free port of this machine, ready to answer; yields its address."""
    port = free_port()
    log = open(side.repository / "server.log", "w+")
    process = subprocess.Popen([str(part) for part in side.serve(port)], stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            if process.poll() is not None:
                log.seek(0)
                sys.exit(f"error: the server of {side.title} ended before it was ready:\n{log.read()}")
            try:
                urllib.request.urlopen(f"{address}/health", timeout=1)
                break
            except OSError:
                time.sleep(0.1)
        else:
            sys.exit(f"error: the server of {side.title} was not ready within a minute; see {log.name}")
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)
        log.close()


def write_bodies(path: Path, entities: int, views: int, known: int) -> None:
    choose = random.Random(entities * 1000 + views)
    with open(path, "w") as file:
        for _ in range(100):
            ids = [choose.randrange(known) for _ in range(entities)]
            file.write(json.dumps({"feature_service": f"service_{views}", "entities": {"item_id": ids}}) + "\n")


def check_answer(side: Side, address: str, body: str, entities: int, views: int) -> list:
    """The values of one answer, by name, for comparison between the sides; also that nothing is missing."""
    request = urllib.request.Request(f"{address}/get-online-features", body.encode(),
                                     {"Content-Type": "application/json"})
    answer = json.load(urllib.request.urlopen(request, timeout=30))
    names = answer["metadata"]["feature_names"]
    columns = {name: result["values"] for name, result in zip(names, answer["results"])}
    if len(columns) != 1 + 10 * views or any(None in values or len(values) != entities for values in columns.values()):
        sys.exit(f"error: {side.title} did not answer with {10 * views} features of {entities} entities, all present")
    return sorted(columns.items())


def load(address: str, bodies: Path, seconds: int) -> dict:
    environment = dict(os.environ, BENCH_BODIES=str(bodies))
    script = ROOT / "bench/online.lua"
    measured = last_json(run(["wrk", "-t1", "-c4", f"-d{seconds}s", "--timeout", "60s", "-s", script, address],
                             env=environment))
    if measured["failed"]:
        sys.exit(f"error: {measured['failed']} of {measured['requests']} requests to {address} failed")
    return measured


def load_enough(address: str, bodies: Path, seconds: int) -> dict:
    """Load for `seconds`, or for as long as a slow side needs to answer often enough for a median."""
    while True:
        measured = load(address, bodies, seconds)
        if measured["requests"] >= ENOUGH_REQUESTS:
            return measured
        if seconds > 120:
            sys.exit(f"error: {address} answered only {measured['requests']} requests in {seconds} s")
        seconds *= 2


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


def measure_online(sides: list[Side], rounds: int, seconds: int, known: int, folder: Path) -> list[list[str]]:
    rows = []
    for entities, views in ONLINE_CASES:
        bodies = folder / f"bodies_{entities}_{views}"
        write_bodies(bodies, entities, views, known)
        first = bodies.read_text().splitlines()[0]
        results: dict[str, list[dict]] = {side.title: [] for side in sides}
        answers = {}
        for number in range(rounds):
            for side in sides:
                with server(side) as address:
                    answers[side.title] = check_answer(side, address, first, entities, views)
                    load(address, bodies, WARM_SECONDS)
                    results[side.title].append(load_enough(address, bodies, seconds))
                print(f"  {entities} x {10 * views} round {number + 1} {side.title}: {results[side.title][-1]}", flush=True)
        if any(answer != answers[sides[0].title] for answer in answers.values()):
            sys.exit(f"error: the sides do not answer alike for {entities} x {10 * views}; nothing was written")
        base = [1 / (one["requests"] / one["seconds"]) for one in results[sides[0].title]]
        for side in sides:
            mine = results[side.title]
            cost = [1 / (one["requests"] / one["seconds"]) for one in mine]
            middle = lambda name: statistics.median(one[name] for one in mine)
            rows.append([f"{entities} x {10 * views}", side.title, f"{1 / statistics.median(cost):,.0f}",
                         f"{middle('p50_ms'):.2f}", f"{middle('p99_ms'):.2f}",
                         "1" if side is sides[0] else ratio_text(base, cost)])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each side has its turn (default 3)")
    parser.add_argument("--seconds", type=int, default=4, help="of load per online measurement (default 4)")
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
    dask = Feast("feast_dask", "Feast, Dask, SQLite", folder, python)
    duckdb = Feast("feast_duckdb", "Feast, DuckDB, SQLite", folder, python)
    salvers = [] if arguments.feast_only else [
        Salver("salver_lmdb", "Salver, LMDB", folder), Salver("salver_sqlite", "Salver, SQLite", folder)]
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
    print("online reads", flush=True)
    online = measure_online([dask, *salvers], arguments.rounds, arguments.seconds, arguments.entities, folder)

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

HTTP `/get-online-features` on the same machine, one server worker, 4 connections of wrk, {arguments.seconds} s a round \
after {WARM_SECONDS} s to warm up, longer where a side needs it to answer {ENOUGH_REQUESTS} times.
Entities differ from request to request. The answers of the sides were compared and are equal.

{table(["entities x features", "", "requests/s", "median ms", "99% ms", first], online)}"""
    text = text.rstrip() + "\n"
    if arguments.feast_only:
        print(text)
    else:
        arguments.output.write_text(text)
        print(f"written to {arguments.output}")


if __name__ == "__main__":
    main()
