"""The graph behind a tensor as data, and as a text in Graphviz's language DOT."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._C import Node, Tensor

if TYPE_CHECKING:
    from ..nn import Module

__all__ = ["Edge", "Graph", "Vertex", "graph"]

_Named = Mapping[str, Tensor] | Iterable[tuple[str, Tensor]]


@dataclass(frozen=True)
class Vertex:
    """A box of the picture.

    Attributes:
        kind: "op", "parameter" (a leaf with a name), "leaf" (one without) or "output".
        label: the op's name, such as "Mul" for a MulBackward0; the name of a parameter or an output.
        shapes: the shape of each tensor that it stands for; an op has one for each output.
    """

    kind: str
    label: str
    shapes: tuple[tuple[int, ...], ...]

    @property
    def lines(self) -> tuple[str, str]:
        """What stands in the box: the label, and the shapes."""
        return self.label, ", ".join(map(_shape, self.shapes))


@dataclass(frozen=True)
class Edge:
    """An arrow in the direction of the forward pass, between the numbers of two vertices.

    Attributes:
        source: where the tensor was made.
        target: where it was used.
        output: which output of the source it is; None where that has one only.
    """

    source: int
    target: int
    output: int | None = None


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) if shape else "scalar"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


# Kind -> Graphviz's shape, the colour of the box and of its border.
STYLES = {
    "op": ("box", "#f3f4f6", "#6b7280"),
    "parameter": ("box", "#dbeafe", "#2563eb"),
    "leaf": ("box", "#fef3c7", "#b45309"),
    "output": ("box", "#dcfce7", "#15803d"),
}


@dataclass(frozen=True)
class Graph:
    """The answer of ``viz.graph``. A notebook shows it; ``str`` of it is the DOT text.

    Attributes:
        vertices: in the order of the forward pass, what is used before what uses it.
        edges: between numbers of vertices, in the order of the inputs of each op.
    """

    vertices: tuple[Vertex, ...]
    edges: tuple[Edge, ...]

    @property
    def dot(self) -> str:
        """The graph in DOT, for ``dot -Tpdf`` and the like."""
        lines = ["digraph {", "  rankdir=TB", '  node [fontname="monospace", fontsize=10, style="filled"]']
        for number, vertex in enumerate(self.vertices):
            shape, fill, border = STYLES[vertex.kind]
            label = _quoted("\n".join(vertex.lines))
            lines.append(f'  n{number} [label={label}, shape={shape}, fillcolor="{fill}", color="{border}"]')
        for edge in self.edges:
            label = "" if edge.output is None else f' [label="{edge.output}"]'
            lines.append(f"  n{edge.source} -> n{edge.target}{label}")
        return "\n".join([*lines, "}", ""])

    @property
    def svg(self) -> str:
        """The picture, an SVG document that needs no other file."""
        from ._layout import draw

        return draw(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the picture or the text, by the suffix: ``.svg``, ``.dot`` or ``.gv``.

        Raises:
            ValueError: another suffix.
        """
        suffix = Path(path).suffix.lower()
        if suffix not in (".svg", ".dot", ".gv"):
            raise ValueError(f"save: expected a file .svg, .dot or .gv, got {os.fspath(path)!r}")
        Path(path).write_text(self.svg if suffix == ".svg" else self.dot, encoding="utf-8")

    def _repr_svg_(self) -> str:
        return self.svg

    def __str__(self) -> str:
        return self.dot


def _named_outputs(output: Any) -> list[tuple[str, Tensor]]:
    if isinstance(output, Tensor):
        return [("output", output)]
    if isinstance(output, Mapping):
        named = [(str(name), tensor) for name, tensor in output.items()]
    elif isinstance(output, Sequence) and not isinstance(output, str):
        named = [(f"output {number}", tensor) for number, tensor in enumerate(output)]
    else:
        raise TypeError(
            f"graph: expected a Tensor, or a sequence or dict of them, got {type(output).__name__}"
        )
    for name, tensor in named:
        if not isinstance(tensor, Tensor):
            raise TypeError(f"graph: expected {name} to be a Tensor, got {type(tensor).__name__}")
    return named


def _named_parameters(params: Any) -> list[tuple[str, Tensor]]:
    if params is None:
        return []
    if hasattr(params, "named_parameters"):
        params = params.named_parameters()
    pairs = list(params.items() if isinstance(params, Mapping) else params)
    for pair in pairs:
        if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[1], Tensor)):
            raise TypeError(
                "graph: expected params to be a Module, a dict of names and Tensors, or pairs of them, got "
                f"{type(pair).__name__} among them"
            )
    return [(str(name), tensor) for name, tensor in pairs]


def graph(
    output: Tensor | Sequence[Tensor] | Mapping[str, Tensor], params: Module | _Named | None = None
) -> Graph:
    """The computational graph that leads to ``output``.

    What does not require a gradient is not recorded, and so is no part of it. It may be drawn after the
    backward pass as well: the graph outlives the saved tensors.

    Args:
        output: a tensor, such as a loss; a sequence; or a dict by whose keys they are called.
        params: a module, a dict or pairs of names and tensors: those of them that the output depends on bear
            their names. They may be leaves or intermediate results.

    Raises:
        RuntimeError: an output has no graph.
        TypeError: something else than tensors.
    """
    outputs = _named_outputs(output)
    named = _named_parameters(params)
    names = {id(tensor): name for name, tensor in named}
    # A computed tensor is known by its node and the number of its output. Nodes and leaves are held: an id
    # lasts as long as its object.
    makers = [tensor.grad_fn for _, tensor in named]
    computed = {
        (id(maker), tensor.output_nr): name
        for (name, tensor), maker in zip(named, makers, strict=True)
        if maker is not None
    }
    for name, tensor in outputs:
        if not tensor.requires_grad:
            raise RuntimeError(f"graph: expected {name} to require a gradient, got a tensor without a graph")
    nodes = _forward_order([tensor.grad_fn for _, tensor in outputs if tensor.grad_fn is not None])
    vertices: list[Vertex] = []
    edges: list[Edge] = []
    place: dict[int, int] = {}  # node or leaf -> its vertex
    renamed: dict[tuple[int, int], int] = {}  # a computed tensor with a name -> its vertex

    def add_leaf(leaf: Tensor) -> int:
        if id(leaf) not in place:
            place[id(leaf)] = len(vertices)
            kind = "parameter" if id(leaf) in names else "leaf"
            vertices.append(Vertex(kind, names.get(id(leaf), "leaf"), (tuple(leaf.shape),)))
        return place[id(leaf)]

    leaves = []
    for node in nodes:
        sources: list[tuple[int, int | None]] = []
        for source, number in node.next_functions:
            if source is None:
                continue
            if source.name() == "AccumulateGrad":
                leaves.append(source.variable)
                sources.append((add_leaf(leaves[-1]), None))
            elif (id(source), number) in renamed:
                sources.append((renamed[id(source), number], None))
            else:
                sources.append((place[id(source)], _which(source, number)))
        here = place[id(node)] = len(vertices)
        shapes = tuple(tuple(meta.shape) for meta in node._input_metadata)
        vertices.append(Vertex("op", re.sub(r"Backward\d*$", "", node.name()), shapes))
        edges += [Edge(source, here, which) for source, which in sources]
        for number, shape in enumerate(shapes):
            if (id(node), number) in computed:
                renamed[id(node), number] = len(vertices)
                edges.append(Edge(here, len(vertices), _which(node, number)))
                vertices.append(Vertex("parameter", computed[id(node), number], (shape,)))
    for name, tensor in outputs:
        maker, number = tensor.grad_fn, tensor.output_nr
        which = None
        if maker is None:
            at = add_leaf(tensor)
        elif (id(maker), number) in renamed:
            at = renamed[id(maker), number]
        else:
            at, which = place[id(maker)], _which(maker, number)
        edges.append(Edge(at, len(vertices), which))
        vertices.append(Vertex("output", name, (tuple(tensor.shape),)))
    return Graph(tuple(vertices), tuple(edges))


def _which(node: Node, number: int) -> int | None:
    """The number of an output, of a node that has several."""
    return number if len(node._input_metadata) > 1 else None


def _forward_order(roots: list[Node]) -> list[Node]:
    """All nodes behind these but the sinks of leaves, each behind those that it depends on."""
    order: list[Node] = []
    seen: dict[int, Node] = {}
    stack = [(root, False) for root in reversed(roots)]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif id(node) not in seen:
            seen[id(node)] = node
            stack.append((node, True))
            inputs = [one for one, _ in node.next_functions if one is not None]
            stack += [(one, False) for one in reversed(inputs) if one.name() != "AccumulateGrad"]
    return order
