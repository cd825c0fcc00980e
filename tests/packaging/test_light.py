"""Binder's light variant: saved analyses within 700 MB, in a clean environment without torch."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

import modviz
from tests.browser.drivers import CHROMIUM
from tests.packaging.environments import ROOT, SAY_PEAK, peak
from tests.packaging.large import largest_bundle
from tests.packaging.servers import session

pytestmark = [pytest.mark.packaging, pytest.mark.slow]

#: Megabytes that a process may have.
LIMIT = 700
NOTEBOOK = "00_open_a_bundle.ipynb"
#: Voila's address of it, as Binder's `urlpath` leads there.
PAGE = f"voila/render/notebooks/{NOTEBOOK}"

OPEN = f"""
import sys
import modviz
analysis = modviz.load(sys.argv[1])
analysis.table(), analysis.summary(), analysis.class_changes()
modviz.report(analysis, "report.html")
explorer = modviz.explore(analysis)
explorer.selected = [analysis.subclusters[0].key]
print(repr(explorer))
assert not {{"torch", "lucent", "torchvision"}} & set(sys.modules)
{SAY_PEAK}
"""


def test_torch_is_not_installed(light, tmp_path):
    listed = light.run(light.python, "-m", "pip", "list", "--format=freeze", cwd=tmp_path).stdout
    assert f"modviz-nn=={modviz.__version__}" in listed
    assert not [name for name in listed.split() if name.startswith(("torch", "kornia", "nvidia"))]
    versions = dict(line.split("==") for line in listed.split())
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    for name, version in re.findall(r"^([\w-]+)==(\S+)$", constraints, re.MULTILINE):
        assert versions.get(name, version) == version


def test_a_bundle_opens_within_the_limit(light, any_bundle, tmp_path):
    done = light.run(light.python, "-c", OPEN, any_bundle, cwd=tmp_path, limit=LIMIT)
    used = peak(done.stdout)
    print(f"{any_bundle.name}, load, tables, report and explorer: {used:.0f} MB")
    assert used < LIMIT
    assert (tmp_path / "report.html").stat().st_size > 1_000_000


def test_the_limit_is_one(light, tmp_path):
    # a process that asks for more than the limit must fail, or the tests above say nothing
    for megabytes, fails in ((LIMIT // 2, False), (LIMIT + 50, True)):
        code = f"block = bytearray({megabytes} * 2**20)"
        done = light.run(light.python, "-c", code, cwd=tmp_path, limit=LIMIT, check=False)
        assert ("MemoryError" in done.stderr) == fails


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The repository as far as the page needs it; without bundles."""
    bundles = tmp_path / "repository/notebooks/bundles"
    bundles.mkdir(parents=True)
    shutil.copy(ROOT / "notebooks" / NOTEBOOK, bundles.parent)
    return tmp_path / "repository"


@pytest.fixture
def page(chromium: Path) -> Iterator[Page]:
    """A window of Chromium; errors of its scripts fail the test."""
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium), args=CHROMIUM)
        window = browser.new_page()
        window.set_default_timeout(120_000)
        window.on("pageerror", lambda error: errors.append(str(error)))
        yield window
        browser.close()
    assert errors == []


def shows(page: Page, path: Path) -> None:
    """Wait until the page draws the one explorer of this bundle."""
    analysis = modviz.load(path)  # the page says so when the explorer before it is gone
    said = f"{analysis.model_name}: {analysis.partition.n_clusters} clusters, {analysis.status}"
    page.get_by_text(said, exact=True).wait_for()
    page.locator(".modviz-explorer canvas").first.wait_for()
    assert page.locator(".modviz-explorer").count() == 1


@pytest.mark.browser
def test_voila_shows_a_bundle_by_its_address(light, any_bundle, repository, page, tmp_path):
    bundles = repository / "notebooks/bundles"
    (bundles / "asked.modviz").symlink_to(any_bundle)
    shutil.copy(largest_bundle(), bundles / "another.modviz")
    with session(light, repository, tmp_path, limit=LIMIT) as running:
        page.goto(running.address(f"{PAGE}?bundle=asked.modviz"))
        shows(page, any_bundle)
        assert page.get_by_label("File:", exact=True).input_value() == "asked.modviz"
        server, kernels = running.peaks()
    (kernel,) = kernels
    print(f"{any_bundle.name}, as a page: server {server:.0f} MB, kernel {kernel:.0f} MB")
    assert kernel < LIMIT
    assert server + kernel < 1000  # what Binder promises


@pytest.mark.browser
def test_the_page_changes_to_other_bundles_and_to_one_that_is_brought(
    light, repository, page, tmp_path
):
    first, second = sorted((ROOT / "tests/data/bundles").glob("*.modviz"))[:2]
    shutil.copy(first, repository / "notebooks/bundles")
    shutil.copy(second, repository / "notebooks/bundles")
    wrong = tmp_path / "wrong.modviz"
    wrong.write_text("no bundle")

    def bring(path: Path) -> None:
        with page.expect_file_chooser() as chooser:
            page.get_by_text("Bring a file").click()
        chooser.value.set_files(path)

    with session(light, repository, tmp_path, limit=LIMIT) as running:
        page.goto(running.address(PAGE))
        shows(page, first)
        page.get_by_label("File:", exact=True).select_option(second.name)
        shows(page, second)
        bring(wrong)
        page.get_by_text("is no modviz bundle").wait_for()
        assert page.locator(".modviz-explorer").count() == 0
        bring(first)
        shows(page, first)
