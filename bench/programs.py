"""Feast and Salver as sides of a benchmark: a repository each, what its commands are, and its server."""

import statistics
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from common import last_json, run, wall_time

ROOT = Path(__file__).resolve().parent.parent
RANGE = ("2026-01-01T00:00:00", "2026-02-01T00:00:00")


class Side:
    """One program with one configuration, on a repository of its own over the shared data."""

    def __init__(self, title: str, repository: Path):
        self.title, self.repository, self.data = title, repository, repository.parent / "data"

    def empty(self) -> None:
        """Back to a repository of which nothing was materialized."""
        for path in self.repository.iterdir():
            if path.name not in ("definitions.py", "feature_store.yaml"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.apply()

    def apply(self) -> None:
        run([self.command, "-c", self.repository, "apply"])


class Feast(Side):
    def __init__(self, title: str, repository: Path, python: str):
        super().__init__(title, repository)
        self.python, self.command = python, Path(python).parent / "feast"

    def start(self) -> float:
        return wall_time([self.command, "version"])

    def measure(self, *arguments) -> float:
        return last_json(run([self.python, ROOT / "bench/feast_side.py", self.repository, *arguments]))["seconds"]

    def historical(self, service: str) -> float:
        return self.measure("historical", self.data / "labels.parquet", service)

    def materialize(self, start: str = RANGE[0], end: str = RANGE[1]) -> float:
        return self.measure("materialize", start, end)

    def serve(self, port: int) -> list:
        # A worker that restarts itself after 1,000 requests would be measured with its restarts.
        return [self.command, "-c", self.repository, "serve", "--port", port, "--workers", 1, "--no-access-log",
                "--max-requests", 0, "--max-requests-jitter", 0]


class Salver(Side):
    command = ROOT / "build/release/salver"
    workers = 1  # event loops

    def start(self) -> float:
        return statistics.median(wall_time([self.command, "version"]) for _ in range(20))

    def timed(self, *arguments) -> float:
        return wall_time([self.command, "-c", self.repository, *arguments])

    def historical(self, service: str) -> float:
        output = self.repository / "training.parquet"
        return self.timed("get-historical-features", "-d", self.data / "labels.parquet", "--feature-service", service,
                          "-o", output)

    def materialize(self, start: str = RANGE[0], end: str = RANGE[1]) -> float:
        return self.timed("materialize", start, end)

    def serve(self, port: int) -> list:
        # All sides wait for their turn however long that takes, as where system calls are traced.
        return [self.command, "-c", self.repository, "serve", "--port", port, "--workers", self.workers,
                "--queue-time-ms", 60_000]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def process(title: str, command: list, log_path: Path, port: int, is_ready, **options):
    """A server that runs while the block does; entered when is_ready() no longer raises OSError. Yields the process."""
    with open(log_path, "w+") as log:
        started = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log, **options)
        try:
            deadline = time.monotonic() + 120
            while True:
                if started.poll() is not None:
                    log.seek(0)
                    sys.exit(f"error: the server of {title} ended before it was ready:\n{log.read()}")
                try:
                    is_ready(port)
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        sys.exit(f"error: the server of {title} was not ready within two minutes; see {log_path}")
                    time.sleep(0.1)
            yield started
        finally:
            started.terminate()
            started.wait(timeout=60)


def answers_health(port: int) -> None:
    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5)
