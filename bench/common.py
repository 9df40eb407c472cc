"""What the benchmarks share: running a side, ratios, tables, and the machine's name."""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path


def last_json(text: str) -> dict:
    return json.loads(text.strip().splitlines()[-1])


def finished(command: list, **options) -> subprocess.CompletedProcess:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"error: {' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


def run(command: list, **options) -> str:
    return finished(command, **options).stdout


def wall_time(command: list) -> float:
    start = time.perf_counter()
    run(command)
    return time.perf_counter() - start


def ratio_text(base: list[float], other: list[float]) -> str:
    ratios = [one / two for one, two in zip(base, other)]
    return f"{statistics.median(ratios):.1f} ({min(ratios):.1f}-{max(ratios):.1f})"


def table(heading: list[str], rows: list[list[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def machine() -> str:
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    memory = int(open("/proc/meminfo").readline().split()[1]) / 2**20
    name = platform.freedesktop_os_release()["PRETTY_NAME"]
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB of memory, {name}, Linux {platform.release()}"


def resident_mb(pid: int) -> tuple[float, float]:
    """Resident memory, all of it and that which no file stands behind; nothing of a process that has ended."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return tuple(int(lines.get(name, "0").split()[0]) / 1000 for name in ("VmRSS", "RssAnon"))
