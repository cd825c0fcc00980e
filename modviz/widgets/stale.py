"""Words for a page that shows other settings than the controls: what differs, what Run will do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from modviz.core.graph import Layer
from modviz.core.settings import MOST_IMAGE_CONTROLS
from modviz.widgets.controls import EDGES, NORMS, SCOPES
from modviz.widgets.settings import layer_span

#: The stages of a run in order, with what each gives and whether that is a plural.
_STAGES = {
    "reading": ("the model's structure", False),
    "graph": ("the graph", False),
    "partition": ("the partition", False),
    "lesions": ("the lesions", True),
    "images": ("the top images", True),
    "features": ("the feature images", True),
    "support": ("the stability", False),
}
_DRAWS = {"fixed": "all controls", "adaptive": "as many controls as a verdict needs"}
_SWITCH = {True: "on", False: "off"}

#: How a difference of each keyword is said, in the order in which they are listed: what stands
#: before the new value, the words for values, and what stands after the new value.
_WORDS: dict[str, tuple[str, Mapping[Any, str] | None, str]] = {
    "n_clusters": ("", None, " clusters"),
    "edges": ("edges of ", EDGES, ""),
    "scope": ("", SCOPES, ""),
    "kernel_norm": ("norm ", NORMS, ""),
    "lesion": ("lesion ", None, ""),
    "n_controls": ("", None, " controls"),
    "controls": ("", _DRAWS, ""),
    "features": ("feature images ", _SWITCH, ""),
    "n_image_controls": ("", None, " image controls"),
    "top_images": ("top images ", _SWITCH, ""),
    "support": ("stability and agreement ", _SWITCH, ""),
    "seed": ("seed ", None, ""),
}


def differences(
    wanted: Mapping[str, Any], shown: Mapping[str, Any], hidden: Sequence[Layer]
) -> list[str]:
    """What differs, in words: ``"12 clusters instead of 8"``.

    Parameters
    ----------
    wanted, shown : mapping
        Keywords of `modviz.analyze`; only those that both have are compared.
    hidden : sequence of Layer
        The model's hidden layers.
    """
    own = wanted.get("partition") is not None
    new, old = (_compared(settings) for settings in (wanted, shown))
    found = []
    if not own and "layers" in wanted and "layers" in shown:
        spans = [_layers(settings["layers"], hidden) for settings in (wanted, shown)]
        if spans[0] != spans[1]:
            found.append(f"{spans[0]} instead of {spans[1]}")
    for name, (before, words, after) in _WORDS.items():
        if name not in new or name not in old or new[name] == old[name]:
            continue
        if own and name in ("n_clusters", "edges", "scope", "kernel_norm"):
            continue
        if name == "n_image_controls" and not (new.get("features") and old.get("features")):
            continue
        now, then = ((words or {}).get(value, value) for value in (new[name], old[name]))
        found.append(f"{before}{now}{after} instead of {then}")
    return found


def _compared(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The values to compare; None of `n_image_controls` stands for a number."""
    values = {name: settings[name] for name in _WORDS if name in settings}
    if "n_controls" in values and values.get("n_image_controls", 0) is None:
        values["n_image_controls"] = min(values["n_controls"], MOST_IMAGE_CONTROLS)
    return values


def _layers(layers: Any, hidden: Sequence[Layer]) -> str:
    try:
        span = layer_span(layers, hidden)
    except (TypeError, ValueError):  # of another model
        span = None
    if span is None:
        return f"layers {', '.join(map(str, layers))}"
    first, last = (hidden[place] for place in span)
    if span == (0, len(hidden) - 1):
        return "all layers"
    if first == last:
        return f"layer {first.name}"
    return f"layers {first.name} to {last.name}"


def applicable(settings: Mapping[str, Any]) -> list[str]:
    """The stages that a run with these settings has at all."""
    own = settings.get("partition") is not None
    left_out = {
        "graph": own,
        "partition": own,
        "images": not settings.get("top_images", True),
        "features": not settings.get("features", True),
        "support": own or not settings.get("support", True),
    }
    return [stage for stage in _STAGES if not left_out.get(stage)]


def plan(planned: Iterable[str], settings: Mapping[str, Any]) -> str:
    """What Run will do anew and what it keeps, in a sentence or two.

    Parameters
    ----------
    planned : iterable of str
        The stages that have to be done, see `modviz.measure.kept.Kept.planned`.
    settings : mapping
        Keywords of `modviz.analyze`.
    """
    anew, stages = set(planned), applicable(settings)
    of_activations = settings.get("edges") == "activations"
    todo = [stage for stage in stages if stage in anew]
    kept = [stage for stage in stages if stage not in anew]
    if not todo:
        return "Run has nothing to compute anew: all of it is kept."
    words = f"Run computes {_listed(todo, of_activations=of_activations)} anew"
    if not kept:
        return words + "."
    plural = len(kept) > 1 or _STAGES[kept[0]][1] or (kept[0] == "graph" and of_activations)
    verb = "are" if plural else "is"
    return f"{words}; {_listed(kept, of_activations=of_activations)} {verb} kept."


def _listed(stages: Sequence[str], *, of_activations: bool) -> str:
    names = [
        "the activations" if stage == "graph" and of_activations else _STAGES[stage][0]
        for stage in stages
    ]
    if len(names) == 1:
        return names[0]
    return f"{', '.join(names[:-1])} and {names[-1]}"


def changed(found: Sequence[str], and_now: str = "") -> str:
    """The words of the banner."""
    return f"Settings changed: {', '.join(found)}. {and_now}".strip()
