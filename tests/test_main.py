"""The command line, as `make demo` uses it."""

from __future__ import annotations

import pytest

import modviz
from modviz.__main__ import main
from modviz.checks import doctor
from modviz.checks.findings import Checkup, Finding
from modviz.commands import serve
from modviz.commands.demo import Choices


def test_demo_trains_analyses_says_what_it_found_and_writes_a_report(tmp_path, capsys):
    report = tmp_path / "demo.html"
    assert main(["demo", "--out", str(report)]) == 0
    printed = capsys.readouterr().out
    assert "8 clusters with a normalised cut of" in printed
    for statistic in ("accuracy", "range", "score", "entropy"):
        assert f"[{statistic}]" in printed
    assert report.as_uri() in printed
    analysis = modviz.load(tmp_path / "demo.modviz")
    assert analysis.status == "complete"
    assert analysis.settings["n_clusters"] == 8
    assert analysis.lesions.controls.shape[1] == 99
    assert analysis.features.score_controls.shape[1] == 19
    assert (analysis.summary()["n"] > 5).all()
    html = report.read_text(encoding="utf-8")
    assert "modviz-selection" in html

    again = tmp_path / "again.html"
    assert main(["report", str(tmp_path / "demo.modviz"), str(again)]) == 0
    assert again.stat().st_size > 1_000_000


def test_report_of_what_is_no_bundle_says_so(tmp_path, capsys):
    wrong = tmp_path / "wrong.modviz"
    wrong.write_text("not a bundle")
    assert main(["report", str(wrong)]) == 1
    assert "is no modviz bundle" in capsys.readouterr().err
    assert main(["report", str(tmp_path / "missing.modviz")]) == 1
    assert "missing.modviz" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.html"))


def test_unknown_commands_are_refused(capsys):
    with pytest.raises(SystemExit):
        main(["dmeo"])
    assert "invalid choice: 'dmeo'" in capsys.readouterr().err


def test_doctor_says_what_it_found_and_gives_its_status(monkeypatch, capsys):
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.startswith("modviz doctor: ")
    bad = Checkup((Finding("Memory", "will not work", "none left"),))
    monkeypatch.setattr(doctor, "doctor", lambda: bad)
    assert main(["doctor"]) == 1
    assert "none left" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [("--epochs", "0", "below 1"), ("--controls", "-1", "below 1"), ("--port", "70000", "no port")],
)
def test_options_that_make_no_sense_are_refused(option, value, said, capsys):
    with pytest.raises(SystemExit):
        main(["demo", option, value])
    assert said in capsys.readouterr().err


def test_options_reach_the_served_page(monkeypatch):
    got = []
    monkeypatch.setattr(serve, "serve", lambda *args, **kwargs: got.append((args, kwargs)) or 0)
    options = "--serve --no-browser --port 8123 --epochs 2 --clusters 3 --controls 4 --seed 5"
    assert main(["demo", *options.split()]) == 0
    assert got == [((Choices(5, 2, 3, 4),), {"port": 8123, "browser": False})]


def test_ctrl_c_while_training_is_no_traceback(monkeypatch, capsys):
    def interrupted(*_args: object, **_kwargs: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(serve, "serve", interrupted)
    assert main(["demo", "--serve"]) == 130
    assert "Stopped." in capsys.readouterr().err
