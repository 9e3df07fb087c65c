"""Functions of functions, as in ``torch.func``: gradients, Jacobians, modules with other parameters.

A function takes and gives tensors, or tuples, lists and dicts of them. Its inputs are not changed and need
not require gradients. Transforms may be nested: ``grad(grad(f))``. What reaches a tensor outside that
requires a gradient stays part of its graph.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import _C, autograd
from ._C import Tensor

if TYPE_CHECKING:
    from .nn import Module

__all__ = [
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "value_and_grad",
    "vjp",
]

_Function = Callable[..., Any]
_Argnums = int | tuple[int, ...]


# Trees of tensors


def _flatten(tree: Any) -> list[Any]:
    """The leaves of a tree of tuples, lists and dicts."""
    if isinstance(tree, Mapping):
        return [leaf for value in tree.values() for leaf in _flatten(value)]
    if isinstance(tree, tuple | list):
        return [leaf for value in tree for leaf in _flatten(value)]
    return [tree]


def _like(tree: Any, leaves: Iterator[Any]) -> Any:
    """A tree of the same form with these leaves."""
    if isinstance(tree, Mapping):
        return type(tree)((key, _like(value, leaves)) for key, value in tree.items())  # type: ignore[call-arg]
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(_like(value, leaves) for value in tree))
    if isinstance(tree, tuple | list):
        return type(tree)(_like(value, leaves) for value in tree)
    return next(leaves)


def _mapped(function: Callable[[Any], Any], tree: Any) -> Any:
    return _like(tree, iter([function(leaf) for leaf in _flatten(tree)]))


def _tensors(what: str, tree: Any) -> list[Tensor]:
    leaves = _flatten(tree)
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise RuntimeError(f"{what}: expected tensors, got {type(leaf).__name__}")
    return leaves


# One level of differentiation


def _fresh(what: str, tree: Any) -> Any:
    """The same values as new variables: gradients by them are not gradients by the given ones."""
    _tensors(what, tree)
    return _mapped(lambda x: x.view(x.shape) if x.requires_grad else x.detach().requires_grad_(), tree)


def _reaches_outside(outputs: Sequence[Tensor], variables: Sequence[Tensor]) -> bool:
    """Whether the outputs depend on a leaf that requires a gradient and is none of the variables."""
    own = {id(one) for one in variables}
    pending = [one.grad_fn for one in outputs if one.grad_fn is not None]
    if any(one.requires_grad and one.grad_fn is None and id(one) not in own for one in outputs):
        return True
    seen: dict[int, Any] = {}  # the nodes themselves, so that no other one gets the id of one that is gone
    while pending:
        node = pending.pop()
        if id(node) in seen:
            continue
        seen[id(node)] = node
        if not node.next_functions:
            with contextlib.suppress(AttributeError):
                if id(node.variable) not in own:
                    return True
        pending += [after for after, _ in node.next_functions if after is not None]
    return False


def _called(function: _Function, args: Sequence[Any], kwargs: Mapping[str, Any], aux: bool, what: str) -> Any:
    with autograd.enable_grad():
        found = function(*args, **kwargs)
    if not aux:
        return found, None
    if not (isinstance(found, tuple) and len(found) == 2):
        raise RuntimeError(
            f"{what}: output of function f should be a tuple: (output, aux) if has_aux is True, got "
            f"{type(found).__name__}"
        )
    return found


def _given(found: Any, keep: bool) -> Any:
    """What a caller gets: a part of its graph, or of none."""
    return found if keep else _mapped(lambda x: x.detach() if isinstance(x, Tensor) else x, found)


def _gradients(
    outputs: list[Tensor], variables: list[Tensor], cotangents: Sequence[Tensor | None], create: bool
) -> list[Tensor]:
    """Gradients by the variables; zeros where nothing depends on one."""
    pairs = [(y, g) for y, g in zip(outputs, cotangents, strict=True) if y.requires_grad]
    if not pairs:
        return [_C.zeros_like(x) for x in variables]
    ys, gs = zip(*pairs, strict=True)
    found: tuple[Tensor, ...] = autograd.grad(
        ys, variables, gs, retain_graph=True, create_graph=create, materialize_grads=True
    )
    return list(found)


def _numbers(argnums: _Argnums, count: int, what: str) -> tuple[int, ...]:
    numbers = argnums if isinstance(argnums, tuple) else (argnums,)
    if not numbers:
        raise RuntimeError(f"{what}: argnums must be non-empty")
    for number in numbers:
        if not isinstance(number, int) or isinstance(number, bool):
            raise RuntimeError(f"{what}: argnums must be int or Tuple[int, ...], got {type(number).__name__}")
        if not -count <= number < count:
            raise RuntimeError(
                f"{what}: got argnum={number}, but only {count} positional inputs to the function"
            )
    numbers = tuple(number % count for number in numbers)
    if len(set(numbers)) != len(numbers):
        raise RuntimeError(f"{what}: argnums elements must be unique, got {argnums}")
    return numbers


def _replaced(args: Sequence[Any], argnums: _Argnums, what: str) -> tuple[list[Any], Any]:
    """The arguments with new variables at *argnums*, and these: one tree, or a tuple of them."""
    numbers = _numbers(argnums, len(args), what)
    changed = list(args)
    for number in numbers:
        changed[number] = _fresh(what, args[number])
    chosen = tuple(changed[number] for number in numbers)
    return changed, chosen if isinstance(argnums, tuple) else chosen[0]


# Transforms


def grad_and_value(func: _Function, argnums: _Argnums = 0, has_aux: bool = False) -> _Function:
    """A function that gives ``(gradient, value)`` of a scalar function.

    Args:
        func: gives a tensor without dimensions; with *has_aux* a tuple of it and anything else.
        argnums: by which arguments; a tuple gives a tuple of gradients. Default 0.
        has_aux: the value is then ``(value, aux)``. Default False.

    Raises:
        RuntimeError: while calling it: the output is no scalar, an argument is no tree of tensors, or
            *argnums* is out of range.
    """
    what = "grad_and_value(f)(*args)"

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        changed, variables = _replaced(args, argnums, what)
        value, aux = _called(func, changed, kwargs, has_aux, what)
        if not isinstance(value, Tensor):
            raise RuntimeError(f"{what}: Expected f(*args) to return a tensor, got {type(value)}")
        if value.ndim != 0:
            raise RuntimeError(
                f"{what}: Expected f(*args) to return a scalar tensor, got tensor with {value.ndim} dims. "
                "Maybe you wanted to use the vjp or jacrev APIs instead?"
            )
        leaves = _flatten(variables)
        keep = autograd.is_grad_enabled() and _reaches_outside([value], leaves)
        found = _like(variables, iter(_gradients([value], leaves, [None], keep)))
        value, aux = _given(value, keep), _given(aux, keep)
        return found, (value, aux) if has_aux else value

    return wrapper


def value_and_grad(func: _Function, argnums: _Argnums = 0, has_aux: bool = False) -> _Function:
    """`grad_and_value` in the other order: ``(value, gradient)``."""
    both = grad_and_value(func, argnums, has_aux)
    return lambda *args, **kwargs: both(*args, **kwargs)[::-1]


def grad(func: _Function, argnums: _Argnums = 0, has_aux: bool = False) -> _Function:
    """A function that gives the gradient of a scalar function, or with *has_aux* ``(gradient, aux)``.

    Arguments and errors are those of `grad_and_value`.
    """
    both = grad_and_value(func, argnums, has_aux)

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        found, value = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return wrapper


def vjp(func: _Function, *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """``func(*primals)``, and the function that multiplies vectors by its Jacobian from the left.

    Returns:
        ``(output, vjp_fn)``, with *has_aux* ``(output, vjp_fn, aux)``. ``vjp_fn`` takes tensors of the form
        of the output and gives a tuple with a gradient for each primal. It may be called again.
    """
    what = "vjp(f, *primals)"
    variables = tuple(_fresh(what, primal) for primal in primals)
    output, aux = _called(func, variables, {}, has_aux, what)
    outputs, leaves = _tensors(what, output), _flatten(variables)
    outside = _reaches_outside(outputs, leaves)
    keep = autograd.is_grad_enabled() and outside

    def vjp_fn(cotangents: Any) -> tuple[Any, ...]:
        given = _tensors("vjp_fn", cotangents)
        if len(given) != len(outputs):
            raise RuntimeError(f"vjp_fn: expected {len(outputs)} cotangents, got {len(given)}")
        create = autograd.is_grad_enabled() and (outside or any(one.requires_grad for one in given))
        found: tuple[Any, ...] = _like(variables, iter(_gradients(outputs, leaves, given, create)))
        return found

    shown = _given(output, keep)
    return (shown, vjp_fn, _given(aux, keep)) if has_aux else (shown, vjp_fn)


def jvp(func: _Function, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False) -> Any:
    """``func(*primals)``, and its Jacobian times the tangents.

    Computed by differentiating the product of a vector and the Jacobian, which is linear in that vector, with
    respect to it, so every op needs a second derivative, which verigrad's have.

    Args:
        func: the function.
        primals, tangents: tuples of the same form.
        strict: as in PyTorch, an output that does not depend on the inputs gives zeros either way.
        has_aux: *func* gives ``(output, aux)``. Default False.

    Returns:
        ``(output, product)``, with *has_aux* ``(output, product, aux)``.

    Raises:
        RuntimeError: *primals* and *tangents* are no tuples, or differ in form, shape or dtype.
    """
    what = "jvp(f, primals, tangents)"
    if not isinstance(primals, tuple) or not primals or not isinstance(tangents, tuple):
        raise RuntimeError(f"{what}: Expected primals and tangents to be non-empty tuples")
    given, along = _tensors(what, primals), _tensors(what, tangents)
    if [x.shape for x in given] != [t.shape for t in along] or len(primals) != len(tangents):
        raise RuntimeError(f"{what}: Expected primals and tangents to have the same structure and shapes")
    variables = tuple(_fresh(what, primal) for primal in primals)
    output, aux = _called(func, variables, {}, has_aux, what)
    outputs, leaves = _tensors(what, output), _flatten(variables)
    keep = autograd.is_grad_enabled() and (
        _reaches_outside(outputs, leaves) or any(t.requires_grad for t in along)
    )
    with autograd.enable_grad():
        vectors = [_C.zeros_like(y).requires_grad_() for y in outputs]
        products = _gradients(outputs, leaves, vectors, True)
    found = _gradients(products, vectors, along, keep)
    shown = _given(output, keep), _like(output, iter(found))
    return (*shown, _given(aux, keep)) if has_aux else shown


def jacrev(func: _Function, argnums: _Argnums = 0, *, has_aux: bool = False) -> _Function:
    """A function that gives the Jacobian, a row for each element of the output: ``[*output, *input]``.

    Trees of outputs and inputs give a tree of outputs with a tree of inputs at each leaf. Arguments are those
    of `grad_and_value`, but for outputs of any shape.
    """
    what = "jacrev(f)(*args)"

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        changed, variables = _replaced(args, argnums, what)
        output, aux = _called(func, changed, kwargs, has_aux, what)
        outputs, leaves = _tensors(what, output), _flatten(variables)
        keep = autograd.is_grad_enabled() and _reaches_outside(outputs, leaves)
        jacobians = []
        for number, y in enumerate(outputs):
            rows = []
            for unit in _C.eye(y.numel(), dtype=y.dtype, device=y.device):
                seeds = [
                    unit.reshape(y.shape) if k == number else _C.zeros_like(z) for k, z in enumerate(outputs)
                ]
                rows.append(_gradients(outputs, leaves, seeds, keep))
            jacobians.append(_like(variables, iter(_stacked(rows, leaves, y))))
        shown = _like(output, iter(jacobians))
        return (shown, _given(aux, keep)) if has_aux else shown

    return wrapper


def _stacked(rows: list[list[Tensor]], leaves: Sequence[Tensor], y: Tensor) -> list[Tensor]:
    """For each input the gradients of all elements of y, in the shape [*y, *input]."""
    if not rows:
        return [_C.zeros((*y.shape, *x.shape), dtype=x.dtype, device=x.device) for x in leaves]
    return [
        _C.stack(list(column)).reshape((*y.shape, *x.shape))
        for column, x in zip(zip(*rows, strict=True), leaves, strict=True)
    ]


def jacfwd(func: _Function, argnums: _Argnums = 0, has_aux: bool = False) -> _Function:
    """As `jacrev`, a column for each element of the inputs, by `jvp`: better for more outputs than inputs."""
    what = "jacfwd(f)(*args)"

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        numbers = _numbers(argnums, len(args), what)
        chosen = tuple(args[number] for number in numbers)
        leaves = _tensors(what, chosen)

        def of_chosen(*inputs: Any) -> Any:
            changed = list(args)
            for number, value in zip(numbers, inputs, strict=True):
                changed[number] = value
            return _called(func, changed, kwargs, has_aux, what) if has_aux else func(*changed, **kwargs)

        columns: list[list[list[Tensor]]] = []  # of each input, for each of its elements, by each output
        output = aux = None
        for number, x in enumerate(leaves):
            of_leaf = []
            for unit in _C.eye(x.numel(), dtype=x.dtype, device=x.device):
                tangents = [
                    unit.reshape(x.shape) if k == number else _C.zeros_like(z) for k, z in enumerate(leaves)
                ]
                found = jvp(of_chosen, chosen, _like(chosen, iter(tangents)), has_aux=has_aux)
                output, aux = found[0], found[2] if has_aux else None
                of_leaf.append(_flatten(found[1]))
            columns.append(of_leaf)
        if output is None:
            output, aux = _called(func, args, kwargs, has_aux, what)
        jacobians = []
        for number, y in enumerate(_flatten(output)):
            by_input = [
                _C.stack([column[number] for column in of_leaf], -1).reshape((*y.shape, *x.shape))
                if of_leaf
                else _C.zeros((*y.shape, *x.shape), dtype=y.dtype, device=y.device)
                for of_leaf, x in zip(columns, leaves, strict=True)
            ]
            tree = _like(chosen, iter(by_input))
            jacobians.append(tree if isinstance(argnums, tuple) else tree[0])
        shown = _like(output, iter(jacobians))
        return (shown, aux) if has_aux else shown

    return wrapper


def hessian(func: _Function, argnums: _Argnums = 0) -> _Function:
    """A function that gives all second derivatives of a function: ``jacfwd(jacrev(func))``."""
    return jacfwd(jacrev(func, argnums), argnums)


# Modules


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: Mapping[str, Tensor] | Sequence[Mapping[str, Tensor]],
    args: Any = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """``module(*args, **kwargs)`` with other tensors for its parameters and buffers, by name.

    The module is as before afterwards; a buffer that the call replaces in place is the given one.

    Args:
        module: the module.
        parameter_and_buffer_dicts: tensors by names such as ``"fc.weight"``; or several such dicts.
        args: a tuple of arguments, or one that is no tuple.
        kwargs: arguments by name.
        tie_weights: a tensor given for one name of a shared parameter stands for all of them. Default True.
        strict: names must be all of the module's. Default False: others keep their tensors.

    Raises:
        ValueError: a name is given twice, or two tensors for one shared parameter with *tie_weights*.
        RuntimeError: a name that the module does not have; with *strict* one that is missing.
        TypeError: a value is no tensor.
    """
    given = _merged(parameter_and_buffer_dicts)
    places = _places(module)
    unknown = [name for name in given if name not in places]
    missing = [name for name in places if name not in given] if strict else []
    if unknown or missing:
        raise RuntimeError(
            f"functional_call: expected names of {type(module).__name__}, got unexpected key(s) {unknown}, "
            f"missing key(s) {missing}"
        )
    if tie_weights:
        given = _tied(given, places)
    arguments = () if args is None else args if isinstance(args, tuple) else (args,)
    before = []
    try:
        for name, tensor in given.items():
            owner, key, old = places[name]
            before.append((owner, key, old))
            owner[key] = tensor
        return module(*arguments, **(kwargs or {}))
    finally:
        for owner, key, old in before:
            owner[key] = old


def _merged(dicts: Any) -> dict[str, Tensor]:
    given: dict[str, Tensor] = {}
    for one in (dicts,) if isinstance(dicts, Mapping) else dicts:
        for name, tensor in one.items():
            if name in given:
                raise ValueError(
                    f"{name} appears in multiple dictionaries; behavior of functional call is ambiguous"
                )
            if not isinstance(tensor, Tensor):
                raise TypeError(f"functional_call: expected a Tensor for {name}, got {type(tensor).__name__}")
            given[name] = tensor
    return given


def _places(module: Module) -> dict[str, tuple[Any, str, Tensor]]:
    """By name the dict that holds a parameter or buffer, its key there, and what is there."""
    found: dict[str, tuple[Any, str, Tensor]] = {}
    for prefix, part in module.named_modules(remove_duplicate=False):
        for owner in (part._parameters, part._buffers):
            for key, tensor in owner.items():
                if tensor is not None:
                    found[f"{prefix}.{key}" if prefix else key] = owner, key, tensor
    return found


def _tied(given: dict[str, Tensor], places: Mapping[str, tuple[Any, str, Tensor]]) -> dict[str, Tensor]:
    """The same with the other names of shared tensors."""
    groups: dict[int, list[str]] = {}
    for name, (_, _, tensor) in places.items():
        groups.setdefault(id(tensor), []).append(name)
    out = dict(given)
    for names in groups.values():
        known = [name for name in names if name in given]
        if len({id(given[name]) for name in known}) > 1:
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(known)}, which are tied. Consider "
                "using tie_weights=False"
            )
        if known:
            out.update(dict.fromkeys(names, given[known[0]]))
    return out
