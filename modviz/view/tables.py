"""A table twin of every panel: the same numbers in HTML, and a button for whatever can be clicked.

A canvas says nothing to a screen reader and takes no keys. What a panel draws stands here again as
text, and the button of a row selects what a click on its mark would. Rows of a subcluster carry
``data-of`` with its name, buttons ``data-select`` with all names that they select, for the page to
hear, sort and filter.
"""

from __future__ import annotations

import numpy as np

from modviz.view import cells, evidence, style, support, top_images
from modviz.view.cells import Head
from modviz.view.classes import shown
from modviz.view.cluster_tables import partition, weights
from modviz.view.facts import LEVEL, Facts

__all__ = ["classes", "features", "lesions", "partition", "weights"]

#: Class changes in one table; of more, only those of the classes that the panel shows.
MOST_CELLS = 4000
_NAME = Head("Subcluster", number=False)
_BOLD = f"bold: q at most {LEVEL:g}"


def lesions(facts: Facts) -> str:
    """HTML of the lesions: a row per subcluster, worst first, those not tested last."""
    if not facts.measured.any():
        return cells.sentence(facts.waiting("lesions"))
    limits = tuple(100 * limit for limit in facts.analysis.change_interval())
    heads = [
        _NAME,
        Head("Units"),
        Head("Change"),
        Head("95 % interval"),
        Head("Random groups"),
        Head("Their mean"),
        Head("Their range"),
        Head("As bad or worse"),
        Head("p"),
        Head("q"),
    ]
    n_found, known = len(heads) - 2, facts.analysis.support is not None
    heads += [Head("Stability"), Head("Agreement")] if known else []
    heads.append(Head("Verdict", number=False))
    rows = []
    for i in [*facts.rows, *np.flatnonzero(~facts.tested).tolist()]:
        found = [cells.number(f"{len(facts.subclusters[i].units):,}")]
        if facts.measured[i] and facts.tested[i]:
            found += _lesion(facts, i, float(limits[0][i]), float(limits[1][i]))
        else:
            found.append(cells.gap(_absent(facts, i), n_found))
        found += _support(facts, i)
        found.append(cells.words(evidence.verdict(facts, i).badge))
        rows.append(cells.subcluster(facts.names[i], found))
    # drawing went on for another statistic, or after this one had enough
    fewer = facts.measured & (facts.counts[1] != facts.draws)
    about = f" {support.MEANING}" if known else ""
    rests = " p rests on those groups that the column before it counts." if fewer.any() else ""
    return cells.table(
        "Lesions: a row for each subcluster, in the order of the panel. Change of accuracy without "
        "it in percentage points, with its interval over other images, beside the changes without "
        f"random groups of as many units of its layer; {_BOLD}.{rests}{about}",
        heads,
        rows,
    )


def _lesion(facts: Facts, i: int, low: float, high: float) -> list[str]:
    """The cells of a lesion that was measured."""
    controls = facts.drawn(i)
    as_bad, counted = (int(count[i]) for count in facts.counts)
    return [
        cells.number(style.signed(facts.change[i])),
        cells.number(_span(low, high), missing="not known"),
        cells.number(f"{len(controls):,}"),
        cells.number(style.signed(controls.mean())),
        cells.number(_span(controls.min(), controls.max())),
        cells.number(f"{as_bad:,} of {counted:,}"),
        *_p_and_q(facts, "accuracy", i),
    ]


def _support(facts: Facts, i: int) -> list[str]:
    """The cells of whether it comes back; none where the analysis does not know."""
    found = support.stability(facts, i), support.agreement(facts, i)
    return [cells.number(v.short, missing=v.value) for v in found if v is not None]


def classes(facts: Facts) -> str:
    """HTML of the class changes: a row per tested subcluster, a column per class."""
    if not facts.measured.any():
        return cells.sentence(facts.waiting("lesions"))
    count = len(facts.class_names)
    columns = shown(facts) if count * len(facts.rows) > MOST_CELLS else list(range(count))
    most = ""
    if len(columns) < count:
        most = f" Only the {len(columns)} of {count:,} classes that change most are here."
    rows = []
    for i in facts.rows:
        if facts.measured[i]:
            changes = facts.class_change[i, columns].tolist()
            found = [cells.number(_points(change)) for change in changes]
        else:
            found = [cells.gap(_absent(facts, i), len(columns))]
        rows.append(cells.subcluster(facts.names[i], found))
    return cells.table(
        "Accuracy change by class: a row for each subcluster, in the order of the panel, and a "
        "column for each true class, with the change of its accuracy without the subcluster in "
        f"percentage points.{most}",
        [_NAME, *(Head(facts.class_names[c]) for c in columns)],
        rows,
    )


def features(facts: Facts) -> str:
    """HTML of feature and top images: a row per tested subcluster, their statistics, p and q."""
    if not (facts.pictured.any() or facts.topped.any()):
        return cells.sentence(facts.waiting("feature images"))
    analysis = facts.analysis
    pictures = analysis.features is not None or facts.awaited("features")
    tops = analysis.top_images is not None or facts.awaited("top_images")
    heads, about = [_NAME], []
    if pictures:
        heads += [Head("Score"), Head("p of score"), Head("q of score")]
        heads += [Head("Entropy, nats"), Head("p of entropy"), Head("q of entropy")]
        about.append(
            " The score of its feature image says how strongly one picture can drive all its "
            "units, the entropy of the network's answer how far that picture means one class "
            f"(0).{_against(facts.n_image_controls)}"
        )
    if tops:
        heads += [Head("Commonest class of top images", number=False)]
        heads += [Head("Entropy of top images, nats")]
        heads += [Head("p of top images"), Head("q of top images")]
        about.append(
            " Top images are the real images that drive it most; the entropy of their classes is "
            f"0 if all are of one.{_against(facts.controls_of('image_entropy'))}"
        )
    rows = []
    for i in np.flatnonzero(facts.tested).tolist():
        found = _picture(facts, i) if pictures else []
        found += _tops(facts, i) if tops else []
        rows.append(cells.subcluster(facts.names[i], found))
    return cells.table(
        f"Feature images: a row for each subcluster, layer by layer; {_BOLD}.{''.join(about)}",
        heads,
        rows,
    )


def _against(n_controls: int) -> str:
    """What p compares with; nothing while that is not known."""
    return f" p and q: against {style.plural(n_controls, 'random group')}." if n_controls else ""


def _picture(facts: Facts, i: int) -> list[str]:
    """The cells of a feature image."""
    if not facts.pictured[i]:
        return [cells.gap(_absent(facts, i), 6)]
    score, entropy = (float(facts.table[name].iloc[i]) for name in ("score", "entropy"))
    return [
        cells.number(cells.digits(score)),
        *_p_and_q(facts, "score", i),
        cells.number("–" if np.isnan(entropy) else style.number(entropy, 2)),
        *_p_and_q(facts, "entropy", i),
    ]


def _tops(facts: Facts, i: int) -> list[str]:
    """The cells of the top images."""
    if not facts.topped[i]:
        return [cells.gap(_absent(facts, i), 4)]
    return [
        cells.marked(top_images.commonest(facts, i)),
        cells.number(f"{float(facts.table['image_entropy'].iloc[i]):.2f}"),
        *_p_and_q(facts, "image_entropy", i),
    ]


def _p_and_q(facts: Facts, statistic: str, i: int) -> list[str]:
    q = facts.q(statistic, i)
    return [
        cells.number(facts.p_text(statistic, i)),
        cells.number(style.q_text(q), strong=q <= LEVEL),
    ]


def _points(change: float) -> str:
    return "–" if np.isnan(change) else style.signed(change)


def _span(low: float, high: float) -> str:
    return "–" if np.isnan(low) else f"{style.signed(low)} to {style.signed(high)}"


def _absent(facts: Facts, i: int) -> str:
    """Why a subcluster has no numbers."""
    if not facts.tested[i]:
        return "not tested (size rule)"
    return {
        "running": "not measured yet",
        "cancelled": "not measured: cancelled before",
    }.get(facts.analysis.status, "not measured")
