"""Run a traced network, or only the part of it that follows a given operation.

A replay calls the model's own modules in the model's own order, so its numbers are those of a full
pass, bit for bit; it only leaves out what did not change.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import fx, nn

from modviz.measure.ops import LAYERS, out_of_place

Env = dict[fx.Node, Any]


#: torch.fx replaces methods of nn.Module for the whole process while it traces: one at a time.
TRACING = threading.RLock()


class Tracer(fx.Tracer):
    """Keeps subclasses of the layers that hold units whole, wherever they are defined.

    Models that other threads run in the meantime are run as they are.
    """

    def trace(self, root: Any, concrete_args: dict[str, Any] | None = None) -> fx.Graph:
        """The graph of a module's operations."""
        with TRACING:
            self._thread = threading.get_ident()
            return super().trace(root, concrete_args)

    def call_module(
        self,
        m: nn.Module,
        forward: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """What takes the place of a module's call."""
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """What takes the place of reading an attribute of a module."""
        if threading.get_ident() != self._thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether a module stays one operation of the graph."""
        return isinstance(m, tuple(LAYERS)) or super().is_leaf_module(m, module_qualified_name)


def without_writes(graph: fx.Graph, modules: Mapping[str, nn.Module]) -> None:
    """Rewrite in-place operations so that no value of the graph is ever overwritten.

    Operations that come later and read what was overwritten then read the new value, as they did
    before. In-place modules are switched by the guard around every run.
    """
    order = {node: k for k, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        if not _writes(node, modules):
            continue
        target = node.args[0]
        if node.op == "call_function":
            node.target = out_of_place(node.target) or node.target
        elif node.op == "call_method":
            plain = node.target.removesuffix("_")
            if not hasattr(torch.Tensor, plain):
                raise ValueError(f"it writes into a tensor by .{node.target}()")
            node.target = plain
        if node.kwargs.get("inplace"):
            node.kwargs = {**node.kwargs, "inplace": False}
        if isinstance(target, fx.Node):
            for user in list(target.users):
                if order[user] > order[node]:
                    user.replace_input_with(target, node)


def _writes(node: fx.Node, modules: Mapping[str, nn.Module]) -> bool:
    if node.op == "call_module":
        return bool(getattr(modules[str(node.target)], "inplace", False))
    if node.op == "call_function":
        return out_of_place(node.target) is not None or bool(node.kwargs.get("inplace"))
    if node.op == "call_method":
        name = str(node.target)
        return name.endswith("_") and not name.endswith("__")
    return False


class Replay:
    """The operations of a traced model, to be run in any subset.

    Parameters
    ----------
    graph : torch.fx.Graph
    module : torch.nn.Module
        Has the modules and parameters that the graph names: the user's own.
    """

    def __init__(self, graph: fx.Graph, module: nn.Module) -> None:
        self.root, self.graph = module, graph
        self._modules = dict(module.named_modules())
        self.nodes: list[fx.Node] = list(graph.nodes)
        self.input = next(node for node in self.nodes if node.op == "placeholder")
        self.output = self.nodes[-1]

    def module(self, node: fx.Node) -> nn.Module | None:
        """The module that an operation calls; None if it calls none."""
        return self._modules[str(node.target)] if node.op == "call_module" else None

    def run(
        self,
        env: Env,
        nodes: Iterable[fx.Node],
        keep: frozenset[fx.Node],
        amend: Mapping[fx.Node, Callable[[Any], Any]] | None = None,
    ) -> None:
        """Run `nodes` in order on the values in `env`; forget values nobody reads any more.

        Parameters
        ----------
        env : dict of node to value
            Holds what the nodes read; their values are added.
        nodes : iterable of torch.fx.Node
        keep : set of torch.fx.Node
            Values that stay in `env` whatever happens.
        amend : dict of node to callable, optional
            What to make of the values of some nodes before others read them.
        """
        wanted = list(nodes)
        last_reader = {source: node for node in wanted for source in node.all_input_nodes}
        for node in wanted:
            env[node] = self.call(node, env)
            if amend is not None and node in amend:
                env[node] = amend[node](env[node])
            for source in node.all_input_nodes:
                if last_reader[source] is node and source not in keep:
                    env.pop(source, None)

    def call(self, node: fx.Node, env: Mapping[fx.Node, Any]) -> Any:
        """The value of one node, given those it reads; what it raises is passed on with a note."""
        try:
            return self._value(node, env)
        except Exception as error:
            error.add_note(f"modviz was running {node.target} of the model.")
            raise

    def _value(self, node: fx.Node, env: Mapping[fx.Node, Any]) -> Any:
        if node.op == "get_attr":
            value: Any = self.root
            for part in str(node.target).split("."):
                value = getattr(value, part)
            return value
        args = fx.map_arg(node.args, env.__getitem__)
        kwargs = fx.map_arg(node.kwargs, env.__getitem__)
        if node.op == "call_module":
            return self._modules[str(node.target)](*args, **kwargs)
        if node.op == "call_function":
            return node.target(*args, **kwargs)  # type: ignore[operator]
        if node.op == "call_method":
            return getattr(args[0], str(node.target))(*args[1:], **kwargs)
        if node.op == "output":
            return args[0]
        return node.args[0] if node.args else None  # a placeholder with a default

    def forward(self, images: torch.Tensor, keep: frozenset[fx.Node] = frozenset()) -> Env:
        """Run the whole network; the output and the values of `keep` are in the result."""
        env: Env = {self.input: images}
        self.run(env, (n for n in self.nodes if n is not self.input), keep | {self.output})
        return env

    def show(self, images: torch.Tensor, looks: Mapping[fx.Node, Callable[[Any], None]]) -> None:
        """Run the network up to some values and show each as it comes; none is kept."""

        def watched(look: Callable[[Any], None]) -> Callable[[Any], Any]:
            def see(value: Any) -> Any:
                look(value)
                return value

            return see

        amend = {node: watched(look) for node, look in looks.items()}
        self.run({self.input: images}, self.before(looks), frozenset(), amend)

    def before(self, targets: Iterable[fx.Node]) -> list[fx.Node]:
        """The operations needed for the values of `targets`, in order, without the input."""
        needed = set(targets)
        for node in reversed(self.nodes):
            if node in needed:
                needed.update(node.all_input_nodes)
        return [node for node in self.nodes if node in needed and node is not self.input]

    def after(self, sources: Iterable[fx.Node]) -> list[fx.Node]:
        """The operations that read the values of `sources` on the way to the output, in order.

        One of `sources` is among them if it follows another.
        """
        changed = set(sources)
        followers = set()
        for node in self.nodes:
            if any(source in changed for source in node.all_input_nodes):
                changed.add(node)
                followers.add(node)
        relevant = set(self.before([self.output]))
        return [node for node in self.nodes if node in followers and node in relevant]
