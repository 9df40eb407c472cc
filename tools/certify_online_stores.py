#!/usr/bin/env python3
"""Writes the table of online stores in docs/online-stores.md from a run of the conformance suite.

  certify_online_stores.py PROGRAM          runs the suite of PROGRAM (build/release/src/online/salver_online_test)
  certify_online_stores.py --report FILE    takes the JSON report of a run (--gtest_output=json:FILE)
  certify_online_stores.py --check ...      writes nothing: exit code 1 when the page says otherwise

A store is in the table with what it says it can, which the suite asserts, and with how many of the suite's tests it
passed. Exit code 1 also when a test failed, or a store was not there to be tested: such a run certifies nothing.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "online-stores.md"
BEGIN, END = "<!-- certified: written by tools/certify_online_stores.py -->", "<!-- end -->"
SUITE = "Stores/OnlineStoreSuite"
CAPABILITIES = {
    "persistent": "rows outlive the process",
    "atomic_rows": "readers see a whole row or none",
    "drop": "rows of a dropped view are gone",
    "created_times": "created times are kept, and decide at equal event time",
    "views": "says which view was never applied",
    "transactions": "a load is there with its mark, or not at all",
    "time_to_live": "can remove old rows by itself",
    "packs": "keeps precomputed feature services",
    "scan": "scan",
    "vectors": "vector search",
    "text_search": "text search",
}


class NotCertified(Exception):
    pass


def read_report(report):
    """Store -> (properties of its SaysWhatItCan, passed, not for this store)."""
    stores = {}
    for suite in report["testsuites"]:
        for case in suite["testsuite"]:
            if case["classname"] != SUITE:
                continue
            test, store = case["name"].split("/")
            said, passed, skipped = stores.setdefault(store, ({}, [], []))
            if case.get("failures"):
                raise NotCertified(f"{test} failed on {store}")
            (skipped if case["result"] == "SKIPPED" else passed).append(test)
            if test == "SaysWhatItCan":
                said.update(case)
    for store, (said, _, _) in stores.items():
        if "durability" not in said:
            raise NotCertified(f"{store} was not tested: its server is not on this machine")
    if not stores:
        raise NotCertified(f"the report has no {SUITE}")
    return stores


def table(stores):
    names = sorted(stores)
    lines = ["| | " + " | ".join(f"`{name}`" for name in names) + " |", "|---" * (len(names) + 1) + "|"]
    for key, text in CAPABILITIES.items():
        lines.append(f"| {text} | " + " | ".join({"yes": "yes", "no": "–"}[stores[name][0][key]] for name in names) + " |")
    lines.append("| tests of the suite passed | " + " | ".join(str(len(stores[name][1])) for name in names) + " |")
    lines.append("| tests that ask for what it does not claim | " + " | ".join(str(len(stores[name][2])) for name in names) + " |")
    lines += ["", "What an acknowledged write means, as each store says it and the suite asserts:", ""]
    lines += [f"- `{name}`: {stores[name][0]['durability']}." for name in names]
    return "\n".join(lines)


def replaced(page, text):
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise NotCertified(f"the page has no lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def run_suite(program):
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        subprocess.run([program, f"--gtest_filter={SUITE}.*", f"--gtest_output=json:{report}"], stdout=subprocess.DEVNULL)
        if not report.exists():
            raise NotCertified(f"{program} left no report")
        return json.loads(report.read_text())


def main(words):
    check = "--check" in words
    words = [word for word in words if word != "--check"]
    if not words or words[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if words else 2
    try:
        report = json.loads(Path(words[1]).read_text()) if words[0] == "--report" else run_suite(words[0])
        page = replaced(PAGE.read_text(), table(read_report(report)))
    except NotCertified as problem:
        print(f"not certified: {problem}", file=sys.stderr)
        return 1
    if check:
        if page == PAGE.read_text():
            return 0
        print(f"{PAGE} says otherwise. Run this without --check.", file=sys.stderr)
        return 1
    PAGE.write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
