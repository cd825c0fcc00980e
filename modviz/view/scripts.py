"""The scripts of a page, which stand in files of their own: what it does in the browser."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from bokeh.models import ColumnDataSource, CustomJS

#: In the order in which they are put together; `start` calls the others.
_PARTS = (
    "linking",
    "theming",
    "paging",
    "placing",
    "staging",
    "pictures",
    "fitting",
    "zooming",
    "lightbox",
    "reading",
    "start",
)


@cache
def code(name: str) -> str:
    """The text of one script."""
    return (Path(__file__).parent / "js" / f"{name}.js").read_text(encoding="utf-8")


def conductor(models: Mapping[str, Any]) -> CustomJS:
    """What joins a page's models once the document is there.

    Models stand at the top of the arguments: BokehJS overlooks them deep inside, and then neither
    finds them by name nor applies what Python changes in them.
    """
    every = f"const models = {{{', '.join(models)}}}"
    return CustomJS(args=dict(models), code="\n".join([every, *map(code, _PARTS)]))


def note(name: str, content: Any) -> ColumnDataSource:
    """A small source that carries JSON between Python and the browser."""
    return ColumnDataSource({"json": [json.dumps(content)]}, name=name)


def write(source: ColumnDataSource, content: Any) -> None:
    """Put other content into such a source; the same content changes nothing."""
    text = json.dumps(content)
    if source.data["json"] != [text]:
        source.data = {"json": [text]}


def read(source: ColumnDataSource) -> Any:
    """What such a source carries."""
    return json.loads(source.data["json"][0])
