"""The tables of the online measurement, and its bars: what was to be reached, what was."""

import statistics
from datetime import date

from common import machine, run, table

TITLES = {
    "feast_sqlite": "Feast, SQLite", "salver_lmdb": "Salver, LMDB", "salver_sqlite": "Salver, SQLite",
    "sqlite": "SQLite's SELECTs alone", "bare": "bare server", "feast_redis": "Feast, Redis",
    "salver_redis": "Salver, Redis", "redis": "Salver's commands to Redis alone",
    "redis_hmget": "Redis's HMGETs alone",
    "bare_at_lmdb": "bare server at the rate of Salver, LMDB", "salver_grpc": "Salver, LMDB, gRPC", "grpc_echo": "gRPC echo",
    "salver_cores": "Salver, LMDB, a loop a core", "bare_cores": "bare server, a thread a core",
}

# Part, case, number of what was measured, the side above and the side below the line, "at least" or "at most", the bar.
BARS = [
    ("throughput", "1x50", "rate", "salver_lmdb", "feast_sqlite", "at least", 300),
    ("throughput", "100x50", "rate", "salver_lmdb", "feast_sqlite", "at least", 150),
    ("throughput", "1x50", "rate", "salver_sqlite", "feast_sqlite", "at least", 100),
    ("throughput", "100x50", "rate", "salver_sqlite", "feast_sqlite", "at least", 40),
    ("throughput", "1x50", "rate", "salver_sqlite", "sqlite", "at least", 0.7),
    ("throughput", "100x50", "rate", "salver_sqlite", "sqlite", "at least", 0.7),
    ("throughput", "1x50", "rate", "salver_redis", "feast_redis", "at least", 50),
    ("throughput", "100x50", "rate", "salver_redis", "feast_redis", "at least", 15),
    ("throughput", "1x50", "rate", "salver_redis", "redis_hmget", "at least", 0.7),
    ("throughput", "100x50", "rate", "salver_redis", "redis_hmget", "at least", 0.7),
    ("throughput", "1x50", "rate", "salver_lmdb", "bare", "at least", 0.5),
    ("cores", "1x50", "rate", "salver_cores", "bare_cores", "at least", 0.5),
    ("grpc", "1x50", "rate", "salver_grpc", "grpc_echo", "at least", 0.6),
    ("grpc", "100x50", "rate", "salver_grpc", "grpc_echo", "at least", 0.6),
    ("latency", "1x50", "p99_ms", "salver_lmdb", "bare", "at most", 2),
    ("latency", "1x50", "p99_ms", "salver_lmdb", "bare_at_lmdb", "at most", 2),
    ("latency", "100x50", "p99_ms", "salver_lmdb", "feast_sqlite", "at most", 1 / 50),
    ("start", "start", "rate", "feast_sqlite", "salver_lmdb", "at least", 50),
]
NUMBERS = {"rate": "requests/s", "p99_ms": "99% latency at half load"}
MEMORY_GROWTH_MAX = 0.02


def ratios(above: list[dict], below: list[dict], number: str) -> list[float]:
    return [one[number] / other[number] for one, other in zip(above, below)]


def with_range(values: list[float]) -> str:
    show = lambda value: f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return f"{show(statistics.median(values))} ({show(min(values))}-{show(max(values))})"


def middle(rounds: list[dict], number: str) -> float:
    return statistics.median(one[number] for one in rounds)


def bar_table(results: dict) -> str:
    lines = []
    for part, case, number, above, below, way, bar in BARS:
        measured = results[part].get(case, {})
        if not measured.get(above) or not measured.get(below):
            continue
        values = ratios(measured[above], measured[below], number)
        value = statistics.median(values)
        met = value >= bar if way == "at least" else value <= bar
        what = "seconds to the first answer, 1,000 views" if part == "start" else f"{case}, {NUMBERS[number]}"
        lines.append([what, f"{TITLES[above]} / {TITLES[below]}", f"{way} {bar:.3g}", with_range(values),
                      "yes" if met else "no"])
    for case, measured in results["memory"].items():
        for one in measured["salver_lmdb"]:
            lines.append([f"{case}, resident memory under full load", f"{TITLES['salver_lmdb']}, highest / lowest",
                          f"at most {1 + MEMORY_GROWTH_MAX}", f"{1 + one['growth']:.3f}",
                          "yes" if one["growth"] <= MEMORY_GROWTH_MAX else "no"])
    return table(["", "ratio", "bar", "measured", "met"], lines) if lines else ""


def throughput_table(results: dict, sides: list[str]) -> str:
    lines = []
    for case, measured in results["throughput"].items():
        for side in sides:
            if not measured.get(side):
                continue
            rounds = measured[side]
            base = "feast_redis" if "redis" in side else "feast_sqlite"
            ratio = "1" if side == base else ""
            if side != base and measured.get(base):
                ratio = with_range(ratios(rounds, measured[base], "rate"))
            latency = [f"{middle(rounds, name):.3f}" if name in rounds[0] else "" for name in ("p50_ms", "p99_ms")]
            lines.append([case, TITLES[side], f"{middle(rounds, 'rate'):,.0f}", *latency,
                          f"{middle(rounds, 'cpu_us'):,.1f}", ratio])
    return table(["entities x features", "", "requests/s", "median ms", "99% ms", "CPU µs a request", "this / Feast"],
                 lines)


def latency_table(results: dict, sides: list[str]) -> str:
    lines = []
    for case, measured in results["latency"].items():
        for side in [*sides, "bare_at_lmdb"]:
            if measured.get(side):
                rounds = measured[side]
                lines.append([case, TITLES[side], f"{middle(rounds, 'rate'):,.1f}",
                              *(f"{middle(rounds, name):.3f}" for name in ("p50_ms", "p99_ms", "p999_ms")),
                              f"{middle(rounds, 'stolen_percent'):.1f}"])
    return table(["entities x features", "", "requests/s", "median ms", "99% ms", "99.9% ms", "% taken by the host"],
                 lines)


def cores_table(results: dict) -> str:
    lines = []
    for case, measured in results["cores"].items():
        for side, rounds in measured.items():
            lines.append([case, TITLES[side], f"{middle(rounds, 'rate'):,.0f}", f"{middle(rounds, 'cpu_us'):,.1f}",
                          with_range(ratios(rounds, measured["bare_cores"], "rate"))])
    return table(["entities x features", "", "requests/s", "CPU µs a request", "this / bare"], lines)


def grpc_table(results: dict) -> str:
    lines = []
    for case, measured in results["grpc"].items():
        for side, rounds in measured.items():
            cpu = statistics.median(one["cpu_s"] / one["requests"] * 1e6 for one in rounds)
            lines.append([case, TITLES[side], f"{middle(rounds, 'rate'):,.0f}", f"{cpu:,.1f}",
                          with_range(ratios(rounds, measured["grpc_echo"], "rate"))])
    return table(["entities x features", "", "calls/s", "CPU µs a call", "this / echo"], lines)


def cost_table(results: dict, sides: list[str]) -> str:
    lines = []
    for case, measured in results["cost"].items():
        for side in sides:
            for one in measured.get(side, []):
                lines.append([case, TITLES[side], *(f"{one[name]:,.2f}" if name in one else ""
                                                    for name in ("syscalls", "allocations"))])
    return table(["entities x features", "", "system calls a request", "allocations a request"], lines)


def memory_sentences(results: dict) -> str:
    return "\n".join(
        f"{TITLES['salver_lmdb']}, {case}, {one['requests']:,} requests in {one['seconds']:.0f} s: "
        f"{one['first_mb']:.1f} MB resident after the first tenth, {one['last_mb']:.1f} MB at the end, between "
        f"{one['low_mb']:.1f} and {one['high_mb']:.1f} MB; of them at most {one['anonymous_mb']:.1f} MB without a file "
        f"behind (the rest is LMDB's map and the program).\n"
        for case, measured in results["memory"].items() for one in measured["salver_lmdb"])


def start_table(results: dict) -> str:
    return table(["", "seconds"], [[TITLES[side], with_range([one["rate"] for one in rounds])]
                                   for side, rounds in results["start"]["start"].items()])


def data_of(results: dict) -> str:
    cases = {case for part in results.values() for case in part if "x" in case}
    kinds = ["25 views of 10 INT64 features, uniform keys"] * any(not case.startswith("mixed") for case in cases)
    kinds += ["`mixed`: 5 views of strings, floats, lists, times and nulls, Zipf keys (1.1), 10 % of them unknown, 10 % of "
              "the entities expired"] * any(case.startswith("mixed") for case in cases)
    return "; ".join(kinds)


def document(bench, day: date, python: str) -> str:
    from measure import syscall_counter

    arguments, results, sides = bench.arguments, bench.results, bench.sides
    feast = run([python, "-c",
                 "import feast, platform; print('Feast', feast.__version__, 'on Python', platform.python_version())"])
    text = f"""# Benchmarks of online reads

Written by `scripts/bench --online` on {day}; every number below comes from that one run.

- Machine: {machine()}
- Beside: {feast.strip()}, installed from packages/pip-feast.txt
- Data: {arguments.entities:,} entities; {data_of(results)}
- HTTP `/get-online-features` on the same machine, one server worker (the bare server: one thread), \
{arguments.connections} connections of one load generator (bench/online/load.cc). Where a server needs one core it has \
all but the last, and the generator has that to itself and never sleeps: a virtual core that sleeps wakes when its host \
pleases, and the server that sends to it pays for the call. Elsewhere (Redis, a loop a core) they share all cores. \
{arguments.seconds:g} s a measurement, longer where a side is slow
- On SQLite and Redis, Salver serves the registry and the store that Feast wrote. The bare server answers every \
request with the bytes of one of Salver's answers. SQLite's SELECTs and Redis's commands alone are C clients without \
HTTP: those of the same requests, answers thrown away; Redis's with {arguments.connections} requests in flight on \
one connection, the commands that Salver sends (HMGET, or HGETALL where that is cheaper) and the same reads as HMGETs. Salver on SQLite has rows that nobody has changed in \
memory (`row_cache_mb`) and asks SQLite each time whether that is so; the SELECTs alone read them each time
- The values of {bench.compared} answers a case were compared between the servers before it was measured; \
expired values, which Feast serves, have to be absent from Salver's
- Rounds: {arguments.rounds}, the sides in turn; medians; ratios are medians of the rounds' ratios, with their range
"""
    if bench.skipped:
        text += "\n" + "\n".join(bench.skipped) + "\n"
    if bars := bar_table(results):
        text += f"\n## Bars\n\n{bars}"
    if results["throughput"]:
        text += "\n## Requests a second\n\nClosed loop. CPU is that of the server, from /proc.\n\n"
        text += throughput_table(results, sides)
    if any(results["latency"].values()):
        text += ("\n## Latency at half load\n\nOpen loop at half of the rate that the same side reached in the same round; "
                 "counted from the moment a request was due. Taken by the host: time, in % of one core's, for which a core of "
                 "this virtual machine had work and did not run (steal of /proc/stat). It comes in milliseconds at a "
                 f"stretch, and whoever is due then waits for it.\n\n{latency_table(results, sides)}")
    if results["cores"]:
        text += ("\n## All cores\n\nAs above, but each server has an event loop on every core, as Salver does without "
                 f"`--workers`; the load generator shares them.\n\n{cores_table(results)}")
    if results["grpc"]:
        text += ("\n## gRPC calls a second\n\nClosed loop of nghttp2's h2load, a call at a time on each of "
                 f"{arguments.connections} connections, the same call all the time. The echo is made with gRPC's own "
                 "library, takes calls as bytes on one thread, and answers with the bytes of Salver's answer. CPU is that "
                 "of the server, with the time in which it warms up.\n\n" + grpc_table(results))
    if results["cost"]:
        text += (f"\n## Cost of a request\n\nSystem calls as {syscall_counter()} counts them; calls of malloc and its kin, "
                 f"in a run of its own with a counter preloaded. Closed loop.\n\n{cost_table(results, sides)}")
    if results["memory"]:
        text += f"\n## Memory under full load\n\n{memory_sentences(results)}"
    if results["start"].get("start"):
        text += ("\n## Start with a registry of 1,000 views\n\nFrom the start of the process to the first answer.\n\n"
                 + start_table(results))
    return text.rstrip() + "\n"
