"""How one server is measured: requests a second, latencies, processor time, system calls, allocations, memory, start."""

import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from common import last_json, resident_mb, run

BUILD = Path(__file__).resolve().parents[2] / "build/release"
ENOUGH_REQUESTS = 40
ENOUGH_LATENCIES = 200
ANSWER_SHARE_MIN = 0.5  # of the size of the answer that was compared; shorter ones count as failed
# Sides that need more than one core of two: beside them the load generator leaves its own where it has nothing to do.
MORE_THAN_A_CORE = {"feast_redis", "salver_redis", "salver_cores", "bare_cores"}
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def ask(port: int, body: str) -> dict:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/get-online-features", body.encode(),
                                     {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request, timeout=60))


def raw_answer(port: int, body: str) -> bytes:
    """A whole answer, head and body, as it came."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(f"POST /get-online-features HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                           f"Content-Length: {len(body.encode())}\r\n\r\n{body}".encode())
        received = b""
        while True:
            head, end, rest = received.partition(b"\r\n\r\n")
            if end:
                size = next(int(line.split(b":")[1]) for line in head.split(b"\r\n")
                            if line.lower().startswith(b"content-length:"))
                if len(rest) >= size:
                    return received
            received += connection.recv(1 << 16)


def load_command(what: str, port: int, bodies: Path, connections: int, seconds: float, rate: float,
                 answer_bytes: int) -> list:
    return [BUILD / "salver_load", port, bodies, connections, seconds, rate, int(answer_bytes * ANSWER_SHARE_MIN),
            int(what in MORE_THAN_A_CORE)]


def leave_last_core() -> None:
    """For a server about to start: the last core is the load generator's."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:-1] or cores)


def load(what: str, *arguments) -> dict:
    measured = last_json(run(load_command(what, *arguments)))
    if measured["failed"]:
        sys.exit(f"error: {what}: {measured['failed']} of {measured['requests']} requests failed")
    return measured


def processes(root: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # ended meanwhile
        children.setdefault(parent, []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def cpu_seconds(root: int) -> float:
    """Processor time that a server has used, in the kernel and outside."""
    ticks = 0
    for pid in processes(root):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks * TICK_S


def stolen_seconds() -> float:
    """Time for which this machine's processors had work, and the host ran something else on them."""
    return int(Path("/proc/stat").read_text().split("\n", 1)[0].split()[8]) * TICK_S


def throughput(what: str, pid: int, port: int, bodies: Path, connections: int, seconds: float,
               answer_bytes: int) -> dict:
    """Closed loop for `seconds`, or for as long as a slow side needs to answer often enough for a median."""
    while True:
        before = cpu_seconds(pid)
        measured = load(what, port, bodies, connections, seconds, 0, answer_bytes)
        if measured["requests"] >= ENOUGH_REQUESTS:
            measured["rate"] = measured["requests"] / measured["seconds"]
            measured["cpu_us"] = (cpu_seconds(pid) - before) / measured["requests"] * 1e6
            return measured
        if seconds > 120:
            sys.exit(f"error: {what} answered only {measured['requests']} requests in {seconds} s")
        seconds *= 2


def open_loop(what: str, port: int, bodies: Path, connections: int, seconds: float, rate: float,
              answer_bytes: int) -> dict:
    seconds = min(max(seconds, ENOUGH_LATENCIES / rate), 120)
    stolen = stolen_seconds()
    measured = load(what, port, bodies, connections, seconds, rate, answer_bytes)
    return {**measured, "stolen_percent": (stolen_seconds() - stolen) / measured["seconds"] * 100}


def syscall_counter() -> str | None:
    """"perf" where the kernel lets it count system calls, else "strace" if there is one, else None."""
    probe = ["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "true"]
    if shutil.which("perf") and subprocess.run(probe, capture_output=True).returncode == 0:
        return "perf"
    return "strace" if shutil.which("strace") else None


def syscalls(counter: str, pid: int, log: Path, command: list) -> float:
    """System calls of a server for each request of the load."""
    pids = ",".join(map(str, processes(pid)))
    if counter == "perf":
        watched = ["perf", "stat", "-x,", "-o", log, "-e", "raw_syscalls:sys_enter", "-p", pids, "--"]
        measured = last_json(run([*watched, *command]))
        counts = [line.split(",")[0] for line in log.read_text().splitlines() if "raw_syscalls" in line]
        return int(counts[0]) / measured["requests"]
    tracer = subprocess.Popen(["strace", "-c", "-f", "-o", str(log), "-p", pids], stderr=subprocess.PIPE, text=True)
    tracer.stderr.readline()  # "attached"
    measured = last_json(run(command))
    tracer.send_signal(signal.SIGINT)
    tracer.communicate(timeout=30)
    total = [line.split() for line in log.read_text().splitlines() if line.endswith("total")]
    return int(total[0][3 if len(total[0]) > 4 else 2]) / measured["requests"]


class AllocationCounter:
    """The number that count_allocations.c adds to, and the environment that makes a server count."""

    def __init__(self, path: Path):
        self.path = path
        path.write_bytes(bytes(8))
        self.environment = dict(os.environ, LD_PRELOAD=str(BUILD / "salver_count_allocations.so"),
                                SALVER_BENCH_ALLOCATIONS=str(path), ARROW_DEFAULT_MEMORY_POOL="system")

    def read(self) -> int:
        return struct.unpack("=Q", self.path.read_bytes())[0]


def memory_under_load(pid: int, command: list, warm_seconds: float) -> tuple[list[tuple[float, float]], dict]:
    """Samples twice a second while the load runs, without those of the first `warm_seconds`."""
    runs = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)
    began, samples = time.monotonic(), []
    while runs.poll() is None:
        if time.monotonic() - began > warm_seconds:
            samples.append(resident_mb(pid))
        time.sleep(0.5)
    return samples, last_json(runs.stdout.read())


def seconds_to_first_answer(command: list, port: int, body: str, log_path: Path) -> float:
    """From the start of a server's process to its first answer with status 200; it is ended then."""
    with open(log_path, "w+") as log:
        began = time.perf_counter()
        server = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log)
        try:
            while True:
                try:
                    ask(port, body)
                    return time.perf_counter() - began
                except urllib.error.HTTPError as refusal:
                    sys.exit(f"error: {command[0]} refused the first request: {refusal} {refusal.read().decode()}")
                except OSError:
                    if server.poll() is not None or time.perf_counter() - began > 300:
                        log.seek(0)
                        sys.exit(f"error: {command[0]} gave no answer:\n{log.read()}")
                    time.sleep(0.001)
        finally:
            server.terminate()
            server.wait(timeout=60)
