"""What an explorer runs on: a model and its data, with what runs leave for the next one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modviz.core.graph import Layer
from modviz.core.settings import Settings
from modviz.widgets.settings import checked
from modviz.widgets.shelf import shelf_of

#: Keywords of a run that say how a model is read.
READING = ("head", "connections")
#: Keywords of a run that other measurements of the same model share with it.
MEASURING = ("workers", "executor", "memory_limit", "preprocess", *READING)
#: Keywords of a run that are looked at together with the model, before there is a widget.
_CHECKED = ("layers", "partition", "class_names", "activation_images", *MEASURING)


class Subject:
    """A model and its data, and what runs on them leave for the next one.

    Attributes
    ----------
    kept : Kept
        What the last runs left in memory.
    shelf : Shelf or None
        Where runs are recorded; None = nowhere.

    Raises
    ------
    TypeError, ValueError
        If they, or the settings, can't be used; the message says why.
    """

    def __init__(self, model: Any, data: Any, settings: Mapping[str, Any]) -> None:
        from modviz.measure import inputs, run
        from modviz.measure.kept import Kept

        self.start: Settings = checked(settings, run.analyze)
        self.shelf = shelf_of(settings.get("checkpoint", True))
        asked = {name: settings[name] for name in _CHECKED if name in settings}
        self.model, self.data = model, data
        self.hidden: tuple[Layer, ...] = run.hidden_layers(model, data, **asked)
        self.kept: Any = Kept()
        module = inputs.module_of(model)
        self.name = type(module).__name__
        self.n_weights = sum(parameter.numel() for parameter in module.parameters())
