"""Binder's full variant: the quickstart within 2 GB, Jupyter's server included."""

from __future__ import annotations

import shutil

import pytest

from tests.packaging.environments import ROOT, peak
from tests.packaging.servers import session

pytestmark = [pytest.mark.packaging, pytest.mark.slow]

#: Megabytes above which Binder ends a kernel.
LIMIT = 2000

#: Runs a notebook cell by cell as a front end does; the kernel is a process of its own.
RUN = """
import sys
import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
where = "import modviz, torch; print(modviz.__file__, torch.version.cuda)"
notebook.cells.append(nbformat.v4.new_code_cell(where))
client = NotebookClient(notebook, timeout=600, kernel_name="python3")
with client.setup_kernel():
    for index, cell in enumerate(notebook.cells):
        client.execute_cell(cell, index)
    print(notebook.cells[-1]["outputs"][0]["text"])
    with open(f"/proc/{client.km.provisioner.pid}/status") as status:
        print("peak", next(line.split()[1] for line in status if line.startswith("VmHWM:")))
"""


def test_the_quickstart_runs_within_the_limit(full, tmp_path):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    notebook = shutil.copy(ROOT / "notebooks/01_quickstart.ipynb", folder)
    done = full.run(full.python, "-c", RUN, notebook, cwd=folder, limit=LIMIT)
    assert str(full.folder) in done.stdout  # the installed modviz, not the repository
    kernel = peak(done.stdout)
    assert (folder / "digits.modviz").stat().st_size > 10_000
    assert (folder / "digits.html").stat().st_size > 1_000_000
    with session(full, folder, tmp_path, limit=LIMIT, program="lab") as running:
        assert "jupyter-config-data" in running.get("lab")
        server, _ = running.peaks()
    print(f"quickstart: kernel {kernel:.0f} MB, JupyterLab's server {server:.0f} MB")
    assert kernel + server < LIMIT
