#!/usr/bin/env python3
"""Measures online reads: Salver beside Feast, beside a server that only answers, and beside the stores' own clients.

  scripts/bench --online                                         everything; writes docs/benchmarks-online.md
  scripts/bench --online --cases 1x50 --sides feast_sqlite,salver_lmdb --parts throughput --rounds 1
                                                                 prints only

The cases: 1x50 10x50 100x50 1x250 10x250 100x250 (entities x INT64 features, uniform keys) and mixed_1x50 mixed_10x50
mixed_100x50. The sides: feast_sqlite, salver_lmdb, salver_sqlite (serves Feast's own registry and file), sqlite (its
SELECTs alone), bare (a server that answers with the same bytes without looking), feast_redis, salver_redis, redis (the
commands that salver_redis sends, alone), redis_hmget (the same reads as HMGETs alone). The parts: throughput, latency, cores (an event loop a core), grpc (beside an echo of gRPC's
own library), cost, memory, start. Sides take turns in every round; all are measured by
the same load generator; their answers are compared first. A whole run takes about an hour.
"""

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections import defaultdict
from contextlib import ExitStack
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
import grpc_side  # noqa: E402
import measure  # noqa: E402
import redis_service  # noqa: E402
import report  # noqa: E402
from common import last_json, run  # noqa: E402
from grids import Case, Grid, ManyViews, Mixed, Plain  # noqa: E402
from measure import BUILD, ask  # noqa: E402
from programs import Feast, Salver, answers_health, free_port, process  # noqa: E402

CASES = [(Plain, 1, 5), (Plain, 10, 5), (Plain, 100, 5), (Plain, 1, 25), (Plain, 10, 25), (Plain, 100, 25),
         (Mixed, 1, 5), (Mixed, 10, 5), (Mixed, 100, 5)]
SERVERS = ["feast_sqlite", "salver_lmdb", "salver_sqlite", "feast_redis", "salver_redis"]
PARTS = ["throughput", "latency", "cores", "grpc", "cost", "memory", "start"]
LATENCY_CASES = ["1x50", "100x50"]
GRPC_CASES = ["1x50", "100x50"]
CORES_CASES = ["1x50"]
MEMORY_CASE = "100x250"  # the largest answers: what grows, grows here first
WARM_SECONDS = 0.5
COMPARED_BODIES = 5


def made_by() -> str:
    """Names the programs that make the data, so that data which others made is not kept."""
    programs = [ROOT / "bench" / name for name in ("make_repo.py", "online/grids.py")]
    return hashlib.sha256(b"".join(program.read_bytes() for program in programs)).hexdigest()


class Bench:
    def __init__(self, arguments: argparse.Namespace, python: str):
        self.arguments, self.python = arguments, python
        self.compared = COMPARED_BODIES
        self.sides, self.skipped = list(arguments.sides), []
        self.results: dict[str, dict] = {part: defaultdict(lambda: defaultdict(list)) for part in PARTS}
        self.sizes: dict[str, int] = {}  # case -> bytes of an answer
        self.warm_seconds = WARM_SECONDS
        self.with_grpc = "grpc" in arguments.parts and "salver_lmdb" in self.sides
        if self.with_grpc and (reason := grpc_side.missing()):
            self.with_grpc = False
            self.skipped.append(reason)
            print(f"== {reason}", flush=True)
        self.redis_port = free_port()
        if any("redis" in side for side in self.sides):
            reason = self.redis_is_missing()
            if reason:
                self.sides = [side for side in self.sides if "redis" not in side]
                self.skipped.append(reason)
                print(f"== {reason}", flush=True)

    def redis_is_missing(self) -> str | None:
        """Why the sides on Redis can not be measured here, or None."""
        probe = self.arguments.folder / "redis_probe"
        probe.mkdir(parents=True, exist_ok=True)
        (probe / "feature_store.yaml").write_text(
            "project: bench\nprovider: local\nregistry: registry.db\n"
            "online_store: {type: redis, connection_string: \"127.0.0.1:1\"}\n")
        said = subprocess.run([Salver.command, "-c", probe, "entities", "list"], capture_output=True, text=True)
        if "\"redis\" is not in this build" in said.stderr:
            return "Redis was not measured: this salver has no online store of type redis."
        if not redis_service.SERVER.exists():
            return "Redis was not measured: there is none here (Debian's redis-tools has it)."
        if not (BUILD / "salver_redis_hmget").exists():
            return "Redis was not measured: salver_redis_hmget was not built; it needs libhiredis-dev."
        if subprocess.run([self.python, "-c", "import redis"], capture_output=True).returncode != 0:
            return "Redis was not measured: Feast's Python has no redis package. Run scripts/bootstrap --feast."
        return None

    # --- data

    def prepare(self, grid: Grid) -> None:
        """The repositories with everything materialized. What Feast wrote takes minutes, and is kept for the next run."""
        stamp = grid.folder / "ready.json"
        wanted = {"entities": grid.entities, "redis": "feast_redis" in self.sides, "made_by": made_by()}
        known = json.loads(stamp.read_text()) if stamp.exists() else {}
        kept = known in (wanted, {**wanted, "redis": True})
        if not kept:
            shutil.rmtree(grid.folder, ignore_errors=True)
            grid.make()
        if wanted["redis"]:
            yaml = grid.folder / "feast_redis/feature_store.yaml"
            lines = yaml.read_text().splitlines()
            yaml.write_text("\n".join(f"online_store: {{type: redis, connection_string: \"127.0.0.1:{self.redis_port}\"}}"
                                      if line.startswith("online_store") else line for line in lines) + "\n")
        if not kept:
            for name in ["feast_sqlite"] + ["feast_redis"] * wanted["redis"]:
                print(f"== Feast materializes {grid.title} for {name}", flush=True)
                with ExitStack() as stack:
                    if name == "feast_redis":
                        stack.enter_context(redis_service.redis(grid.folder, self.redis_port))
                    feast = Feast(name, grid.folder / name, self.python)
                    feast.empty()
                    feast.materialize(*grid.range)
                    if name == "feast_redis":
                        redis_service.save(self.redis_port)
            stamp.write_text(json.dumps(wanted))
        lmdb = Salver("salver_lmdb", grid.folder / "salver_lmdb")
        lmdb.empty()
        lmdb.materialize(*grid.range)

    def program(self, side: str, grid: Grid) -> Feast | Salver:
        if side.startswith("feast"):
            return Feast(side, grid.folder / side, self.python)
        # On SQLite and Redis Salver serves what Feast wrote, registry and all.
        return Salver(side, grid.folder / (side if side == "salver_lmdb" else side.replace("salver", "feast")))

    def serve(self, stack: ExitStack, side: str, grid: Grid, workers: int | None = None, **options) -> tuple[int, int]:
        """Starts a side's server; returns its process and port."""
        port, program = free_port(), self.program(side, grid)
        if workers is not None:
            program.workers = workers
        elif side not in measure.MORE_THAN_A_CORE:
            options["preexec_fn"] = measure.leave_last_core
        log = grid.folder / f"{side}.log"
        return stack.enter_context(process(side, program.serve(port), log, port, answers_health, **options)).pid, port

    def serve_bare(self, stack: ExitStack, case: Case, threads: int = 1, **options) -> tuple[int, int]:
        port = free_port()
        command = [BUILD / "salver_bare_server", port, case.path("answer"), threads]
        log = case.grid.folder / "bare.log"
        if threads == 1:
            options["preexec_fn"] = measure.leave_last_core
        return stack.enter_context(process("bare", command, log, port, answers_health, **options)).pid, port

    # --- answers

    def compare(self, case: Case, servers: dict[str, tuple[int, int]], bodies: list[str]) -> None:
        """Ends the run unless all servers give the same values; keeps one answer for the bare server."""
        for number, body in enumerate(bodies[:COMPARED_BODIES]):
            answers = {side: self.answer(case, side, port, body) for side, (_, port) in servers.items()}
            first = next(iter(answers))
            for side, answer in answers.items():
                for name in answers[first]:
                    if answer.get(name) != answers[first][name]:
                        sys.exit(f"error: {case.name}, request {number}, \"{name}\": {side} answers {answer.get(name)} and "
                                 f"{first} {answers[first][name]}; nothing was measured")
        side = next((side for side in servers if side.startswith("salver")), next(iter(servers)))
        raw = measure.raw_answer(servers[side][1], bodies[0])
        case.path("answer").write_bytes(raw)
        self.sizes[case.name] = min(len(measure.raw_answer(servers[side][1], body)) for body in bodies[:50])

    def answer(self, case: Case, side: str, port: int, body: str) -> dict[str, list]:
        """Values by name. Feast answers with expired values; they have to be absent elsewhere, and are left out here."""
        answer = ask(port, body)
        columns = dict(zip(answer["metadata"]["feature_names"], answer["results"]))
        keys = json.loads(body)["entities"][case.grid.key_name]
        if len(columns) != 1 + 10 * case.views:
            sys.exit(f"error: {case.name}: {side} answered with {len(columns) - 1} features, not {10 * case.views}")
        values, known = {}, case.known()
        for name, column in columns.items():
            row = []
            for key, value, status in zip(keys, column["values"], column["statuses"], strict=True):
                unknown = status == "NOT_FOUND"
                if side == "feast_redis":  # it gives unknown keys another status
                    unknown = value is None and key not in known
                expired = name != case.grid.key_name and not unknown and case.grid.is_expired(key)
                if expired and side.startswith("salver") and (value, status) != (None, "OUTSIDE_MAX_AGE"):
                    sys.exit(f"error: {case.name}: {side} answers {value} with {status} for {key}, which has expired")
                row.append("expired" if expired else (value, unknown))
            values[name] = row
        if case.grid.prefix == "" and any(value is None for row in values.values() for value, _ in row):
            sys.exit(f"error: {case.name}: {side} misses values that were materialized")
        return values

    # --- parts

    def grid(self, cases: list[Case]) -> None:
        grid = cases[0].grid
        self.prepare(grid)
        with ExitStack() as stack:
            if any("redis" in side for side in self.sides):
                stack.enter_context(redis_service.redis(grid.folder, self.redis_port))
            names = [side for side in SERVERS if side in self.sides]
            if not names:
                names = ["salver_lmdb"]  # it gives the bare server its answer
            servers = {side: self.serve(stack, side, grid) for side in names}
            for case in cases:
                bodies = case.write()
                self.compare(case, servers, bodies)
                if {"redis", "redis_hmget"} & set(self.sides):
                    redis_service.capture(self.redis_port, servers["salver_redis"][1], bodies, [b"HMGET", b"HGETALL"],
                                          case.path("redis"))
                    self.capture_hmget(case, bodies)
                with ExitStack() as of_case:
                    sides = dict(servers)
                    if "bare" in self.sides:
                        sides["bare"] = self.serve_bare(of_case, case)
                    self.measure_case(case, {side: sides[side] for side in sides if side in self.sides})
                    if "cores" in self.arguments.parts and case.name in CORES_CASES and {"bare", "salver_lmdb"} <= set(self.sides):
                        self.cores(case)
                    if self.with_grpc and case.name in GRPC_CASES:
                        grpc_side.measure(self, case, bodies[0], *servers["salver_lmdb"])

    def capture_hmget(self, case: Case, bodies: list[str]) -> None:
        """The commands of a server that may not ask for whole hashes."""
        with redis_service.without(self.redis_port, "hgetall"), ExitStack() as stack:
            _, port = self.serve(stack, "salver_redis", case.grid)
            redis_service.capture(self.redis_port, port, bodies, [b"HMGET"], case.path("redis_hmget"))

    def measure_case(self, case: Case, servers: dict[str, tuple[int, int]]) -> None:
        parts = self.arguments.parts
        for number in range(self.arguments.rounds):
            if {"throughput", "latency"} & set(parts):
                for side in self.sides:
                    measured = self.throughput(case, side, servers)
                    self.keep("throughput", case, side, number, measured)
            if "latency" in parts and case.name in LATENCY_CASES:
                half = {side: self.results["throughput"][case.name][side][number]["rate"] / 2 for side in servers}
                for side in servers:
                    self.latency(case, side, number, servers[side][1], half[side])
                if {"bare", "salver_lmdb"} <= set(servers):
                    self.latency(case, "bare_at_lmdb", number, servers["bare"][1], half["salver_lmdb"])
        if "cost" in parts:
            self.cost(case, servers)

    def keep(self, part: str, case: Case, side: str, number: int, measured: dict) -> None:
        self.results[part][case.name][side].append(measured)
        numbers = ", ".join(f"{name} {value:.5g}" for name, value in measured.items())
        print(f"  {part} {case.name} round {number + 1} {side}: {numbers}", flush=True)

    def throughput(self, case: Case, side: str, servers: dict[str, tuple[int, int]]) -> dict:
        seconds = self.arguments.seconds
        if side in servers:
            pid, port = servers[side]
            measure.load(side, port, case.bodies, self.arguments.connections, WARM_SECONDS, 0, self.sizes[case.name])
            return measure.throughput(side, pid, port, case.bodies, self.arguments.connections, seconds,
                                      self.sizes[case.name])
        if side == "sqlite":
            tables = ",".join(f"bench_view_{view:02}" for view in range(case.views))
            measured = last_json(run([BUILD / "salver_sqlite_select", case.grid.folder / "feast_sqlite/online.db", tables,
                                      case.keys, seconds]))
            expected = case.stored_keys(measured["requests"]) * case.views * 10
            if measured["rows"] != expected:
                sys.exit(f"error: {case.name}: SQLite gave {measured['rows']} rows for {measured['requests']} requests, "
                         f"not {expected}")
        else:
            measured = last_json(run([BUILD / "salver_redis_hmget", self.redis_port, case.path(side), seconds,
                                      self.arguments.connections]))
        rate = measured["requests"] / measured["seconds"]
        return {**measured, "rate": rate, "cpu_us": measured["cpu_s"] / measured["requests"] * 1e6}

    def cores(self, case: Case) -> None:
        """Servers that have all cores, as without --workers; the load generator shares them."""
        with ExitStack() as stack:
            servers = {"salver_cores": self.serve(stack, "salver_lmdb", case.grid, workers=os.cpu_count()),
                       "bare_cores": self.serve_bare(stack, case, threads=os.cpu_count())}
            for number in range(self.arguments.rounds):
                for side, (pid, port) in servers.items():
                    load = (port, case.bodies, self.arguments.connections)
                    measure.load(side, *load, WARM_SECONDS, 0, self.sizes[case.name])
                    measured = measure.throughput(side, pid, *load, self.arguments.seconds, self.sizes[case.name])
                    self.keep("cores", case, side, number, measured)

    def latency(self, case: Case, side: str, number: int, port: int, rate: float) -> None:
        measured = measure.open_loop(side, port, case.bodies, self.arguments.connections, self.arguments.seconds, rate,
                                     self.sizes[case.name])
        self.keep("latency", case, side, number, {**measured, "rate": rate})

    def cost(self, case: Case, servers: dict[str, tuple[int, int]]) -> None:
        """System calls of each server; allocations of those that are not Python, each in a server that counts them."""
        counter = measure.syscall_counter()
        for side, (pid, port) in servers.items():
            command = measure.load_command(side, port, case.bodies, self.arguments.connections, 1, 0, self.sizes[case.name])
            measured = {}
            if counter:
                log = case.grid.folder / "syscalls.log"
                measured["syscalls"] = measure.syscalls(counter, pid, log, command)
            if not side.startswith("feast"):
                counts = measure.AllocationCounter(case.grid.folder / "allocations")
                with ExitStack() as stack:
                    options = {"env": counts.environment}
                    _, port = (self.serve_bare(stack, case, **options) if side == "bare"
                               else self.serve(stack, side, case.grid, **options))
                    command = measure.load_command(side, port, case.bodies, self.arguments.connections, 1, 0,
                                                   self.sizes[case.name])
                    run(command)  # what is allocated once, was
                    before = counts.read()
                    requests = last_json(run(command))["requests"]
                    measured["allocations"] = (counts.read() - before) / requests
            self.keep("cost", case, side, 0, measured)

    def memory(self, case: Case) -> None:
        self.prepare(case.grid)
        bodies = case.write()
        seconds = self.arguments.memory_seconds
        with ExitStack() as stack:
            pid, port = self.serve(stack, "salver_lmdb", case.grid)
            size = len(measure.raw_answer(port, bodies[0]))
            command = measure.load_command("salver_lmdb", port, case.bodies, self.arguments.connections, seconds, 0, size)
            samples, measured = measure.memory_under_load(pid, command, warm_seconds=seconds / 10)
        if measured["failed"]:
            sys.exit(f"error: {measured['failed']} requests failed while memory was watched")
        everything, anonymous = ([sample[at] for sample in samples] for at in (0, 1))
        self.keep("memory", case, "salver_lmdb", 0, {
            "seconds": seconds, "requests": measured["requests"], "first_mb": everything[0], "last_mb": everything[-1],
            "low_mb": min(everything), "high_mb": max(everything), "anonymous_mb": max(anonymous),
            "growth": max(everything) / min(everything) - 1})

    def start(self) -> None:
        grid = ManyViews(self.arguments.folder, 100)
        stamp = grid.folder / "ready.json"
        programs = [Feast("feast_sqlite", grid.folder / "feast_sqlite", self.python),
                    Salver("salver_lmdb", grid.folder / "salver_lmdb")]
        programs = [program for program in programs if program.title in self.sides]
        if not stamp.exists() or stamp.read_text() != made_by():
            shutil.rmtree(grid.folder, ignore_errors=True)
            grid.make()
            feast = Feast("feast_sqlite", grid.folder / "feast_sqlite", self.python)
            print(f"== Feast applies {grid.VIEWS} views", flush=True)
            feast.apply()
            run([feast.command, "-c", feast.repository, "materialize", *Plain.range, "--views", "view_0000"])
            stamp.write_text(made_by())
        lmdb = Salver("salver_lmdb", grid.folder / "salver_lmdb")
        lmdb.empty()
        run([lmdb.command, "-c", lmdb.repository, "materialize", *Plain.range, "--views", "view_0000"])
        for number in range(self.arguments.rounds):
            for program in programs:
                port = free_port()
                seconds = measure.seconds_to_first_answer(program.serve(port), port, grid.body, grid.folder / "server.log")
                self.results["start"]["start"][program.title].append({"rate": seconds})
                print(f"  start round {number + 1} {program.title}: {seconds:.4f} s", flush=True)

    def run(self, cases: list[Case]) -> None:
        for kind in (Plain, Mixed):
            of_kind = [case for case in cases if isinstance(case.grid, kind)]
            if of_kind and {"throughput", "latency", "cores", "grpc", "cost"} & set(self.arguments.parts):
                self.grid(of_kind)
        if "memory" in self.arguments.parts and "salver_lmdb" in self.sides:
            self.memory(Case(Plain(self.arguments.folder, self.arguments.entities), 100, 25))
        if "start" in self.arguments.parts:
            self.start()


def choice(text: str, known: list[str], what: str) -> list[str]:
    chosen = text.split(",")
    for one in chosen:
        if one not in known:
            sys.exit(f"error: {what} \"{one}\" is not known. There is: {', '.join(known)}")
    return chosen


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench --online", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    sides = ["feast_sqlite", "salver_lmdb", "salver_sqlite", "sqlite", "bare", "feast_redis", "salver_redis", "redis",
             "redis_hmget"]
    parser.add_argument("--cases", help="of the grid, with commas between them (all)")
    parser.add_argument("--sides", help="with commas between them (all)")
    parser.add_argument("--parts", help="with commas between them (all)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each side has its turn (3)")
    parser.add_argument("--seconds", type=float, default=4, help="of load a measurement (4)")
    parser.add_argument("--connections", type=int, default=16, help="of the load generator (16)")
    parser.add_argument("--entities", type=int, default=10000, help="entities in the data (10000)")
    parser.add_argument("--memory-seconds", type=float, default=60, help="of load while memory is watched (60)")
    parser.add_argument("--output", type=Path, help="where to write (docs/benchmarks-online.md, for everything)")
    parser.add_argument("--folder", type=Path, default=ROOT / "build/bench-online", help="for data and repositories")
    arguments = parser.parse_args()
    python = os.environ.get("SALVER_FEAST_PYTHON", str(ROOT / ".venv-feast/bin/python"))
    if not Path(python).exists():
        sys.exit(f"error: no Feast: {python} does not exist. Run scripts/bootstrap --feast")
    for program in (Salver.command, BUILD / "salver_load"):
        if not program.exists():
            sys.exit(f"error: no program at {program}. Run scripts/build release salver salver_online_bench")
    whole = not (arguments.cases or arguments.sides or arguments.parts) and arguments.entities == 10000
    grids = {kind: kind(arguments.folder, arguments.entities) for kind in (Plain, Mixed)}
    cases = {case.name: case for case in (Case(grids[kind], entities, views) for kind, entities, views in CASES)}
    arguments.sides = choice(arguments.sides, sides, "side") if arguments.sides else sides
    arguments.parts = choice(arguments.parts, PARTS, "part") if arguments.parts else PARTS
    if {"redis", "redis_hmget"} & set(arguments.sides) and "salver_redis" not in arguments.sides:
        sys.exit("error: the side redis repeats what salver_redis sends: name both")
    chosen = choice(arguments.cases, list(cases), "case") if arguments.cases else list(cases)

    bench = Bench(arguments, python)
    bench.run([cases[name] for name in chosen])
    text = report.document(bench, date.today(), python)
    if whole or arguments.output:
        output = arguments.output or ROOT / "docs/benchmarks-online.md"
        output.write_text(text)
        print(f"== written to {output}")
    else:
        print(text)


if __name__ == "__main__":
    main()
