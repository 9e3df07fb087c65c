"""save and load: what comes back, how the file looks to others, and that saving is all or nothing."""

import collections
import errno
import io
import json
import math
import os
import signal
import stat
import subprocess
import sys
import zlib

import numpy as np
import pytest
import safetensors.numpy

import verigrad
from verigrad import _safetensors, nn

DTYPES = ["bool", "uint8", "int32", "int64", "float32", "float64"]


def round_trip(obj):
    buffer = io.BytesIO()
    verigrad.save(obj, buffer)
    return verigrad.load(io.BytesIO(buffer.getvalue()))


def bits(tensor):
    return str(tensor.dtype), tuple(tensor.shape), tensor.detach().numpy().tobytes()


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        -1,
        2**63 - 1,
        -(2**63),
        2**63,
        0.0,
        -0.0,
        1.0,
        0.1,
        5e-324,
        1.7976931348623157e308,
        math.inf,
        -math.inf,
        "",
        "text",
        'quote " backslash \\ newline \n nul \0 snowman \u2603 emoji \U0001f600',
        [],
        (),
        {},
        [[], [()], {"a": {}}],
        (1, 1.0, True, "1"),
        {"a": 1, "b": [1, (2, {"c": None})]},
        {0: "zero", "0": "text zero", None: 1, (1, ("a", 2.5)): 2, 2.5: 3},
        {True: "bool"},
        {1: "int"},
        ["list", [1, 2]],  # looks like the encoding
        ["tensor", "name", False],
        {"__metadata__": 1},
    ],
)
def test_values_come_back_with_their_types(value):
    back = round_trip(value)
    assert type(back) is type(value)
    assert repr(back) == repr(value)  # tells 1 from 1.0 from True, and -0.0 from 0.0


def test_integers_beyond_what_python_prints():
    assert round_trip([10**5000, -(10**5000)]) == [10**5000, -(10**5000)]


def test_nan_comes_back():
    values = round_trip([math.nan, {"a": math.nan}])
    assert math.isnan(values[0])
    assert math.isnan(values[1]["a"])


def test_numpy_float64_comes_back_as_the_float_that_it_is():
    back = round_trip({"loss": np.float64(0.1)})
    assert type(back["loss"]) is float
    assert back["loss"] == 0.1


def test_ordered_dicts_and_orders_are_kept():
    value = collections.OrderedDict([("b", 1), ("a", {"z": 1, "y": 2})])
    back = round_trip(value)
    assert type(back) is collections.OrderedDict
    assert list(back) == ["b", "a"]
    assert list(back["a"]) == ["z", "y"]


def test_sizes_come_back():
    back = round_trip(verigrad.zeros(2, 3).shape)
    assert type(back) is verigrad.Size
    assert tuple(back) == (2, 3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3), (0,), (2, 0, 3), (1, 1, 1, 1)])
def test_tensors_of_every_dtype_and_shape(dtype, shape):
    count = math.prod(shape)
    tensor = (verigrad.arange(count) % 2).to(getattr(verigrad, dtype)).reshape(shape)
    back = round_trip({"t": tensor})["t"]
    assert bits(back) == bits(tensor)
    assert type(back) is verigrad.Tensor


def test_special_floats_keep_their_bits():
    array = np.array([0x7FC00001, 0xFF800000, 0x80000000, 0x00000001], np.uint32).view(np.float32)
    back = round_trip(verigrad.from_numpy(array))
    assert back.numpy().view(np.uint32).tolist() == array.view(np.uint32).tolist()


def test_views_are_saved_as_what_they_show():
    base = verigrad.arange(24).reshape(4, 6)
    views = {
        "transposed": base.t(),
        "sliced": base[1:3, ::2],
        "expanded": base[:, :1].expand(4, 5),
        "offset": base[2],
        "whole": base,
    }
    back = round_trip(views)
    for name, view in views.items():
        assert back[name].tolist() == view.tolist()
        assert back[name].is_contiguous()


def test_one_memory_stays_one_memory():
    weight = verigrad.ones(3)
    buffer = io.BytesIO()
    verigrad.save({"a": weight, "b": weight.detach(), "c": [weight], "other": weight.clone()}, buffer)
    assert len(safetensors.numpy.load(buffer.getvalue())) == 2
    back = verigrad.load(io.BytesIO(buffer.getvalue()))
    back["a"][0] = 5
    assert back["b"].tolist() == back["c"][0].tolist() == [5, 1, 1]
    assert back["other"].tolist() == [1, 1, 1]


def test_loaded_tensors_can_be_written_to_and_outlive_the_file(tmp_path):
    verigrad.save(verigrad.zeros(4), tmp_path / "t")
    tensor = verigrad.load(tmp_path / "t")
    (tmp_path / "t").unlink()
    tensor += 1
    assert tensor.tolist() == [1, 1, 1, 1]


def test_requires_grad_and_parameters():
    leaf = verigrad.ones(2, requires_grad=True)
    back = round_trip(
        {"leaf": leaf, "made": leaf * 2, "p": nn.Parameter(verigrad.ones(1)), "plain": verigrad.ones(1)}
    )
    assert back["leaf"].requires_grad and back["made"].requires_grad and not back["plain"].requires_grad
    assert back["made"].is_leaf
    assert type(back["p"]) is nn.Parameter and back["p"].requires_grad
    frozen = nn.Parameter(verigrad.ones(1), requires_grad=False)
    assert not round_trip(frozen).requires_grad
    tied = round_trip({"a": frozen, "b": frozen})
    tied["a"][0] = 7
    assert tied["b"].item() == 7


def test_model_and_optimizer_states(tmp_path):
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    optimizer = verigrad.optim.Adam(model.parameters(), lr=0.01)
    model(verigrad.ones(5, 3)).sum().backward()
    optimizer.step()
    verigrad.save(
        {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}, tmp_path / "c"
    )
    back = verigrad.load(tmp_path / "c")
    other = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    other.load_state_dict(back["model"])
    assert all(
        verigrad.equal(a, b)
        for a, b in zip(model.state_dict().values(), other.state_dict().values(), strict=True)
    )
    again = verigrad.optim.Adam(other.parameters())
    again.load_state_dict(back["optimizer"])
    assert again.param_groups[0]["lr"] == 0.01
    assert list(back["optimizer"]["state"]) == [0, 1, 2, 3]


# The file


def test_the_file_is_plain_safetensors_with_readable_names(tmp_path):
    state = {"0.weight": verigrad.ones(2, 3), "0.bias": verigrad.zeros(3, dtype=verigrad.float64)}
    verigrad.save({"model": state, "steps": [verigrad.tensor(4)]}, tmp_path / "c")
    arrays = safetensors.numpy.load_file(tmp_path / "c")
    assert sorted(arrays) == ["model.0.bias", "model.0.weight", "steps.0"]
    assert arrays["model.0.weight"].tolist() == [[1, 1, 1], [1, 1, 1]]
    verigrad.save(state, tmp_path / "s")
    assert sorted(safetensors.numpy.load_file(tmp_path / "s")) == ["0.bias", "0.weight"]


def test_names_that_meet_are_kept_apart():
    value = {
        "a": {"b": verigrad.zeros(1)},
        "a.b": verigrad.ones(1),
        "__metadata__": verigrad.ones(2),
        "": verigrad.ones(3),
    }
    back = round_trip(value)
    assert [back["a"]["b"].item(), back["a.b"].item()] == [0, 1]
    assert back["__metadata__"].tolist() == [1, 1]
    assert back[""].tolist() == [1, 1, 1]


SAVE_MANY = """
import io, sys, verigrad
value = {f"layer.{i}": verigrad.full((i,), 0.5, dtype=verigrad.float64) for i in range(20)}
value |= {f"flag {i}": [verigrad.tensor(i % 2 == 0), i * 0.1, None] for i in range(20)}
buffer = io.BytesIO()
verigrad.save(value, buffer)
verigrad.save(value, sys.argv[1])
assert open(sys.argv[1], "rb").read() == buffer.getvalue()
"""


def test_the_same_object_gives_the_same_bytes_in_every_process(tmp_path):
    for seed in ("0", "1", "2"):
        command = [sys.executable, "-c", SAVE_MANY, str(tmp_path / seed)]
        subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": seed}, check=True)
    assert (tmp_path / "0").read_bytes() == (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_the_structure_is_one_text_of_the_metadata(tmp_path):
    verigrad.save({"x": verigrad.ones(2, device="cpu"), "y": 3}, tmp_path / "f")
    with safetensors.safe_open(tmp_path / "f", framework="np") as file:
        metadata = file.metadata()
    assert list(metadata) == ["verigrad"]
    name, crc, text = metadata["verigrad"].split(" ", 2)
    assert name == "verigrad"
    assert int(crc, 16) == zlib.crc32(text.encode())
    assert json.loads(text)["tree"] == ["dict", [["x", ["tensor", "x", False]], ["y", 3]]]


def test_importing_verigrad_does_not_import_what_only_files_need():
    code = "import sys, verigrad; print(*{'safetensors', 'json', 'shutil', 'numpy'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []


@pytest.mark.skipif(not hasattr(safetensors, "TensorSpec"), reason="older versions of safetensors do")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs ru_maxrss in KiB")
def test_saving_to_a_path_does_not_copy_the_tensors(tmp_path):
    code = """
import resource, sys, verigrad
verigrad.save([verigrad.ones(10)], sys.argv[1])
tensor = verigrad.ones(32 * 2**20)  # 128 MiB
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
verigrad.save([tensor], sys.argv[1])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "f")]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(result.stdout) < 32 * 1024  # KiB


def test_a_header_beyond_the_format_s_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(_safetensors, "_MAX_HEADER", 1000)  # of 100 MB
    for target in (io.BytesIO(), tmp_path / "f"):
        verigrad.save("x" * 500, io.BytesIO())
        with pytest.raises(ValueError, match="^save: expected a header of at most 1000 bytes, got 1"):
            verigrad.save("x" * 1000, target)
    assert os.listdir(tmp_path) == []


def test_a_safetensors_file_from_elsewhere_is_a_dict_of_tensors(tmp_path):
    arrays = {
        "b": np.arange(6, dtype=np.float32).reshape(2, 3),
        "a": np.array(True),
        "empty": np.zeros((0, 2)),
    }
    safetensors.numpy.save_file(arrays, tmp_path / "f", metadata={"by": "another program"})
    back = verigrad.load(tmp_path / "f")
    assert sorted(back) == ["a", "b", "empty"]
    for name, array in arrays.items():
        assert np.array_equal(back[name].numpy(), array)
        assert back[name].numpy().dtype == array.dtype


def test_foreign_dtypes_are_named(tmp_path):
    safetensors.numpy.save_file({"half": np.zeros(2, np.float16)}, tmp_path / "f")
    with pytest.raises(RuntimeError, match="'half' of dtype BOOL, .*got 'F16'"):
        verigrad.load(tmp_path / "f")


def test_file_objects_and_paths(tmp_path):
    with open(tmp_path / "f", "wb") as file:
        verigrad.save([1], file)
    assert verigrad.load(str(tmp_path / "f")) == [1]
    with open(tmp_path / "f", "rb") as file:
        assert verigrad.load(file) == [1]
    for bad in (5, None, ["f"]):
        with pytest.raises(TypeError, match="expected a path or a binary file"):
            verigrad.save(1, bad)
        with pytest.raises(TypeError, match="expected a path or a binary file"):
            verigrad.load(bad)
    with pytest.raises(TypeError, match="expected a binary file"):
        verigrad.load(io.StringIO("text"))


def test_map_location_and_weights_only(tmp_path):
    verigrad.save([verigrad.ones(1)], tmp_path / "f")
    for location in (None, "cpu", verigrad.device("cpu"), {"cuda:0": "cpu"}):
        for weights_only in (True, False, None):
            assert verigrad.load(tmp_path / "f", location, weights_only)[0].item() == 1
    with pytest.raises(TypeError, match="map_location"):
        verigrad.load(tmp_path / "f", map_location=lambda storage, place: storage)
    with pytest.raises(TypeError, match="devices as keys of map_location, got int"):
        verigrad.load(tmp_path / "f", map_location={0: "cpu"})
    with pytest.raises(RuntimeError):
        verigrad.load(tmp_path / "f", map_location="no such device")


# Refusals


class Custom:
    pass


class Named(collections.namedtuple("Named", "x")):
    pass


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Custom(), r"got .*Custom at the top"),
        ({"a": [1, {2: {print}}]}, r"dict keys .* got builtin_function_or_method at a\.1\.2"),
        (b"bytes", "got builtins.bytes"),
        (1j, "got builtins.complex"),
        (Named(1), "got .*Named"),
        (collections.defaultdict(print), "a defaultdict of one of None, list, .* got <built-in"),
        (np.array([None]), "an array of numbers or texts, got object at the top"),
        (np.ma.ones(2), "got numpy.ma.* at the top"),
        (print, "got builtins.builtin_function_or_method"),
        ({b"key": 1}, "dict keys .* got bytes"),
        ({frozenset(): 1}, "dict keys .* got frozenset"),
    ],
)
def test_what_cannot_be_saved(tmp_path, value, message):
    path = tmp_path / "f"
    verigrad.save("old", path)
    with pytest.raises(TypeError, match=f"save: expected .*{message}"):
        verigrad.save(value, path)
    assert verigrad.load(path) == "old"
    assert os.listdir(tmp_path) == ["f"]


def test_a_tensor_cannot_be_a_key():
    with pytest.raises(TypeError, match="dict keys .* got Tensor"):
        verigrad.save({verigrad.ones(1): 1}, io.BytesIO())


def test_endless_and_deep_nesting():
    endless = []
    endless.append(endless)
    with pytest.raises(ValueError, match="at most 100 levels"):
        verigrad.save(endless, io.BytesIO())
    deep = 0
    for _ in range(100):
        deep = [deep]
    assert round_trip(deep) == deep
    with pytest.raises(ValueError, match="at most 100 levels"):
        verigrad.save([deep], io.BytesIO())


def test_text_that_utf8_cannot_hold():
    with pytest.raises(ValueError, match="lone surrogate at a"):
        verigrad.save({"a": "\ud800"}, io.BytesIO())


# All or nothing


def test_the_old_file_survives_a_full_disk(tmp_path, monkeypatch):
    path = tmp_path / "f"
    verigrad.save("old", path)

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            verigrad.save(verigrad.ones(1000), path)
    assert verigrad.load(path) == "old"
    assert os.listdir(tmp_path) == ["f"]


ON_A_TINY_DISK = """
import os, subprocess, sys, verigrad
folder, format = sys.argv[1:]
path = os.path.join(folder, "f")
verigrad.save("old", path, format=format)
for state, value in (("full", verigrad.ones(100_000)), ("read-only", "new")):
    if state == "read-only":
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    try:
        verigrad.save(value, path, format=format)
    except OSError as error:
        print(state, error.errno, error.filename == path, verigrad.load(path), os.listdir(folder))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs tmpfs")
@pytest.mark.parametrize("format", ["safetensors", "torch"])
def test_a_full_disk_and_a_read_only_one(tmp_path, format):
    mount = f"mount -t tmpfs -o size=64k tmpfs {tmp_path}"
    if subprocess.run(["unshare", "-rm", "sh", "-c", mount], capture_output=True).returncode:
        pytest.skip("needs mounts of its own")
    program = f"{mount} && exec {sys.executable} - {tmp_path} {format}"
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", program],
        input=ON_A_TINY_DISK,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        f"full {errno.ENOSPC} True old ['f']",
        f"read-only {errno.EROFS} True old ['f']",
    ]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_file_object_on_a_full_disk():
    with pytest.raises(OSError, match="No space left"), open("/dev/full", "wb", buffering=0) as file:
        verigrad.save(verigrad.ones(1000), file)


def test_a_folder_that_is_missing_or_a_target_that_is_one(tmp_path):
    with pytest.raises(FileNotFoundError):
        verigrad.save(1, tmp_path / "missing" / "f")
    with pytest.raises(IsADirectoryError):
        verigrad.save(1, tmp_path)
    with pytest.raises(IsADirectoryError):
        verigrad.load(tmp_path)
    with pytest.raises(FileNotFoundError):
        verigrad.load(tmp_path / "missing")
    assert os.listdir(tmp_path) == []


def test_the_mode_is_that_of_the_umask(tmp_path):
    for umask, mode in ((0o022, 0o644), (0o077, 0o600)):
        before = os.umask(umask)
        try:
            verigrad.save(1, tmp_path / "f")
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == mode


LIMITED = """
import resource, signal, sys, verigrad
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
signal.signal(signal.SIGXFSZ, getattr(signal, sys.argv[3]))
try:
    verigrad.save({"new": verigrad.ones(5000)}, sys.argv[1])
except OSError as error:
    sys.exit(error.errno)
"""


def save_with_limit(path, limit, on_signal):
    """A process that saves 20 kB where files may have *limit* bytes: killed there, or told so."""
    command = [sys.executable, "-c", LIMITED, str(path), str(limit), on_signal]
    return subprocess.run(command, check=False).returncode


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs limits of file sizes")
@pytest.mark.parametrize("limit", [0, 9, 200, 8192, 20_000])
def test_a_kill_while_saving_leaves_the_old_file_and_the_next_save_cleans_up(tmp_path, limit):
    path = tmp_path / "f"
    verigrad.save("old", path)
    assert save_with_limit(path, limit, "SIG_DFL") == -signal.SIGXFSZ
    assert verigrad.load(path) == "old"
    assert len(os.listdir(tmp_path)) == 2  # the file and what the killed process left
    verigrad.save("new", path)
    assert os.listdir(tmp_path) == ["f"]
    assert verigrad.load(path) == "new"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs limits of file sizes")
def test_a_failed_write_is_the_system_s_error(tmp_path):
    path = tmp_path / "f"
    verigrad.save("old", path)
    assert save_with_limit(path, 8192, "SIG_IGN") == errno.EFBIG
    assert verigrad.load(path) == "old"
    assert os.listdir(tmp_path) == ["f"]


class _Sparing(io.RawIOBase):
    """An unbuffered file that takes a few bytes at a time, up to *room*."""

    def __init__(self, room):
        self.content, self.room = b"", room

    def writable(self):
        return True

    def write(self, data):
        part = bytes(data)[: min(7, self.room - len(self.content))]
        if not part:
            raise OSError(28, "No space left on device")
        self.content += part
        return len(part)


def test_an_unbuffered_file_gets_every_byte():
    state = {"w": verigrad.arange(50)}
    whole = io.BytesIO()
    verigrad.save(state, whole)
    sparing = _Sparing(room=10**6)
    verigrad.save(state, sparing)
    assert sparing.content == whole.getvalue()
    with pytest.raises(OSError, match="No space left"):
        verigrad.save(state, _Sparing(room=len(whole.getvalue()) - 1))


@pytest.mark.parametrize(
    ("answer", "error"),
    [(0, "expected write"), (10**9, "expected write"), (-1, "expected write"), ("3", "expected write")],
)
def test_files_that_answer_nonsense(answer, error):
    class Odd:
        def write(self, data):
            return answer

    with pytest.raises(OSError, match=error):
        verigrad.save([1], Odd())


def test_files_that_do_not_say_what_they_wrote():
    class Silent:
        content = b""

        def write(self, data):
            self.content += data

    silent = Silent()
    verigrad.save([1], silent)
    assert verigrad.load(io.BytesIO(silent.content)) == [1]

    class Busy(io.RawIOBase):
        def write(self, data):
            return None

    with pytest.raises(BlockingIOError, match="non-blocking"):
        verigrad.save([1], Busy())


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of file sizes")
def test_a_full_disk_is_an_error_without_a_buffer(tmp_path):
    code = (
        "import resource, sys, verigrad\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "with open(sys.argv[1], 'wb', buffering=0) as file:\n"
        "    try:\n"
        "        verigrad.save(verigrad.zeros(1000), file)\n"
        "    except OSError as error:\n"
        "        print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "f"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "File too large" in done.stdout
