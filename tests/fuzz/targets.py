"""What is fuzzed: each target makes a program from a seed."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable
from typing import Any

from tests.fuzz import files
from tests.fuzz.programs import LAYOUTS, OBJECTS, Program, Value

Make = Callable[[int], Program]
DTYPES = ("bool", "uint8", "int32", "int64", "float32", "float64")
SIZES = (0, 1, 1, 2, 2, 3, 4, 5, 8, 17, 33)
INTS = (
    0, 1, -1, 2, 3, -2, 5, 7, 16, 100, -100, 255, 256, 300, 2**31 - 1, 2**31, -(2**31), 2**32, 2**40, 2**58,
    2**62, 2**63 - 1, -(2**63), 2**63, 2**64, -(2**64), 10**30,
)  # fmt: skip
FLOATS = (0.0, -0.0, 0.5, 1.5, -2.5, 1e-320, 1e308, -1e308, 3e38, 1e19, 2.0**63)
STRINGS = (
    "",
    "mean",
    "sum",
    "none",
    "same",
    "valid",
    "reflect",
    "zeros",
    "bilinear",
    "nearest",
    "é\0",
    "x" * 999,
)
# Process-wide settings that would make later programs depend on earlier ones, or fill the machine.
LEFT_OUT = {
    "set_num_threads",
    "set_default_dtype",
    "set_printoptions",
    "is_grad_enabled",
    "set_grad_enabled",
    "save",
    # What they set is global, or they are for Python's own objects.
    "set_default_tensor_type",
    "use_deterministic_algorithms",
    "set_deterministic_debug_mode",
    "set_warn_always",
}


def _shape(rng: random.Random, most: int = 4) -> list[int]:
    return [rng.choice(SIZES) for _ in range(rng.randrange(most + 1))]


def a_tensor(rng: random.Random, dtype: str | None = None, shape: list[int] | None = None) -> Value:
    """A tensor value; now and then an expanded one with more elements than any memory has."""
    layout = rng.choice(LAYOUTS)
    sizes = _shape(rng) if shape is None else shape
    if layout == "expanded" and shape is None and rng.random() < 0.1:
        sizes = [rng.choice((2**20, 2**31, 2**40, 2**58, 2**62)) for _ in range(rng.randrange(1, 3))]
    kind = rng.choice(DTYPES) if dtype is None else dtype
    return {
        "t": {
            "dtype": kind,
            "shape": sizes,
            "layout": layout,
            "seed": rng.randrange(1000),
            "grad": rng.random() < 0.4,
        }
    }


def a_value(rng: random.Random, depth: int = 0) -> Value:
    """Any argument."""
    kind = rng.random()
    if kind < 0.30:
        return a_tensor(rng)
    if kind < 0.50:
        return rng.choice(INTS) if rng.random() < 0.5 else rng.randrange(-3, 6)
    if kind < 0.58:
        return rng.choice(FLOATS) if rng.random() < 0.7 else {"f": rng.choice(("nan", "inf", "-inf"))}
    if kind < 0.64:
        return rng.choice((None, True, False))
    if kind < 0.70:
        return {"d": rng.choice(DTYPES)}
    if kind < 0.74:
        return rng.choice(STRINGS)
    if kind < 0.80:
        return {"o": rng.choice(tuple(OBJECTS))}
    if kind < 0.84:
        return {"r": rng.randrange(8)}
    if kind < 0.87:
        dtype = rng.choice((*DTYPES, "float16", "complex64", "O", "S4"))
        order, readonly = rng.choice("CF"), rng.random() < 0.3
        return {"n": {"shape": _shape(rng, 3), "dtype": dtype, "order": order, "readonly": readonly}}
    if kind < 0.90:
        return {"s": [rng.choice((None, 0, 1, -1, 2, -5, 2**63 - 1, -(2**63))) for _ in range(3)]}
    if depth > 1:
        return 0
    return {rng.choice(("l", "u")): [a_value(rng, depth + 1) for _ in range(rng.randrange(5))]}


def _step(name: str, args: list[Value], kw: dict[str, Value] | None = None) -> dict[str, Any]:
    return {"call": name, "args": args, "kw": kw or {}}


def _public() -> tuple[list[str], list[str]]:
    """Functions of the library by dotted name, and methods of Tensor."""
    import verigrad

    names = [n for n in verigrad.__all__ if n not in LEFT_OUT]
    found = [
        n for n in names if callable(getattr(verigrad, n)) and not inspect.ismodule(getattr(verigrad, n))
    ]
    for path in ("nn.functional", "nn.init", "nn.utils", "autograd", "linalg", "func"):
        module: Any = verigrad
        for part in path.split("."):
            module = getattr(module, part)
        listed = getattr(module, "__all__", None) or [n for n in vars(module) if not n.startswith("_")]
        found += [f"{path}.{n}" for n in listed if callable(getattr(module, n))]
    kind = verigrad.Tensor
    methods = [n for n in dir(kind) if not n.startswith("_") and n not in LEFT_OUT and hasattr(kind, n)]
    slots = [n for n in dir(verigrad.Tensor) if n.startswith("__") and n in KEPT_SLOTS]
    return found, [*methods, *slots]


KEPT_SLOTS = {
    "__getitem__", "__setitem__", "__deepcopy__", "__copy__", "__array__", "__reduce_ex__", "__setstate__",
    "__format__", "__init__", "__contains__", "__dlpack__", "__len__", "__iter__", "__index__", "__float__",
    "__int__", "__bool__", "__pow__", "__rpow__", "__matmul__", "__eq__", "__hash__",
}  # fmt: skip


def api() -> Make:
    """Every public function and method with arguments that make no sense, or a little."""
    functions, methods = _public()

    def make(seed: int) -> Program:
        rng = random.Random(f"api {seed}")
        program = []
        for _ in range(rng.randrange(1, 5)):
            count = rng.choice((0, 1, 1, 2, 2, 3, 4))
            args = [a_value(rng) for _ in range(count)]
            if rng.random() < 0.5:
                name, args = f".{rng.choice(methods)}", [a_tensor(rng), *args]
            else:
                name = rng.choice(functions)
                if args and rng.random() < 0.7:
                    args[0] = a_tensor(rng)
            kw = {rng.choice(KEYWORDS): a_value(rng)} if rng.random() < 0.25 else {}
            program.append(_step(name, args, kw))
        return program

    return make


KEYWORDS = (
    "dim", "keepdim", "dtype", "out", "size", "requires_grad", "alpha", "min", "max", "p", "training",
    "inplace", "stride", "padding", "dilation", "groups", "bias", "weight", "reduction", "eps", "mode",
    "value", "device", "generator", "input", "other", "ignore_index", "label_smoothing", "output_size",
    "kernel_size", "ceil_mode",
)  # fmt: skip


def _as_value(leaf: Any, rng: random.Random) -> Value:
    """A value of an argument of a record's sample."""
    import numpy as np

    from verigrad.testing.samples import Const, D, Raw, Same

    if isinstance(leaf, Const | Raw):
        leaf = leaf.array
    if isinstance(leaf, np.ndarray):
        if leaf.dtype.kind != "f" and leaf.size <= 64:
            return {"v": {"dtype": leaf.dtype.name, "values": leaf.tolist()}}
        return a_tensor(rng, leaf.dtype.name, list(leaf.shape))
    if isinstance(leaf, D):
        return {"d": leaf.name}
    if isinstance(leaf, Same):
        return {"r": 0}
    if isinstance(leaf, list):
        return {"l": [_as_value(part, rng) for part in leaf]}
    if isinstance(leaf, tuple):
        return {"u": [_as_value(part, rng) for part in leaf]}
    if isinstance(leaf, slice):
        return {"s": [leaf.start, leaf.stop, leaf.step]}
    if isinstance(leaf, float) and not np.isfinite(leaf):
        return {"f": repr(leaf)}
    return leaf if leaf is None or isinstance(leaf, bool | int | float | str) else {"o": "object"}


def _mutate(value: Value, rng: random.Random) -> Value:
    """A value near this one."""
    if isinstance(value, dict) and "t" in value and rng.random() < 0.7:
        content = dict(value["t"])
        sizes = list(content["shape"])
        if sizes and rng.random() < 0.6:
            at = rng.randrange(len(sizes))
            sizes[at] = (
                max(0, sizes[at] + rng.choice((-1, 1, 2))) if rng.random() < 0.7 else rng.choice(SIZES)
            )
        elif rng.random() < 0.5:
            content["dtype"] = rng.choice(DTYPES)
        else:
            sizes = [*sizes, rng.choice(SIZES)] if rng.random() < 0.5 else sizes[1:]
        return {"t": {**content, "shape": sizes, "layout": rng.choice(LAYOUTS)}}
    if isinstance(value, int) and not isinstance(value, bool) and rng.random() < 0.7:
        return rng.choice((value + 1, value - 1, -value, rng.choice(INTS)))
    if isinstance(value, dict) and ("l" in value or "u" in value):
        (kind, parts), *_ = value.items()
        if parts and rng.random() < 0.8:
            at = rng.randrange(len(parts))
            return {kind: [*parts[:at], _mutate(parts[at], rng), *parts[at + 1 :]]}
    return a_value(rng)


def ops() -> Make:
    """Calls from the records of the verification with one or two arguments changed, and their gradients."""
    from verigrad.testing.opspec import records

    known = list(records().values())
    pools: dict[tuple[str, str], list[Any]] = {}

    def make(seed: int) -> Program:
        rng = random.Random(f"ops {seed}")
        spec = rng.choice(known)
        dtype = rng.choice(spec.dtypes)
        key = spec.name, dtype
        if key not in pools:
            pools[key] = [s for s in spec.sample(dtype) if sum(a.size for a in s.arrays()) < 5000][:200]
        if not pools[key]:
            return []
        sample = rng.choice(pools[key])
        args = [_as_value(a, rng) for a in sample.args]
        kw = {k: _as_value(v, rng) for k, v in sample.kwargs.items()}
        for _ in range(rng.choice((0, 1, 1, 1, 2))):
            if kw and rng.random() < 0.4:
                name = rng.choice(list(kw))
                kw[name] = _mutate(kw[name], rng)
            elif args:
                at = rng.randrange(len(args))
                args[at] = _mutate(args[at], rng)
        first = args[0] if args else None
        if callable(spec.function):
            program = [_step("record", [spec.name, *args], kw)]
        else:
            program = [_step(spec.function or spec.name, args, kw)]
        if (
            isinstance(spec.name, str)
            and not spec.function
            and sample.form != "function"
            and first is not None
        ):
            program = [_step(f".{spec.name}", args, kw)]
        program.append(
            _step("backward of sum", [{"r": 0}], {"retain_graph": True} if rng.random() < 0.3 else {})
        )
        return program

    return make


UNARY = (
    "exp",
    "tanh",
    "relu",
    "sigmoid",
    "neg",
    "abs",
    "square",
    "sqrt",
    "clone",
    "contiguous",
    "detach",
    "t",
)
INPLACE = (
    "exp_",
    "relu_",
    "neg_",
    "zero_",
    "tanh_",
    "detach_",
    "mul_",
    "add_",
    "copy_",
    "fill_",
    "pow_",
    "div_",
)
VIEWS = (
    "view",
    "reshape",
    "transpose",
    "narrow",
    "select",
    "expand",
    "unsqueeze",
    "squeeze",
    "flatten",
    "unbind",
)


def autograd() -> Make:
    """Programs over a few tensors: operations, views, in-place changes, hooks, backward passes."""

    def make(seed: int) -> Program:
        rng = random.Random(f"autograd {seed}")
        dtype = rng.choice(("float32", "float64"))
        shape = [rng.choice((1, 2, 3, 4)) for _ in range(rng.randrange(1, 4))]
        program = []
        for _ in range(rng.randrange(1, 4)):
            value = a_tensor(rng, dtype, shape)
            value["t"]["grad"] = rng.random() < 0.8
            program.append(_step("clone" if rng.random() < 0.5 else "call", [value]))
            if program[-1]["call"] == "call":
                program[-1] = _step(".requires_grad_", [value])
        for _ in range(rng.randrange(3, 14)):
            x, y = {"r": rng.randrange(16)}, {"r": rng.randrange(16)}
            kind = rng.random()
            small = rng.randrange(-2, 4)
            if kind < 0.16:
                program.append(_step(f".{rng.choice(UNARY)}", [x]))
            elif kind < 0.32:
                program.append(
                    _step(rng.choice(("add", "sub", "truediv", "matmul", "pow", "iadd", "imul")), [x, y])
                )
            elif kind < 0.46:
                name = rng.choice(INPLACE)
                extra = (
                    [rng.choice((y, 0.5, 2))]
                    if name in ("mul_", "add_", "copy_", "fill_", "pow_", "div_")
                    else []
                )
                program.append(_step(f".{name}", [x, *extra]))
            elif kind < 0.58:
                name = rng.choice(VIEWS)
                given = {"view": [-1], "reshape": [-1], "transpose": [0, small], "narrow": [0, 0, 1]}
                given.update({"select": [0, small], "expand": [2, -1], "unsqueeze": [small]})
                extra = given.get(name, [])
                program.append(_step(f".{name}", [x, *extra]))
            elif kind < 0.64:
                key = rng.choice(
                    (small, {"s": [small, None, rng.choice((1, 2, None))]}, None, {"o": "ellipsis"}, y)
                )
                program.append(_step("getitem", [x, key]))
            elif kind < 0.70:
                program.append(
                    _step("setitem", [x, rng.choice((small, {"o": "ellipsis"})), rng.choice((y, 1.0))])
                )
            elif kind < 0.82:
                options = {k: True for k in ("retain_graph", "create_graph") if rng.random() < 0.4}
                program.append(_step("backward of sum", [x], options))
            elif kind < 0.86:
                program.append(_step("grad", [x, y], {"create_graph": rng.random() < 0.5}))
            elif kind < 0.90:
                program.append(_step("hook", [x, rng.choice(("double", "none", "wrong", "raise"))]))
            elif kind < 0.96:
                name, value = rng.choice((
                    ("grad", None), ("grad", y), ("data", y), ("requires_grad", rng.random() < 0.5),
                    ("data", a_tensor(rng, rng.choice(DTYPES))), ("foo", 1),
                ))  # fmt: skip
                program.append(_step("setattr", [x, name, value]))
            else:
                name = rng.choice((".retain_grad", ".zero_", "collect", "getattr", "repr", ".requires_grad_"))
                program.append(
                    _step(name, [] if name == "collect" else [x, "grad"] if name == "getattr" else [x])
                )
        return program

    return make


def modules() -> Make:
    """Layers and containers with odd arguments, their forward and backward pass, state and copies."""
    from verigrad import nn

    listed = getattr(nn, "__all__", None) or dir(nn)
    classes = [n for n in listed if inspect.isclass(getattr(nn, n)) and issubclass(getattr(nn, n), nn.Module)]

    def make(seed: int) -> Program:
        rng = random.Random(f"modules {seed}")
        count = rng.choice((0, 1, 2, 2, 3))
        args = [rng.choice((1, 2, 3, 4, 5)) if rng.random() < 0.7 else a_value(rng) for _ in range(count)]
        kw = {rng.choice(KEYWORDS): a_value(rng)} if rng.random() < 0.2 else {}
        program = [_step(f"nn.{rng.choice(classes)}", args, kw)]
        shape = [rng.choice((1, 2, 3, 4, 5)) for _ in range(rng.randrange(1, 5))]
        x = a_tensor(rng, rng.choice(("float32", "float32", "float64", "int64")), shape)
        y = a_tensor(rng, "float32", shape)
        program.append(_step("call", [{"r": 0}, x, *([y] if rng.random() < 0.3 else [])]))
        program.append(_step("backward of sum", [{"r": 1}]))
        for _ in range(rng.randrange(3)):
            name = rng.choice((
                "double", "eval", "train", "state_dict", "load_state_dict", "zero_grad", "requires_grad_",
                "to", "parameters", "modules", "apply", "register_buffer", "add_module", "extra_repr",
                "half", "cuda",
            ))  # fmt: skip
            extra = [a_value(rng) for _ in range(rng.randrange(3))]
            program.append(_step(f".{name}", [{"r": 0}, *extra]))
        program.append(_step("repr", [{"r": 0}]))
        program.append(_step("call", [{"r": 0}, x]))
        return program

    return make


def data() -> Make:
    """Data sets, samplers and loaders with odd arguments, walked through."""
    names = ("TensorDataset", "Subset", "ConcatDataset", "random_split", "DataLoader", "RandomSampler",
             "SequentialSampler", "BatchSampler", "SubsetRandomSampler", "WeightedRandomSampler",
             "StackDataset", "ArrayDataset", "DistributedSampler", "Standardize")  # fmt: skip
    import verigrad.data as package

    present = [n for n in names if hasattr(package, n)]
    options = ("batch_size", "shuffle", "drop_last", "num_workers", "sampler", "batch_sampler", "replacement",
               "num_samples", "generator", "collate_fn", "num_replicas", "rank")  # fmt: skip

    def make(seed: int) -> Program:
        rng = random.Random(f"data {seed}")
        n = rng.choice((0, 1, 2, 5, 9))
        tensors = [a_tensor(rng, None, [n, *_shape(rng, 2)]) for _ in range(rng.randrange(1, 3))]
        program = [_step("data.TensorDataset", tensors)]
        name = rng.choice(present)
        args = [{"r": 0}, *(a_value(rng) for _ in range(rng.randrange(2)))]
        kw = {rng.choice(options): rng.choice((a_value(rng), 2, True)) for _ in range(rng.randrange(3))}
        if kw.get("num_workers"):
            kw.pop("num_workers")  # processes; the data tests start them
        program.append(_step(f"data.{name}", args, kw))
        program.append(_step("len", [{"r": 1}]))
        program.append(_step("list", [{"r": 1}]))
        program.append(_step("getitem", [{"r": 1}, a_value(rng)]))
        return program

    return make


def distributions() -> Make:
    """Probability distributions with odd parameters: samples, densities, divergences and gradients."""
    import verigrad.distributions as package

    base = package.Distribution
    classes = [
        n for n in package.__all__ if isinstance(k := getattr(package, n), type) and issubclass(k, base)
    ]

    def make(seed: int) -> Program:
        rng = random.Random(f"distributions {seed}")
        program = []
        for _ in range(2):
            shape = _shape(rng, 3)
            args = [
                a_tensor(rng, rng.choice(("float32", "float64", "float32", "int64")), shape)
                if rng.random() < 0.6
                else rng.choice((0.0, 1.0, 0.3, -1.0, 2, a_value(rng)))
                for _ in range(rng.choice((1, 1, 2, 2, 3)))
            ]
            kw = {"validate_args": rng.choice((True, False))} if rng.random() < 0.3 else {}
            program.append(_step(f"distributions.{rng.choice(classes)}", args, kw))
        for _ in range(rng.randrange(1, 4)):
            name = rng.choice(
                ("sample", "rsample", "log_prob", "cdf", "icdf", "entropy", "expand", "enumerate_support")
            )
            more = [a_value(rng)] if rng.random() < 0.6 else [{"l": _shape(rng, 2)}]
            program.append(_step(f".{name}", [{"r": 0}, *more]))
        program.append(_step("distributions.kl_divergence", [{"r": 0}, {"r": 1}]))
        for name in ("mean", "variance", "support"):
            program.append(_step("getattr", [{"r": 0}, name]))
        program.append(_step("repr", [{"r": 0}]))
        program.append(_step("backward of sum", [{"r": 3}]))
        return program

    return make


TARGETS: dict[str, Callable[[], Make]] = {
    "api": api,
    "ops": ops,
    "autograd": autograd,
    "modules": modules,
    "data": data,
    "distributions": distributions,
    "files": files.own,
    "torch-files": files.torch,
}
