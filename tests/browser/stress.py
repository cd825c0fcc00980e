"""Run the browser tests again and again: ``python -m tests.browser.stress [times] [options]``.

Prints a line for each time and ends with status 1 if any test failed at any of them. What follows
the number goes to pytest, such as ``-k voila``; pictures of what failed are in test-artifacts.
"""

# ruff: noqa: T201 (it speaks to who started it)

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree as ET

FOLDER = Path(__file__).parent
TIMES = 10


def once(options: list[str], folder: Path) -> tuple[int, list[str]]:
    """How many tests ran, and the names of those that failed, each with its error."""
    report = folder / "report.xml"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", str(FOLDER), "-q", f"--junit-xml={report}", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not report.exists():
        raise SystemExit(f"pytest did not start:\n{done.stdout}\n{done.stderr}")
    cases = list(ET.parse(report).iter("testcase"))
    failed = []
    for case in cases:
        problem = next((child for child in case if child.tag in {"failure", "error"}), None)
        if problem is not None:
            said = (problem.get("message") or "").splitlines()
            failed.append(f"{case.get('name')}: {said[0] if said else 'no message'}")
    skipped = sum(case.find("skipped") is not None for case in cases)
    return len(cases) - skipped, failed


def main() -> None:
    """Run them, count failures."""
    given = sys.argv[1:]
    times = int(given.pop(0)) if given and given[0].isdigit() else TIMES
    counted: Counter[str] = Counter()
    with TemporaryDirectory() as folder:
        for number in range(1, times + 1):
            begin = time.monotonic()
            ran, failed = once(given, Path(folder))
            counted.update(failed)
            took = time.monotonic() - begin
            print(
                f"{number} of {times}: {ran} tests, {len(failed)} failed, {took:.0f} s", flush=True
            )
            for name in failed:
                print(f"    {name}", flush=True)
            if not ran:
                raise SystemExit("no test ran")
    print(f"{times} times, {counted.total()} failures")
    raise SystemExit(counted.total() > 0)


if __name__ == "__main__":
    main()
