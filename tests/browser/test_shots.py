"""Pictures of every state of the explorer, for eyes and for the documentation: `make shots`.

Not a test of anything but that each state can be reached; whoever changes the page looks at them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tests.browser.drivers import Notebook, Window
from tests.browser.linked import LESIONS
from tests.browser.servers import REPO

pytestmark = [pytest.mark.browser, pytest.mark.shots]

PICTURES = REPO / "docs" / "pictures"
WIDTHS, THEMES = (1280, 1920), ("light", "dark")
#: Every layer asks the lamp: with it out the model fails, as models do.
_MODEL = """
import modviz
from modviz import examples
train, test = examples.digits()
class Lamp:
    out = False
    def __call__(self, *_):
        if self.out:
            raise RuntimeError("CUDA error: device-side assert triggered")
lamp, model = Lamp(), examples.mlp((1, 8, 8), width=128, dropout=0.5, seed=0)
examples.train(model, train, epochs=40, seed=0, progress=False)
for layer in model.modules():
    layer.register_forward_pre_hook(lamp)
"""
_STILL = """async () => {
  for (let k = 0; k < 6; k++) await new Promise((done) => requestAnimationFrame(done))
  await document.fonts.ready
}"""


class Camera:
    """Takes the explorer of a notebook in both themes and at both widths."""

    def __init__(self, notebook: Notebook) -> None:
        self.notebook, self.page = notebook, notebook.page

    def takes(self, state: str, height: int = 1150) -> None:
        for theme in THEMES:
            self.notebook.theme(f"JupyterLab {theme.capitalize()}")
            for width in WIDTHS:
                self.page.set_viewport_size({"width": width, "height": height})
                self.page.evaluate(_STILL)
                self.page.mouse.move(2, 2)
                keep(self.page.screenshot(), f"{state}-{width}-{theme}")


def keep(png: bytes, name: str) -> None:
    """Write a picture small enough for a repository: 255 colours are enough for a page."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    picture = Image.open(BytesIO(png)).convert("RGB")
    picture.quantize(255, dither=Image.Dither.NONE).save(PICTURES / f"{name}.png", optimize=True)


@pytest.fixture
def opened(in_lab: Callable[..., Notebook]) -> Iterator[Callable[[str], tuple[Notebook, Camera]]]:
    """A notebook of the model with one explorer, made with these keywords, and its camera."""

    def one(keywords: str) -> tuple[Notebook, Camera]:
        notebook = in_lab(f"{_MODEL}explorer = modviz.explore(model, test, {keywords})\nexplorer")
        notebook.command("application:toggle-left-area")
        notebook.run_all()
        notebook.drawn()
        hide = "document.querySelectorAll('.jp-InputArea').forEach((e) => e.style.display = 'none')"
        notebook.page.evaluate(hide)
        return notebook, Camera(notebook)

    return one


def test_from_empty_to_complete_stale_and_failed(
    opened: Callable[[str], tuple[Notebook, Camera]],
) -> None:
    notebook, camera = opened("n_clusters=6, n_controls=19")
    camera.takes("empty")
    notebook.python("explorer.run()")
    notebook.says(re.compile("modviz: complete"))
    camera.takes("complete", 2300)
    linked = notebook.linked()
    first = linked.names(*LESIONS)[0]
    notebook.python(f"explorer.selected = [{first!r}]")
    linked.wait_for_marks([first])
    camera.takes("selected", 2300)
    notebook.page.get_by_role("slider", name=re.compile("Clusters")).press("ArrowRight")
    notebook.page.locator(".modviz-banner").wait_for(state="visible")
    camera.takes("stale")
    notebook.python("lamp.out = True\nexplorer.run()")
    notebook.says(re.compile("modviz: failed"))
    camera.takes("failed")


def test_busy_and_cancelled(opened: Callable[[str], tuple[Notebook, Camera]]) -> None:
    notebook, camera = opened("n_clusters=6, n_controls=9999, features=False, top_images=False")
    notebook.python("explorer.run()")
    notebook.says(re.compile("modviz: running"))
    notebook.linked().wait_for_panel(*LESIONS)
    camera.takes("busy")
    notebook.python("explorer.cancel()")
    notebook.says(re.compile("modviz: cancelled"))
    camera.takes("cancelled")


def test_choice_and_pairs(opened: Callable[[str], tuple[Notebook, Camera]]) -> None:
    notebook, camera = opened("n_clusters=4, n_controls=9, features=False, top_images=False")
    notebook.python("explorer.run(); explorer.wait()")
    notebook.says(re.compile("modviz: complete"))
    notebook.python("explorer.suggest_n_clusters(); explorer.wait()")
    notebook.python("explorer.measure_pairs(); explorer.wait()")
    notebook.page.locator('[data-modviz-root="page"]').get_by_text("Double lesions").wait_for()
    camera.takes("choice-and-pairs", 3000)


def test_the_report(
    open_window: Callable[..., Window], full_analysis: object, tmp_path: Path
) -> None:
    from modviz.view.report import report

    path = report(full_analysis, tmp_path / "report.html")  # type: ignore[arg-type]
    for width in (700, *WIDTHS):
        window = open_window(width, 1150)
        for theme in THEMES:
            window.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            window.page.goto(path.as_uri())
            window.page.wait_for_function("() => globalThis.Bokeh?.documents[0]?.is_idle")
            if theme == "dark":  # light is how it begins
                window.page.locator('html[data-modviz-theme="dark"]').wait_for(state="attached")
            window.page.evaluate(_STILL)
            keep(window.page.screenshot(full_page=True), f"report-{width}-{theme}")
