"""Long panels in pages: how much stands on one, and the buttons that turn them.

The browser draws one page at a time (`js/paging.js`); the tables below the panels hold everything.
"""

from __future__ import annotations

from typing import Final

#: Rows of the lesions and the class map on a page: four layers of 16 clusters still fit on one.
ROWS: Final = 64
#: Cells of the gallery on a page.
CELLS: Final = 36
#: Until the browser has placed what is on the first page, no figure is higher, in pixels.
TALLEST: Final = 1300

_NOBODY: Final = (
    '<div class="nobody" data-none hidden><span></span> '
    '<button type="button" class="button" data-act="all" hidden>Show all</button></div>'
)
_ORDER: Final = (
    '<label class="field">Order <select data-view="gallery">'
    '<option value="layer">layer by layer</option>'
    '<option value="rows">as the rows are sorted</option></select></label>'
)


def rows(*, heard: bool) -> str:
    """HTML above lesions and class map, which turn together; one of the two is `heard`."""
    return f'<div class="tools">{_turns("rows", "rows", heard=heard)}</div>{_NOBODY}'


def cells() -> str:
    """HTML above the gallery."""
    return f'<div class="tools">{_ORDER}{_turns("cells", "pictures", heard=True)}</div>{_NOBODY}'


def _turns(group: str, what: str, *, heard: bool) -> str:
    role = ' role="status"' if heard else ""
    return (
        f'<span class="group" role="group" aria-label="Page of {what}" data-turns hidden>'
        f'<button type="button" class="button" data-act="{group}-back" '
        f'aria-label="Previous {what}">‹</button>'
        f'<span class="count"{role} data-span></span>'
        f'<button type="button" class="button" data-act="{group}-on" '
        f'aria-label="Next {what}">›</button></span>'
    )
