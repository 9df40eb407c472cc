"""The measurement of pushes runs, and sees a push that was acknowledged and can not be read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "bench/push/run.py"

pytestmark = pytest.mark.skipif("SALVER_COMMAND" not in os.environ, reason="SALVER_COMMAND is not set")


def test_a_short_run_gives_every_number(tmp_path):
    output = tmp_path / "push.md"
    done = subprocess.run([sys.executable, PROGRAM, "--sides", "lmdb,sqlite", "--rounds", "1", "--seconds", "0.2", "--output", output],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    for store in ("lmdb", "sqlite"):
        line = next(line for line in output.read_text().splitlines() if line.startswith(f"| {store} |"))
        numbers = [float(cell.replace(",", "")) for cell in line.split("|")[2:8]]
        answer_p50, answer_p99, readable_p50, readable_p99, single, batch = numbers
        assert 0 < answer_p50 <= answer_p99 and answer_p50 <= readable_p50 <= readable_p99 and 0 < single and 0 < batch


def test_a_row_that_is_not_there_after_its_push_ends_the_run(monkeypatch):
    sys.path.insert(0, str(PROGRAM.parent))
    import run

    answers = {"/push": b"", "/get-online-features": b'{"results": [{"values": [1]}, {"values": [null]}]}'}
    monkeypatch.setattr(run, "Client", lambda port: type("Deaf", (), {"post": lambda self, path, body: answers[path]})())
    with pytest.raises(SystemExit, match="acknowledged and is not there"):
        run.latencies(0, 10)
