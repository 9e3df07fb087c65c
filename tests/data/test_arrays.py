"""Datasets of arrays and of the files that hold them."""

import io
import zipfile

import numpy as np
import pytest

import verigrad
from verigrad.utils.data import ArrayDataset, CSVDataset, DataLoader, NPZDataset

# Arrays


def test_arrays_are_shared_or_widened():
    numbers = np.arange(6, dtype=np.float32).reshape(3, 2)
    dataset = ArrayDataset(numbers, [1, 2, 3])
    numbers[0, 0] = 7
    assert dataset[0][0].tolist() == [7, 1] and dataset[2][1].item() == 3
    (batch,) = DataLoader(dataset, 3)
    assert batch[0].tolist() == numbers.tolist() and batch[1].dtype == verigrad.int64
    for given, kept in (
        ("bool", "bool"), ("uint8", "uint8"), ("int8", "int32"), ("int16", "int32"), ("uint16", "int32"),
        ("int32", "int32"), ("uint32", "int64"), ("int64", "int64"), ("float16", "float32"),
        ("float32", "float32"), ("float64", "float64"), (">i4", "int32"), (">f8", "float64"),
    ):  # fmt: skip
        array = np.array([0, 1, 1], dtype=given)
        (tensor,) = ArrayDataset(array).tensors
        assert str(tensor.dtype) == f"verigrad.{kept}" and tensor.tolist() == array.tolist()
    assert ArrayDataset(np.array([2**32 - 1], dtype=np.uint32)).tensors[0].item() == 2**32 - 1
    frozen = np.ones(3)
    frozen.flags.writeable = False
    ArrayDataset(frozen).tensors[0].add_(1)
    assert frozen.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("arrays", "kind", "message"),
    [
        ([], ValueError, "expected at least one array"),
        ([np.ones(2), np.array(["a", "b"])], TypeError, "expected array 1 to hold numbers .* got <U1"),
        ([np.array([None])], TypeError, "got object"),
        ([np.ones(2, np.complex64)], TypeError, "got complex64"),
        ([np.ones(2, np.uint64)], TypeError, "got uint64"),
        ([np.array(1.0)], ValueError, "expected array 0 to hold rows, got a single float64"),
        ([np.ones(2), np.ones(3)], AssertionError, r"Size mismatch.*\[2, 3\]"),
    ],
)
def test_arrays_that_are_refused(arrays, kind, message):
    with pytest.raises(kind, match=message):
        ArrayDataset(*arrays)


# NPZ


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(tmp_path, save):
    x, y = np.asfortranarray(np.random.default_rng(0).random((5, 3))), np.arange(5)
    save(tmp_path / "d.npz", x=x, y=y)
    dataset = NPZDataset(tmp_path / "d.npz")
    assert dataset.names == ["x", "y"] and len(dataset) == 5
    assert dataset.tensors[0].tolist() == x.tolist() and dataset.tensors[1].tolist() == y.tolist()
    reversed_ = NPZDataset(str(tmp_path / "d.npz"), ["y", "x"])
    assert reversed_[1][0].item() == 1
    assert next(iter(DataLoader(reversed_, 2)))[1].tolist() == x[:2].tolist()


def test_npz_that_is_refused(tmp_path):
    path = tmp_path / "d.npz"

    def refused(kind, message, names=None):
        with pytest.raises(kind, match=message):
            NPZDataset(path, names)

    with pytest.raises(FileNotFoundError):
        NPZDataset(path)
    path.write_bytes(b"not a zip file")
    refused(ValueError, "to be an intact .npz file")
    np.savez(path, x=np.ones(3), y=np.ones(4))
    refused(ValueError, r"arrays of one length, got \{'x': 3, 'y': 4\}")
    refused(ValueError, r"to hold 'z', got the names \['x', 'y'\]", ["z"])
    refused(ValueError, "to hold arrays, got none", [])
    np.savez(path, x=np.array(3.0))
    refused(ValueError, "arrays of one length")
    np.savez(path, x=np.array(["a"]))
    refused(TypeError, "array 'x', to hold numbers")
    np.savez(path, x=np.array([print], dtype=object))  # a pickle
    refused(TypeError, "to hold numbers, got object")
    np.savez(path, x=np.ones(1000))
    whole = path.read_bytes()
    for cut in (10, 500, len(whole) - 30):
        path.write_bytes(whole[:cut])
        refused(ValueError, "NPZDataset: expected")
    damaged = bytearray(whole)
    damaged[300] ^= 1
    path.write_bytes(damaged)
    refused(ValueError, "NPZDataset: expected")


def test_npz_promises_are_checked_before_memory_is_taken(tmp_path):
    header = io.BytesIO()
    promise = {"descr": "<f8", "fortran_order": False, "shape": (2**40,)}
    np.lib.format.write_array_header_1_0(header, promise)
    for content in (
        header.getvalue() + bytes(80),
        b"\x93NUMPY\x09\x00",
        b"",
        b"\x93NUMPY\x01\x00\x05\x00junk!",
    ):
        with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
            archive.writestr("x.npy", content)
        with pytest.raises(ValueError, match="bytes for shape|numpy's header"):
            NPZDataset(tmp_path / "d.npz")


# CSV


@pytest.fixture
def table(tmp_path):
    def write(text, **options):
        path = tmp_path / "d.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return CSVDataset(path, **options)

    return write


FLOWERS = "length, width ,kind\n5.1,3.5,setosa\n\n4.9,3.0,virginica\r\n6.5,2.8,setosa"


def test_csv_with_classes(table):
    dataset = table(FLOWERS, target="kind")
    assert (dataset.features, dataset.target, dataset.classes) == (
        ["length", "width"], "kind", ["setosa", "virginica"],
    )  # fmt: skip
    features, labels = dataset.tensors
    assert features.dtype == verigrad.float32 and labels.dtype == verigrad.int64
    assert features.tolist() == verigrad.tensor([[5.1, 3.5], [4.9, 3.0], [6.5, 2.8]]).tolist()
    assert labels.tolist() == [0, 1, 0]
    turned = table(FLOWERS, target=-1, classes=["virginica", "setosa", "other"], features=["width"])
    assert turned.tensors[1].tolist() == [1, 0, 1] and turned.tensors[0].shape == (3, 1)
    x, y = next(iter(DataLoader(dataset, 2)))
    assert x.shape == (2, 2) and y.tolist() == [0, 1]


def test_csv_with_numbers(table):
    text = "\ufeff1;2.5;\n3;4.5;7\n"
    options = {"header": False, "delimiter": ";", "missing": float("nan"), "dtype": verigrad.float64}
    dataset = table(text, target=0, **options)
    assert dataset.features == ["1", "2"] and dataset.target == "0" and dataset.classes is None
    assert dataset.tensors[1].dtype == verigrad.int64 and dataset.tensors[1].tolist() == [1, 3]
    assert str(dataset.tensors[0].tolist()) == "[[2.5, nan], [4.5, 7.0]]"
    dataset = table(text, target=1, features=[0], **options)
    assert dataset.tensors[1].dtype == verigrad.float64 and dataset.tensors[1].tolist() == [2.5, 4.5]
    assert len(table(text, **options).tensors) == 1
    assert table('a,b\n"1",2\n', target="b").tensors[0].item() == 1
    assert table("a,b\n1,99999999999999999999\n", target="b").tensors[1].dtype == verigrad.float32
    assert table("a,b\n1,é\n".encode("latin-1"), target="b", encoding="latin-1").classes == ["é"]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "expected rows in .*d.csv', got none"),
        ("a,b\n", {}, "expected rows in"),
        ("a,a\n1,2\n", {}, r"expected names that differ .* got \['a'\] twice"),
        ("a,b\n1,2\n3\n", {}, "expected 2 columns at line 3 .* got 1"),
        ("a,b\n1,2\n\n3,4,5\n", {}, "expected 2 columns at line 4 .* got 3"),
        ("a,b\n1,2\n3,x\n", {}, "expected a number in column 'b' at line 3 .* got 'x'"),
        ("a,b\n1,2\n3,\n", {}, "in column 'b' at line 3 .* got ''; missing= gives a value"),
        ("a,b\n1,2\n3,x\n", {"missing": 0.0}, "column 'b' at line 3"),
        ("a,b\n1,2\n", {"target": "c"}, r"expected a column 'c' .* got the columns \['a', 'b'\]"),
        ("a,b\n1,2\n", {"target": 2}, "expected a column 2"),
        ("a,b\n1,2\n", {"features": [0, "z"]}, "expected a column 'z'"),
        ("a\n1\n", {"target": "a"}, "expected columns for features"),
        ("a,b\n1,x\n2, \n", {"target": "b"}, "expected a value in column 'b' at line 3 .* got nothing"),
        ("a,b\n1,x\n2,y\n", {"target": "b", "classes": ["x"]}, r"one of \['x'\] .* line 3 .* got 'y'"),
        ("a,b\n1,2\n", {"classes": ["x"]}, "expected a target beside classes"),
        (b"a,b\n1,\xff\n", {}, "expected text in columns after line 0 .* decode"),
        ('a,b\n1,"2\n', {}, "expected text in columns after line"),
        ("a,b\n1," + "2" * 200000 + "\n", {}, "field larger than field limit"),
    ],
)
def test_csv_that_is_refused(table, text, options, message):
    with pytest.raises(ValueError, match=f"(?s)CSVDataset: .*{message}"):
        table(text, **options)
