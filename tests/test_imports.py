"""The import rules of the house, each seen from a fresh process.

Lint sees what a file says; only a new interpreter sees what an import really loads.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import modviz

PACKAGE = Path(modviz.__file__).parent
TORCH = ("torch", "torchvision", "lucent")
USER_INTERFACE = ("bokeh", "holoviews", "panel", "ipywidgets", "anywidget", "matplotlib")


def modules(folder: str) -> list[str]:
    """Dotted names of the modules that lie in a folder of the package."""
    files = sorted((PACKAGE / folder).rglob("*.py"))
    names = [".".join(("modviz", *f.relative_to(PACKAGE).with_suffix("").parts)) for f in files]
    return [name.removesuffix(".__init__") for name in names]


def loaded_by(code: str) -> set[str]:
    """Modules, and the top-level packages they are of, in a new interpreter after `code`."""
    probe = f"{code}\nimport sys\nsys.stderr.write(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", probe],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{code}\n{done.stderr}"
    modules = done.stderr.split()
    return {*modules, *(name.split(".")[0] for name in modules)}


def import_all(names: list[str]) -> str:
    return "\n".join(f"import {name}" for name in names)


def test_import_modviz_loads_nothing_heavy():
    loaded = loaded_by("import modviz; dir(modviz); modviz.__version__")
    assert not loaded & {*TORCH, *USER_INTERFACE, "numpy", "pandas", "sklearn"}


def test_core_loads_neither_torch_nor_a_user_interface():
    assert "modviz.core.analysis" in modules("core")
    loaded = loaded_by(import_all(modules("core")))
    assert "numpy" in loaded
    assert not loaded & {*TORCH, *USER_INTERFACE}


@pytest.mark.parametrize("folder", ["view", "widgets"])
def test_panels_load_no_torch(folder: str):
    assert not loaded_by(import_all(modules(folder))) & set(TORCH)


def test_views_never_look_right():
    loaded = loaded_by(import_all(modules("view")))
    # holoviews itself brings panel, and with it other packages' widgets
    assert not loaded & {"modviz.widgets", "modviz.measure", "modviz.examples"}


def test_public_names_say_where_they_stand():
    assert set(modviz._HOME) <= set(dir(modviz))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        modviz.nonsense  # noqa: B018


@pytest.mark.parametrize("name", sorted(modviz._HOME))
def test_public_name_loads(name: str):
    module, attribute = modviz._HOME[name]
    value = getattr(modviz, name)
    if attribute is None:
        assert value.__name__ == module
    else:
        assert value.__module__ == module
        assert value.__name__ == attribute


def test_missing_torch_is_named_in_the_error():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import modviz\n"
        "try:\n    modviz.examples\n"
        "except ModuleNotFoundError as error:\n"
        "    assert 'modviz.examples needs torch' in str(error), error\n"
        "else:\n    raise SystemExit('no error')\n"
    )
    assert "modviz" in loaded_by(code)


def test_saved_analysis_is_loaded_and_reported_without_torch(tmp_path: Path):
    saved = tmp_path / "x.modviz"
    make = (
        "import numpy as np\n"
        "from modviz.core.analysis import Analysis, size_rule\n"
        "from modviz.core.graph import Layer, NeuronGraph\n"
        "from modviz.core.spectral import spectral_partition\n"
        "rng = np.random.default_rng(0)\n"
        "layers = [Layer('a', 'linear', 8, number=1), Layer('b', 'linear', 8, number=2)]\n"
        "block = np.kron(np.eye(2), np.ones((4, 4))) + 0.1 * rng.random((8, 8))\n"
        "partition = spectral_partition(NeuronGraph(layers, {(0, 1): block}), 2)\n"
        f"Analysis(partition, size_rule(partition), class_names=('x', 'y')).save({str(saved)!r})\n"
    )
    assert not loaded_by(make) & {*TORCH, *USER_INTERFACE}
    read = f"import modviz\nanalysis = modviz.load({str(saved)!r})\nanalysis.table()"
    assert not loaded_by(read) & {*TORCH, *USER_INTERFACE}
    page = tmp_path / "x.html"
    assert not loaded_by(f"{read}\nmodviz.report(analysis, {str(page)!r})") & set(TORCH)
    assert page.stat().st_size > 10_000
