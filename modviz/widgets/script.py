"""`Explorer.code`: a script without widgets that gives the same numbers."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modviz.core.analysis import Analysis
from modviz.core.settings import MOST_IMAGE_CONTROLS, Settings

#: What placeholders stand for, by keyword.
_MEANING = {
    "preprocess": "the function that turns pictures in 0 .. 1 into inputs",
    "executor": "the concurrent.futures.Executor whose workers do the lesions",
    "activation_images": "the images that the correlations of activations come from",
    "partition": "the modviz.Partition that is tested",
    "class_names": "the names of the classes",
}
#: What `modviz.more_controls` writes into the settings: for some subclusters, and for all.
_MORE, _DRAWS = "more_controls", ("n_controls", "n_image_controls")
#: Keywords of `modviz.more_controls` that are those of the run.
_OF_MORE = ("workers", "executor", "memory_limit", "head", "connections", "preprocess")
_OF_PAIRS = ("workers", "head", "connections")
#: Defaults of `modviz.interactions`.
_PAIRS = {"subclusters": None, "lesion": "zero", "n_controls": 19, "seed": 0}


@dataclass(frozen=True)
class Recipe:
    """How an analysis was made.

    Attributes
    ----------
    settings : mapping
        Keywords of `modviz.analyze`, with the objects that were given.
    more : sequence of mappings
        Keywords of the calls of `modviz.more_controls` for some subclusters that followed.
    """

    settings: Mapping[str, Any]
    more: Sequence[Mapping[str, Any]] = ()

    @classmethod
    def of(cls, analysis: Analysis) -> Recipe:
        """As far as an analysis tells by itself."""
        known = dict(analysis.settings)
        return cls(known, known.pop(_MORE, ()))

    def after_more(self, analysis: Analysis) -> Recipe:
        """The recipe of an analysis that got more controls; for all is as if from the start."""
        now = {name: analysis.settings[name] for name in _DRAWS if name in analysis.settings}
        return Recipe({**self.settings, **now}, analysis.settings.get(_MORE, ()))


@dataclass(frozen=True)
class Beyond:
    """What was measured beside the analysis: None = it was not.

    Attributes
    ----------
    choice_seed : int or None
        Seed of `modviz.choose_n_clusters` on the graph of the analysis.
    pairs : mapping or None
        Keywords of `modviz.interactions` on its partition.
    """

    choice_seed: int | None = None
    pairs: Mapping[str, Any] | None = None


def script(
    recipe: Recipe, *, model_name: str, stem: str, note: str = "", beyond: Beyond | None = None
) -> str:
    """Python code that makes an analysis again.

    Parameters
    ----------
    recipe : Recipe
    model_name : str
        Class of the model.
    stem : str
        Name of the files that it writes.
    note : str
        What has to be said about it first.
    beyond : Beyond, optional
    """
    beyond = beyond or Beyond()
    placeholders: list[str] = []
    keywords = {
        name: _written(name, value, placeholders)
        for name, value in _telling(recipe.settings).items()
    }
    lines = [_call("analysis = modviz.analyze", ["model", "data"], keywords)]
    same = {name: keywords[name] for name in _OF_MORE if name in keywords}
    for call in recipe.more:
        asked = {name: _literal(value) for name, value in call.items()}
        arguments = ["analysis", "model", "data"]
        lines.append(_call("analysis = modviz.more_controls", arguments, asked | same))
    lines += ["print(analysis.summary().to_string())"]
    lines += [f"analysis.save({_literal(f'{stem}.modviz')})"]
    extras = {}
    if beyond.choice_seed is not None:
        seed = {"seed": _literal(beyond.choice_seed)} if beyond.choice_seed else {}
        graph = ["analysis.partition.graph"]
        lines.append(_call("choice = modviz.choose_n_clusters", graph, seed))
        extras["choice"] = "choice"
    if beyond.pairs is not None:
        asked = {
            name: _literal(value) for name, value in beyond.pairs.items() if value != _PAIRS[name]
        }
        asked |= {name: keywords[name] for name in _OF_PAIRS if name in keywords}
        about = ["model", "data", "analysis.partition"]
        lines.append(_call("pairs = modviz.interactions", about, asked))
        extras["interactions"] = "pairs"
    lines.append(_call("modviz.report", ["analysis", _literal(f"{stem}.html")], extras))
    return "\n".join([*_head(model_name, placeholders, note), *lines]) + "\n"


def _head(model_name: str, placeholders: list[str], note: str) -> list[str]:
    lines = ["# The numbers of this explorer, without widgets."]
    if note:
        lines.append(f"# {note}")
    lines += [
        "# Define before it, as they were given to modviz.explore:",
        f"#   model: the trained network, a {model_name}",
        "#   data: what it is tested on: (images, labels), a Dataset or a DataLoader",
        *(
            f"#   {name}: {_MEANING.get(name, f'what was given as {name}=')}"
            for name in placeholders
        ),
    ]
    return [*lines, "import modviz", ""]


def _telling(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords that are not at their default."""
    defaults = Settings().as_dict()
    # of pictures the default depends on the number of controls
    n_controls = settings.get("n_controls", defaults["n_controls"])
    defaults["n_image_controls"] = min(n_controls, MOST_IMAGE_CONTROLS)
    if settings.get("n_image_controls", 0) is None:
        defaults["n_image_controls"] = None
    return {
        name: value
        for name, value in settings.items()
        if not _same(value, defaults.get(name)) and name not in ("progress", "cancel")
    }


def _same(value: Any, default: Any) -> bool:
    """Whether a value is the default; arrays are none, and are not asked to compare themselves."""
    return value is default or (type(value) is type(default) and bool(value == default))


def _written(name: str, value: Any, placeholders: list[str]) -> str:
    """The value as code, or the name of a variable to be defined first."""
    code = repr(value)
    try:
        literal = ast.literal_eval(code)
        if type(literal) is type(value) and literal == value:
            return _literal(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        pass
    placeholders.append(name)
    return name


def _literal(value: Any) -> str:
    """A literal, with double quotes as far as nothing in it minds."""
    code = repr(value)
    return code if '"' in code or "\\" in code else code.replace("'", '"')


def _call(function: str, arguments: list[str], keywords: Mapping[str, str]) -> str:
    """A call on one line, or on several if it is long."""
    parts = [*arguments, *(f"{name}={code}" for name, code in keywords.items())]
    line = f"{function}({', '.join(parts)})"
    if len(line) <= 100:
        return line
    return f"{function}(\n" + "".join(f"    {part},\n" for part in parts) + ")"
