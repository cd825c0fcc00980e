"""The README's example runs as it stands, and its commands are those of the Makefile."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_example_is_eight_lines_and_runs(tmp_path, monkeypatch, capsys):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in example.splitlines() if line.strip()]) == 8
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "joint_p" in printed
    assert (tmp_path / "digits.html").stat().st_size > 1_000_000


def test_the_commands_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = re.findall(r"^make (\w+)", README, re.MULTILINE)
    assert commands
    for command in commands:
        assert re.search(rf"^{command}:", makefile, re.MULTILINE)


def test_nothing_says_to_install_the_other_modviz():
    # that name belongs to an unrelated package
    wanted = re.compile(r"pip install (-\S+ )*modviz(\s|$|`|\")")
    for path in [*ROOT.glob("*.md"), *ROOT.glob("modviz/**/*.py"), *ROOT.glob("notebooks/*.ipynb")]:
        assert not wanted.search(path.read_text(encoding="utf-8")), path


def test_the_picture_is_there_and_small():
    (picture,) = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
    assert 20_000 < (ROOT / picture).stat().st_size < 300_000
