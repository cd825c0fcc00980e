"""Top images: the real images that drive a subcluster most, in the gallery and on its card."""

from __future__ import annotations

from collections import Counter
from html import escape

from modviz.view import style
from modviz.view.facts import Facts
from modviz.view.sheets import sheet_of


def commonest(facts: Facts, i: int) -> str:
    """The class that most top images are of, and how many, as HTML."""
    classes = _classes(facts, i)
    counts = Counter(classes)
    most = max(counts.values())
    if most == 1:
        return f"{len(classes)} classes"
    names = [escape(name) for name, count in counts.items() if count == most]
    if len(names) > 1:
        return f"{most} each: {', '.join(names)}"
    return f"{most} of {len(classes)}: {names[0]}"


def spread(facts: Facts, i: int) -> str:
    """The entropy of their classes beside the mean of that of random groups, as HTML."""
    tops = facts.analysis.top_images
    if tops is None:
        return ""
    own, controls = float(tops.entropy[i]), tops.entropy_controls[i]
    groups = style.plural(len(controls), "random group")
    few = " (of all images there are)" if tops.n_images <= tops.numbers.shape[1] else ""
    return f"class entropy {own:.2f} nats{few}<br>{groups}: {float(controls.mean()):.2f}"


def sheet(facts: Facts, i: int) -> str:
    """HTML of all top images of a subcluster, each over the name of its class."""
    tops = facts.analysis.top_images
    if tops is None or tops.images is None:
        return ""
    tiles = sheet_of(tops, "tops")
    coarse = " coarse" if tiles.coarse else ""
    cells = []
    for t, (name, number, drive) in enumerate(
        zip(_classes(facts, i), tops.numbers[i], tops.drives[i], strict=True)
    ):
        shown = escape(name)
        tip = f"{shown}, image {number} of the data, drive {drive:.3g}"
        place = tiles.place(i * tops.images.shape[1] + t)
        picture = (
            f'<span class="pic tops{coarse}" role="img" aria-label="{shown}" data-caption="{tip}" '
            f'style="{place}"></span>'
        )
        cells.append(f'<div title="{tip}">{picture}{shown}</div>')
    return f'<div class="sheet">{"".join(cells)}</div>'


def tip(facts: Facts, i: int) -> list[str]:
    """Lines of HTML for a tooltip."""
    if not facts.topped[i]:
        return []
    q = style.q_text(facts.q("image_entropy", i))
    entropy = f"class entropy {float(facts.table['image_entropy'].iloc[i]):.2f}"
    evidence = f"{entropy}, p {facts.p_text('image_entropy', i)}, q {q}"
    return [f"top images: {commonest(facts, i)}", evidence]


def _classes(facts: Facts, i: int) -> list[str]:
    tops = facts.analysis.top_images
    return [] if tops is None else [facts.class_names[label] for label in tops.labels[i]]
