"""Which classes each lesion hits: change of class accuracy, on the rows of the lesion panel."""

from __future__ import annotations

from html import escape

import numpy as np

from modviz.view import drawing, lesions, style
from modviz.view.drawing import Drawing, Marks
from modviz.view.facts import Facts

#: Colour is full at this many points, in every analysis, so that two reports can be compared.
FULL = 40.0
#: Changes from here on carry their figure.
FIGURES_FROM = 10.0
#: More classes than this would be slivers: those that change most are shown.
MOST_CLASSES = 32
LOSS = ("#fbe3e1", "#e58a85", "#c4303f", "#7d0a22")
GAIN = ("#e2edf6", "#8db9da", "#3579b1", "#0f4a80")


def color(points: float) -> str:
    """Crimson for losses, white for none, blue for gains; full at `FULL` points."""
    share = min(abs(points) / FULL, 1.0)
    stops = (style.WHITE, *(LOSS if points < 0 else GAIN))
    place = share * (len(stops) - 1)
    k = min(int(place), len(stops) - 2)
    return style.mix(stops[k], stops[k + 1], place - k)


def shown(facts: Facts) -> list[int]:
    """The classes of the panel, in their order."""
    count = len(facts.class_names)
    if count <= MOST_CLASSES:
        return list(range(count))
    rows = [i for i in facts.rows if facts.measured[i]]
    largest = np.abs(facts.class_change[rows]).max(axis=0) if rows else np.zeros(count)
    return sorted(np.argsort(-largest, kind="stable")[:MOST_CLASSES].tolist())


def head(facts: Facts) -> str:
    """HTML above the panel."""
    ramp = style.ramp("points", "≤ −40", "+40", [*LOSS[::-1], style.WHITE, *GAIN])
    if facts.analysis.lesions is None:
        waiting = escape(facts.waiting("lesions"))
        return style.header("Accuracy change by class", waiting, ramp, one_line=True)
    count = len(facts.class_names)
    say = "same rows; figures from 10 points"
    if count > MOST_CLASSES:
        say = f"the {MOST_CLASSES} of {count:,} classes that change most"
    return style.header("Accuracy change by class", say, ramp, one_line=True)


def _slanted(facts: Facts, room: float) -> bool:
    """Whether class names have to stand upright to fit."""
    return any(style.text_width(facts.class_names[c]) > room - 4 for c in shown(facts))


def bottom(facts: Facts | None) -> int:
    """Pixels below the rows: one line of class names, or upright names."""
    if facts is None or not facts.class_names:
        return lesions.BOTTOM
    classes = shown(facts)
    if not _slanted(facts, style.RIGHT / len(classes)):
        return lesions.BOTTOM
    longest = max(style.text_width(style.fit(facts.class_names[c], 110)) for c in classes)
    return max(lesions.BOTTOM, int(longest) + 34)


def draw(facts: Facts | None, below: int) -> Drawing:
    """A cell per tested subcluster and class."""
    rows = [] if facts is None else facts.rows
    cells: Marks = []
    figures: Marks = []
    flat: Marks = []
    upright: Marks = []
    notes: Marks = []
    names: Marks = []
    hits: Marks = []
    if facts is not None and rows and facts.class_names:
        classes = shown(facts)
        width = style.RIGHT / len(classes)
        end = lesions.TOP + style.ROW * len(rows)
        for place, i in enumerate(rows):
            top = lesions.TOP + style.ROW * place
            hits.append((0, top, style.RIGHT, top + style.ROW, facts.names[i], ""))
            names.append((-8, top + style.ROW / 2, facts.names[i], style.TEXT, facts.names[i]))
            for column, c in enumerate(classes):
                points = float(facts.class_change[i, c]) if facts.measured[i] else np.nan
                fill = style.BAND if np.isnan(points) else color(points)
                x = column * width
                cells.append(
                    (
                        x + 0.5,
                        top + 0.5,
                        x + width - 0.5,
                        top + style.ROW - 0.5,
                        fill,
                        _tip(facts, i, c),
                        facts.names[i],
                    )
                )
                # a figure says -10 or more after rounding, so the rule is what readers see
                if abs(np.nan_to_num(np.round(points))) >= FIGURES_FROM and width >= 24:
                    figures.append(
                        (
                            x + width / 2,
                            top + style.ROW / 2,
                            style.number(points, 0),
                            style.ink_on(fill),
                            facts.names[i],
                        )
                    )
        slanted = _slanted(facts, width)
        for column, c in enumerate(classes):
            x = (column + 0.5) * width
            name = facts.class_names[c]
            if slanted:
                upright.append((x, end + 8, style.fit(name, 110), lesions.END))
            else:
                flat.append((x, end + 14, name, lesions.END))
        notes.append((style.RIGHT / 2, end + below - 13, "true class", lesions.END))
    return Drawing(
        style.RIGHT,
        lesions.height(len(rows), below),
        {
            "cells": drawing.rectangles(cells, "fill", "tip", "of", fill_color="fill"),
            "figures": drawing.labels(figures, "ink", "of", text_color="ink", text_align="center"),
            "flat": drawing.labels(flat, "of", text_align="center"),
            "upright": drawing.labels(upright, "of", text_align="right", angle=np.pi / 2),
            # left of the drawing: in view only where the rows of the lesions are not beside it
            "names": drawing.labels(names, "ink", "of", text_color="ink", text_align="right"),
            "notes": drawing.labels(notes, "of", text_align="center"),
            "hits": drawing.hits(hits, moving=True),
        },
    )


def _tip(facts: Facts, i: int, c: int) -> str:
    who = f"<b>{facts.names[i]}</b> {escape(facts.class_names[c])}"
    results = facts.analysis.lesions
    if results is None or not facts.measured[i]:
        return f"{who}<br>not measured"
    random = 100 * float((results.controls[i, : facts.draws[i], c] - results.intact[c]).mean())
    return (
        f"{who}<br>{style.percent(results.intact[c])} → {style.percent(results.lesioned[i, c])} "
        f"({style.signed(facts.class_change[i, c])} points)<br>"
        f"random groups on average {style.signed(random)}"
    )
