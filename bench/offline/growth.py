"""How the time of a join grows with the feature rows, from 1 M to 64 M: rows sorted by time, and rows in random order
within a memory limit of 1 GB. Two FLOAT64 columns, 1 M labels, 100 rows a key.
"""

import statistics
from pathlib import Path

import make_data
from common import last_json, run, table

LABELS = 1_000_000
LIMIT = "1GB"
KINDS = {"sorted": "", "random order, `memory_limit: 1GB`": f"memory_limit: {LIMIT}\n"}


def growth_cases(scale: float) -> list[tuple[str, str, make_data.Case]]:
    """(kind, name, case), smallest first within a kind."""
    found = []
    for kind in KINDS:
        for millions in (1, 2, 4, 8, 16, 32, 64):
            rows = max(1000, int(millions * 1_000_000 * scale))
            name = f"growth_{'sorted' if kind == 'sorted' else 'random'}_{millions}m"
            rows_table = make_data.Table(name, rows, max(10, rows // 100), columns=2, sorted=kind == "sorted")
            found.append((kind, f"{millions} M", make_data.Case(name, name, (rows_table,), max(100, int(LABELS * scale)), rows_table.keys)))
    return found


def section(command: Path, python: str, sides: Path, folder: Path, scale: float, rounds: int) -> str:
    rows, before = [], {}
    for kind, title, case in growth_cases(scale):
        make_data.write_case(folder, case, sides=["salver"], settings=KINDS[kind])
        run([command, "-c", folder / f"{case.name}_salver", "apply"])
        got = [last_json(run([python, sides, "salver", folder, case.name, scale])) for _ in range(rounds)]
        seconds = statistics.median(one["seconds"] for one in got)
        growth = f"{seconds / before[kind]:.2f}" if kind in before else ""
        before[kind] = seconds
        rows.append([kind, title, f"{seconds:.2f}", growth, f"{max(one['peak_mb'] for one in got):,.0f}"])
        print(f"  growth {kind} {title}: {got}", flush=True)
    return f"""## Growth

Two feature columns, 1 M labels, 100 rows a key; Salver alone.

{table(["rows", "", "seconds", "times the one before", "peak MB"], rows)}"""
