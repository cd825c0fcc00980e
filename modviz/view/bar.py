"""The bar above the panels: what is selected, how rows are sorted, which are shown.

Everything in it is plain HTML; `js/reading.js` knows the attributes.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any, Final

from modviz.view.facts import LEVEL, Facts
from modviz.view.verdict import verdict

#: The state of the page beside the selection, at the beginning.
VIEW: Final = {
    "sort": "effect",
    "layer": "",
    "show": "all",
    "order": "cluster",
    "gallery": "layer",
}
_SORTS: Final = (
    ("effect", "largest loss"),
    ("p", "smallest p"),
    ("layer", "layer"),
    ("cluster", "cluster"),
)
_SHOWN: Final = (
    ("all", "all"),
    ("important", f"important (q ≤ {LEVEL})"),
    ("any", f"any q ≤ {LEVEL}"),
    ("undecided", "undecided"),
)


def checked(view: dict[str, Any], layers: Sequence[str]) -> dict[str, str]:
    """A state of the page that is possible: what is not falls back to the beginning."""
    allowed = {
        "sort": [key for key, _ in _SORTS],
        "layer": ["", *layers],
        "show": [key for key, _ in _SHOWN],
        "order": ["cluster", "layer"],
        "gallery": ["layer", "rows"],
    }
    return {key: view[key] if view.get(key) in allowed[key] else VIEW[key] for key in VIEW}


def html(layers: Sequence[str]) -> str:
    """The bar for a network with these layers."""
    every = [("", "all layers"), *((name, name) for name in layers)]
    return (
        '<div class="bar" role="group" aria-label="Selection and order">'
        '<span class="group"><label class="field">Selected <select data-pick="1">'
        '<option value="">none</option></select></label>'
        '<button type="button" class="button" data-act="previous" title="Left arrow key" '
        'aria-label="Previous subcluster">‹</button>'
        '<button type="button" class="button" data-act="next" title="Right arrow key" '
        'aria-label="Next subcluster">›</button>'
        '<button type="button" class="button" data-act="clear" title="Escape key">Clear</button>'
        f"</span>{_selector('sort', 'Sort', _SORTS)}{_selector('layer', 'Layer', every)}"
        f"{_selector('show', 'Show', _SHOWN)}"
        '<button type="button" class="button" data-act="all" hidden>Show all</button>'
        '<span class="count" role="status" data-count></span>'
        '<button type="button" class="button report" data-act="theme">Dark or light</button></div>'
    )


def _selector(key: str, label: str, options: Sequence[tuple[str, str]]) -> str:
    entries = "".join(
        f'<option value="{escape(value)}">{escape(words)}</option>' for value, words in options
    )
    return f'<label class="field">{label} <select data-view="{key}">{entries}</select></label>'


def subclusters(facts: Facts) -> dict[str, Any]:
    """What the page's scripts sort and filter by, a value per subcluster."""
    count = range(len(facts.names))
    questions = ("accuracy", "range", "score", "entropy", "image_entropy")
    return {
        "name": list(facts.names),
        "layer": [s.layer_number for s in facts.subclusters],
        "layer_name": [s.layer for s in facts.subclusters],
        "cluster": [s.cluster for s in facts.subclusters],
        "tested": [bool(tested) for tested in facts.tested],
        "change": [float(facts.change[i]) for i in count],
        "p": [facts.p("accuracy", i) for i in count],
        "verdict": [verdict(facts, i).tone for i in count],
        "any": [any(facts.q(name, i) <= LEVEL for name in questions) for i in count],
    }
