"""References of the optimizers' kernels, one parameter after another, in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from verigrad.testing.reference._numba import kernel

Array = np.ndarray[Any, Any]


@kernel
def sgd(
    param: Array,
    grad: Array,
    momentum_buffer: Array,
    first_step: bool,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
) -> None:
    """I. Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013, in
    the form of PyTorch's documentation of SGD (the learning rate outside of the velocity)."""
    for i in range(param.size):
        g = -grad[i] if maximize else grad[i]
        g += weight_decay * param[i]
        if momentum != 0.0:
            momentum_buffer[i] = g if first_step else momentum * momentum_buffer[i] + (1.0 - dampening) * g
            g = g + momentum * momentum_buffer[i] if nesterov else momentum_buffer[i]
        param[i] -= lr * g


@kernel
def adam(
    param: Array,
    grad: Array,
    exp_avg: Array,
    exp_avg_sq: Array,
    max_exp_avg_sq: Array,
    step: float,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled_weight_decay: bool,
    amsgrad: bool,
    maximize: bool,
) -> None:
    """D. P. Kingma and J. Ba, "Adam", ICLR 2015, algorithm 1; I. Loshchilov and F. Hutter, "Decoupled weight
    decay regularization", ICLR 2019, algorithm 2; S. Reddi et al., "On the convergence of Adam and beyond",
    ICLR 2018."""
    for i in range(param.size):
        g = -grad[i] if maximize else grad[i]
        if decoupled_weight_decay:
            param[i] *= 1.0 - lr * weight_decay
        else:
            g += weight_decay * param[i]
        exp_avg[i] = beta1 * exp_avg[i] + (1.0 - beta1) * g
        exp_avg_sq[i] = beta2 * exp_avg_sq[i] + (1.0 - beta2) * g * g
        second = exp_avg_sq[i]
        if amsgrad:
            max_exp_avg_sq[i] = max(max_exp_avg_sq[i], exp_avg_sq[i])
            second = max_exp_avg_sq[i]
        mean = exp_avg[i] / (1.0 - beta1**step)
        param[i] -= lr * mean / (math.sqrt(second / (1.0 - beta2**step)) + eps)


def _wide(a: Array) -> Array:
    return a.astype(np.float64).reshape(-1)


def sgd_op(
    params: list[Array], grads: list[Array], momentum_buffers: list[Array | None], **options: Any
) -> Any:
    """The parameters and momentum buffers after one step."""
    new_params, new_buffers = [], []
    for param, grad, buffer in zip(params, grads, momentum_buffers, strict=True):
        p, state = _wide(param), np.zeros(param.size) if buffer is None else _wide(buffer)
        sgd(
            p,
            _wide(grad),
            state,
            buffer is None,
            options["lr"],
            options["momentum"],
            options["dampening"],
            options["weight_decay"],
            options["nesterov"],
            options["maximize"],
        )
        new_params.append(p.astype(param.dtype).reshape(param.shape))
        new_buffers.append(state.astype(param.dtype).reshape(param.shape) if options["momentum"] else None)
    return new_params, new_buffers


def adam_op(
    params: list[Array],
    grads: list[Array],
    exp_avgs: list[Array],
    exp_avg_sqs: list[Array],
    max_exp_avg_sqs: list[Array],
    steps: list[Array],
    **options: Any,
) -> Any:
    """All arguments after one step, `steps` included."""
    results: list[list[Array]] = [[], [], [], [], []]
    for i, param in enumerate(params):
        p, mean, square = _wide(param), _wide(exp_avgs[i]), _wide(exp_avg_sqs[i])
        greatest = _wide(max_exp_avg_sqs[i]) if options["amsgrad"] else np.zeros(param.size)
        adam(
            p,
            _wide(grads[i]),
            mean,
            square,
            greatest,
            float(steps[i]) + 1.0,
            options["lr"],
            options["beta1"],
            options["beta2"],
            options["eps"],
            options["weight_decay"],
            options["decoupled_weight_decay"],
            options["amsgrad"],
            options["maximize"],
        )
        for kept, array in zip(results, (p, mean, square, greatest), strict=False):
            kept.append(array.astype(param.dtype).reshape(param.shape))
        results[4].append((steps[i] + 1).astype(steps[i].dtype))
    if not options["amsgrad"]:
        results[3] = []
    return tuple(results)
