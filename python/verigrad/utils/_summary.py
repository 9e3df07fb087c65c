"""What a model is made of: a table of its layers, with shapes, parameters, multiply-adds and memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from .. import _C
from .._C import Tensor
from ..autograd import no_grad
from ..nn.module import Module

__all__ = ["LayerInfo", "ModelSummary", "summary"]

_PER_ELEMENT = frozenset(
    ["BatchNorm1d", "BatchNorm2d", "InstanceNorm1d", "InstanceNorm2d", "LayerNorm", "GroupNorm", "RMSNorm"]
)


@dataclass
class LayerInfo:
    """One call of one layer.

    Attributes:
        name: its attribute in the module above; the root's is empty.
        path: its dotted name in the model.
        type: the name of its class.
        depth: 0 for the model itself.
        output_shapes: the shape of each tensor it returned.
        parameters: the number of elements of its own parameters, without those of layers inside it.
        mult_adds: the multiply-adds of this call, without those of layers inside it.
        output_bytes: the memory of what it returned, 0 where that is the memory of its input.
        repeated: whether the layer had been called before.
    """

    name: str
    path: str
    type: str
    depth: int
    parameters: int
    repeated: bool
    output_shapes: list[tuple[int, ...]] = field(default_factory=list)
    mult_adds: int = 0
    output_bytes: int = 0
    is_leaf: bool = True
    failed: bool = True


@dataclass
class ModelSummary:
    """The answer of ``summary``; ``str`` of it is the table.

    Attributes:
        layers: one entry for each call of a layer, in the order of the calls.
        total_params: elements of all parameters; one used in several places counts once.
        trainable_params: those that require a gradient.
        non_trainable_params: the others.
        total_mult_adds: the sum over all calls.
        input_bytes: memory of the inputs.
        activation_bytes: memory of what the innermost layers returned, all of it kept at a time, as a
            backward pass keeps it; in place results and views count nothing.
        parameter_bytes: memory of parameters and buffers.
        shown_depth: how deep the table goes.
    """

    layers: list[LayerInfo]
    total_params: int
    trainable_params: int
    total_mult_adds: int
    input_bytes: int
    activation_bytes: int
    parameter_bytes: int
    shown_depth: int

    @property
    def non_trainable_params(self) -> int:
        return self.total_params - self.trainable_params

    def rows(self) -> Iterator[tuple[str, str, str, str]]:
        """The cells of the table: layer, output shape, parameters, multiply-adds.

        What lies deeper than ``shown_depth`` is added to the layer around it.
        """
        shown: list[tuple[LayerInfo, list[LayerInfo]]] = []
        for layer in self.layers:
            if layer.depth <= self.shown_depth:
                shown.append((layer, [layer]))
            else:
                shown[-1][1].append(layer)
        for place, (layer, parts) in enumerate(shown):
            last = all(
                other.depth != layer.depth for other, _ in _same_branch(shown[place + 1 :], layer.depth)
            )
            branch = "" if layer.depth == 0 else "│  " * (layer.depth - 1) + ("└─ " if last else "├─ ")
            title = layer.type + (f": {layer.name}" if layer.name else "")
            shapes = ", ".join(str(list(shape)) for shape in layer.output_shapes) or "--"
            parameters = sum(part.parameters for part in parts if not part.repeated)
            mult_adds = sum(part.mult_adds for part in parts)
            counted = "(repeated)" if layer.repeated else f"{parameters:,}" if parameters else "--"
            yield branch + title, shapes, counted, f"{mult_adds:,}" if mult_adds else "--"

    def __str__(self) -> str:
        heads = ("Layer (type: name)", "Output shape", "Parameters", "Mult-adds")
        table = [heads, *self.rows()]
        widths = [max(len(row[column]) for row in table) for column in range(4)]
        lines = [
            f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}".rstrip()
            for a, b, c, d in table
        ]
        rule = "=" * max(len(line) for line in lines)
        return "\n".join(
            [
                rule,
                lines[0],
                rule,
                *lines[1:],
                rule,
                f"Total parameters: {self.total_params:,}",
                f"Trainable parameters: {self.trainable_params:,}",
                f"Non-trainable parameters: {self.non_trainable_params:,}",
                f"Total mult-adds: {self.total_mult_adds:,}",
                rule,
                f"Input: {_memory(self.input_bytes)}",
                f"Activations: {_memory(self.activation_bytes)}",
                f"Parameters and buffers: {_memory(self.parameter_bytes)}",
                rule,
            ]
        )

    __repr__ = __str__


def _same_branch(rows: list[tuple[LayerInfo, Any]], depth: int) -> Iterator[tuple[LayerInfo, Any]]:
    for row in rows:
        if row[0].depth < depth:
            return
        yield row


def _memory(size: int) -> str:
    amount = float(size)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.2f} {unit}"
        amount /= 1000
    return f"{amount:.2f} GB"


def summary(
    model: Module,
    input_size: Sequence[Any] | None = None,
    input_data: Any = None,
    *,
    dtypes: Any = None,
    depth: int = 3,
    **kwargs: Any,
) -> ModelSummary:
    """Runs a model once and returns a table of its layers; ``print`` it.

    The model runs in evaluation mode, without a graph, on ones (floating-point) or zeros (integers), or on
    data of yours. Its modes are put back and nothing stays registered, whatever happens. Lazy layers take
    their shapes from this call.

    Multiply-adds of a call are counted by the kind of layer, biases left out:

    - Linear: in_features for each element of the output; Bilinear: in1_features * in2_features.
    - Conv: in_channels / groups * the size of the kernel, for each element of the output.
    - ConvTranspose: out_channels / groups * the size of the kernel, for each element of the input.
    - BatchNorm, InstanceNorm, LayerNorm, GroupNorm, RMSNorm: 1 for each element of the output.
    - all others, and functions called directly: 0.

    Args:
        model: the model.
        input_size: the shape of the input, with the batch dimension; or a sequence of shapes, one for each
            input.
        input_data: in place of it a tensor, a sequence of tensors, or a dict of keyword arguments.
        dtypes: of the inputs made from ``input_size``, one for all or one for each; default the dtype of the
            model's first floating-point parameter.
        depth: how deep the table goes into layers within layers; default 3.
        kwargs: passed on to the model.

    Returns:
        A ModelSummary.

    Raises:
        TypeError: ``model`` is no Module, or a shape holds something that is no integer.
        ValueError: neither ``input_size`` nor ``input_data`` is given, or both; the number of dtypes is not
            that of the inputs; ``depth`` is negative.
        Exception: what the model raised; a note says which layer was running.
    """
    if not isinstance(model, Module):
        raise TypeError(f"summary: expected model to be a Module, got {type(model).__name__}")
    if (input_size is None) == (input_data is None):
        raise ValueError("summary: expected either input_size or input_data, got both or neither")
    if depth < 0:
        raise ValueError(f"summary: expected depth >= 0, got {depth}")
    args: list[Any] = []
    if input_size is not None:
        args = _made(model, input_size, dtypes)
    elif isinstance(input_data, Mapping):
        kwargs = {**input_data, **kwargs}
    elif isinstance(input_data, (list, tuple)):
        args = list(input_data)
    else:
        args = [input_data]
    inputs = list(_tensors([args, kwargs]))
    layers = _run(model, args, kwargs)
    parameters = list(model.parameters())
    return ModelSummary(
        layers=layers,
        total_params=sum(p.numel() for p in parameters),
        trainable_params=sum(p.numel() for p in parameters if p.requires_grad),
        total_mult_adds=sum(layer.mult_adds for layer in layers),
        input_bytes=sum(t.nbytes for t in inputs),
        activation_bytes=sum(layer.output_bytes for layer in layers if layer.is_leaf),
        parameter_bytes=sum(t.nbytes for t in [*parameters, *model.buffers()]),
        shown_depth=depth,
    )


def _made(model: Module, input_size: Sequence[Any], dtypes: Any) -> list[Tensor]:
    sizes = list(input_size)
    shapes = (
        [tuple(size) for size in sizes] if sizes and isinstance(sizes[0], (list, tuple)) else [tuple(sizes)]
    )
    for shape in shapes:
        if not all(isinstance(length, int) for length in shape):
            raise TypeError(f"summary: expected input_size to hold integers, got {shape}")
    if dtypes is None:
        floating = (p.dtype for p in model.parameters() if p.dtype.is_floating_point)
        dtypes = next(floating, _C.get_default_dtype())
    if isinstance(dtypes, _C.dtype):
        dtypes = [dtypes] * len(shapes)
    if len(dtypes) != len(shapes):
        raise ValueError(f"summary: expected {len(shapes)} dtypes, one for each input, got {len(dtypes)}")
    return [
        (_C.ones if dtype.is_floating_point else _C.zeros)(shape, dtype=dtype)
        for shape, dtype in zip(shapes, dtypes, strict=True)
    ]


def _run(model: Module, args: list[Any], kwargs: dict[str, Any]) -> list[LayerInfo]:
    layers: list[LayerInfo] = []
    stack: list[LayerInfo] = []
    called: set[Module] = set()
    modules = dict((module, path) for path, module in model.named_modules())
    modes = {module: module.training for module in modules}
    handles = []

    def before(module: Any, args: Any) -> None:
        path = modules[module]
        parameters = 0 if module in called else sum(p.numel() for p in module.parameters(recurse=False))
        layer = LayerInfo(
            name=path.rpartition(".")[2],
            path=path,
            type=type(module).__name__,
            depth=len(stack),
            parameters=parameters,
            repeated=module in called,
        )
        if stack:
            stack[-1].is_leaf = False
        called.add(module)
        layers.append(layer)
        stack.append(layer)

    def after(module: Any, args: Any, kwargs: Any, output: Any) -> None:
        layer = stack.pop()
        results = list(_tensors(output))
        inputs = list(_tensors([args, kwargs]))
        places = {tensor.data_ptr() for tensor in inputs}
        layer.failed = False
        # A lazy layer knows its class and its parameters only now.
        layer.type = type(module).__name__
        if not layer.repeated:
            layer.parameters = sum(p.numel() for p in module.parameters(recurse=False))
        layer.output_shapes = [tuple(tensor.shape) for tensor in results]
        layer.output_bytes = sum(t.nbytes for t in results if t.data_ptr() not in places)
        layer.mult_adds = _mult_adds(module, inputs, results)

    try:
        for module in modules:
            handles.append(module.register_forward_pre_hook(before, prepend=True))
            handles.append(module.register_forward_hook(after, with_kwargs=True))
        model.eval()
        with no_grad():
            model(*args, **kwargs)
    except Exception as error:
        running = [f"{layer.type} {layer.path!r}" for layer in layers if layer.failed and layer.path]
        where = running[-1] if running else type(model).__name__
        error.add_note(
            f"summary: raised in {where} after {sum(not x.failed for x in layers)} calls of layers"
        )
        raise
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes.items():
            module.training = mode
    return layers


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _tensors(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _tensors(part)


def _mult_adds(module: Any, inputs: list[Tensor], results: list[Tensor]) -> int:
    # By name, so that classes derived from a layer count as the layer does.
    names = {cls.__name__ for cls in type(module).__mro__}
    if not results:
        return 0
    out = results[0].numel()
    if names & _PER_ELEMENT:
        return out
    if "Linear" in names:
        return out * int(module.in_features)
    if "Bilinear" in names:
        return out * int(module.in1_features) * int(module.in2_features)
    if names & {"Conv1d", "Conv2d", "Conv3d"}:
        return out * _kernel(module, module.in_channels)
    if names & {"ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"}:
        return inputs[0].numel() * _kernel(module, module.out_channels)
    return 0


def _kernel(module: Any, channels: int) -> int:
    return int(channels // module.groups * prod(module.kernel_size))
