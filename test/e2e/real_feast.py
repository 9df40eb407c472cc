"""Real Feast 0.67 as judge: SALVER_FEAST_PYTHON names a Python that has it."""

import json
import os
import subprocess
from pathlib import Path

import pytest

FEAST = os.environ.get("SALVER_FEAST_PYTHON", "")
HAS_FEAST = Path(FEAST or "?").exists()
needs_feast = pytest.mark.skipif(not HAS_FEAST, reason="SALVER_FEAST_PYTHON names no Python with Feast")
ENVIRONMENT = {"TZ": "UTC", "PYTHONWARNINGS": "ignore"}


def can_import(*modules):
    return HAS_FEAST and subprocess.run([FEAST, "-c", "import " + ", ".join(modules)], capture_output=True).returncode == 0


def feast_command(repository, *words):
    done = subprocess.run([Path(FEAST).parent / "feast", *words], cwd=repository, capture_output=True, text=True,
                          env=os.environ | ENVIRONMENT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def feast(repository, code):
    """What `code` prints as JSON, run by Feast's Python with `store` opened on the repository."""
    program = ("import json, warnings\nwarnings.simplefilter('ignore')\nimport pandas as pd\nfrom feast import FeatureStore\n"
               "store = FeatureStore('.')\n" + code)
    done = subprocess.run([FEAST, "-c", program], cwd=repository, capture_output=True, text=True, env=os.environ | ENVIRONMENT)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])
