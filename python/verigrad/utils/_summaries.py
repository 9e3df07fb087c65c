"""What `tensorboard.SummaryWriter` writes: values as the messages that TensorBoard's plugins read.

Importing this file imports tensorboard.

Raises:
    ImportError: tensorboard is not installed (it comes with the extra "tensorboard").
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from .._C import Tensor
from .._text import short
from ._extras import require


def _part(name: str) -> Any:
    return require(f"tensorboard.{name}", "tensorboard", "tensorboard", "verigrad.utils.tensorboard")


_summary = _part("compat.proto.summary_pb2")
_tensor = _part("compat.proto.tensor_pb2")
_shape = _part("compat.proto.tensor_shape_pb2")
event = _part("compat.proto.event_pb2")
EventFileWriter = _part("summary.writer.event_file_writer").EventFileWriter


def array_of(value: Any) -> Any:
    """A number, an array or a tensor as an array.

    Raises:
        NotImplementedError: it is none of them.
    """
    import numpy as np

    if isinstance(value, Tensor):
        return value.numpy(force=True)
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, (bool, int, float, np.generic)):
        return np.array(value)
    raise NotImplementedError(f"Got {type(value)}, but numpy array or torch tensor are expected.")


def _one(tag: str, plugin: str | None = None, content: bytes = b"", **fields: Any) -> Any:
    """A summary of one value, with the plugin that shows it."""
    if plugin is not None:
        data = _summary.SummaryMetadata.PluginData(plugin_name=plugin, content=content)
        fields["metadata"] = _summary.SummaryMetadata(plugin_data=data)
    return _summary.Summary(value=[_summary.Summary.Value(tag=tag, **fields)])


def _filled(dtype: str, field: str, values: Sequence[Any], shape: Sequence[int] | None) -> Any:
    sizes = {}
    if shape is not None:
        kind = _shape.TensorShapeProto
        sizes["tensor_shape"] = kind(dim=[kind.Dim(size=size) for size in shape])
    return _tensor.TensorProto(dtype=dtype, **{field: values}, **sizes)


def scalar(tag: str, value: Any, new_style: bool = False, double_precision: bool = False) -> Any:
    """One number."""
    array = array_of(value)
    if array.size != 1:
        raise AssertionError(
            f"add_scalar: expected a tensor of one element, got shape {list(array.shape)} for {tag!r}"
        )
    number = float(array.reshape(()))
    if not new_style:
        return _one(tag, simple_value=number)
    kind, field = ("DT_DOUBLE", "double_val") if double_precision else ("DT_FLOAT", "float_val")
    return _one(tag, "scalars", tensor=_filled(kind, field, [number], None))


# Of each dtype, the name and the field.
_DTYPES = {
    "float32": ("DT_FLOAT", "float_val"),
    "float64": ("DT_DOUBLE", "double_val"),
    "uint8": ("DT_UINT8", "uint32_val"),
    "int32": ("DT_INT32", "int_val"),
    "int64": ("DT_INT64", "int64_val"),
    "bool": ("DT_BOOL", "bool_val"),
}


def tensor(tag: str, value: Tensor) -> Any:
    """All elements of a tensor."""
    if not isinstance(value, Tensor):
        raise TypeError(f"add_tensor: expected a Tensor for {tag!r}, got {type(value).__name__}")
    if value.nbytes >= 1 << 31:
        raise ValueError("tensor is bigger than protocol buffer's hard limit of 2GB in size")
    kind, field = _DTYPES[str(value.dtype).rpartition(".")[2]]
    elements = value.detach().flatten().tolist()
    return _one(tag, "tensor", tensor=_filled(kind, field, elements, list(value.shape)))


def text(tag: str, string: str) -> Any:
    """Markdown."""
    content = _part("plugins.text.plugin_data_pb2").TextPluginData(version=0).SerializeToString()
    message = _filled("DT_STRING", "string_val", [string.encode("utf-8")], [1])
    return _one(f"{tag}/text_summary", "text", content, tensor=message)


# -- histograms ----------------------------------------------------------------------------------------------


def default_bins() -> list[float]:
    """Limits that TensorFlow's histograms have: each a tenth above the last, of both signs."""
    limits, limit = [], 1e-12
    while limit < 1e20:
        limits.append(limit)
        limit *= 1.1
    return [-one for one in reversed(limits)] + [0.0] + limits


def raw_histogram(tag: str, limits: Any, counts: Any, **numbers: Any) -> Any:
    """What was counted elsewhere: ``limits`` are the upper ends."""
    message = _summary.HistogramProto(
        bucket_limit=array_of(limits).tolist() if not isinstance(limits, Sequence) else limits,
        bucket=array_of(counts).tolist() if not isinstance(counts, Sequence) else counts,
        **numbers,
    )
    return _one(tag, histo=message)


def histogram(tag: str, values: Any, bins: Any, max_bins: int | None) -> Any:
    """How many elements lie in each bin, those outside of the first and last that hold any left out."""
    import numpy as np

    array = array_of(values).astype(float).reshape(-1)
    if array.size == 0:
        raise ValueError("The input has no element.")
    counts, limits = np.histogram(array, bins=bins)
    if max_bins is not None and len(counts) > max_bins:
        together = len(counts) // max_bins
        counts = np.pad(counts, (0, -len(counts) % together)).reshape(-1, together).sum(1)
        limits = np.append(limits[:-1:together], limits[-1])
    (held,) = counts.nonzero()
    if not len(held):
        raise ValueError(f"add_histogram: expected values within the bins for {tag!r}, got none")
    first, end = held[0], held[-1] + 1
    # Only upper limits are written, so an empty bin comes first, whose upper limit is the lower one.
    return raw_histogram(
        tag,
        limits[first : end + 1],
        np.concatenate([[0], counts[first:end]]),
        min=float(array.min()),
        max=float(array.max()),
        num=float(array.size),
        sum=float(array.sum()),
        sum_squares=float(array @ array),
    )


# -- images --------------------------------------------------------------------------------------------------


def _in_a_grid(images: Any) -> Any:
    """Images [N, C, H, W] in rows of eight, as one [C, H, W]."""
    import numpy as np

    n, c, h, w = images.shape
    columns = min(n, 8)
    rows = -(-n // columns)
    canvas = np.zeros((rows * columns, c, h, w), images.dtype)
    canvas[:n] = images
    in_rows = canvas.reshape(rows, columns, c, h, w).transpose(2, 0, 3, 1, 4)
    return in_rows.reshape(c, rows * h, columns * w)


def _rows_of_pixels(array: Any, dataformats: str) -> Any:
    """An image or several of any layout as [H, W, C] with three channels, or four."""
    import numpy as np

    given = dataformats.upper()
    layout = {4: "NCHW", 3: "CHW", 2: "HW"}.get(len(given))
    if layout is None or sorted(given) != sorted(layout):
        raise AssertionError(
            f"add_image: expected dataformats to name each of NCHW, CHW or HW once, got {dataformats!r}"
        )
    if array.ndim != len(given):
        raise AssertionError(
            f"add_image: expected {len(given)} dimensions for dataformats {dataformats!r}, got shape "
            f"{list(array.shape)}"
        )
    array = array.transpose([given.index(letter) for letter in layout])
    if layout == "HW":
        array = array[None]
    if layout == "NCHW":
        if not len(array):
            raise AssertionError(f"add_images: expected at least one image, got shape {list(array.shape)}")
        array = _in_a_grid(array)
    if array.shape[0] == 1:
        array = np.repeat(array, 3, 0)
    if array.shape[0] not in (3, 4):
        raise AssertionError(f"add_image: expected 1, 3 or 4 channels, got {array.shape[0]}")
    return array.transpose(1, 2, 0)


def image(tag: str, value: Any, dataformats: str) -> Any:
    """An image; floats are 0 to 1, uint8 0 to 255, and what lies outside is cut."""
    import numpy as np

    pixels = _rows_of_pixels(array_of(value), dataformats)
    scale = 1 if pixels.dtype == np.uint8 else 255
    pixels = (pixels.astype(np.float32) * scale).clip(0, 255).astype(np.uint8)
    images = require("PIL.Image", "Pillow", "train", "SummaryWriter.add_image")
    file = io.BytesIO()
    images.fromarray(np.ascontiguousarray(pixels)).save(file, format="PNG")
    height, width, channels = pixels.shape
    message = _summary.Summary.Image(
        height=height, width=width, colorspace=channels, encoded_image_string=file.getvalue()
    )
    return _one(tag, image=message)


def pixels_of(figure: Any) -> Any:
    """A figure of matplotlib as uint8 [3, H, W]."""
    import numpy as np

    agg = require("matplotlib.backends.backend_agg", "matplotlib", "train", "SummaryWriter.add_figure")
    canvas = agg.FigureCanvasAgg(figure)
    canvas.draw()
    return np.moveaxis(np.asarray(canvas.buffer_rgba())[:, :, :3], 2, 0)


# -- hyperparameters -----------------------------------------------------------------------------------------


def hparams(
    given: Mapping[str, Any], metrics: Mapping[str, Any], domains: Mapping[str, Sequence[Any]] | None
) -> list[Any]:
    """Three summaries: what there is, how this run begins, and that it has ended.

    Raises:
        TypeError: something is no dict, or a domain no list of values of the parameter's type.
        ValueError: a value of another type.
    """
    domains = domains or {}
    for name, each in (("hparam_dict", given), ("metric_dict", metrics), ("hparam_domain_discrete", domains)):
        if not isinstance(each, dict):
            raise TypeError(f"add_hparams: expected {name} to be a dict, got {type(each).__name__}")
    for name, values in domains.items():
        wanted = type(given.get(name))
        if name not in given or not isinstance(values, list) or not all(type(v) is wanted for v in values):
            raise TypeError(
                f"parameter: hparam_domain_discrete[{name}] should be a list of same type as "
                f"hparam_dict[{name}]."
            )
    api = _part("plugins.hparams.api_pb2")
    data = _part("plugins.hparams.plugin_data_pb2")
    names = _part("plugins.hparams.metadata")
    start, infos = data.SessionStartInfo(), []
    for name, value in given.items():
        if value is None:
            continue
        kind, field, plain = _hparam(name, value)
        setattr(start.hparams[name], field, plain)
        info = api.HParamInfo(name=name, type=api.DataType.Value(kind))
        for one in domains.get(name, []):
            setattr(info.domain_discrete.values.add(), field, _hparam(name, one)[2])
        infos.append(info)
    listed = [api.MetricInfo(name=api.MetricName(tag=name)) for name in metrics]
    parts = (
        (names.EXPERIMENT_TAG, {"experiment": api.Experiment(hparam_infos=infos, metric_infos=listed)}),
        (names.SESSION_START_INFO_TAG, {"session_start_info": start}),
        (
            names.SESSION_END_INFO_TAG,
            {"session_end_info": data.SessionEndInfo(status=api.Status.Value("STATUS_SUCCESS"))},
        ),
    )
    return [
        _one(
            tag,
            names.PLUGIN_NAME,
            data.HParamsPluginData(version=names.PLUGIN_DATA_VERSION, **part).SerializeToString(),
        )
        for tag, part in parts
    ]


def _hparam(name: str, value: Any) -> tuple[str, str, Any]:
    """Type, field and value of a hyperparameter."""
    if isinstance(value, bool):
        return "DATA_TYPE_BOOL", "bool_value", value
    if isinstance(value, str):
        return "DATA_TYPE_STRING", "string_value", value
    if isinstance(value, (int, float)):
        return "DATA_TYPE_FLOAT64", "number_value", value
    if isinstance(value, Tensor) and value.numel() == 1:
        return "DATA_TYPE_FLOAT64", "number_value", float(value.item())
    raise ValueError(
        "add_hparams: value should be one of int, float, str, bool, or a Tensor of one element, got "
        f"{short(value)} for {name!r}"
    )
