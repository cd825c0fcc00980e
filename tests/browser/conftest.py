"""A real Chromium that reaches nothing but this machine, and front ends of our own."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Route, sync_playwright

from modviz.core.analysis import Analysis
from tests.browser import material
from tests.browser.drivers import (
    CHROMIUM,
    SECONDS,
    Notebook,
    View,
    VoilaPage,
    Window,
    write_notebook,
)
from tests.browser.linked import Panels
from tests.browser.servers import LAB, NOTEBOOK7, REPO, VOILA, Server, serve

_FAILED = pytest.StashKey[bool]()
_View = TypeVar("_View", bound=View)
_OWN_HOSTS = {"127.0.0.1", "localhost", None, ""}


@pytest.fixture(scope="session")
def browser(chromium: Path) -> Iterator[Browser]:
    """Chromium with a fresh profile."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=str(chromium), args=CHROMIUM)
        yield running
        running.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell `open_window` how the test ended."""
    report = yield
    if report.when == "call":
        item.stash[_FAILED] = report.failed
    return report


@pytest.fixture
def open_window(
    browser: Browser, request: pytest.FixtureRequest, artifacts: Path
) -> Iterator[Callable[..., Window]]:
    """Open windows of a given size; all requests that leave this machine are refused and noted.

    Of a test that fails each window leaves a picture in test-artifacts.
    """
    contexts: list[BrowserContext] = []

    def open_one(width: int = 1680, height: int = 1250) -> Window:
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        window = Window(context.new_page())

        def local_only(route: Route) -> None:
            url = urlsplit(route.request.url)
            if url.scheme in {"http", "https"} and url.hostname not in _OWN_HOSTS:
                window.refused.append(route.request.url)
                route.abort()
            else:
                route.continue_()

        context.route("**/*", local_only)
        window.page.set_default_timeout(60 * SECONDS)
        window.page.on("pageerror", lambda error: window.errors.append(error.stack or str(error)))
        return window

    yield open_one
    for number, context in enumerate(contexts):
        if request.node.stash.get(_FAILED, False):
            path = artifacts / f"failed-{request.node.name}-{number}.png"
            for page in context.pages:
                page.screenshot(path=path)
        context.close()


@pytest.fixture
def panels() -> type[Panels]:
    """Reads and clicks the linked panels of a page."""
    return Panels


@pytest.fixture
def artifacts() -> Path:
    """A folder for pictures to look at."""
    folder = REPO / "test-artifacts"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def _lab_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(LAB, tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture(scope="session")
def _notebook7_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(NOTEBOOK7, tmp_path_factory.mktemp("notebook7")) as server:
        yield server


@pytest.fixture(scope="session")
def _voila_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(VOILA, tmp_path_factory.mktemp("voila")) as server:
        yield server


@pytest.fixture
def lab(_lab_server: Server) -> Iterator[Server]:
    """JupyterLab; the kernels of a test end with it."""
    yield _lab_server
    _lab_server.end_kernels()


@pytest.fixture
def notebook7(_notebook7_server: Server) -> Iterator[Server]:
    """Notebook 7; the kernels of a test end with it."""
    yield _notebook7_server
    _notebook7_server.end_kernels()


@pytest.fixture
def voila(_voila_server: Server) -> Server:
    """Voila, which ends the kernel of a page that is left."""
    return _voila_server


@pytest.fixture
def small_analysis() -> Analysis:
    """Three layers, lesions but no images."""
    return material.small_analysis()


@pytest.fixture
def full_analysis() -> Analysis:
    """Two layers, and something in every panel."""
    return material.full_analysis()


# A server comes before the window in these: a kernel ends after the page that shows it.


@pytest.fixture
def in_lab(lab: Server, open_window: Callable[..., Window]) -> Callable[..., Notebook]:
    """Write cells into a notebook and open it in JupyterLab; nothing runs yet."""
    return partial(_opened, Notebook, lab, open_window)


@pytest.fixture
def in_notebook7(notebook7: Server, open_window: Callable[..., Window]) -> Callable[..., Notebook]:
    """The same in Notebook 7."""
    return partial(_opened, Notebook, notebook7, open_window)


@pytest.fixture
def in_voila(voila: Server, open_window: Callable[..., Window]) -> Callable[..., VoilaPage]:
    """Write cells into a notebook that Voila runs and shows at once."""
    return partial(_opened, VoilaPage, voila, open_window)


def _opened(
    view: type[_View],
    server: Server,
    open_window: Callable[..., Window],
    *cells: str,
    width: int = 1680,
    height: int = 1300,
) -> _View:
    shown = view(open_window(width, height), server)
    shown.open(write_notebook(server.folder, *cells))
    return shown
