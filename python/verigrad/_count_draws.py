"""Random counts and gamma variates, by vectorised rejection: each round draws for the elements that are left.

All is computed in float64 on the tensor's device, with numbers of that device's generator.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import _C
from ._C import Generator, Tensor
from .autograd import Function, no_grad
from .autograd.function import once_differentiable

__all__ = ["binomial", "poisson"]

SMALL = 10.0  # the mean from which on counts are drawn by rejection


def _uniform(like: Tensor, generator: Generator | None) -> Tensor:
    return _C.rand(like.shape, dtype=_C.float64, device=like.device, generator=generator)


def _until_accepted(draw: Callable[..., tuple[Tensor, Tensor]], *parameters: Tensor) -> Tensor:
    """What draw(parameters) answers as values, each from the first round in which it is accepted."""
    out = _C.empty_like(parameters[0])
    left = _C.arange(out.numel(), device=out.device)
    while left.numel():
        values, accepted = draw(*(each[left] for each in parameters))
        out[left[accepted]] = values[accepted]
        left = left[~accepted]
    return out


def _inverted(u: Tensor, first: Tensor, next_term: Callable[[Tensor, int], Tensor]) -> Tensor:
    """The number k whose terms up to it first reach u; the mean is small."""
    k, term, total = _C.zeros_like(u), first, first
    for step in range(1, 200):
        beyond = u > total
        if not bool(beyond.any()):
            break
        k = k + beyond
        term = next_term(term, step)
        total = total + term
    return k


def _few_or_many(
    mean: Tensor, few: Callable[..., Tensor], many: Callable[..., Tensor], *parameters: Tensor
) -> Tensor:
    """`few` of the elements with a small mean, `many` of the others."""
    flat = [each.reshape(-1) for each in parameters]
    large = (mean >= SMALL).reshape(-1)
    out = _C.empty_like(flat[0])
    out[~large] = few(*(each[~large] for each in flat))
    out[large] = many(*(each[large] for each in flat))
    return out.reshape(mean.shape)


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Numbers of events with the rates in *input*; shape and dtype of *input*.

    By inversion for rates below 10, else by W. Hoermann's transformed rejection ("The transformed rejection
    method for generating Poisson random variables", 1993, algorithm PTRS).

    Args:
        input: rates >= 0, floating point.
        generator: source of randomness; None is the default one.

    Raises:
        RuntimeError: a rate is negative.
        NotImplementedError: *input* is not floating point.
    """
    if not input.dtype.is_floating_point:
        raise NotImplementedError(f"poisson: expected a floating point tensor, got {input.dtype}")
    with no_grad():
        rate = input.detach().double().contiguous()
        if not bool((rate >= 0).all()):
            raise RuntimeError("poisson: expected rates of 0 and above, got others")

        def few(rate: Tensor) -> Tensor:
            return _inverted(_uniform(rate, generator), _C.exp(-rate), lambda term, k: term * (rate / k))

        def round_of(rate: Tensor, log_rate: Tensor) -> tuple[Tensor, Tensor]:
            b = 0.931 + 2.53 * rate.sqrt()
            a = -0.059 + 0.02483 * b
            u, v = _uniform(rate, generator) - 0.5, _uniform(rate, generator)
            us = 0.5 - u.abs()
            k = ((2 * a / us + b) * u + rate + 0.43).floor()
            at_once = (us >= 0.07) & (v <= 0.9277 - 3.6224 / (b - 2))
            scale = (1.1239 + 1.1328 / (b - 3.4)) / (a / (us * us) + b)
            density = k * log_rate - rate - _C.lgamma(k.clamp(min=0) + 1)
            slowly = (k >= 0) & ~((us < 0.013) & (v > us)) & (_C.log(v * scale) <= density)
            return k, at_once | slowly

        def many(rate: Tensor) -> Tensor:
            return _until_accepted(round_of, rate, _C.log(rate))

        return _few_or_many(rate, few, many, rate).to(input.dtype)


def binomial(count: Tensor, prob: Tensor, generator: Generator | None = None) -> Tensor:
    """Numbers of successes in *count* trials of probability *prob*; of the broadcast shape and that dtype.

    By inversion for means below 10, else by W. Hoermann's transformed rejection ("The generation of binomial
    random variates", 1993, algorithm BTRS); of the rarer outcome.

    Args:
        count: whole numbers >= 0, floating point.
        prob: from 0 to 1, of the dtype of *count*.
        generator: source of randomness; None is the default one.

    Raises:
        RuntimeError: the dtypes differ, or a number is outside of its range.
        NotImplementedError: *count* is not floating point.
    """
    if not count.dtype.is_floating_point:
        raise NotImplementedError(f"binomial: expected floating point tensors, got {count.dtype}")
    if prob.dtype != count.dtype:
        raise RuntimeError(f"binomial: expected two tensors of one dtype, got {count.dtype} and {prob.dtype}")
    with no_grad():
        trials, p = (each.double() for each in _C.broadcast_tensors(count.detach(), prob.detach()))
        if not bool(((trials >= 0) & (p >= 0) & (p <= 1)).all()):
            raise RuntimeError("binomial: expected counts of 0 and above and probabilities from 0 to 1")
        rare = _C.minimum(p, 1 - p).contiguous()

        def few(n: Tensor, p: Tensor) -> Tensor:
            odds = p / (1 - p)
            first = _C.exp(n * _C.log1p(-p))
            return _inverted(_uniform(n, generator), first, lambda term, k: term * (odds * (n - k + 1) / k))

        def round_of(n: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
            spread = (n * p * (1 - p)).sqrt()
            b = 1.15 + 2.53 * spread
            a = -0.0873 + 0.0248 * b + 0.01 * p
            u, v = _uniform(n, generator) - 0.5, _uniform(n, generator)
            us = 0.5 - u.abs()
            k = ((2 * a / us + b) * u + n * p + 0.5).floor()
            inside = (k >= 0) & (k <= n)
            at_once = (us >= 0.07) & (v <= 0.92 - 4.2 / b)
            mode = ((n + 1) * p).floor()
            held = _C.where(inside, k, mode)
            density = (
                _C.lgamma(mode + 1)
                + _C.lgamma(n - mode + 1)
                - _C.lgamma(held + 1)
                - _C.lgamma(n - held + 1)
                + (held - mode) * _C.log(p / (1 - p))
            )
            scale = (2.83 + 5.1 / b) * spread / (a / (us * us) + b)
            return k, inside & (at_once | (_C.log(v * scale) <= density))

        def many(n: Tensor, p: Tensor) -> Tensor:
            return _until_accepted(round_of, n, p)

        drawn = _few_or_many(trials * rare, few, many, trials.contiguous(), rare)
        return _C.where(p > 0.5, trials - drawn, drawn).to(count.dtype)


def _log_gamma_values(alpha: Tensor, generator: Generator | None) -> Tensor:
    """Logarithms of gamma variates: G. Marsaglia, W. W. Tsang, "A simple method for generating gamma
    variables" (2000); below 1 those of alpha + 1 times a power of a uniform number."""
    flat = alpha.reshape(-1)

    def round_of(d: Tensor) -> tuple[Tensor, Tensor]:
        x = _C.randn(d.shape, dtype=_C.float64, device=d.device, generator=generator)
        v = (1 + x / (3 * d.sqrt())) ** 3
        log_v = _C.log(v)
        # NaN is accepted, or it would never end.
        refused = (v <= 0) | (_C.log1p(-_uniform(d, generator)) >= 0.5 * x * x + d * (1 - v + log_v))
        return _C.log(d) + log_v, ~refused

    out = _until_accepted(round_of, _C.where(flat < 1, flat + 1, flat) - 1 / 3)
    power = _C.log1p(-_uniform(flat, generator)) / flat
    return _C.where(flat < 1, out + power, out).reshape(alpha.shape)


def log_gamma_slope(alpha: Tensor, log_z: Tensor) -> Tensor:
    """d ln z / d alpha of a gamma variate z whose quantile stays: -(dF / d alpha) / (z F'(z)).

    M. Figurnov, S. Mohamed, A. Mnih, "Implicit reparameterization gradients" (2018), equation 5; both
    float64. For z < 1 by the series of the incomplete gamma function (DLMF 8.7.1), differentiated term
    by term. Else, with e = ln z - digamma(alpha), by the integral over y >= 0 of (|e| + y) exp(+-alpha y
    - z (exp(+-y) - 1)), the upper tail where e >= 0 and the lower one below: the integrand is positive,
    so nothing cancels.
    """
    z = _C.exp(log_z)
    small = z < 1
    series = _C.zeros_like(z)
    kept = _C.where(small, z, 0.0)
    psi = _C.digamma(alpha + 1)
    term = 1 / alpha
    for k in range(24):
        series = series + term * (psi - log_z)
        psi = psi + 1 / (alpha + (k + 1))
        term = term * kept / (alpha + (k + 1))
    big = _C.where(small, 1.0, z)
    e = _C.log(big) - _C.digamma(alpha)
    sign = _C.where(e >= 0, 1.0, -1.0)
    e = e.abs()
    reach = 1 / ((alpha - big).abs() + big.sqrt())
    integral = _C.zeros_like(z)
    step = 1 / 12
    for i in range(round(-3.75 / step), round(4.0 / step) + 1):
        # Takahasi and Mori's double-exponential rule for what decays like exp(-y): y = exp(w - exp(-w)).
        w = _C.tensor(i * step, dtype=_C.float64)
        decay = float(_C.exp(-w))
        y = reach * float(_C.exp(w - decay))
        density = _C.exp(sign * alpha * y - big * _C.expm1(sign * y))
        integral = integral + (e + y) * density * (y * ((1 + decay) * step))
    return _C.where(small, series, integral)


class _LogGamma(Function):
    """The logarithms of gamma variates, as functions of alpha."""

    @staticmethod
    def forward(ctx: Any, alpha: Tensor, generator: Generator | None) -> Tensor:
        drawn = _log_gamma_values(alpha.detach().double(), generator)
        ctx.save_for_backward(alpha, drawn)
        return drawn.to(alpha.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        alpha, drawn = ctx.saved_tensors
        return grad * log_gamma_slope(alpha.double(), drawn).to(grad.dtype), None


def log_gamma(alpha: Tensor, generator: Generator | None = None) -> Tensor:
    """Logarithms of variates of the gamma distribution with the shapes *alpha* and rate 1: they neither
    underflow for small shapes nor lose their gradients, which can be taken once."""
    found: Tensor = _LogGamma.apply(alpha, generator)
    return found
