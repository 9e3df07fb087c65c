"""Pictures of computational graphs: ``viz.graph(loss, params=model)``, as DOT, as SVG and in a notebook."""

from __future__ import annotations

from ._graph import Edge, Graph, Vertex, graph

__all__ = ["Edge", "Graph", "Vertex", "graph"]
