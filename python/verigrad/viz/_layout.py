"""Places and draws a graph in layers: Sugiyama, Tagawa and Toda, "Methods for visual understanding of
hierarchical system structures", IEEE Transactions on Systems, Man, and Cybernetics 11 (1981).

Layers by the longest path, stand-ins where an edge crosses a layer, an order within the layers by the mean of
the neighbours, and then positions that keep this order. Nothing is random: equal graphs give equal pictures.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._graph import Graph

__all__ = ["draw"]

_FONT, _CHARACTER, _LINE = 12, 7.3, 16  # size, width and height of the monospaced text, in pixels
_PADDING, _GAP, _LAYER_GAP, _MARGIN = 10, 18, 34, 12
_SWEEPS = 8


class _Layout:
    """Where everything stands. The numbers behind the vertices' are stand-ins for edges."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.widths = [max(map(len, v.lines)) * _CHARACTER + 2 * _PADDING for v in graph.vertices]
        self.heights = [sum(bool(line) for line in v.lines) * _LINE + _PADDING for v in graph.vertices]
        self.layer = self._layers()
        self.paths: list[list[int]] = []  # of each edge, with its stand-ins
        self.above: list[list[int]] = [[] for _ in graph.vertices]
        self.below: list[list[int]] = [[] for _ in graph.vertices]
        self._split_edges()
        self.rows: list[list[int]] = [[] for _ in range(max(self.layer, default=-1) + 1)]
        for number, layer in enumerate(self.layer):
            self.rows[layer].append(number)
        self._order()
        self.x = self._columns()
        self.y = self._lines()

    def _layers(self) -> list[int]:
        count = len(self.graph.vertices)
        layer = [0] * count
        uses: list[list[int]] = [[] for _ in range(count)]
        for edge in self.graph.edges:  # a source stands before its target in the list of vertices
            uses[edge.source].append(edge.target)
        for number in range(count):
            for target in uses[number]:
                layer[target] = max(layer[target], layer[number] + 1)
        targets = {edge.target for edge in self.graph.edges}
        for number in range(count):  # leaves go down to where they are used
            if number not in targets:
                layer[number] = min((layer[target] - 1 for target in uses[number]), default=0)
        return layer

    def _split_edges(self) -> None:
        for edge in self.graph.edges:
            path = [edge.source]
            for layer in range(self.layer[edge.source] + 1, self.layer[edge.target]):
                path.append(len(self.layer))
                self.layer.append(layer)
                self.widths.append(0.0)
                self.heights.append(0)
                self.above.append([])
                self.below.append([])
            path.append(edge.target)
            self.paths.append(path)
            for one, other in zip(path, path[1:], strict=False):
                self.below[one].append(other)
                self.above[other].append(one)

    def _order(self) -> None:
        for sweep in range(_SWEEPS):
            down = sweep % 2 == 0
            rows = self.rows[1:] if down else self.rows[-2::-1]
            place = {number: at for row in self.rows for at, number in enumerate(row)}
            for row in rows:
                means = {}
                for number in row:
                    others = (self.above if down else self.below)[number]
                    means[number] = (
                        sum(place[o] for o in others) / len(others) if others else float(place[number])
                    )
                row.sort(key=means.__getitem__)
                place.update({number: at for at, number in enumerate(row)})

    def _columns(self) -> list[float]:
        x = [0.0] * len(self.layer)
        for row in self.rows:
            self._settle(row, x, {number: 0.0 for number in row})
        for sweep in range(_SWEEPS):
            down = sweep % 2 == 0
            for row in self.rows if down else self.rows[::-1]:
                wanted = {}
                for number in row:
                    others = (self.above if down else self.below)[number] or self.above[number]
                    others = others or self.below[number]
                    wanted[number] = sum(x[o] for o in others) / len(others) if others else x[number]
                self._settle(row, x, wanted)
        left = min((x[n] - self.widths[n] / 2 for n in range(len(x))), default=0.0)
        return [value - left + _MARGIN for value in x]

    def _settle(self, row: list[int], x: list[float], wanted: dict[int, float]) -> None:
        """The positions nearest to those wanted, by squares, that keep the order and the gaps.

        Boxes that would overlap are joined to blocks that move as one (pool adjacent violators)."""
        blocks: list[
            tuple[float, int, list[tuple[int, float]]]
        ] = []  # mean, size, (number, place in the block)
        for number in row:
            mean, size, members = wanted[number], 1, [(number, 0.0)]
            while blocks:
                before_mean, before_size, before = blocks[-1]
                last, last_at = before[-1]
                first = members[0][0]
                step = last_at + (self.widths[last] + self.widths[first]) / 2 + _GAP
                if mean >= before_mean + step:
                    break
                blocks.pop()
                total = before_size + size
                mean = (before_mean * before_size + (mean - step) * size) / total
                members = before + [(n, at + step) for n, at in members]
                size = total
            blocks.append((mean, size, members))
        for mean, _, members in blocks:
            for number, at in members:
                x[number] = mean + at

    def _lines(self) -> list[float]:
        y, top = [0.0] * len(self.layer), float(_MARGIN)
        for row in self.rows:
            height = max(self.heights[number] for number in row)
            for number in row:
                y[number] = top + height / 2
            top += height + _LAYER_GAP
        return y

    @property
    def size(self) -> tuple[float, float]:
        count = len(self.x)
        right = max((self.x[n] + self.widths[n] / 2 for n in range(count)), default=0.0)
        bottom = max((self.y[n] + self.heights[n] / 2 for n in range(count)), default=0.0)
        return right + _MARGIN, bottom + _MARGIN

    def curve(self, path: list[int]) -> str:
        """A path from the lower end of the first box to the upper end of the last, vertical at both."""
        points = [(self.x[n], self.y[n]) for n in path]
        points[0] = (points[0][0], points[0][1] + self.heights[path[0]] / 2)
        points[-1] = (points[-1][0], points[-1][1] - self.heights[path[-1]] / 2 - 2)
        text = f"M{points[0][0]:.1f},{points[0][1]:.1f}"
        for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
            middle = (y0 + y1) / 2
            text += f" C{x0:.1f},{middle:.1f} {x1:.1f},{middle:.1f} {x1:.1f},{y1:.1f}"
        return text


def draw(graph: Graph) -> str:
    """The picture as an SVG document."""
    from ._graph import STYLES

    layout = _Layout(graph)
    width, height = layout.size
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.1f} {height:.1f}" font-family="monospace" font-size="{_FONT}">',
        '<defs><marker id="head" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="#6b7280"/></marker></defs>',
        f'<rect width="{width:.1f}" height="{height:.1f}" fill="white"/>',
    ]
    for edge, path in zip(graph.edges, layout.paths, strict=True):
        parts.append(f'<path d="{layout.curve(path)}" fill="none" stroke="#6b7280" marker-end="url(#head)"/>')
        if edge.output is not None:
            x, y = layout.x[path[0]], layout.y[path[0]] + layout.heights[path[0]] / 2 + _LINE * 0.8
            parts.append(f'<text x="{x + 4:.1f}" y="{y:.1f}" fill="#6b7280">{edge.output}</text>')
    for number, vertex in enumerate(graph.vertices):
        _, fill, border = STYLES[vertex.kind]
        w, h, x, y = layout.widths[number], layout.heights[number], layout.x[number], layout.y[number]
        round_ = 6 if vertex.kind == "op" else 0
        parts.append(
            f'<rect x="{x - w / 2:.1f}" y="{y - h / 2:.1f}" width="{w:.1f}" height="{h:.1f}" rx="{round_}" '
            f'fill="{fill}" stroke="{border}"/>'
        )
        lines = [line for line in vertex.lines if line]
        for at, line in enumerate(lines):
            below = y - h / 2 + _PADDING / 2 + (at + 0.75) * _LINE
            weight = ' font-weight="bold"' if at == 0 else ""
            parts.append(
                f'<text x="{x:.1f}" y="{below:.1f}" text-anchor="middle" fill="#111827"{weight}>'
                f"{escape(line)}</text>"
            )
    return "\n".join([*parts, "</svg>", ""])
