"""Runs on a small network that are stopped in the middle, and what an explorer says about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from modviz.core import checkpoint
from modviz.core.settings import Settings
from modviz.widgets import Explorer, explore
from modviz.widgets.recording import EarlierRun
from modviz.widgets.shelf import Extent
from tests.measure.small import Data, four_by_four, tiny_mlp, trained
from tests.widgets.gates import ended

#: Quick, and with lesions that are recorded several times on the way.
QUICK: dict[str, Any] = {
    "n_clusters": 3,
    "n_controls": 19,
    "n_image_controls": 2,
    "features": False,
    "top_images": False,
    "support": False,
    "workers": 1,
}


#: What such a run measures, and when one was last recorded.
FULL = ("lesions", "images", "features", "support")
CHANGED = datetime(2021, 11, 22, 14, 3).astimezone().timestamp()


@cache
def subject() -> tuple[Any, Data]:
    """A model and data, the same in every test: training it takes longer than most of them."""
    data = four_by_four(120)
    return trained(tiny_mlp(), data), data


def explored(model: Any, data: Any, **settings: Any) -> Explorer:
    """An explorer that has looked for earlier runs."""
    explorer = explore(model, data, **QUICK | settings)
    search = explorer._commands._search
    if search is not None:
        search.thread.join(20)
        assert not search.thread.is_alive()
    return explorer


@contextmanager
def at_record(name: str, do: Callable[[], None], number: int = 1) -> Iterator[None]:
    """Something happens when the `number`-th piece of this name has been recorded."""
    written, write = 0, checkpoint.Folder.write

    def writing(self: Any, piece: str, *content: Any) -> bool:
        nonlocal written
        done = write(self, piece, *content)
        written += piece.startswith(name)
        if piece.startswith(name) and written == number:
            do()
        return done

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "EVERY", 0.0)
        patch.setattr(checkpoint.Folder, "write", writing)
        yield


def stopped(model: Any, data: Any, **settings: Any) -> Explorer:
    """An explorer whose run was cancelled in the middle of the lesions."""
    explorer = explored(model, data, **settings)
    with at_record("counts-", explorer.cancel):
        explorer.run()
        assert ended(explorer).status == "cancelled"
    return explorer


def whole(model: Any, data: Any, **settings: Any) -> Explorer:
    """An explorer whose run came to its end."""
    explorer = explored(model, data, **settings)
    explorer.run()
    assert ended(explorer).status == "complete", explorer.error
    return explorer


def earlier_run(extent: Extent, **settings: Any) -> EarlierRun:
    """A recorded run that is nowhere, of 12 clusters."""
    chosen = Settings(**{"n_clusters": 12} | settings).as_dict()
    return EarlierRun(Path("nowhere"), chosen, extent, CHANGED)


def buttons(explorer: Explorer) -> list[str]:
    """What the buttons of the offer say."""
    offer = explorer._desk.offer
    return [offer.resume.description, offer.discard.description]


def offered(explorer: Explorer) -> str:
    """The words of the offer; empty if there is none."""
    offer = explorer._desk.offer
    words = status(offer.words)
    assert (offer._buttons.layout.display != "none") == bool(words)
    return words


def trouble(explorer: Explorer) -> str:
    return status(explorer._desk.bar.trouble)


def status(block: Any) -> str:
    """The words of a block that screen readers hear, without their element."""
    value = str(block.value)
    assert value.startswith('<div role="status">')
    return unescape(value.removeprefix('<div role="status">').removesuffix("</div>"))


def going_on(explorer: Explorer) -> str:
    return str(explorer._desk.bar.left.value)
