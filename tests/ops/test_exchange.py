"""Memory shared with other libraries: DLPack, the buffer protocol, numpy's functions of tensors."""

import array
import ctypes
import gc
import struct
import sys

import numpy as np
import pytest

import verigrad as vg
from verigrad.utils.dlpack import from_dlpack, to_dlpack

pytestmark = pytest.mark.host("memory of the CPU is shared")

DTYPES = ["bool", "uint8", "int32", "int64", "float32", "float64"]


def filled(dtype, shape=(2, 3)):
    return np.arange(int(np.prod(shape))).reshape(shape).astype(dtype)


class Exporter:
    """A producer with capsules of its own making."""

    def __init__(self, capsule, device=(1, 0)):
        self.capsule, self.device = capsule, device

    def __dlpack__(self, **options):
        return self.capsule

    def __dlpack_device__(self):
        return self.device


class OldExporter(Exporter):
    """From before version 1 of DLPack."""

    def __dlpack__(self, stream=None):
        return self.capsule


@pytest.mark.parametrize("dtype", DTYPES)
def test_numpy_and_back_share_memory(dtype):
    source = filled(dtype)
    tensor = vg.from_dlpack(source)
    assert tensor.data_ptr() == source.ctypes.data and str(tensor.dtype).endswith(dtype)
    assert tensor.tolist() == source.tolist()
    back = np.from_dlpack(tensor)
    assert back.ctypes.data == source.ctypes.data and back.dtype == source.dtype
    tensor[0, 0] = 1
    assert source[0, 0] == 1 and back[0, 0] == 1
    assert back.flags.writeable


@pytest.mark.parametrize("dtype", DTYPES)
def test_torch_and_back_share_memory(dtype):
    torch = pytest.importorskip("torch")
    source = torch.from_numpy(filled(dtype))
    tensor = vg.from_dlpack(source)
    back = torch.from_dlpack(tensor)
    assert tensor.data_ptr() == source.data_ptr() == back.data_ptr() and back.dtype == source.dtype
    tensor[0, 0] = 1
    assert source[0, 0] == 1 and tensor.tolist() == source.tolist() == back.tolist()


VIEWS = {
    "transposed": lambda x: x.T,
    "every other": lambda x: x[:, ::2],
    "offset": lambda x: x[1:],
    "empty": lambda x: x[:0],
    "a number": lambda x: x[1, 1],
    "a new dimension": lambda x: x[None],
}


@pytest.mark.parametrize("name", VIEWS)
def test_views_keep_their_strides(name):
    source = filled("float32", (4, 5))
    tensor = VIEWS[name](vg.from_numpy(source))
    array_ = np.from_dlpack(tensor)
    assert array_.tolist() == tensor.tolist() and array_.shape == tuple(tensor.shape)
    again = vg.from_dlpack(VIEWS[name](source) if name != "a number" else source[1:2, 1:2].reshape(()))
    assert again.tolist() == tensor.tolist()
    if tensor.numel():
        assert array_.ctypes.data == tensor.data_ptr()


def test_the_memory_outlives_its_owner():
    source = filled("float64", (1000,))
    wanted = source.tolist()
    tensor = vg.from_dlpack(source)
    count = sys.getrefcount(source)
    other = vg.from_dlpack(source)
    assert sys.getrefcount(source) == count + 1
    del other
    assert sys.getrefcount(source) == count
    del source
    gc.collect()
    assert tensor.tolist() == wanted
    array_ = np.from_dlpack(tensor * 1)
    gc.collect()
    assert array_.tolist() == wanted


def test_new_memory_of_a_tensor_leaves_the_array_its_own():
    tensor = vg.arange(4.0)
    array_, view = np.from_dlpack(tensor), memoryview(tensor)
    tensor.data = vg.zeros(4)
    vg.ones(4)
    assert array_.tolist() == view.tolist() == [0.0, 1.0, 2.0, 3.0]


def test_capsules_that_nobody_takes_are_freed():
    tensor = vg.ones(3)
    for version in (None, (1, 0)):
        capsule = tensor.__dlpack__(max_version=version)
        del capsule
    assert tensor.tolist() == [1.0] * 3


@pytest.mark.parametrize(
    ("version", "name"),
    [
        (None, b"dltensor"),
        ((0, 8), b"dltensor"),
        ((1, 0), b"dltensor_versioned"),
        ((2, 1), b"dltensor_versioned"),
    ],
)
def test_versions_of_capsules(version, name):
    capsule = vg.ones(2).__dlpack__(max_version=version)
    assert ctypes.pythonapi.PyCapsule_IsValid(ctypes.py_object(capsule), name)
    assert from_dlpack(capsule).tolist() == [1.0, 1.0]
    assert ctypes.pythonapi.PyCapsule_IsValid(ctypes.py_object(capsule), b"used_" + name)


def test_a_capsule_is_taken_once():
    capsule = to_dlpack(vg.ones(2))
    from_dlpack(capsule)
    with pytest.raises(RuntimeError, match="can be consumed only once"):
        from_dlpack(capsule)


def test_producers_from_before_version_1():
    assert vg.from_dlpack(OldExporter(to_dlpack(vg.ones(2)))).tolist() == [1.0, 1.0]


def test_read_only_memory_is_copied_or_refused():
    source = filled("float32")
    source.flags.writeable = False
    tensor = vg.from_dlpack(source)
    tensor[0, 0] = 7
    assert source[0, 0] == 0 and tensor[0, 0].item() == 7
    with pytest.raises(BufferError, match=r"read-only memory.*copy=None"):
        vg.from_dlpack(source, copy=False)


def test_negative_strides_are_copied_or_refused():
    source = filled("int32", (3, 4))[::-1, ::-2]
    assert vg.from_dlpack(source).tolist() == source.tolist()
    with pytest.raises(BufferError, match="negative strides"):
        vg.from_dlpack(source, copy=False)


def test_copies():
    source = filled("float32")
    assert vg.from_dlpack(source, copy=True).data_ptr() != source.ctypes.data
    assert vg.from_dlpack(source, copy=False).data_ptr() == source.ctypes.data
    tensor = vg.from_numpy(source)
    capsule = tensor.__dlpack__(copy=True, max_version=(1, 0))
    copied = from_dlpack(capsule, copy=True)
    copied[0, 0] = 9
    assert tensor[0, 0].item() == 0 and copied.tolist()[1] == tensor.tolist()[1]


def test_devices():
    tensor = vg.ones(2)
    assert tensor.__dlpack_device__() == (1, 0)
    assert vg.from_dlpack(tensor, device="cpu").data_ptr() == tensor.data_ptr()
    assert from_dlpack(tensor.__dlpack__(dl_device=(1, 0))).data_ptr() == tensor.data_ptr()
    with pytest.raises(BufferError, match="the tensor's device or the CPU"):
        tensor.__dlpack__(dl_device=(2, 0))
    with pytest.raises(ValueError, match="got copy=False"):
        tensor.__dlpack__(dl_device=(2, 0), copy=False)
    with pytest.raises(TypeError, match="stream must be"):
        tensor.__dlpack__(stream="a")


def test_gradients_stay_here():
    x = vg.ones(2, requires_grad=True)
    for export in (x.__dlpack__, lambda: to_dlpack(x), lambda: memoryview(x), lambda: np.from_dlpack(x)):
        with pytest.raises(BufferError, match="require gradient"):
            export()
    assert np.from_dlpack(x.detach()).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("dtype", ["float16", "complex64", "int8", "uint64"])
def test_dtypes_that_do_not_exist_here(dtype):
    with pytest.raises(BufferError, match="expected bool, uint8, int32, int64, float32 or float64, got"):
        vg.from_dlpack(np.zeros(2, dtype))


def test_what_is_no_array():
    with pytest.raises(TypeError, match="expected an object with __dlpack__ or a DLPack capsule, got int"):
        vg.from_dlpack(3)


class _Array(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p), ("kind", ctypes.c_int32), ("index", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)), ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )  # fmt: skip


_Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Versioned(ctypes.Structure):
    _fields_ = (
        ("major", ctypes.c_uint32), ("minor", ctypes.c_uint32), ("context", ctypes.c_void_p),
        ("deleter", _Deleter),
        ("flags", ctypes.c_uint64), ("array", _Array),
    )  # fmt: skip


class Foreign:
    """A capsule over memory of this test, any field of which can be set."""

    def __init__(self, shape=(2, 3), strides=None, **fields):
        self.memory = np.arange(24, dtype=np.float32)
        self.deleted = 0
        self.shape = (ctypes.c_int64 * len(shape))(*shape)
        self.strides = None if strides is None else (ctypes.c_int64 * len(strides))(*strides)
        array_ = {
            "data": self.memory.ctypes.data, "kind": 1, "index": 0, "ndim": len(shape), "code": 2, "bits": 32,
            "lanes": 1, "shape": self.shape, "byte_offset": 0,
        }  # fmt: skip
        if self.strides is not None:
            array_["strides"] = self.strides
        own = {name: fields.pop(name) for name in ("major", "flags") if name in fields}
        array_.update(fields)
        self.deleter = _Deleter(self.delete)
        self.managed = _Versioned(deleter=self.deleter, array=_Array(**array_), **{"major": 1, **own})
        new = ctypes.pythonapi.PyCapsule_New
        new.restype, new.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
        self.name = b"dltensor_versioned"
        self.capsule = new(ctypes.addressof(self.managed), self.name, None)

    def delete(self, managed):
        self.deleted += 1


def test_the_deleter_runs_once_when_the_last_tensor_goes():
    foreign = Foreign()
    tensor = from_dlpack(foreign.capsule)
    view = tensor[1]
    assert tensor.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    del tensor
    assert foreign.deleted == 0 and view.tolist() == [3.0, 4.0, 5.0]
    del view
    assert foreign.deleted == 1


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"byte_offset": 8}, [[2.0, 3.0, 4.0], [5.0, 6.0, 7.0]]),
        ({"strides": (1, 2)}, [[0.0, 2.0, 4.0], [1.0, 3.0, 5.0]]),
        ({"kind": 3}, [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]),
        ({"strides": (0, 1)}, [[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]]),
        ({"shape": (0, 3)}, []),
        ({"shape": ()}, 0.0),
    ],
)
def test_fields_of_the_structure(fields, wanted):
    foreign = Foreign(**fields)
    assert from_dlpack(foreign.capsule).tolist() == wanted
    assert foreign.deleted == 1


def test_a_flag_says_that_it_is_a_copy():
    foreign = Foreign(flags=2)
    assert from_dlpack(foreign.capsule, copy=True).data_ptr() == foreign.memory.ctypes.data


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"major": 2}, "expected DLPack of version 1, got 2.0"),
        ({"kind": 7}, "expected memory of the CPU or of CUDA, got DLPack's device 7:0"),
        ({"bits": 16}, "type code 2 of 16 bits and 1 lanes"),
        ({"lanes": 4}, "32 bits and 4 lanes"),
        ({"shape": (-1, 3)}, "expected sizes of 0 or more, got -1"),
        ({"ndim": -1}, "expected a shape"),
    ],
)
def test_what_is_refused_stays_with_its_owner(fields, text):
    foreign = Foreign(**fields)
    with pytest.raises(BufferError, match=text):
        from_dlpack(foreign.capsule)
    assert ctypes.pythonapi.PyCapsule_IsValid(ctypes.py_object(foreign.capsule), foreign.name)
    assert foreign.deleted == 0


def test_misaligned_memory_is_copied():
    foreign = Foreign(shape=(2,), byte_offset=1)
    raw = foreign.memory.tobytes()[1:9]
    found = from_dlpack(foreign.capsule)
    assert struct.pack("2f", *found.tolist()) == raw and foreign.deleted == 1


def test_more_elements_than_memory_can_hold():
    with pytest.raises(RuntimeError, match="from_dlpack"):
        from_dlpack(Foreign(shape=(2**62, 2**62)).capsule)


# The buffer protocol


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_memoryview_shares_memory(dtype):
    source = filled(dtype)
    tensor = vg.from_numpy(source.copy())
    view = memoryview(tensor)
    assert view.tolist() == source.tolist() and view.shape == (2, 3) and not view.readonly
    assert view.itemsize == source.itemsize and view.nbytes == source.nbytes and view.c_contiguous
    tensor[1, 2] = 0
    assert view[1, 2] == 0
    again = np.asarray(view)
    assert again.dtype == source.dtype and again.ctypes.data == tensor.data_ptr()


def test_strides_of_a_memoryview():
    tensor = vg.arange(6.0).reshape(2, 3)
    assert memoryview(tensor.T).tolist() == tensor.T.tolist() and memoryview(tensor.T).f_contiguous
    assert memoryview(tensor[:, ::2]).strides == (12, 8)
    assert memoryview(vg.tensor(3.0)).tolist() == 3.0 and memoryview(vg.ones(0, 2)).nbytes == 0


def test_bytes_of_a_contiguous_tensor():
    tensor = vg.arange(3, dtype=vg.int32)
    assert bytes(tensor) == struct.pack("3i", 0, 1, 2)
    assert bytearray(tensor) == bytes(tensor)
    with pytest.raises(BufferError, match="expected a contiguous tensor"):
        struct.unpack_from("2f", vg.ones(4)[::2])


def test_readers_may_write(tmp_path):
    (tmp_path / "numbers").write_bytes(array.array("f", [1.5, 2.5]).tobytes())
    tensor = vg.zeros(2)
    with open(tmp_path / "numbers", "rb") as file:
        assert file.readinto(tensor) == 8
    assert tensor.tolist() == [1.5, 2.5]


# numpy's functions


@pytest.mark.parametrize("dtype", DTYPES)
def test_asarray_shares_memory(dtype):
    tensor = vg.from_numpy(filled(dtype))
    found = np.asarray(tensor)
    assert (
        found.dtype == dtype
        and found.ctypes.data == tensor.data_ptr()
        and found.dtype.num == np.dtype(dtype).num
    )
    assert np.array(tensor).ctypes.data != tensor.data_ptr()
    assert np.asarray(tensor, dtype=np.float64).dtype == np.float64


def test_array_without_a_copy():
    tensor = vg.ones(2)
    assert tensor.__array__(copy=False).ctypes.data == tensor.data_ptr()
    assert tensor.__array__(copy=True).ctypes.data != tensor.data_ptr()
    with pytest.raises(ValueError, match="with copy=False, got float64"):
        tensor.__array__(np.float64, copy=False)
    with pytest.raises(RuntimeError, match="requires grad"):
        np.asarray(vg.ones(2, requires_grad=True))


def test_functions_of_numpy_give_tensors():
    tensor = vg.tensor([0.0, 1.0])
    found = np.exp(tensor)
    assert isinstance(found, vg.Tensor) and found.dtype == vg.float32
    assert found.tolist() == pytest.approx([1.0, np.e])
    assert isinstance(np.add(np.ones(2), tensor), vg.Tensor) and isinstance(np.sin(vg.tensor(1.0)), vg.Tensor)
    assert np.greater(tensor, 0).dtype == vg.uint8
    assert isinstance(np.sqrt(vg.tensor([4], dtype=vg.uint8)), np.ndarray)  # float16


# Containers


def test_membership():
    tensor = vg.tensor([1.0, 2.0])
    assert 1 in tensor and vg.tensor(2.0) in tensor and 3 not in tensor
    for value, kind in (("a", "str"), ([1], "list"), (None, "NoneType")):
        with pytest.raises(
            RuntimeError, match=f"only supports Tensor or scalar, but you passed in a <class '{kind}'>"
        ):
            value in tensor  # noqa: B015


def test_reversed():
    assert vg.equal(reversed(vg.arange(6).reshape(3, 2)), vg.tensor([[4, 5], [2, 3], [0, 1]]))
    alone = vg.tensor(3)
    assert reversed(alone) is alone
