"""The look of all panels: ink, cluster colours, type, numbers in words.

One place decides what a cluster's colour is, how wide a word will be and how a number is written,
so that panels agree without knowing each other. Text on a Bokeh canvas cannot be measured from
Python; the widths of Helvetica stand in for it.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Final

import numpy as np

INK: Final = "#1f2328"
TEXT: Final = "#3b4148"
MUTED: Final = "#5f6871"
LINE: Final = "#d5d9de"
BAND: Final = "#eef1f4"
SELECTED: Final = "#111418"
WHITE: Final = "#ffffff"
CONTROL: Final = "#5f6871"
FONT: Final = "Helvetica, Arial, 'Liberation Sans', sans-serif"
#: Canvas fonts: no quotes, the browser parses them as one CSS font string.
CANVAS_FONT: Final = "Helvetica, Arial, sans-serif"

LEFT: Final = 436
GUTTER: Final = 24
RIGHT: Final = 476
PAGE: Final = LEFT + GUTTER + RIGHT
CARD: Final = 280
HEADER: Final = 46
ROW: Final = 18

#: Okabe and Ito's colours, told apart by colour-blind readers too; yellow last, grey for black.
_OKABE_ITO = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#4d4d4d",
    "#F0E442",
)
#: What each further round of eight clusters does to them: share of white (+) or black (-).
_ROUNDS = (0.0, 0.5, -0.4, 0.72, -0.62)
_HATCHES = (" ", "/", "\\", "x", ".")
#: How hatching is drawn, for glyphs with a column ``hatch``.
HATCHED: Final = {
    "hatch_pattern": "hatch",
    "hatch_color": "ink",
    "hatch_alpha": 0.25,
    "hatch_scale": 8.0,
    "hatch_weight": 1.0,
}


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def mix(color: str, other: str, share: float) -> str:
    """`color` with `share` (0 .. 1) of `other` in it."""
    pairs = zip(_rgb(color), _rgb(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def luminance(color: str) -> float:
    """Relative luminance of WCAG 2, 0 = black .. 1 = white."""
    channels = [c / 255 for c in _rgb(color)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def ink_on(color: str) -> str:
    """The ink, dark or white, that is easier to read on `color`."""
    light = luminance(color)
    dark = luminance(INK)
    return INK if (light + 0.05) / (dark + 0.05) > 1.05 / (light + 0.05) else WHITE


def cluster_color(cluster: int) -> str:
    """Colour of a cluster; after eight clusters the colours return lighter, then darker."""
    turn, place = divmod(cluster, len(_OKABE_ITO))
    share = _ROUNDS[turn % len(_ROUNDS)]
    return mix(_OKABE_ITO[place], WHITE if share > 0 else "#000000", abs(share))


def cluster_hatch(cluster: int) -> str:
    """Bokeh's name of the hatching that tells clusters of one colour's shades apart."""
    return _HATCHES[(cluster // len(_OKABE_ITO)) % len(_HATCHES)] if cluster >= 0 else " "


def edge_color(cluster: int) -> str:
    """The cluster's colour, darkened until a hollow mark of it can be seen on white."""
    color = cluster_color(cluster)
    while 1.05 / (luminance(color) + 0.05) < 2.3:
        color = mix(color, "#000000", 0.12)
    return color


_WIDTHS = {
    "ijl'|": 222,
    " !,./:;Ift[]\\·": 278,
    '-()r`{}"': 333,
    "Jcksvxyz": 500,
    "FTZ": 611,
    "&ABEKPSVXY": 667,
    "CDHNRUw": 722,
    "GOQ": 778,
    "Mm": 833,
    "%": 889,
    "W@": 980,
}
_WIDTH = {character: width for group, width in _WIDTHS.items() for character in group}


def text_width(text: str, size: float = 11, *, bold: bool = False) -> float:
    """About how many pixels wide `text` will be on the canvas."""
    mille = sum(_WIDTH.get(c, 556 if c < "\u2e80" else 1000) for c in text)
    return mille / 1000 * size * (1.06 if bold else 1.0)


def fit(text: str, width: float, size: float = 11) -> str:
    """`text`, or its two ends if it is wider than `width` pixels.

    The middle goes, because names of modules and classes that share their beginning are common.
    """
    if text_width(text, size) <= width:
        return text
    for kept in range(len(text) - 1, 1, -1):
        head = (kept + 1) // 2
        short = f"{text[:head].rstrip()}…{text[head - kept :].lstrip()}"
        if text_width(short, size) <= width:
            return short
    return "…"


def number(value: float, digits: int = 1) -> str:
    """A number with a true minus sign; never "−0.0"."""
    text = f"{value:,.{digits}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("-")
    return text.replace("-", "−")


def signed(value: float, digits: int = 1) -> str:
    """The same with a plus sign on what is above zero."""
    text = number(value, digits)
    return text if text.startswith("−") or not text.strip("0.,") else f"+{text}"


def percent(share: float, digits: int = 1) -> str:
    """A share of 1 in per cent."""
    return f"{number(100 * share, digits)} %"


def p_text(p: float, n_controls: int) -> str:
    """A p-value with the decimals that its number of controls can give; "–" when there is none."""
    if np.isnan(p):
        return "–"
    exact = 100 % (n_controls + 1) == 0
    return f"{p:.2f}" if exact else f"{p:.{max(3, len(str(n_controls + 1)) - 1)}f}"


def q_text(q: float) -> str:
    """A q-value; three decimals, so that 0.051 does not look like 0.05."""
    return "–" if np.isnan(q) else f"{q:.3f}"


def plural(count: int, noun: str) -> str:
    """`count` and its noun: "1 unit", "1,024 units"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def header(title: str, subtitle: str, aside: str = "", *, one_line: bool = False) -> str:
    """HTML above a panel: title, an explanation, and a legend at the right.

    `subtitle` and `aside` are HTML: whoever puts a user's words in has to escape them. `one_line`:
    the explanation never wraps, because the panel's rows have to stand beside another's.
    """
    kind = "sub one" if one_line else "sub"
    return (
        f'<div class="head"><h3 class="title">{escape(title)}</h3>'
        f'<div class="{kind}"><span class="say">{subtitle}</span>'
        f'<span class="aside">{aside}</span></div></div>'
    )


def ramp(label: str, low: str, high: str, colors: list[str]) -> str:
    """HTML of a colour ramp that says its limits; the page turns it over with its theme."""
    listed = ",".join(colors)
    return (
        f"{escape(label)} {escape(low)} <span class='ramp' data-ramp='{listed}' "
        f"style='background:linear-gradient(90deg,{listed})'></span> {escape(high)}"
    )


#: One sheet for every piece of HTML in the page; Bokeh keeps each in a shadow tree of its own.
CSS: Final = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
