"""The structure of the code: files that can be read in one sitting."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

#: The most lines of a file.
MOST = 300
SOURCES = {".py", ".js", ".css"}
FOLDERS = ("modviz", "tests", "benchmarks", "notebooks")


def long_files(root: Path) -> list[str]:
    """Files of more than `MOST` lines, the longest first."""
    found = {}
    for folder in FOLDERS:
        for file in (root / folder).rglob("*"):
            if file.suffix in SOURCES and file.is_file():
                lines = len(file.read_text(encoding="utf-8").splitlines())
                if lines > MOST:
                    found[file.relative_to(root).as_posix()] = lines
    return [f"{name}: {n} lines" for name, n in sorted(found.items(), key=lambda item: -item[1])]


def test_no_file_is_longer_than_three_hundred_lines() -> None:
    assert long_files(ROOT) == [], "split them by meaning, into files with a purpose of their own"


@pytest.mark.parametrize("name", ["modviz/a.py", "tests/deep/b.js", "notebooks/c.css"])
def test_a_file_that_is_too_long_is_named(tmp_path: Path, name: str) -> None:
    for n in (MOST, MOST + 1):
        for path, lines in ((name, n), ("modviz/data.json", 10 * MOST), ("docs/d.py", 10 * MOST)):
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("x\n" * lines, encoding="utf-8")
        expected = [f"{name}: {n} lines"] if n > MOST else []
        assert long_files(tmp_path) == expected
