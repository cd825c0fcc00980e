from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modviz.core.analysis import Analysis
from modviz.core.bundle import load
from modviz.widgets import explore
from modviz.widgets import shown as shown_module
from tests.widgets.gates import DATA, Make


def test_save_never_overwrites_from_the_button(
    make_analysis: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    explorer = explore(make_analysis())
    assert explorer._files.name.value == "small"
    explorer._files.save.click()
    explorer._files.save.click()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small-2.modviz", "small.modviz"]
    assert load(tmp_path / "small-2.modviz").model_name == "Small"
    shown = explorer._files.message.value
    assert "<b>small-2.modviz</b>" in shown
    assert str(tmp_path) in shown


def test_a_report_is_written_under_the_given_name(
    make_analysis: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(analysis: Analysis, path: Path, *, choice: Any, interactions: Any) -> Path:
        path.write_text(f"{analysis.model_name} {choice} {interactions}")
        return path

    monkeypatch.setattr(shown_module, "write_report", write)
    explorer = explore(make_analysis())
    explorer._files.name.value = str(tmp_path / "my report.html")
    explorer._files.report.click()
    assert (tmp_path / "my report.html").read_text() == "Small None None"


def test_a_file_that_cannot_be_written_is_explained_under_the_button(make_analysis: Make) -> None:
    explorer = explore(make_analysis())
    explorer._files.name.value = "/no/such/<folder>/x"
    explorer._files.save.click()
    shown = explorer._problem.block.value
    assert "Save did not work." in shown
    assert "there is no folder &#x27;/no/such/&lt;folder&gt;&#x27;" in shown


def test_without_results_there_is_nothing_to_save(runs: Any, model: Any, tmp_path: Path) -> None:
    explorer = explore(model, DATA)
    assert explorer._files.save.disabled
    with pytest.raises(RuntimeError, match=r"there is no analysis yet; run\(\) first"):
        explorer.save(tmp_path / "x.modviz")


def test_a_notebook_without_its_kernel_still_says_what_was_there(make_analysis: Make) -> None:
    explorer = explore(make_analysis())
    explorer.selected = ["A1"]
    bundle = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "2 clusters of 16 units" in bundle["text/plain"]
    assert bundle["text/plain"].endswith("selected A1")
