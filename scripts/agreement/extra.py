"""Public functions without a record, which are composed in Python: samples for their calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from verigrad.testing.opspec import ALL_DTYPES, FLOATING, NUMERIC, OpSpec
from verigrad.testing.samples import D, Sample, Sampler, call

Array = np.ndarray[Any, Any]


def _square(s: Sampler, n: int = 3, *lead: int) -> Array:
    """A matrix that is far from singular."""
    return (s.array(*lead, n, n) + 6 * np.eye(n)).astype(s.dtype)


def _definite(s: Sampler, n: int = 3, *lead: int) -> Array:
    a = s.array(*lead, n, n).astype(np.float64)
    return (a @ a.swapaxes(-1, -2) + np.eye(n)).astype(s.dtype)


def _plain(s: Sampler) -> Iterator[Sample]:
    for shape in ((), (1,), (5,), (0,), (3, 4), (2, 0, 3), (2, 3, 4)):
        yield call(s.array(*shape))


def _matrices(s: Sampler) -> Iterator[Sample]:
    for shape in ((3,), (1,), (3, 2), (2, 2, 0)):
        yield call(_square(s, *shape), vary=False)  # a stride of zero would make it singular


def _with(*rest: tuple[Any, ...], **options: Any) -> Callable[[Sampler], Iterator[Sample]]:
    def samples(s: Sampler) -> Iterator[Sample]:
        for more in rest or ((),):
            for shape in ((3, 4), (1, 4, 1), (5,), (2, 0, 3)):
                yield call(s.array(*shape), *more, **options)

    return samples


def _diff(s: Sampler) -> Iterator[Sample]:
    yield from _with()(s)
    yield call(s.array(3, 4), 2)
    yield call(s.array(3, 4), 1, 0)
    yield call(s.array(3, 4), dim=1, prepend=s.array(3, 1), append=s.array(3, 2))


def _isin(s: Sampler) -> Iterator[Sample]:
    yield call(s.array(3, 4), s.array(5))
    yield call(s.array(3, 4), s.array(5), invert=True)
    yield call(s.array(4), 1)
    yield call(1, s.array(4))


def _clip(s: Sampler) -> Iterator[Sample]:
    yield call(s.array(3, 4), -1, 1)
    yield call(s.array(3, 4), min=0)
    yield call(s.array(3, 4), s.array(4), None)


def _solve(s: Sampler) -> Iterator[Sample]:
    yield call(_square(s), s.array(3))
    yield call(_square(s), s.array(3, 2))
    yield call(_square(s, 3, 2), s.array(2, 3, 1))
    yield call(_square(s), s.array(2, 3), left=False)


def _triangular(s: Sampler) -> Iterator[Sample]:
    for upper in (True, False):
        a = (np.triu if upper else np.tril)(_square(s))
        yield call(a, s.array(3, 2), upper=upper)
        yield call(a, s.array(2, 3), upper=upper, left=False)


def _definites(s: Sampler) -> Iterator[Sample]:
    for shape in ((3,), (1,), (2, 2)):
        yield call(_definite(s, *shape), vary=False)


def _logspace(s: Sampler) -> Iterator[Sample]:
    yield call(0.0, 2.0, 5, dtype=D(s.dtype.name))
    yield call(-1, 1, 4, base=2.0, dtype=D(s.dtype.name))


def _promotion(s: Sampler) -> Iterator[Sample]:
    for other in ALL_DTYPES:
        yield call(D(s.dtype.name), D(other))


def _types(s: Sampler) -> Iterator[Sample]:
    for other in ALL_DTYPES:
        yield call(s.array(2), s.array(2, dtype=other))
        yield call(s.array(2), s.array(dtype=other))
    yield call(s.array(2), 1)
    yield call(s.array(2), 1.5)


def _pairs(s: Sampler) -> Iterator[Sample]:
    yield call(s.array(3, 4), s.array(3, 4))
    yield call(s.array(3, 4), s.array(4))
    yield call(s.array(), s.array(2))
    yield call(s.array(3, 4), 2)


def _stacks(s: Sampler) -> Iterator[Sample]:
    yield call([s.array(2, 3), s.array(1, 3)])
    yield call((s.array(3), s.array(3)))


def _methods(name: str, *samples: Any, dtypes: tuple[str, ...] = ALL_DTYPES, **options: Any) -> OpSpec:
    """A method of Tensor that has no function."""
    return OpSpec(
        f"Tensor.{name}", _no_reference, *samples, dtypes=dtypes, family="methods",
        function=lambda lib, x, *args, **kwargs: getattr(x, name)(*args, **kwargs), **options,
    )  # fmt: skip


def _no_reference(*_: Any, **__: Any) -> None:
    """There is none: the other library is what these are compared with."""


def _function(
    name: str,
    samples: Callable[[Sampler], Iterator[Sample]],
    dtypes: tuple[str, ...] = ALL_DTYPES,
    family: str = "composed",
    **options: Any,
) -> OpSpec:
    return OpSpec(name, _no_reference, samples, dtypes=dtypes, family=family, **options)


def _decomposition(name: str, samples: Callable[[Sampler], Iterator[Sample]]) -> OpSpec:
    why = "LAPACK's routines differ between the libraries; matrices of a condition of up to some tens"
    return _function(f"linalg.{name}", samples, FLOATING, "linalg (LAPACK)", tolerance=64, reason=why)


def operations() -> dict[str, OpSpec]:
    """A record without a reference for each function."""
    found = [_decomposition(n, _matrices) for n in ("det", "inv", "pinv", "slogdet", "svdvals", "cond")]
    found += [_decomposition(n, _definites) for n in ("cholesky", "eigvalsh", "matrix_rank")]
    found += [_decomposition("solve", _solve), _decomposition("solve_triangular", _triangular)]
    found += [_function(n, _matrices, FLOATING, "linalg (LAPACK)", tolerance=64, reason="as linalg's")
              for n in ("det", "inverse", "logdet", "pinverse", "slogdet")]  # fmt: skip
    found += [
        _function("diff", _diff), _function("isin", _isin), _function("clip", _clip),
        _function("logspace", _logspace, NUMERIC), _function("promote_types", _promotion),
        _function("can_cast", _promotion), _function("result_type", _types),
        _function("is_same_size", _pairs), _function("numel", _plain), _function("is_nonzero", _plain),
        _function("is_floating_point", _plain), _function("is_complex", _plain),
        _function("is_signed", _plain), _function("sgn", _plain), _function("fix", _plain),
        _function("negative", _plain), _function("absolute", _plain), _function("arctan2", _pairs),
        _function("multiply", _pairs), _function("subtract", _pairs), _function("divide", _pairs),
        _function("greater", _pairs), _function("less_equal", _pairs), _function("not_equal", _pairs),
        _function("concat", _stacks), _function("concatenate", _stacks), _function("row_stack", _stacks),
        _function("scalar_tensor", lambda s: iter([call(1.5), call(True), call(2)]), ("float32",)),
        _function("broadcast_shapes", lambda s: iter([call((2, 1), (3,)), call((1,), (0,), 2)]), ("bool",)),
    ]  # fmt: skip
    of_one = ("size", "dim", "nelement", "element_size", "numel", "ndimension", "is_contiguous")
    found += [_methods(n, _plain) for n in of_one]
    found += [_methods(n, _plain, mutates=1) for n in ("absolute_", "negative_", "fix_", "sgn_")]
    found += [
        _methods("squeeze_", _with((), (0,), (-1,)), mutates=1),
        _methods("unsqueeze_", _with((0,), (1,), (-1,)), mutates=1),
        _methods("transpose_", _with((0, -1)), mutates=1), _methods("swapaxes_", _with((0, -1)), mutates=1),
        _methods("t_", _with(), mutates=1), _methods("multiply_", _pairs, mutates=1),
        _methods("less_", _pairs, mutates=1), _methods("clip_", _clip, mutates=1),
        _methods("fill_diagonal_", _with((1,), (2.5,)), mutates=1),
        _methods("sum_to_size", lambda s: iter([call(s.array(3, 4), 1, 4), call(s.array(2, 3), 3)])),
        _methods("narrow_copy", _with((0, 0, 1), (-1, 0, 2))),
    ]  # fmt: skip
    return {spec.name: spec for spec in found}
