"""Checks of Python and of the packages that modviz builds on."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from modviz.checks.findings import Finding

#: The version of an installed distribution; None if it is not there.
Version = Callable[[str], str | None]

#: Modules whose import shows that the packages fit each other.
MODULES: Final = (
    *("numpy", "scipy.sparse", "pandas", "sklearn.cluster", "PIL.Image"),
    *("bokeh.plotting", "holoviews", "ipywidgets", "anywidget"),
)
_REINSTALL: Final = "pip install --upgrade modviz-nn"


def python(version: tuple[int, ...], requires: str | None) -> Finding:
    """Python against ``Requires-Python``; None = modviz is not installed as a package."""
    here = ".".join(map(str, version))
    if requires is None:
        return Finding(
            "Python",
            "warning",
            f"{here}; modviz runs from a folder, so that the versions it needs are not known here",
            f"pip install modviz-nn, or pip install -e {Path(__file__).parents[2]}",
        )
    from packaging.specifiers import SpecifierSet

    if SpecifierSet(requires).contains(here):
        return Finding("Python", "fine", here)
    words = f"{here}; modviz needs {requires}"
    return Finding("Python", "will not work", words, "make an environment with a newer Python")


def requirements(lines: Sequence[str], version: Version, extra: str = "") -> list[Finding]:
    """Every requirement of modviz, or of one of its extras, against what is installed.

    Parameters
    ----------
    lines : sequence of str
        Requirements as the package metadata gives them.
    version : callable
    extra : str
        Only those that this extra adds; "" = those that are always needed.
    """
    from packaging.requirements import Requirement

    fine, wrong = [], []
    for line in lines:
        needed = Requirement(line)
        always = needed.marker is None or needed.marker.evaluate({"extra": ""})
        if always if extra else not always:
            continue
        if extra and needed.marker is not None and not needed.marker.evaluate({"extra": extra}):
            continue
        found = version(needed.name)
        if found is None:
            wrong.append(f"{needed.name} is missing ({needed.specifier} is needed)")
        elif not needed.specifier.contains(found, prereleases=True):
            wrong.append(f"{needed.name} is {found}, and {needed.specifier} is needed")
        else:
            fine.append(f"{needed.name} {found}")
    findings = [Finding("Packages", "fine", ", ".join(fine))] if fine else []
    return findings + [Finding("Packages", "will not work", words, _REINSTALL) for words in wrong]


def imports(importer: Callable[[str], object], modules: Sequence[str] = MODULES) -> list[Finding]:
    """Whether packages can be loaded: a wrong pair of versions shows only then."""
    findings = []
    for name in modules:
        try:
            importer(name)
        except Exception as error:  # noqa: BLE001  (whatever a broken package raises)
            findings.append(
                Finding(
                    "Import",
                    "will not work",
                    f"import {name} fails: {type(error).__name__}: {_first_line(error)}",
                    f"pip install --force-reinstall {name.partition('.')[0]}, in the environment "
                    "of this Python; then restart the kernel",
                )
            )
    return findings or [Finding("Import", "fine", "all packages load")]


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0]


def torch(
    lines: Sequence[str], version: Version, importer: Callable[[str], Any]
) -> tuple[Finding, Any]:
    """Torch and Lucent, without which only saved analyses can be shown; gives torch as well."""
    extra = "pip install 'modviz-nn[torch]', or in a clone pip install -e '.[torch]'"
    if version("torch") is None:
        return Finding(
            "torch",
            "warning",
            "torch is not installed: saved analyses open (modviz.load, modviz.explore, "
            "modviz.report), but no network can be analysed and examples do not run",
            extra,
        ), None
    wrong = [f for f in requirements(lines, version, "torch") if f.verdict != "fine"]
    old = [finding.words for finding in wrong if not finding.words.startswith("torch-lucent")]
    if old:
        return Finding("torch", "will not work", "; ".join(old), extra), None
    try:
        module = importer("torch")
    except Exception as error:  # noqa: BLE001  (also what a library of the system raises)
        words = f"import torch fails: {type(error).__name__}: {_first_line(error)}"
        advice = "reinstall torch as pytorch.org says for this system"
        return Finding("torch", "will not work", words, advice), None
    if wrong:
        return Finding(
            "torch",
            "warning",
            f"torch {version('torch')}, but {wrong[0].words}: no feature images, so that analyses "
            "run with features=False only",
            extra,
        ), module
    words = f"torch {version('torch')}, torch-lucent {version('torch-lucent')}"
    return Finding("torch", "fine", words), module


def voila(version: Version) -> Finding:
    """Voila, which only the served page needs."""
    found = version("voila")
    if found is None:
        return Finding(
            "Voila",
            "fine",
            "not installed; only modviz demo --serve needs it: pip install 'modviz-nn[serve]', "
            "or in a clone pip install -e '.[serve]'",
        )
    return Finding("Voila", "fine", f"{found}: modviz demo --serve works")


def bokehjs(folder: Path) -> Finding:
    """The scripts that draw the panels, as the installed Bokeh brings them."""
    for name in ("bokeh.min.js", "bokeh-widgets.min.js"):
        file = folder / name
        if not file.is_file() or not os.access(file, os.R_OK) or file.stat().st_size < 10_000:
            return Finding(
                "BokehJS",
                "will not work",
                f"{file} cannot be read or is not whole: panels and reports stay empty",
                "pip install --force-reinstall bokeh",
            )
    return Finding("BokehJS", "fine", "comes from the installed Bokeh; no network is needed")
