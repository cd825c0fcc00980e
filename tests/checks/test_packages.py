"""Checks of packages, told what is installed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from modviz.checks import packages

LINES = [
    "bokeh>=3.7",
    "numpy>=2.0",
    "torch>=2.5; extra == 'torch'",
    "torch-lucent>=0.1.8; extra == 'torch'",
    "distributed>=2024.8; extra == 'dask'",
]
THERE = {"bokeh": "3.9.2", "numpy": "2.4.6", "torch": "2.13.0+cpu", "torch-lucent": "0.1.8"}


def installed(**changes: str | None):
    """Versions, with some changed; None takes one away."""
    versions = THERE | {name.replace("_", "-"): number for name, number in changes.items()}
    return versions.get


def verdicts(findings) -> list[str]:
    return [finding.verdict for finding in findings]


@pytest.mark.parametrize(
    ("version", "requires", "verdict"),
    [
        ((3, 11, 7), ">=3.11", "fine"),
        ((3, 10, 0), ">=3.11", "will not work"),
        ((3, 12, 0), None, "warning"),
    ],
)
def test_python_is_compared_with_what_the_package_asks_for(version, requires, verdict):
    found = packages.python(version, requires)
    assert found.verdict == verdict
    assert (found.advice == "") == (verdict == "fine")


def test_packages_that_are_there_stand_in_one_finding():
    (found,) = packages.requirements(LINES, installed())
    assert found.verdict == "fine"
    assert found.words == "bokeh 3.9.2, numpy 2.4.6"


def test_packages_that_are_missing_or_too_old_are_named():
    found = packages.requirements(LINES, installed(bokeh=None, numpy="1.26.4"))
    assert verdicts(found) == ["will not work"] * 2
    assert found[0].words == "bokeh is missing (>=3.7 is needed)"
    assert found[1].words == "numpy is 1.26.4, and >=2.0 is needed"
    assert "pip install" in found[0].advice


def test_an_extra_has_requirements_of_its_own():
    (found,) = packages.requirements(LINES, installed(), "torch")
    assert found.words == "torch 2.13.0+cpu, torch-lucent 0.1.8"
    (missing,) = packages.requirements(LINES, installed(), "dask")
    assert missing.words.startswith("distributed is missing")


def test_packages_that_do_not_fit_each_other_are_found_by_loading_them():
    def importer(name: str) -> object:
        if name == "pandas":
            raise ValueError("numpy.dtype size changed\nand more")
        return object()

    (bad,) = packages.imports(importer)
    assert bad.verdict == "will not work"
    assert bad.words == "import pandas fails: ValueError: numpy.dtype size changed"
    assert "pip install --force-reinstall pandas" in bad.advice
    (fine,) = packages.imports(lambda _name: object())
    assert fine.verdict == "fine"


def test_without_torch_saved_analyses_still_work():
    found, module = packages.torch(LINES, installed(torch=None), pytest.fail)
    assert (found.verdict, module) == ("warning", None)
    assert "modviz.load" in found.words
    assert "modviz-nn[torch]" in found.advice


def test_torch_that_is_old_or_cannot_be_loaded_will_not_work():
    found, module = packages.torch(LINES, installed(torch="2.1.0"), pytest.fail)
    assert (found.verdict, module) == ("will not work", None)
    assert found.words == "torch is 2.1.0, and >=2.5 is needed"

    def broken(_name: str) -> object:
        raise OSError("libcudart.so.12: cannot open shared object file")

    found, module = packages.torch(LINES, installed(), broken)
    assert (found.verdict, module) == ("will not work", None)
    assert "libcudart" in found.words


def test_without_lucent_there_are_no_feature_images():
    torch = SimpleNamespace()
    found, module = packages.torch(LINES, installed(torch_lucent=None), lambda _name: torch)
    assert found.verdict == "warning"
    assert module is torch
    assert "features=False" in found.words
    found, _ = packages.torch(LINES, installed(), lambda _name: torch)
    assert found.verdict == "fine"


def test_voila_is_needed_for_one_command_only():
    assert packages.voila(installed()).verdict == "fine"
    assert "modviz-nn[serve]" in packages.voila(installed()).words
    assert packages.voila(installed(voila="0.5.13")).words.startswith("0.5.13")


def test_bokehjs_has_to_be_readable_and_whole(tmp_path):
    missing = packages.bokehjs(tmp_path)
    assert missing.verdict == "will not work"
    assert "bokeh.min.js" in missing.words
    (tmp_path / "bokeh.min.js").write_text("x" * 20_000)
    (tmp_path / "bokeh-widgets.min.js").write_text("cut off")
    assert "bokeh-widgets.min.js" in packages.bokehjs(tmp_path).words
    (tmp_path / "bokeh-widgets.min.js").write_text("x" * 20_000)
    assert packages.bokehjs(tmp_path).verdict == "fine"
