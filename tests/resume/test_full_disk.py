"""A disk that is really full, where the machine lets a process have one of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tests

_WORK = """
import sys, warnings
from pathlib import Path
import modviz
from tests.measure.small import tiny_mlp, trained
from tests.resume.scenarios import DATA, QUICK, Stopped, fingerprint, often, stop_at

often()
disk = Path(sys.argv[1])
model = trained(tiny_mlp(), DATA)
options = QUICK | {"top_images": False}
whole = fingerprint(modviz.analyze(model, DATA, **options))
stopping = options | {"progress": stop_at("lesions", 0.3)}
try:
    modviz.analyze(model, DATA, **stopping, checkpoint=disk / "run")
except Stopped:
    pass


def pieces():
    return {file.stem: file.read_bytes() for file in (disk / "run").glob("*.piece")}


before = pieces()
with open(disk / "ballast", "wb", buffering=0) as ballast:
    try:
        while True:
            ballast.write(bytes(512))
    except OSError as error:
        print("the disk is full:", error.strerror)
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    found = fingerprint(modviz.analyze(model, DATA, **options, checkpoint=disk / "run"))
print("warned:", [str(w.message) for w in told if w.category is RuntimeWarning])
print("same on the full disk:", found == whole)
print("nothing lost:", bool(before) and pieces() == before)
(disk / "ballast").unlink()
again = modviz.analyze(model, DATA, **options, checkpoint=disk / "run")
print("same afterwards:", fingerprint(again) == whole)
print("all recorded:", {"lesions", "features", "support"} <= set(pieces()))
"""


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    alone = [unshare or "", "--user", "--map-root-user", "--mount"]
    if (
        unshare is None
        or subprocess.run([*alone, "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("no process may mount a small disk here; test_a_full_disk_ends_no_run pretends")
    disk = tmp_path / "disk"
    disk.mkdir()
    script = 'mount -t tmpfs -o size=256k tmpfs "$1" && exec "$2" -c "$3" "$1"'
    done = subprocess.run(
        [*alone, "sh", "-c", script, "sh", str(disk), sys.executable, _WORK],
        cwd=Path(tests.__path__[0]).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert said.pop("the disk is full") == "No space left on device"
    assert "the work goes on without" in said.pop("warned")
    assert set(said.values()) == {"True"}, said
    assert len(said) == 4
