"""Datasets of arrays, and of the files that hold them: NumPy's ``.npz`` and text in columns."""

from __future__ import annotations

import csv
import math
import os
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import verigrad
from verigrad._text import short

from .dataset import TensorDataset

if TYPE_CHECKING:
    import zipfile

    from numpy import ndarray

    from verigrad import Tensor

__all__ = ["ArrayDataset", "CSVDataset", "NPZDataset"]

# numpy's types that tensors do not have -> the smallest that holds their values.
_WIDER = {
    "int8": "int32",
    "int16": "int32",
    "uint16": "int32",
    "uint32": "int64",
    "float16": "float32",
}


class ArrayDataset(TensorDataset):
    """Samples are the rows of *arrays*: numpy arrays, or what `numpy.asarray` takes; batches are tensors.

    Writable arrays of a dtype that tensors have, in the machine's byte order, are shared, not copied. int8,
    int16 and uint16 become int32, uint32 becomes int64, float16 becomes float32.

    Raises:
        TypeError: an array of another type: text, objects, dates, complex or uint64 numbers.
        ValueError: an array without dimensions, or none at all.
        AssertionError: the lengths differ (that of `TensorDataset`).
    """

    def __init__(self, *arrays: Any) -> None:
        import numpy

        if not arrays:
            raise ValueError("ArrayDataset: expected at least one array, got none")
        super().__init__(
            *(
                _tensor(numpy.asarray(array), f"ArrayDataset: expected array {position} to hold")
                for position, array in enumerate(arrays)
            )
        )


class NPZDataset(TensorDataset):
    """Samples are the rows of the arrays in a file of `numpy.savez` or `numpy.savez_compressed`.

    Args:
        path: the file.
        names: the arrays that make up a sample, in that order. Default: all, in the order of the file.

    Attributes:
        names: the names of the arrays.

    The types are those of `ArrayDataset`. Nothing in the file is executed: arrays of objects are refused. A
    header that promises more than its part of the file holds is refused before memory is taken.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no such file, or damaged, a name is not in it, or the arrays differ in length.
        TypeError: an array of another type.
    """

    names: list[str]

    def __init__(self, path: str | os.PathLike[str], names: Sequence[str] | None = None) -> None:
        import zipfile  # here, so that importing the package does not pay for it

        where = f"NPZDataset: expected {os.fspath(path)!r}"
        with open(path, "rb") as file:
            try:
                with zipfile.ZipFile(file) as archive:
                    members = {name.removesuffix(".npy"): name for name in archive.namelist()}
                    self.names = list(members) if names is None else list(names)
                    if not self.names:
                        raise ValueError(f"{where} to hold arrays, got none")
                    for name in self.names:
                        if name not in members:
                            raise ValueError(
                                f"{where} to hold {name!r}, got the names {short(list(members))}"
                            )
                    arrays = [
                        _read(archive, members[name], f"{where}, array {name!r},") for name in self.names
                    ]
            except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
                raise ValueError(f"{where} to be an intact .npz file, got: {error}") from None
        lengths = [len(array) if array.ndim else None for array in arrays]
        if any(length is None or length != lengths[0] for length in lengths):
            raise ValueError(f"{where} to hold arrays of one length, got {dict(zip(self.names, lengths))}")  # noqa: B905
        super().__init__(
            *(
                _tensor(array, f"{where}, array {name!r}, to hold")
                for name, array in zip(self.names, arrays, strict=True)
            )
        )


def _read(archive: zipfile.ZipFile, member: str, where: str) -> ndarray[Any, Any]:
    import numpy

    with archive.open(member) as stream:
        try:
            version = numpy.lib.format.read_magic(stream)
            reader = {
                (1, 0): numpy.lib.format.read_array_header_1_0,
                (2, 0): numpy.lib.format.read_array_header_2_0,
            }.get(version)
            if reader is None:
                raise ValueError(f"version {version} of the format")
            shape, by_columns, kind = reader(stream)
        except ValueError as error:
            raise ValueError(f"{where} to begin with numpy's header, got: {error}") from None
        if kind.hasobject:
            raise TypeError(f"{where} to hold numbers, got {kind}")
        length = math.prod(shape) * kind.itemsize
        rest = archive.getinfo(member).file_size - stream.tell()
        if length != rest:
            raise ValueError(f"{where} to have {length} bytes for shape {shape}, got {rest}")
        content = bytearray(stream.read(length + 1))
        if len(content) != length:
            raise ValueError(f"{where} to have {length} bytes for shape {shape}, got {len(content)}")
    return numpy.frombuffer(content, kind).reshape(shape, order="F" if by_columns else "C")


def _tensor(array: ndarray[Any, Any], where: str) -> Tensor:
    if not array.ndim:
        raise ValueError(f"{where} rows, got a single {array.dtype}")
    if array.dtype.kind not in "biuf" or array.dtype.name in ("uint64", "float128", "longdouble"):
        raise TypeError(f"{where} numbers that a tensor can have, got {array.dtype}")
    array = array.astype(_WIDER.get(array.dtype.name, array.dtype.newbyteorder("=")), copy=False)
    return verigrad.from_numpy(array if array.flags.writeable else array.copy())


class CSVDataset(TensorDataset):
    """Rows of a text file in columns: numbers as features, and one column as the target.

    Args:
        path: the file. Lines without anything are passed over.
        target: the name of the target's column, or its number from 0 (negative: from the end). None: samples
            have no target.
        features: names or numbers of the columns of numbers that make up the input; default all but *target*.
        classes: the values of *target* in the order of their labels. Give those of the training file for
            files that belong to it.
        header: whether the first line has the names of the columns (default); without, they are numbered.
        delimiter: between columns. Default a comma.
        dtype: of the features and of a target with fractions. Default: the default dtype. Numbers are read as
            float64 first.
        missing: the value for features that are empty; None refuses them.
        encoding: of the file. Default UTF-8, with or without a mark at its beginning.

    Attributes:
        features: the names of the features' columns.
        target: the name of the target's column, or None.
        classes: the values that the labels stand for, or None where the target holds numbers.
        tensors: the features, [N, F]; and the target, [N]: int64 if all are whole numbers or if they are
            classes, else *dtype*. A target that is text gets classes in the order of the alphabet.

    A sample is ``(features, target)``, or ``(features,)``.

    Raises:
        OSError: the file cannot be read.
        ValueError: a column is not there; or, with its line: a number or class that is none, a row of another
            length, text that is not in *encoding*; or there are no rows.
    """

    features: list[str]
    target: str | None
    classes: list[str] | None

    def __init__(
        self,
        path: str | os.PathLike[str],
        target: str | int | None = None,
        *,
        features: Sequence[str | int] | None = None,
        classes: Sequence[str] | None = None,
        header: bool = True,
        delimiter: str = ",",
        dtype: verigrad.dtype | None = None,
        missing: float | None = None,
        encoding: str = "utf-8-sig",
    ) -> None:
        self._where = f"in {os.fspath(path)!r}"
        names, rows, lines = self._rows(path, header, delimiter, encoding)
        self._lines = lines
        self.target = None if target is None else names[self._column(names, target)]
        chosen = (
            [self._column(names, one) for one in features]
            if features is not None
            else [number for number, name in enumerate(names) if name != self.target]
        )
        self.features = [names[number] for number in chosen]
        if not chosen:
            raise ValueError(f"CSVDataset: expected columns for features {self._where}, got {short(names)}")
        self.classes = None if classes is None else list(classes)
        dtype = verigrad.get_default_dtype() if dtype is None else dtype
        columns = list(zip(*rows, strict=True))
        read = [self._numbers(columns[number], names[number], missing) for number in chosen]
        tensors = [verigrad.stack(read, 1).to(dtype)]
        if self.target is not None:
            tensors.append(self._targets(columns[names.index(self.target)], dtype))
        elif classes is not None:
            raise ValueError(f"CSVDataset: expected a target beside classes, got target=None {self._where}")
        super().__init__(*tensors)
        del self._lines

    def _rows(
        self, path: str | os.PathLike[str], header: bool, delimiter: str, encoding: str
    ) -> tuple[list[str], list[list[str]], list[int]]:
        names: list[str] | None = None
        rows: list[list[str]] = []
        lines: list[int] = []
        with open(path, encoding=encoding, newline="") as file:
            reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True, strict=True)
            try:
                for row in reader:
                    if not row:
                        continue
                    if names is None:
                        names = (
                            [name.strip() for name in row] if header else [str(i) for i in range(len(row))]
                        )
                        if header:
                            continue
                    if len(row) != len(names):
                        raise ValueError(
                            f"CSVDataset: expected {len(names)} columns at line {reader.line_num} "
                            f"{self._where}, got {len(row)}"
                        )
                    rows.append(row)
                    lines.append(reader.line_num)
            except (csv.Error, UnicodeDecodeError) as error:
                raise ValueError(
                    f"CSVDataset: expected text in columns after line {reader.line_num} {self._where}, "
                    f"got: {error}"
                ) from None
        if names is None or not rows:
            raise ValueError(f"CSVDataset: expected rows {self._where}, got none")
        double = sorted({name for name in names if names.count(name) > 1})
        if double:
            raise ValueError(
                f"CSVDataset: expected names that differ {self._where}, got {short(double)} twice"
            )
        return names, rows, lines

    def _column(self, names: list[str], wanted: str | int) -> int:
        if isinstance(wanted, str):
            if wanted in names:
                return names.index(wanted)
        elif -len(names) <= wanted < len(names):
            return wanted % len(names)
        raise ValueError(
            f"CSVDataset: expected a column {wanted!r} {self._where}, got the columns {short(names)}"
        )

    def _numbers(self, column: tuple[str, ...], name: str, missing: float | None) -> Tensor:
        import numpy

        try:
            return verigrad.from_numpy(numpy.array(column).astype(numpy.float64))
        except ValueError:
            return verigrad.tensor(
                [
                    self._number(text, name, line, missing)
                    for text, line in zip(column, self._lines, strict=True)
                ],
                dtype=verigrad.float64,
            )

    def _number(self, text: str, name: str, line: int, missing: float | None) -> float:
        if not text.strip() and missing is not None:
            return missing
        try:
            return float(text)
        except ValueError:
            more = "" if text.strip() else "; missing= gives a value for empty ones"
            raise ValueError(
                f"CSVDataset: expected a number in column {name!r} at line {line} {self._where}, "
                f"got {short(text)}{more}"
            ) from None

    def _targets(self, column: tuple[str, ...], dtype: verigrad.dtype) -> Tensor:
        values = [text.strip() for text in column]
        for value, line in zip(values, self._lines, strict=True):
            if not value:
                raise ValueError(
                    f"CSVDataset: expected a value in column {self.target!r} at line {line} {self._where}, "
                    "got nothing"
                )
        if self.classes is None:
            for kind, into in ((int, verigrad.int64), (float, dtype)):
                try:
                    numbers = [kind(value) for value in values]
                except ValueError:
                    continue
                if kind is float or all(-(2**63) <= number < 2**63 for number in numbers):
                    return verigrad.tensor(numbers, dtype=into)
            self.classes = sorted(set(values))
        labels = {name: label for label, name in enumerate(self.classes)}
        for value, line in zip(values, self._lines, strict=True):
            if value not in labels:
                raise ValueError(
                    f"CSVDataset: expected one of {short(self.classes)} in column {self.target!r} "
                    f"at line {line} {self._where}, got {short(value)}"
                )
        return verigrad.tensor([labels[value] for value in values], dtype=verigrad.int64)
