"""``modviz demo --serve``: one command, one address, the live explorer behind it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.browser.drivers import PATIENCE, VoilaPage
from tests.browser.linked import BARS, CLASSES, LESIONS
from tests.browser.servers import REPO, VOILA, Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ADDRESS = re.compile(r"The explorer: (http://127\.0\.0\.1:(\d+)/)\?token=(\S+)")


@dataclass
class Served:
    """The command at work."""

    process: subprocess.Popen[str]
    server: Server
    folder: Path
    temporary: Path

    @property
    def address(self) -> str:
        return f"{self.server.url}?token={self.server.token}"

    def end(self) -> str:
        """Press Ctrl+C; what was printed after that."""
        self.process.send_signal(signal.SIGINT)
        return self.process.communicate(timeout=60)[0]


@pytest.fixture
def served(tmp_path: Path, chromium: Path) -> Iterator[Served]:
    folder, temporary = tmp_path / "here", tmp_path / "temporary"
    folder.mkdir()
    temporary.mkdir()
    options = "--no-browser --epochs 4 --clusters 3 --controls 4 --seed 1"
    process = subprocess.Popen(
        [sys.executable, "-m", "modviz", "demo", "--serve", *options.split()],
        cwd=folder,
        env=os.environ
        | {
            "TMPDIR": str(temporary),
            "PYTHONPATH": str(REPO),
            "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
            "JUPYTER_DATA_DIR": str(tmp_path / "data"),
            "IPYTHONDIR": str(tmp_path / "ipython"),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    printed = ""
    assert process.stdout is not None
    try:
        while (found := ADDRESS.search(printed)) is None:
            line = process.stdout.readline()
            assert line, f"it ended without an address:\n{printed}"
            printed += line
        url, _, token = found.groups()
        yield Served(process, Server(url, token, folder, VOILA), folder, temporary)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def refused(url: str) -> bool:
    """Whether the server sends a visitor away, to its login page or with an error."""
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return "/login" in answer.url
    except urllib.error.HTTPError as error:
        return error.code == 403


def alive(process: int) -> bool:
    """Whether a process is there; one that nobody has fetched yet has ended all the same."""
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False


def children(process: int) -> list[int]:
    """Processes that a process has started."""
    return [
        int(number)
        for task in Path(f"/proc/{process}/task").iterdir()
        for number in (task / "children").read_text().split()
    ]


def test_the_served_page_runs_answers_clicks_and_leaves_nothing_behind(served, open_window):
    url, token = served.server.url, served.server.token
    assert len(token) >= 32
    assert refused(url)
    assert refused(f"{url}?token=wrong")
    assert refused(f"{url}api/kernels/00000000-0000-0000-0000-000000000000")

    view = VoilaPage(open_window(1400, 1000), served.server)
    view.page.goto(served.address)
    view.drawn()
    view.page.get_by_role("button", name="Run", exact=True).click()
    view.says(re.compile("modviz: complete"))

    linked = view.linked()
    for panel, name in zip((LESIONS, CLASSES, BARS), linked.names(*LESIONS)[:3], strict=True):
        linked.click(linked.place(*panel, name=name))
        linked.wait_for_marks([name])
        view.says(re.compile(f"selected {name}"))

    # what the page saves stays where the command was called, not in what is removed at its end
    view.page.get_by_role("button", name="Save", exact=True).click()
    view.page.wait_for_function(
        "() => document.body.innerText.includes('.modviz')", timeout=PATIENCE
    )
    assert [path.suffix for path in served.folder.iterdir()] == [".modviz"]

    assert view.window.refused == []
    assert view.window.errors == []
    kernels = children(served.process.pid)
    assert kernels
    assert "Ended." in served.end()
    assert served.process.returncode == 0
    assert [path.name for path in served.temporary.glob("modviz-*")] == []
    end = time.monotonic() + 30
    while any(alive(kernel) for kernel in kernels):
        assert time.monotonic() < end, "a kernel outlived its server"
        time.sleep(0.05)


def test_ctrl_c_before_anybody_came_ends_it_too(served):
    # the folder with the weights is this user's alone
    (folder,) = served.temporary.glob("modviz-*")
    assert folder.stat().st_mode & 0o077 == 0
    assert "Ended." in served.end()
    assert served.process.returncode == 0
    assert not folder.exists()
