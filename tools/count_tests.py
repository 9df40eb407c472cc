#!/usr/bin/env python3
"""Adds up JUnit files and prints the closing line `N passed, N failed, N skipped`; names what failed.

  count_tests.py FOLDER

  FOLDER/<step>/*.xml       of pytest and of GoogleTest: their test cases count
  FOLDER/<step>/ctest.xml   of ctest: a program whose cases are counted already counts only when it failed without a
                            failed case (it crashed or ran out of time)

A file that can not be read counts as one failure: a runner that died leaves such files. Exit code 1 when anything
failed or nothing passed.
"""

import sys
import xml.etree.ElementTree as xml
from collections import Counter
from pathlib import Path


def outcome(case: xml.Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    if case.find("skipped") is not None or case.get("result") in ("skipped", "suppressed"):
        return "skipped"
    return "skipped" if case.get("status") in ("notrun", "disabled") else "passed"


def count(folder: Path) -> tuple[Counter, list[str]]:
    totals, failed, unreadable = Counter(), [], []
    cases_of: dict[tuple[Path, str], Counter] = {}
    files = sorted(folder.rglob("*.xml"), key=lambda path: path.name == "ctest.xml")  # ctest's come last
    for file in files:
        try:
            cases = list(xml.parse(file).getroot().iter("testcase"))
        except xml.ParseError:
            unreadable.append(file)
            continue
        for case in cases:
            name, result = case.get("name", "?"), outcome(case)
            if file.name == "ctest.xml":
                inner = cases_of.get((file.parent, name))
                if inner is not None and (result != "failed" or inner["failed"]):
                    continue
            else:
                cases_of.setdefault((file.parent, file.stem), Counter())[result] += 1
                name = f"{case.get('classname', '')}.{name}"
            totals[result] += 1
            if result == "failed":
                failed.append(f"{file.parent.name}: {name}")
    for file in unreadable:
        totals["failed"] += 1
        failed.append(f"{file.parent.name}: {file.name} can not be read")
    return totals, failed


def main() -> int:
    totals, failed = count(Path(sys.argv[1]))
    for name in failed:
        print(f"failed: {name}")
    print(f"{totals['passed']} passed, {totals['failed']} failed, {totals['skipped']} skipped")
    return 0 if totals["passed"] and not totals["failed"] else 1


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] == "--help":
        print(__doc__)
        sys.exit(0 if "--help" in sys.argv else 2)
    sys.exit(main())
