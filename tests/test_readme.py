"""The README's example runs as it stands, and its commands are those of the Makefile."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_example_is_eight_lines_and_runs(tmp_path, monkeypatch, capsys):
    example = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]
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


def test_the_papers_numbers_are_those_of_the_study():
    cuts = pd.read_csv(ROOT / "notebooks" / "results" / "clusterability.csv", comment="#")
    mean = cuts.groupby(["network", "kernel_norm"])[["accuracy", "ncut", "z"]].mean()
    for network, row in (
        (("mlp", "l1"), "perceptron 4 x 256, Fashion-MNIST"),
        (("mlp-dropout", "l1"), "the same, dropout 0.5"),
        (("cnn", "induced"), 'convolution network, channels only, `kernel_norm="induced"`'),
    ):
        (line,) = [line for line in README.splitlines() if line.startswith(f"| {row} |")]
        cells = [cell.strip() for cell in line.strip("| ").split("|")]
        ours = [float(cells[k]) for k in (2, 4, 6)]
        assert ours == [
            round(mean.loc[network, c], d)
            for c, d in zip(("accuracy", "ncut", "z"), (3, 3, 1), strict=True)
        ]


#: Recorded by the authors, and how near a mean over networks has to come.
RECORDED = {
    ("mlp", "l1"): (9.885, 0.05, 0.891),
    ("mlp-dropout", "l1"): (9.698, 0.08, 0.872),
    ("cnn", "induced"): (10.64, 0.05, 0.922),
}


def test_the_study_came_to_what_the_authors_recorded():
    cuts = pd.read_csv(ROOT / "notebooks" / "results" / "clusterability.csv", comment="#")
    for network, (ncut, near, accuracy) in RECORDED.items():
        ours = cuts.set_index(["network", "kernel_norm"]).loc[network]
        assert len(ours) == (3 if network[0] == "cnn" else 5)
        assert abs(ours["ncut"].mean() - ncut) < near
        assert abs(ours["accuracy"].mean() - accuracy) < 0.01
