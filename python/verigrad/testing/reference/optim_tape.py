"""The optimizers' steps with running error bounds; nothing is differentiated."""

from __future__ import annotations

from typing import Any

import numpy as np

from verigrad.testing.reference import tape

Array = np.ndarray[Any, Any]


def sgd(
    params: list[Array], grads: list[Array], buffers: list[Array | None], **options: Any
) -> list[tape.Var]:
    """The parameters, then the momentum buffers, after one step."""
    new, velocities = [], []
    for p, g, v in zip(params, grads, buffers, strict=True):
        param, gradient = tape.var(p), tape.var(g)
        gradient = -gradient if options["maximize"] else gradient
        if options["weight_decay"]:
            gradient = gradient + param * options["weight_decay"]
        if options["momentum"]:
            fresh = gradient * (1.0 - options["dampening"])
            velocity = gradient if v is None else tape.var(v) * options["momentum"] + fresh
            velocities.append(velocity)
            gradient = gradient + velocity * options["momentum"] if options["nesterov"] else velocity
        new.append(param - gradient * options["lr"])
    return [*new, *velocities]


def adam(
    params: list[Array],
    grads: list[Array],
    exp_avgs: list[Array],
    exp_avg_sqs: list[Array],
    max_exp_avg_sqs: list[Array],
    steps: list[Array],
    **options: Any,
) -> list[tape.Var]:
    """All arguments but the gradients after one step."""
    results: list[list[tape.Var]] = [[], [], [], [], []]
    for i, p in enumerate(params):
        param, g = tape.var(p), tape.var(grads[i])
        step = float(steps[i]) + 1.0
        g = -g if options["maximize"] else g
        if options["decoupled_weight_decay"]:
            param = param * (1.0 - options["lr"] * options["weight_decay"])
        elif options["weight_decay"]:
            g = g + param * options["weight_decay"]
        old = tape.var(exp_avgs[i])
        mean = old + (g - old) * (1.0 - options["beta1"])
        square = tape.var(exp_avg_sqs[i]) * options["beta2"] + g * g * (1.0 - options["beta2"])
        second = square
        if options["amsgrad"]:
            greatest = tape.var(max_exp_avg_sqs[i])
            second = tape.where(greatest.value > square.value, greatest, square)
            results[3].append(second)
        root = tape.sqrt(second) / np.sqrt(1.0 - options["beta2"] ** step)
        rate = options["lr"] / (1.0 - options["beta1"] ** step)
        results[0].append(param - mean * rate / (root + options["eps"]))
        results[1].append(mean)
        results[2].append(square)
        results[4].append(tape.var(step))
    return [v for result in results for v in result]
