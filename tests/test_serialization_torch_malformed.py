"""Hostile and damaged files of torch.save: one clear error each, nothing run, little memory."""

import io
import os
import pathlib
import pickle
import random
import subprocess
import sys

import pytest
from tests.fuzz import pickles
from tests.fuzz.loading import warm, watched
from tests.fuzz.pickles import archive, pickled, stream, tensor

import verigrad
from verigrad import _torch_pickle, _torch_reader

FILES = {"archive": archive, "stream": stream}
SAMPLE = verigrad.arange(6.0).reshape(2, 3)
VALUE = {
    "w": SAMPLE,
    "t": SAMPLE.t(),
    "p": verigrad.nn.Parameter(SAMPLE[0]),
    "flags": [True, None, "é", 2**70, 0.5],
}


def saved(value):
    buffer = io.BytesIO()
    verigrad.save(value, buffer, format="torch")
    return buffer.getvalue()


@pytest.fixture(scope="module", autouse=True)
def ready():
    """Imports are no part of what is watched; and the files from which the hostile ones are made are good."""
    warm()
    for make in FILES.values():
        assert verigrad.load(io.BytesIO(make(pickled(tensor())))).tolist() == [1, 2]


def refuses(content, words="expected"):
    result, text, _ = watched(content)
    assert result is None and text.startswith("load: expected"), (result, text)
    assert words in text, text
    assert ", got " in text


@pytest.mark.parametrize("name", pickles.programs("x"))
def test_programs_are_not_run(name, tmp_path):
    canary = tmp_path / "canary"
    content = pickles.programs(str(canary))[name]
    for make in FILES.values():
        refuses(make(content))
    refuses(content)
    assert not canary.exists()


@pytest.mark.parametrize(
    "name", [f"mkdir, protocol {n}" for n in range(6)] + ["global", "dotted", "inst", "eval"]
)
def test_the_canary_sings_in_python_s_unpickler(name, tmp_path):
    canary = tmp_path / "canary"
    pickle.loads(pickles.programs(str(canary))[name])
    assert canary.exists()


def test_the_watch_sees_what_happens(monkeypatch):
    for act, words in (
        (lambda: compile("1", "x", "eval"), "load did compile"),
        (lambda: os.listdir("."), "load did os.listdir"),
        (lambda: bytearray(10_000_000), "load took 10"),
        (lambda: (_ for _ in ()).throw(RuntimeError("anything")), "raised an error of 8 characters"),
    ):
        monkeypatch.setattr(verigrad, "load", lambda file, act=act: act())
        with pytest.raises(Exception, match=words):
            watched(b"")


@pytest.mark.parametrize("name", pickles.refused())
def test_what_is_no_data_is_refused(name):
    content = pickles.refused()[name]
    for make in FILES.values():
        refuses(make(content))
    if ":" in name:
        full = name.split()[-1].replace(":", ".")
        refuses(archive(content), f"got {full}")
    if name.startswith("opcode") and name[7:].isupper():
        refuses(archive(content), f"the opcode {name[7:]} of pickles")


@pytest.mark.parametrize("name", pickles.wrong_tensors())
def test_tensors_that_make_no_sense(name):
    content = pickles.wrong_tensors()[name]
    result, text, _ = watched(archive(content))
    assert result is None and text.startswith("load: ")
    result, text, _ = watched(stream(content))
    assert result is None and text.startswith("load: ")


@pytest.mark.parametrize("name", pickles.bombs())
def test_bombs(name):
    for make in FILES.values():
        refuses(make(pickles.bombs()[name]))


@pytest.mark.parametrize("name", pickles.wrong_archives())
def test_archives_that_lie(name, tmp_path):
    content = pickles.wrong_archives()[name]
    refuses(content)
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(RuntimeError, match=r"^load: expected.* \(file '.*f'\)$"):
        verigrad.load(tmp_path / "f")
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.parametrize("name", pickles.wrong_streams())
def test_streams_that_lie(name, tmp_path):
    content = pickles.wrong_streams()[name]
    refuses(content)
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(RuntimeError, match=r"^load: expected.* \(file '.*f'\)$"):
        verigrad.load(tmp_path / "f")


def test_other_pickles_and_archives_are_named():
    refuses(pickle.dumps([1]), "got a pickle file. verigrad never unpickles")
    refuses(pickles.wrong_archives()["two folders"], "expected a zip archive of torch.save, with one folder")
    refuses(pickles.wrong_archives()["compressed"], "expected stored records, as torch.save writes")
    refuses(pickles.wrong_archives()["TorchScript"], "a TorchScript archive, which is a program")


def test_limits(monkeypatch):
    content = pickled(pickles.many(*map(pickles.num, range(50))))
    for module, name, value, words in (
        (_torch_pickle, "_MAX_STEPS", 50, "at most 50 steps"),
        (_torch_pickle, "_MAX_VALUES", 50, "at most 50 values, got 51"),
        (_torch_reader, "_MAX_PICKLE", 50, "'archive/data.pkl' of at most 50 bytes"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, value)
            refuses(archive(content), words)
    assert verigrad.load(io.BytesIO(archive(content))) == list(range(50))


def test_containers_of_a_hundred_levels_load():
    value = verigrad.load(io.BytesIO(archive(pickled(b")" + b"\x85" * 99))))
    for _ in range(99):
        (value,) = value
    assert value == ()


def test_many_tensors_take_little_memory():
    shared = tensor()
    _, _, peak = watched(archive(pickled(pickles.many(*[shared] * 2000))))
    assert peak < 5_000_000


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs limits of memory")
@pytest.mark.skipif("VERIGRAD_TEST_SANITIZER" in os.environ, reason="sanitizers reserve address space")
def test_all_of_them_in_a_process_with_little_memory():
    code = """
import io, json, resource, struct, verigrad
from tests.fuzz import loading, pickles
loading.warm()
files = [*pickles.wrong_archives().values(), *pickles.wrong_streams().values()]
collected = pickles.programs("/none/canary"), pickles.refused(), pickles.wrong_tensors(), pickles.bombs()
for found in collected:
    files += [make(content) for content in found.values() for make in (pickles.archive, pickles.stream)]
for shape in ([2**40], [0, 2**62], [2**31, 2**31]):
    header = json.dumps({"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, 2**42]}}).encode()
    files.append(struct.pack("<Q", len(header)) + header)
files += [struct.pack("<Q", 2**26) + b"{" * 1000, struct.pack("<Q", 99_999_999) + b"[" * 1000]
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**26, used + 2**26))  # 64 MiB more than now
for content in files:
    try:
        verigrad.load(io.BytesIO(content))
    except RuntimeError as error:
        assert str(error).startswith("load: "), error
    else:
        raise SystemExit("loaded")
print(len(files))
"""
    root = pathlib.Path(__file__).parents[1]
    path = os.pathsep.join(p for p in (os.environ.get("PYTHONPATH"), str(root)) if p)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 400


# Damage. An archive has checksums, so it is noticed; a stream has none, so only crashes count there.


def shown(value):
    if isinstance(value, verigrad.Tensor):
        return (
            type(value).__name__,
            str(value.dtype),
            tuple(value.shape),
            tuple(value.stride()),
            value.tolist(),
        )
    if isinstance(value, dict):
        return [(key, shown(one)) for key, one in value.items()]
    return repr(value)


def test_truncation_at_every_byte():
    for content in (saved(VALUE), stream(pickled(tensor())), archive(pickled(tensor()))):
        for length in range(len(content)):
            result, text, _ = watched(content[:length], measured=False)
            assert result is None and text.startswith("load: expected"), length


def test_every_flipped_bit_of_an_archive():
    content = saved(VALUE)
    expected = shown(VALUE)
    for position in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[position // 8] ^= 1 << position % 8
        result, text, _ = watched(bytes(damaged), measured=False)
        assert text or shown(result) == expected, position


def test_every_flipped_bit_of_a_stream():
    content = stream(pickled(tensor()))
    for position in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[position // 8] ^= 1 << position % 8
        watched(bytes(damaged), measured=False)


@pytest.mark.parametrize("make", FILES.values(), ids=FILES)
def test_random_damage_to_pickles_in_sound_files(make):
    source = pickled(
        pickles.table(pickles.text("w"), tensor(), pickles.text("p"), pickles.parameter(tensor())),
    )
    dice = random.Random(0)
    for _ in range(1500):
        damaged = bytearray(source)
        for _ in range(dice.randint(1, 4)):
            place = dice.randrange(len(damaged))
            damaged[place : place + dice.randrange(3)] = dice.randbytes(dice.randrange(3))
        watched(make(bytes(damaged)), measured=False)


# PyTorch's own reader of harmless files, on pickles in good form of random things


def of_both(value):
    """What both libraries have loaded, as plain values."""
    if hasattr(value, "requires_grad"):
        notes = sorted((key, repr(one)) for key, one in vars(value).items())
        tensor = value.detach()
        shape = tuple(tensor.shape), tuple(tensor.stride()) if tensor.numel() else ()
        kind = type(value).__name__, str(tensor.dtype), value.requires_grad
        return *kind, *shape, repr(tensor.tolist()), notes
    if isinstance(value, dict):
        pairs = [(repr(key), of_both(one)) for key, one in value.items()]
        return type(value).__name__, pairs, of_both(getattr(value, "_metadata", None))
    if isinstance(value, list | tuple):
        return type(value).__name__, [of_both(one) for one in value]
    return repr(value)


def test_what_loads_is_what_pytorch_loads_and_nothing_that_it_refuses():
    torch = pytest.importorskip("torch")
    both = 0
    for seed in range(400):
        content = archive(pickled(pickles.anything(random.Random(seed))))
        result, text, _ = watched(content, measured=False)
        if not text:
            theirs = torch.load(io.BytesIO(content), weights_only=True)  # raises what it refuses
            assert str(of_both(result)).replace("verigrad.", "torch.") == str(of_both(theirs)), seed
            both += 1
    assert both > 100
