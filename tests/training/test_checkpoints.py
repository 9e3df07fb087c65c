"""Checkpoints: what is kept, what damage is noticed, and what errors leave."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import verigrad
from verigrad.training import Checkpoints

ROOT = Path(__file__).parents[2]


def state(number):
    return {"step": number, "weights": verigrad.full((4,), float(number))}


def steps(checkpoints):
    return [checkpoints.load(path)["step"] for path in checkpoints.paths()]


def test_the_last_ones_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path / "deep" / "er", keep_last=2)
    assert checkpoints.latest() is None and checkpoints.best() is None and checkpoints.paths() == []
    paths = [checkpoints.save(state(number)) for number in range(4)]
    assert checkpoints.paths() == paths[2:]
    assert [path.name for path in paths[2:]] == [
        "checkpoint-00000003.safetensors", "checkpoint-00000004.safetensors",
    ]  # fmt: skip
    assert checkpoints.latest() == paths[3]
    assert checkpoints.load()["step"] == 3
    assert verigrad.equal(checkpoints.load()["weights"], verigrad.full((4,), 3.0))
    again = Checkpoints(tmp_path / "deep" / "er", keep_last=1)
    again.save(state(9))
    assert steps(again) == [9]
    assert [path.name for path in again.paths()] == ["checkpoint-00000005.safetensors"]


@pytest.mark.parametrize(("mode", "kept"), [("min", [1, 4, 5]), ("max", [2, 3, 5])])
def test_the_best_ones_are_kept(tmp_path, mode, kept):
    scores = [0.5, 0.1, 0.9, 0.6, 0.2, None]
    for number, score in enumerate(scores):
        # A new object each time: the scores are in the files.
        checkpoints = Checkpoints(tmp_path, keep_last=1, keep_best=2, mode=mode)
        checkpoints.save(state(number), score)
    assert steps(checkpoints) == kept
    best = checkpoints.best()
    assert checkpoints.load(best)["step"] == (1 if mode == "min" else 2)
    assert Checkpoints(tmp_path, mode=mode).best() == best


def test_the_first_of_equals_is_the_best(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep_last=3)
    for number, score in enumerate([2, 1, 1]):
        checkpoints.save(state(number), score)
    assert checkpoints.load(checkpoints.best())["step"] == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: content[:-3] + bytes([content[-3] ^ 1]) + content[-2:],
        lambda content: b"something else",
    ],
)
def test_a_damaged_one_is_left_out(tmp_path, damage):
    checkpoints = Checkpoints(tmp_path, keep_last=3)
    good, bad = checkpoints.save(state(1)), checkpoints.save(state(2))
    bad.write_bytes(damage(bad.read_bytes()))
    with pytest.warns(RuntimeWarning, match="checkpoint-00000002.safetensors is damaged and left out"):
        assert checkpoints.load()["step"] == 1
    with pytest.warns(RuntimeWarning):
        assert checkpoints.latest() == good
    with pytest.raises(RuntimeError):
        checkpoints.load(bad)
    assert checkpoints.save(state(3)).name == "checkpoint-00000003.safetensors"
    assert checkpoints.load()["step"] == 3


def test_when_all_are_damaged(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(state(1)).write_bytes(b"x")
    with pytest.warns(RuntimeWarning), pytest.raises(FileNotFoundError, match="expected a checkpoint"):
        checkpoints.load()


def test_other_files_are_left_alone(tmp_path):
    names = ["checkpoint-1.safetensors", "checkpoint-00000007.safetensors.bak", "notes.txt"]
    for name in names:
        (tmp_path / name).write_text("mine")
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(state(1))
    checkpoints.save(state(2))
    assert sorted(os.listdir(tmp_path)) == sorted([*names, "checkpoint-00000002.safetensors"])
    verigrad.save({"a": 1}, tmp_path / "checkpoint-00000003.safetensors")
    with pytest.raises(ValueError, match="expected a checkpoint in .*, got another file"):
        checkpoints.load(tmp_path / "checkpoint-00000003.safetensors")


@pytest.mark.parametrize("number", [28, 30, 13])
def test_an_error_leaves_the_older_ones(tmp_path, monkeypatch, number):
    checkpoints = Checkpoints(tmp_path)
    path = checkpoints.save(state(1))

    def failing(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(OSError, match=os.strerror(number)):
        checkpoints.save(state(2))
    monkeypatch.undo()
    assert os.listdir(tmp_path) == [path.name]
    assert checkpoints.load()["step"] == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
def test_a_full_disk(tmp_path):
    """Of a file system of a few pages, where the user may mount one; else a limit on the size of files."""
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(state(1))
    code = f"""
import resource, signal, sys
import verigrad
from verigrad.training import Checkpoints
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    Checkpoints({str(tmp_path)!r}).save({{"weights": verigrad.ones(100_000)}})
except OSError as error:
    print("OSError", error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("OSError"), done.stderr
    assert [path.name for path in checkpoints.paths()] == os.listdir(tmp_path)
    assert checkpoints.load()["step"] == 1


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("old")
    with pytest.raises(OSError):
        Checkpoints(tmp_path / "file" / "below").save(state(1))
    with pytest.raises(OSError):
        Checkpoints(tmp_path / "file").save(state(1))
    assert (tmp_path / "file").read_text() == "old"


def test_what_killed_processes_left_is_removed(tmp_path):
    code = f"""
import os, signal
import verigrad
from verigrad.training import Checkpoints
def die(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)
os.replace = die
Checkpoints({str(tmp_path)!r}).save({{"weights": verigrad.ones(10)}})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    checkpoints = Checkpoints(tmp_path)
    (left,) = os.listdir(tmp_path)
    assert left.startswith(".checkpoint-") and checkpoints.latest() is None
    checkpoints.save(state(1))
    # The next one, too, has another name than what was left.
    checkpoints.save(state(2))
    assert os.listdir(tmp_path) == ["checkpoint-00000002.safetensors"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep_last": 0}, "keep_last to be a positive int, got 0"),
        ({"keep_last": True}, "keep_last"),
        ({"keep_best": -1}, "keep_best to be an int from 0, got -1"),
        ({"mode": "best"}, "mode 'min' or 'max', got 'best'"),
    ],
)
def test_options_that_are_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=f"Checkpoints: expected {message}"):
        Checkpoints(tmp_path, **options)


def test_states_and_scores_that_are_refused(tmp_path):
    checkpoints = Checkpoints(tmp_path / "folder")
    with pytest.raises(ValueError, match="expected a score that is a number, got NaN"):
        checkpoints.save(state(1), float("nan"))
    with pytest.raises(TypeError, match="save: expected tensors"):
        checkpoints.save({"model": object()})
    assert checkpoints.paths() == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_random_moments():
    """A few kills; `python scripts/kill_training.py` makes as many as wanted."""
    script = ROOT / "scripts" / "kill_training.py"
    command = [sys.executable, str(script), "--kills", "6", "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("without a break: yes")
