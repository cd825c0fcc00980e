"""`modviz.explore`: from what a user has to the right explorer, or to an error in the cell."""

from __future__ import annotations

import os
from typing import Any

from modviz.core.analysis import Analysis
from modviz.widgets.explorer import Explorer


def explore(model_or_analysis: Any, data: Any = None, **settings: Any) -> Explorer:
    """Explore the modules of a network, or an analysis that exists already.

    Parameters
    ----------
    model_or_analysis : torch module or Analysis
        A trained network, to be analysed by the Run button; or the result of `modviz.analyze` or
        `modviz.load`, for which no torch is needed.
    data : (images, labels), Dataset or DataLoader
        What the model is tested on, as in `modviz.analyze`. Only with a model.
    **settings
        Keywords of `modviz.analyze` for the first position of the controls. Only with a model.
        ``checkpoint`` means another thing here: True, the default, records every run in a folder of
        the user's cache, from where the next explorer of the same model and data offers to go on;
        the name of a folder does so there, and False not at all. See docs/checkpoints.md.

    Returns
    -------
    Explorer
        A widget: the last expression of a cell shows it. Its `settings` make it again, its `code`
        is a script without widgets that gives the same numbers.

    Raises
    ------
    TypeError
        If data or settings do not go with what is explored, or a keyword is unknown.
    ValueError
        If model, data or a setting cannot be analysed; the message says why.

    Examples
    --------
    >>> import modviz
    >>> planted = modviz.examples.planted_mlp(n_modules=2, width=8, depth=2)
    >>> explorer = modviz.explore(planted.model, planted.data, n_clusters=2, features=False)
    >>> explorer.run()
    >>> explorer.wait()
    True
    >>> explorer.selected = ["B2"]  # what a click on B2 does
    >>> explorer.selected
    (('fc2', 1),)
    """
    if isinstance(model_or_analysis, Analysis):
        if data is not None:
            raise TypeError(
                "explore() got an Analysis and data; an Analysis is finished and needs no data: "
                "call modviz.explore(analysis), or modviz.explore(model, data) to measure anew"
            )
        if settings:
            raise TypeError(
                f"explore() got an Analysis and {', '.join(settings)}; settings belong to a run: "
                "call modviz.explore(analysis), or modviz.explore(model, data, ...) to measure anew"
            )
        return Explorer(model_or_analysis)
    if isinstance(model_or_analysis, (str, os.PathLike)):
        raise TypeError(
            f"explore() got the path {os.fspath(model_or_analysis)!r}; open the file first: "
            f"modviz.explore(modviz.load({os.fspath(model_or_analysis)!r}))"
        )
    if data is None:
        raise TypeError(
            f"explore() got a {type(model_or_analysis).__name__} and no data; give the labelled "
            "images to test it on: modviz.explore(model, (images, labels))"
        )
    return Explorer(model=model_or_analysis, data=data, settings=settings)
