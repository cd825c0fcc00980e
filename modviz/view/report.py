"""The static report: the linked page as one HTML file that needs neither kernel nor network."""

from __future__ import annotations

import os
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from bokeh.embed import components

from modviz.core.analysis import Analysis
from modviz.core.choice import ClusterChoice
from modviz.core.files import file_path, replacing
from modviz.core.interactions import Interactions
from modviz.view import standalone, style
from modviz.view.facts import Facts
from modviz.view.overview import in_words
from modviz.view.page import Page

_CSS = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")
#: The report follows the reader's system until its button is pressed.
_THEME = """
const follow = matchMedia("(prefers-color-scheme: dark)")
const colour = () => {
  const source = Bokeh.documents[0]?.get_model_by_name("modviz-theme")
  if (source != null) source.data = {json: [follow.matches ? '"dark"' : '"light"']}
}
follow.addEventListener("change", colour)
const waiting = setInterval(() => {
  if (Bokeh.documents[0]?.is_idle) {
    clearInterval(waiting)
    colour()
  }
}, 20)
"""


def report(
    analysis: Analysis,
    path: str | os.PathLike[str],
    *,
    choice: ClusterChoice | None = None,
    interactions: Interactions | None = None,
) -> Path:
    """Write an analysis as one HTML file with linked panels.

    The file holds everything: it opens without a kernel and without a network, and its own
    content policy forbids it to load anything.

    Parameters
    ----------
    analysis : Analysis
        Whole or partial; what was not measured is said.
    path : str or path
        Where to write. An existing file is replaced only by a complete one.
    choice : ClusterChoice, optional
        From `modviz.choose_n_clusters`; shown below the panels.
    interactions : Interactions, optional
        From `modviz.interactions`; shown below the panels.

    Returns
    -------
    pathlib.Path
        The file that was written.

    Examples
    --------
    >>> import modviz
    >>> planted = modviz.examples.planted_mlp(n_modules=2, width=8, depth=2)
    >>> analysis = modviz.analyze(
    ...     planted.model, planted.data, n_clusters=2, features=False, progress=False
    ... )
    >>> modviz.report(analysis, "planted.html").name
    'planted.html'
    """
    given: Any = analysis  # what a user gives need not be what the signature says
    if not isinstance(given, Analysis):
        hint = f": open the file first, modviz.load({given!r})" if isinstance(given, str) else ""
        raise TypeError(f"analysis is a {type(given).__name__}; expected a modviz Analysis{hint}")
    target = file_path(path)
    with replacing(target) as file:
        file.write(render(analysis, choice, interactions).encode("utf-8"))
    return target


def render(
    analysis: Analysis,
    choice: ClusterChoice | None = None,
    interactions: Interactions | None = None,
) -> str:
    """The report's HTML."""
    page = Page(analysis)
    page.show_choice(choice)
    page.show_interactions(interactions)
    card, panels = page.document.roots
    script, divs = components({"card": card, "page": panels}, wrap_script=False)
    facts = Facts(analysis)
    body = (
        f"<main>\n<aside>\n<h1>Modularity report</h1>\n{_what(facts)}\n{_summary(facts)}\n"
        f'<div id="card">{divs["card"]}</div>\n</aside>\n<div id="page">{divs["page"]}\n'
        "<noscript>The panels need JavaScript; the file brings its own.</noscript></div>\n</main>"
    )
    title = f"Modularity report: {analysis.model_name}"
    return standalone.html(title, _CSS, body, f"{script}\n{_THEME}")


def _what(facts: Facts) -> str:
    """What was analysed: model, layers, edges, and under a fold all settings."""
    analysis = facts.analysis
    graph = analysis.partition.graph
    layers = ", ".join(f"{escape(la.name)} ({la.n_units:,})" for la in graph.layers)
    meaning = {
        "weights": "absolute weights",
        "activations": "squared rank correlations of activations",
    }.get(graph.edges, graph.edges)
    if facts.local:
        meaning += "; each layer clustered by itself, letters are per layer"
    images = ""
    if analysis.lesions is not None:
        intact = style.percent(float(analysis.lesions.intact.mean()))
        images = f"<br>accuracy {intact} on {style.plural(analysis.lesions.n_images, 'image')}"
    return (
        f'<div class="what">{escape(analysis.model_name)}{images}<br>layers (units): {layers}<br>'
        f"edges: {escape(meaning)}</div>{_settings(analysis.settings)}"
    )


def _settings(settings: Mapping[str, Any]) -> str:
    if not settings:
        return ""
    rows = "".join(
        f"<tr><td>{escape(str(key))}</td><td>{escape(str(value))}</td></tr>"
        for key, value in settings.items()
    )
    return f"<details><summary>Settings</summary><table>{rows}</table></details>"


def _summary(facts: Facts) -> str:
    """The result in words."""
    paragraphs = "".join(f"<p>{escape(words)}</p>" for words in in_words(facts))
    return f"<section><h2>In words</h2>{paragraphs}</section>"
