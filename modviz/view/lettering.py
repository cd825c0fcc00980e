"""Words as masks for a picture, in the font that Pillow brings: no machine looks different.

The font has few signs. What it lacks is painted (dashes, the minus sign), written in signs that it
has, or stripped of its accents.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Final

from PIL import Image, ImageDraw, ImageFont

#: Signs that stand for some that the font has not.
_STAND_INS: Final = {
    "≤": "<=",
    "≥": ">=",
    "×": "x",
    "→": "->",
    "◂": "‹",
    "▸": "›",
    "ρ": "rho",
    "²": "^2",
    "ß": "ss",
    "ø": "o",
    "Ø": "O",
    "æ": "ae",
    "Æ": "AE",
    "—": "–",
    "•": "·",
}
#: Signs that are painted as a bar, and how wide they are: shares of the size.
_BARS: Final = {"−": 0.52, "–": 0.5}


def drawable(words: str) -> str:
    """The same words in signs that the font has, or that are painted; others become "?"."""
    said = "".join(_STAND_INS.get(sign, sign) for sign in words)
    return "".join(_known(sign) for sign in said)


@cache
def _known(sign: str) -> str:
    if sign in _BARS or _has(sign):
        return sign
    plain = unicodedata.normalize("NFKD", sign)[0]  # é is an e with an accent
    return plain if _has(plain) else "?"


@cache
def _has(sign: str) -> bool:
    """Whether the font has a sign of its own for a character."""
    unknown = _font(22).getmask("\ue123")  # nobody's: of private use
    found = _font(22).getmask(sign)
    return (found.size, bytes(found)) != (unknown.size, bytes(unknown))


@cache
def _font(size: float) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("Pillow was built without FreeType: it has no scalable font")
    return font


def mask(words: str, pixels: float, *, bold: bool = False) -> Image.Image:
    """`drawable` words of a size in pixels as a mask: 255 = ink, one empty pixel at both sides.

    The middle line of the words is that of the mask.
    """
    font = _font(pixels)
    pieces: list[tuple[str, float]] = []
    for sign in words:
        if pieces and sign not in _BARS and pieces[-1][0] not in _BARS:
            pieces[-1] = (pieces[-1][0] + sign, 0.0)
        else:
            pieces.append((sign, 0.0))
    pieces = [
        (piece, _BARS[piece] * pixels + 2 if piece in _BARS else font.getlength(piece))
        for piece, _ in pieces
    ]
    high = round(1.5 * pixels)
    found = Image.new("L", (round(sum(width for _, width in pieces)) + 2 + bold, high))
    pen = ImageDraw.Draw(found)
    x, base = 1.0, high / 2 + 0.36 * pixels  # capitals are 0.72 of the size high
    for piece, width in pieces:
        if piece in _BARS:
            level, thick = base - 0.32 * pixels, max(2, round(pixels / 11)) - 1
            pen.rectangle((x + 1, level, x + width - 1.5, level + thick - 1 + bold), fill=255)
        else:
            for shift in range(1 + bold):  # the font has no bold face
                pen.text((x + shift, base), piece, font=font, fill=255, anchor="ls")
        x += width
    return found
