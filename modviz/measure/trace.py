"""Turn a model into a graph of operations: by torch.fx, or where that fails by torch.export.

torch.fx keeps the model's own modules and is tried first. It can't pass code that asks for shapes
or values (``if x.shape[1] == 3``); torch.export can pass the shapes, at the price of plain tensor
operations in place of modules. What neither can pass is code that chooses its path by values.
"""

from __future__ import annotations

import inspect
import logging
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr
from dataclasses import fields, is_dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn
from torch.utils import _pytree as pytree

from modviz.measure.replay import TRACING, Tracer, without_writes

#: Which of several outputs holds the class scores: a position or a key.
Head = int | str | None

#: Letters of another package's message that are worth showing.
_LONGEST = 160

_BY_HAND = (
    "name the layers of interest by hand: connections=[(source, target), ...] with names of modules"
)


class NetworkError(ValueError):
    """modviz can't follow a model; the message says where it stopped and what to do."""


def class_scores(model: nn.Module, example: torch.Tensor, head: Head) -> torch.Tensor:
    """The model's output on the example, checked to be class scores."""
    try:
        output = model(example)
    except Exception as error:
        raise NetworkError(
            f"the model can't run on inputs of shape {tuple(example.shape[1:])} and type "
            f"{example.dtype}: {error}; give images as the model takes them"
        ) from error
    output = chosen_head(output, head)
    if not isinstance(output, torch.Tensor):
        raise NetworkError(
            f"the model returns {type(output).__name__}; expected a tensor of class scores, shape "
            "(images, classes): wrap the model in a module that returns just that"
        )
    if output.ndim != 2 or output.shape[0] != example.shape[0] or output.shape[1] < 2:
        raise NetworkError(
            f"the model returns shape {tuple(output.shape)} for {example.shape[0]} images; "
            "expected class scores of shape (images, classes) with at least 2 classes"
        )
    if not output.is_floating_point():
        raise NetworkError(
            f"the model returns {output.dtype}; expected class scores as floating-point numbers"
        )
    return output


def chosen_head(output: Any, head: Head) -> Any:
    """One of a model's outputs, or the only one there is."""
    if isinstance(output, Mapping):
        heads: dict[Any, Any] = dict(output)
    elif isinstance(output, (tuple, list)):
        heads = dict(enumerate(output))
        heads |= {name: getattr(output, name) for name in getattr(output, "_fields", ())}
    elif is_dataclass(output) and not isinstance(output, type):
        heads = {f.name: getattr(output, f.name) for f in fields(output)}
    elif head is None:
        return output
    else:
        raise NetworkError(f"head={head!r}, but the model returns just one tensor; leave head out")
    # an output of a named tuple goes by its position and by its name
    if head is None and len({id(value) for value in heads.values()}) == 1:
        return next(iter(heads.values()))
    if head is None or head not in heads:
        there = ", ".join(f"{key!r} {_described(value)}" for key, value in heads.items())
        said = "the model returns several outputs" if head is None else f"there is no head {head!r}"
        raise NetworkError(
            f"{said}: {there}; say with head=... which one holds the class scores to be tested"
        )
    return heads[head]


def _described(value: object) -> str:
    shape = getattr(value, "shape", None)
    return f"of shape {tuple(shape)}" if isinstance(shape, torch.Size) else type(value).__name__


def traced(model: nn.Module, example: torch.Tensor, head: Head = None) -> fx.GraphModule:
    """The operations of a model from its input to one head, without any that write.

    Parameters
    ----------
    model : torch.nn.Module
        In eval mode; the graph shares its parameters.
    example : tensor, shape (images, ...)
        At least 2 images.
    head : int or str, optional
        Which of several outputs.

    Raises
    ------
    NetworkError
        If neither torch.fx nor torch.export can pass the model; the message shows the line of the
        model where they stopped.
    """
    if isinstance(model, nn.DataParallel):
        raise NetworkError("the model is wrapped in DataParallel; give the model inside: .module")
    if hasattr(model, "_orig_mod"):  # to import its class takes a second
        raise NetworkError(
            "the model is wrapped by torch.compile; give the model inside: ._orig_mod"
        )
    if isinstance(model, torch.jit.ScriptModule):
        raise NetworkError(
            "the model is TorchScript, which can't be traced; give its Python module"
        )
    try:
        graph, root = _by_fx(model, head), model
    except NetworkError:
        raise
    except Exception as first:  # noqa: BLE001 - whatever stops one, the other may pass
        try:
            graph, root = _by_export(model, example, head)
        except Exception as second:  # noqa: BLE001
            line = _line_in_model(first) or _line_in_model(second)
            raise NetworkError(
                f"{type(model).__name__} can't be traced"
                + (f": {line}" if line else "")
                + f". torch.fx says: {_first_line(first)} torch.export says: {_first_line(second)} "
                "Move code that chooses its path by the values of its input out of the model, or "
                + _BY_HAND
            ) from first
    try:
        without_writes(graph, dict(model.named_modules()))
    except ValueError as error:
        raise NetworkError(
            f"{type(model).__name__} can't be run in parts: {error}; write it without that, or "
            + _BY_HAND
        ) from error
    module = fx.GraphModule(root, graph)
    module.graph.eliminate_dead_code()  # other heads, checks
    return module


def _by_fx(model: nn.Module, head: Head) -> fx.Graph:
    arguments = list(inspect.signature(model.forward).parameters.values())[1:]
    fixed = {a.name: a.default for a in arguments if a.default is not a.empty}
    with TRACING, _lengths_traced(model):
        graph = Tracer().trace(model, concrete_args=fixed or None)
    for node in [n for n in graph.nodes if n.op == "placeholder"]:
        name = str(node.target)
        if name.rpartition("_")[0] in fixed:
            _erase(graph, node)  # only checks that the default is the default hang on it
        elif name.startswith("*") and not node.users:
            graph.erase_node(node)  # *args and **kwargs that nothing reads
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    if len([node for node in inputs if not node.args]) != 1:
        names = [str(node.target) for node in inputs]
        raise NetworkError(
            f"forward() takes {names}; modviz follows models with one input tensor: wrap the model "
            "in a module that fixes the other arguments"
        )
    output = next(iter(reversed(graph.nodes)))
    made = output.args[0]
    if isinstance(made, fx.Node) and isinstance(made.target, type):  # a named tuple, a dataclass
        names = list(inspect.signature(made.target).parameters)
        named = {**dict(zip(names, made.args, strict=False)), **made.kwargs}
        made = {**dict(enumerate(named.values())), **named}
    output.args = (chosen_head(made, head),)
    return graph


@contextmanager
def _lengths_traced(model: nn.Module) -> Iterator[None]:
    """Let torch.fx pass ``len(x)``, which Python wants to be a number at once.

    While tracing, the files that the model's classes come from have a `len` of their own.
    """

    def length(value: Any) -> Any:
        if isinstance(value, fx.Proxy):
            return value.tracer.create_proxy("call_function", len, (value,), {})
        return len(value)

    places = [inspect.unwrap(type(m).forward).__globals__ for m in model.modules()]
    own = {id(names): names for names in places if names["__name__"].partition(".")[0] != "torch"}
    with ExitStack() as undo:
        for names in own.values():
            if "len" not in names:
                names["len"] = length
                undo.callback(names.pop, "len")
        yield


def _erase(graph: fx.Graph, node: fx.Node) -> None:
    for user in list(node.users):
        _erase(graph, user)
    graph.erase_node(node)


def _by_export(
    model: nn.Module, example: torch.Tensor, head: Head
) -> tuple[fx.Graph, fx.GraphModule]:
    any_number = torch.export.Dim("images", min=1, max=2**31)
    argument = next(iter(inspect.signature(model.forward).parameters))
    with _quiet_torch():
        program = torch.export.export(model, (example,), dynamic_shapes={argument: {0: any_number}})
        module = program.module()
    if not isinstance(module, fx.GraphModule):
        raise TypeError(f"torch.export gave {type(module).__name__}")
    graph = module.graph
    output = next(iter(reversed(graph.nodes)))
    leaves = list(output.args[0])
    spec = program.call_spec.out_spec
    structure = leaves if spec is None else pytree.tree_unflatten(leaves, spec)
    output.args = (chosen_head(structure, head),)
    graph.set_codegen(fx.graph.CodeGen())  # arguments and results as they are, not as pytrees
    for node in list(graph.nodes):
        if node.op == "call_module" and str(node.target).startswith("_guards"):
            graph.erase_node(node)
    return graph, module


@contextmanager
def _quiet_torch() -> Iterator[None]:
    """Without what torch.export says of its own ways: it prints graphs where it fails."""
    logger = logging.getLogger("torch.fx.experimental.symbolic_shapes")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _line_in_model(error: BaseException) -> str:
    """The last line of the traceback that is not torch's and not modviz's: the user's."""
    packages = [Path(torch.__file__).parent, Path(__file__).parents[1]]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename)
        if any(package in file.parents for package in packages) or "<eval" in frame.filename:
            continue
        return f"{file.name}, line {frame.lineno}, in {frame.name}: {frame.line}"
    return ""


def _first_line(error: BaseException) -> str:
    words = str(error).strip().splitlines()
    line = words[0] if words else type(error).__name__
    if len(line) > _LONGEST:
        line = line[:_LONGEST].rpartition(" ")[0] + " ..."
    return line if line.endswith(".") else line + "."
