"""The line search of methods that follow a direction."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from .._C import Tensor

__all__ = ["Point", "strong_wolfe"]


@dataclass
class Point:
    """A point on the line.

    Attributes:
        t: how many steps of the direction it is away.
        loss: the function there.
        grad: its gradient, flat.
        slope: its derivative along the direction.
    """

    t: float
    loss: float
    grad: Tensor
    slope: float


def cubic_minimum(a: Point, b: Point, low: float, high: float) -> float:
    """Where the cubic through both values and slopes is least; the middle if it has no minimum.

    J. Nocedal and S. J. Wright, "Numerical Optimization", 2nd edition, eq. 3.59.
    """
    first, second = (a, b) if a.t <= b.t else (b, a)
    d1 = first.slope + second.slope - 3 * (first.loss - second.loss) / (first.t - second.t)
    square = d1 * d1 - first.slope * second.slope
    if square >= 0:
        d2 = math.sqrt(square)
        share = second.slope - first.slope + 2 * d2
        if share != 0:
            t = second.t - (second.t - first.t) * ((second.slope + d2 - d1) / share)
            return min(max(t, low), high)
    return (low + high) / 2


def strong_wolfe(
    evaluate: Callable[[float], Point],
    start: Point,
    t: float,
    *,
    size: float,
    max_evals: int,
    sufficient: float = 1e-4,
    curvature: float = 0.9,
    tolerance: float = 1e-9,
) -> tuple[Point, int]:
    """A point that satisfies the strong Wolfe conditions, or the best one found.

    Nocedal and Wright, "Numerical Optimization", 2nd edition, algorithms 3.5 and 3.6, with the choices of
    PyTorch's LBFGS: trial steps by cubic interpolation, at most ten times longer, and away from the ends of
    the bracket.

    Args:
        evaluate: the point at a distance t. start: the point at distance 0, with a negative slope. t: the
        first distance to try. size: the greatest element of the direction; a bracket that moves no
        parameter by ``tolerance`` ends the
            search.
        max_evals: evaluations after the first one.
        sufficient: c1, the share of the decrease that the slope promises.
        curvature: c2, the share of the slope that may be left.
        tolerance: see ``size``.

    Returns:
        The point, and how often the function was evaluated.
    """

    def too_high(point: Point) -> bool:
        return not point.loss <= start.loss + sufficient * point.t * start.slope

    def flat(point: Point) -> bool:
        return abs(point.slope) <= -curvature * start.slope

    previous, point, count = start, evaluate(t), 0
    while count < max_evals:
        if too_high(point) or (count > 1 and point.loss >= previous.loss):
            break
        if flat(point):
            return point, count + 1
        if point.slope >= 0:
            break
        least, most = point.t + 0.01 * (point.t - previous.t), point.t * 10
        previous, point = point, evaluate(cubic_minimum(previous, point, least, most))
        count += 1
    else:
        previous = start
    low, high = (previous, point) if previous.loss <= point.loss else (point, previous)
    stuck = False
    while count < max_evals and abs(high.t - low.t) * size >= tolerance:
        left, right = min(low.t, high.t), max(low.t, high.t)
        t = cubic_minimum(previous, point, left, right)
        margin = 0.1 * (right - left)
        if min(right - t, t - left) < margin:
            # A trial so close to an end makes little progress: the second time it is moved away.
            if stuck or t >= right or t <= left:
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        trial = evaluate(t)
        count += 1
        if too_high(trial) or trial.loss >= low.loss:
            high = trial
            if high.loss < low.loss:
                low, high = high, low
        else:
            if flat(trial):
                return trial, count + 1
            if trial.slope * (high.t - low.t) >= 0:
                high = low
            low = trial
        previous, point = low, high
    return low, count + 1
