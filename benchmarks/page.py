"""How quick and how light the page is, in a real Chromium: ``python -m benchmarks.page``.

Prints a table: clicks, the first picture after Run, bytes until it is painted, memory of the page,
the report's size and the time it takes to open. Needs what the browser tests need.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

import modviz
from benchmarks import browser as probe
from benchmarks import networks
from benchmarks.sizes import mlp_sized, vgg_sized
from benchmarks.timing import machine
from tests.browser.drivers import CHROMIUM, PATIENCE, Notebook, Window, write_notebook
from tests.browser.linked import PANELS, Panels
from tests.browser.servers import LAB, Server, serve

CLICKS = 40
SHOW = "import modviz\nexplorer = modviz.explore(modviz.load('{}'))\nexplorer"
#: Networks that are run: a cell that makes the model and the images.
RUNS = {
    "MLP 4x256": ("from benchmarks import networks\nmodel, data = networks.trained('mlp')"),
    "VGG-16": (
        "from benchmarks import networks\n"
        "model, data = networks.vgg16_bn(), networks.images_like((3, 32, 32), 10_000)"
    ),
}
START = "import modviz\nexplorer = modviz.explore(model, data, n_clusters=16)\nexplorer"
#: Upper limits that were asked for, by the beginning of a line's name.
ASKED = {
    "click": "50 ms",
    "Run, MLP": "2 s",
    "Run, VGG": "8 s",
    "bytes": "4 MB",
    "memory": "300 MB",
    "report, MLP": "6 MB",
    "report, to open": "3 s",
}

Line = tuple[str, str, str]


@contextmanager
def window(browser: Browser) -> Iterator[Window]:
    """A window of its own process."""
    context = browser.new_context(viewport={"width": 1680, "height": 1300})
    context.set_default_timeout(PATIENCE)
    yield Window(context.new_page())
    context.close()


def opened(window: Window, server: Server, *cells: str) -> Notebook:
    """A notebook in JupyterLab whose kernel is ready."""
    notebook = Notebook(window, server)
    notebook.open(write_notebook(server.folder, *cells))
    return notebook


def clicks(linked: Panels, *, turning: bool) -> np.ndarray:
    """Milliseconds from a click to the marks in all panels.

    Clicks go to all panels in turn. `turning`: to what long panels have on other pages, until they
    have turned to it; empty where they have one page.
    """
    found: list[float] = []
    drawn = [PANELS["lesions"], PANELS["gallery"]]
    panels = [PANELS["bars"], PANELS["matrix"]] if turning else list(PANELS.values())
    for turn, layers in enumerate(islice(cycle(panels), CLICKS)):
        here = [set(linked.names(*panel)) for panel in drawn]
        there = linked.names(*PANELS["bars"])
        inside = [n for n in there if all((n in names) is not turning for names in here)]
        if not inside:
            break
        place = linked.place(*layers, name=inside[(7 * turn + 3) % len(inside)])
        seconds = probe.seconds_until(linked, place.x, place.y, marks=True, everywhere=turning)
        found.append(1000 * seconds)
    return np.array(found)


def of_showing(browser: Browser, server: Server, name: str, file: str) -> Iterator[Line]:
    """An analysis that is shown: bytes, clicks, memory."""
    with window(browser) as empty:
        notebook = opened(empty, server, SHOW.format(file))
        notebook.python("import modviz, ipywidgets")
        before = probe.memory(browser, notebook.page)
        with probe.wire(notebook.page) as bytes_:
            notebook.run_all()
            notebook.drawn()
        yield _bytes(f"bytes until shown, {name}", bytes_)
        for turning in (False, True):
            took = clicks(notebook.linked(), turning=turning)
            if took.size:
                what = "pages turned to it" if turning else "click to all marks"
                late = f"95 %: {np.percentile(took, 95):.0f} ms"
                yield f"{what}, {name}", f"{np.median(took):.0f} ms", late
        after = probe.memory(browser, notebook.page)
    heaps = f"{before.heap:.0f} MB, then {after.heap:.0f} MB"
    more = f"JupyterLab alone {before.process:.0f} MB; live objects {heaps}"
    yield f"memory of the page, {name}", f"{after.process:.0f} MB", more
    server.end_kernels()


def of_running(browser: Browser, server: Server, name: str, cell: str) -> Iterator[Line]:
    """A run: seconds and bytes from Run to the first picture."""
    with window(browser) as empty:
        notebook = opened(empty, server, cell, START)
        with probe.wire(notebook.page) as bytes_:
            notebook.run_all()
            notebook.drawn()
            x, y = middle(notebook.page, "Run")
            seconds = probe.seconds_until(notebook.linked(), x, y, marks=False)
        yield f"Run, {name}, to the first picture", f"{seconds:.2f} s", ""
        yield _bytes(f"bytes until then, {name}", bytes_)
        notebook.page.get_by_role("button", name="Cancel", exact=True).click()
    server.end_kernels()


def middle(page: Page, button: str) -> tuple[float, float]:
    """Where to click on a button."""
    box = page.get_by_role("button", name=button, exact=True).bounding_box()
    if box is None:
        raise RuntimeError(f"the page shows no button {button}")
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def of_report(
    browser: Browser, name: str, analysis: modviz.Analysis, folder: Path
) -> Iterator[Line]:
    """A report: its size, and how long it takes to open."""
    path = modviz.report(analysis, folder / "report.html")
    yield f"report, {name}", f"{path.stat().st_size / 1e6:.1f} MB", ""
    with window(browser) as empty:
        took = [probe.seconds_to_open(empty.page, path) for _ in range(5)]
        used = probe.memory(browser, empty.page)
    yield (
        f"report, to open, {name}",
        f"{np.median(took):.2f} s",
        f"5 times, at most {max(took):.2f} s; {used.process:.0f} MB of memory",
    )


def _bytes(name: str, found: probe.Wire) -> Line:
    parts = f"websockets {found.sockets / 1e6:.2f} MB, HTTP {found.http / 1e6:.2f} MB"
    return name, f"{found.total / 1e6:.2f} MB", parts


def main() -> None:
    """Measure one thing after the other and print each line when it is there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    parser.add_argument("--only", default="", help="of the table's parts: show, run or report")
    only = parser.parse_args().only
    print(f"{machine()}; load {os.getloadavg()[0]:.1f} at the start\n")
    print("| what | measured | asked | more |\n|---|--:|--:|---|")
    chromium = os.environ.get("MODVIZ_CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        raise SystemExit("no chromium: apt install chromium, or name one in MODVIZ_CHROMIUM")
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM)
        with serve(LAB, Path(home)) as server:
            for part, lines in parts(browser, server).items():
                if only in part:
                    for line in lines():
                        show(*line)
        browser.close()
    print(f"\nload {os.getloadavg()[0]:.1f} at the end")


def parts(browser: Browser, server: Server) -> dict[str, Callable[[], Iterator[Line]]]:
    """Everything that is measured, by name."""

    def shown() -> Iterator[Line]:
        for name, made in (("MLP", mlp_sized), ("VGG-16", vgg_sized)):
            made().save(server.folder / f"{name}.modviz")
            yield from of_showing(browser, server, f"{name} in size", f"{name}.modviz")

    def running() -> Iterator[Line]:
        for name, cell in RUNS.items():
            yield from of_running(browser, server, name, cell)

    def reports() -> Iterator[Line]:
        model, data = networks.trained("mlp")
        analysis = modviz.analyze(model, data, n_clusters=16, progress=False)
        yield from of_report(browser, "MLP 4x256 on Fashion-MNIST", analysis, server.folder)
        yield from of_report(browser, "VGG-16 in size", vgg_sized(), server.folder)

    return {"show": shown, "run": running, "report": reports}


def show(name: str, measured: str, more: str) -> None:
    """Print a line of the table."""
    asked = next((limit for begin, limit in ASKED.items() if name.startswith(begin)), "")
    print(f"| {name} | {measured} | {asked} | {more} |", flush=True)


if __name__ == "__main__":
    main()
