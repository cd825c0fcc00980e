"""What is measured inside the browser: times from an event to a drawn frame, bytes, memory."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from tests.browser.linked import Panels

#: Starts to look for a frame that shows what a click was for, and keeps the time as a promise.
_WATCH = """
(argument) => {
  const Bokeh = globalThis.modvizTestBokeh
  const document = Bokeh.documents[0]
  const sources = [...document.all_models].filter((model) =>
    model.type === "ColumnDataSource" && ["hits", "columns"].includes(model.name))
  const selection = () => [...document.get_model_by_name("modviz-selection").data.name]
  const before = selection().join()
  const marks = () => selection().join() !== before && sources.every((source) => {
    const shown = new Set(source.data.name) // a panel that has turned its page shows others
    const marked = new Set(source.selected.indices.map((k) => source.data.name[k]))
    const wanted = selection().filter((name) => argument.everywhere || shown.has(name))
    return marked.size === wanted.length && wanted.every((name) => marked.has(name))
  })
  const drawn = () => {
    const figures = [...document.all_models].filter((model) => model.type === "Figure")
    return figures.some((figure) => figure.renderers.some((renderer) =>
      renderer.name === "hits" && renderer.data_source.data.name.length > 0))
  }
  const reached = argument.marks ? marks : drawn
  globalThis.modvizTestTime = new Promise((done, fail) => {
    let start = null
    setTimeout(() => fail(new Error("nothing came of the click")), 120_000)
    addEventListener("pointerup", (event) => { start = event.timeStamp },
      {capture: true, once: true})
    const look = () => {
      // the frame that is being made now shows it; it is there when the next one begins
      if (start != null && reached()) requestAnimationFrame(() => done(performance.now() - start))
      else requestAnimationFrame(look)
    }
    requestAnimationFrame(look)
  })
}
"""
_OPENED = """() => new Promise((done) => {
  const look = () => {
    if (globalThis.Bokeh?.documents[0]?.is_idle) {
      requestAnimationFrame(() => done(performance.now()))
    } else requestAnimationFrame(look)
  }
  look()
})"""


def seconds_until(
    panels: Panels, x: float, y: float, *, marks: bool, everywhere: bool = False
) -> float:
    """Click at a point; time from the button's release until a frame shows what came of it.

    Parameters
    ----------
    marks : bool
        Whether all panels must mark what the click selected; False = some panel must have
        something to click on.
    everywhere : bool
        Whether panels that show it on another of their pages must have turned to that.
    """
    panels.page.evaluate(f"async () => {{ globalThis.modvizTestBokeh = await {panels.bokeh} }}")
    panels.page.evaluate(_WATCH, {"marks": marks, "everywhere": everywhere})
    panels.page.mouse.click(x, y)
    return float(panels.page.evaluate("() => globalThis.modvizTestTime")) / 1000


def seconds_to_open(page: Page, path: Path) -> float:
    """Go to a report; time from the start of the navigation until a frame shows the panels."""
    page.goto(path.as_uri(), wait_until="commit")
    return float(page.evaluate(_OPENED)) / 1000


@dataclass
class Wire:
    """Bytes that reached a page."""

    sockets: int = 0
    http: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.sockets + self.http


@contextmanager
def wire(page: Page) -> Iterator[Wire]:
    """Count what reaches the page meanwhile: frames of websockets as unpacked, bodies as sent.

    Scripts of the front end itself, which it loads when they are needed first, are left out.
    """
    found, session = Wire(), page.context.new_cdp_session(page)
    theirs: set[str] = set()

    def frame(event: dict[str, Any]) -> None:
        response = event["response"]
        text = str(response["payloadData"])
        packed = response["opcode"] == 2
        found.sockets += len(base64.b64decode(text)) if packed else len(text.encode())

    def response(event: dict[str, Any]) -> None:
        if any(part in event["response"]["url"] for part in ("/static/", "/lab/extensions/")):
            theirs.add(event["requestId"])

    def finished(event: dict[str, Any]) -> None:
        if event["requestId"] not in theirs:
            found.http += int(event["encodedDataLength"])

    session.on("Network.webSocketFrameReceived", frame)
    session.on("Network.responseReceived", response)
    session.on("Network.loadingFinished", finished)
    session.send("Network.enable")
    yield found
    session.detach()


@dataclass(frozen=True)
class Memory:
    """Megabytes of a page: live JavaScript objects, and the private memory of its process."""

    heap: float
    process: float


def memory(browser: Browser, page: Page) -> Memory:
    """Of the page's process, after its garbage was collected."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    metrics = session.send("Performance.getMetrics")["metrics"]
    heap = next(entry["value"] for entry in metrics if entry["name"] == "JSHeapUsedSize")
    session.detach()
    root = browser.new_browser_cdp_session()
    processes = root.send("SystemInfo.getProcessInfo")["processInfo"]
    root.detach()
    renderers = [private(p["id"]) for p in processes if p["type"] == "renderer"]
    return Memory(heap / 1e6, max(renderers) / 1e6)


def private(process: int) -> float:
    """Bytes of memory that a process shares with no other."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    return 1024.0 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
