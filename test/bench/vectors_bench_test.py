"""The measurement of vector search runs, small, and what it says can be relied on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "bench/vectors")]


@pytest.fixture(scope="module", autouse=True)
def built_program():
    if "SALVER_COMMAND" not in os.environ:
        pytest.skip("SALVER_COMMAND is not set")
    subprocess.run([ROOT / "scripts/build", "release", "salver_vector_search"], check=True, capture_output=True)


def test_a_small_run_writes_its_page(tmp_path):
    page = tmp_path / "page.md"
    done = subprocess.run([sys.executable, ROOT / "bench/vectors/run.py", "--count", "3000", "--length", "16", "--queries", "50",
                           "--output", page], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    text = page.read_text()
    assert "3,000 vectors of 16 floats" in text
    assert "hnswlib alone" in text
