"""The folder of a run: what is there after every epoch, after errors, and after a kill at any moment."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import verigrad
from verigrad.training import Callback, runs
from verigrad.training.runs import train
from verigrad.training.runs.folder import BEST, CHECKPOINTS, CONFIG, FILES, METRICS, MODEL

pytest.importorskip("matplotlib")


@pytest.fixture
def config(mnist_files):
    """Makes the config of a run of a second."""

    def make(**options):
        data = str(mnist_files(80, 20)) if not hasattr(make, "data") else make.data
        make.data = data
        defaults = {"dataset": "mnist", "data_dir": data, "model": "mlp", "batch_size": 20, "epochs": 3}
        return runs.RunConfig(**defaults | options)

    return make


def rows(folder):
    return list(csv.DictReader((folder / METRICS).read_text().splitlines()))


class At(Callback):
    """Calls a function in the middle of an epoch."""

    def __init__(self, when, act):
        self.when, self.act = when, act

    def on_batch_end(self, state):
        if (state.epoch, state.batch) == self.when:
            self.act(state)


@pytest.fixture
def at(monkeypatch):
    """Makes `Trainer`, as the runs call it, act in an epoch."""
    made = train.Trainer

    def install(epoch, act, batch=2):
        def changed(*arguments, callbacks, **options):
            more = [*callbacks, At((epoch, batch), act)]
            return made(*arguments, callbacks=more, progress=False, **options)

        monkeypatch.setattr(train, "Trainer", changed)

    return install


def raising(error):
    def act(state):
        raise error

    return act


def diverging(state):
    for parameter in state.model.parameters():
        parameter.detach().fill_(float("nan"))


# After every epoch


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(5, "Input/output error")])
def test_an_interrupted_run_leaves_the_epochs_that_ended(config, at, error):
    at(3, raising(error))
    said = []
    with pytest.raises(type(error)):
        runs.train_run(config(), Path("run"), say=said.append)
    assert sorted(os.listdir("run")) == sorted([CONFIG, METRICS, MODEL, BEST, CHECKPOINTS])
    assert [row["epoch"] for row in rows(Path("run"))] == ["1", "2"]
    assert json.loads(Path("run", CONFIG).read_text())["result"] is None
    assert said[-1] == "the epochs that ended are in run"
    loss = runs.evaluate_run(Path("run"))[1]
    assert loss == float(rows(Path("run"))[-1]["test_loss"])


@pytest.mark.parametrize("epoch", [2, 3])
def test_a_run_that_diverges_leaves_numbers(config, at, epoch):
    at(epoch, diverging)
    with pytest.raises(RuntimeError, match="expected a finite (test )?loss, got nan"):
        runs.train_run(config(), Path("run"))
    assert len(rows(Path("run"))) == epoch - 1
    for best in (False, True):
        runs.load_run(Path("run"), best)  # which refuses numbers that are not finite


def test_weights_that_diverge_with_the_last_update(config, at):
    at(2, diverging, batch=4)
    with pytest.raises(RuntimeError, match="expected a finite test loss, got nan after epoch 2"):
        runs.train_run(config(), Path("run"))
    assert len(rows(Path("run"))) == 1


def test_an_error_in_the_first_epoch_leaves_nothing(config, at):
    at(1, raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        runs.train_run(config(), Path("deep/er"))
    with pytest.raises(KeyboardInterrupt):
        runs.train_run(config(), None)
    assert os.listdir() == []


def test_the_best_model_is_the_one_of_the_best_epoch(config):
    runs.train_run(config(epochs=4, lr=0.2, scheduler="none"), Path("run"))
    assert sorted(os.listdir("run")) == sorted(FILES)
    accuracies = [float(row["test_accuracy"]) for row in rows(Path("run"))]
    best = accuracies.index(max(accuracies)) + 1
    runs.train_run(config(epochs=best, lr=0.2, scheduler="none"), Path("shorter"))
    assert Path("run", BEST).read_bytes() == Path("shorter", MODEL).read_bytes()
    right = sum(row[1] for row in runs.evaluate_run(Path("run"), best=True)[2])
    assert right == round(20 * max(accuracies))


# A folder that has a run


def test_a_run_is_replaced_only_when_told(config):
    runs.train_run(config(), Path("run"))
    before = {name: Path("run", name).read_bytes() for name in FILES}
    Path("run/notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"got one with config\.json \(--overwrite replaces it\)"):
        runs.train_run(config(seed=1), Path("run"))
    assert {name: Path("run", name).read_bytes() for name in FILES} == before
    runs.train_run(config(seed=1), Path("run"), overwrite=True)
    assert sorted(os.listdir("run")) == sorted([*FILES, "notes.txt"])
    assert Path("run", MODEL).read_bytes() != before[MODEL]


@pytest.mark.parametrize("name", FILES)
def test_a_part_of_a_run_is_not_replaced_either(config, name):
    Path("run").mkdir()
    Path("run", name).write_bytes(b"old")
    with pytest.raises(FileExistsError, match=f"got one with {name}"):
        runs.train_run(config(), Path("run"))
    assert Path("run", name).read_bytes() == b"old"


def test_pictures_of_an_older_run_do_not_stay_beside_an_interrupted_one(config, at):
    runs.train_run(config(), Path("run"))
    at(2, raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        runs.train_run(config(seed=1), Path("run"), overwrite=True)
    assert sorted(os.listdir("run")) == sorted([CONFIG, METRICS, MODEL, BEST, CHECKPOINTS])


def test_a_full_disk_leaves_the_older_run(config, monkeypatch):
    runs.train_run(config(), Path("old"))
    before = {name: Path("old", name).read_bytes() for name in FILES}

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        runs.train_run(config(), Path("new"))
    with pytest.raises(OSError, match="No space left"):
        runs.train_run(config(seed=1), Path("old"), overwrite=True)
    assert {name: Path("old", name).read_bytes() for name in FILES} == before
    assert sorted(os.listdir()) == ["old"]
    assert sorted(os.listdir("old")) == sorted(FILES)


# Killed. In one process of its own, which forks for each moment: threads of this one do not matter then.

KILL = """
import json, os, shutil, sys
from pathlib import Path
import verigrad
from verigrad.training import runs

verigrad.set_num_threads(1)
options = json.loads(sys.argv[1])
old, new = runs.RunConfig(**options), runs.RunConfig(**options | {"seed": 1})
runs.train_run(old, Path("old"))
runs.train_run(new, Path("new"))

def killed(step):
    # In a child: dies before its call number `step` that changes a name.
    child = os.fork()
    if not child:
        left = [step]
        def dying(call):
            def count(*arguments, **options):
                if not left[0]:
                    os._exit(9)
                left[0] -= 1
                return call(*arguments, **options)
            return count
        for name in ("replace", "unlink", "rename", "remove"):
            setattr(os, name, dying(getattr(os, name)))
        runs.train_run(new, Path("run"), overwrite=True)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9

step, outcomes = 0, []
while True:
    shutil.rmtree("run", ignore_errors=True)
    shutil.copytree("old", "run")
    if not killed(step):
        break
    step += 1
    seed = None
    if os.path.exists("run/config.json"):
        seed = runs.load_run(Path("run"))[0].seed
        for name in ("model.safetensors", "best.safetensors"):
            runs.load_run(Path("run"), name.startswith("best"))
        of_old = Path("run/model.safetensors").read_bytes() == Path("old/model.safetensors").read_bytes()
        assert of_old == (seed == 0), (step, seed)
    outcomes.append(seed)
print(json.dumps(outcomes))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_kill_at_any_moment_leaves_one_run_or_none(config):
    options = json.dumps(vars(config(epochs=2)))
    done = subprocess.run([sys.executable, "-c", KILL, options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout.splitlines()[-1])
    # First the older run, then none for the few moments of the exchange, then the new one.
    assert len(outcomes) > 12
    assert outcomes == sorted(outcomes, key=lambda seed: {0: 0, None: 1, 1: 2}[seed])
    assert set(outcomes) == {0, None, 1}


def test_the_models_are_plain_state_dicts(config):
    runs.train_run(config(epochs=1), Path("run"))
    for name in (MODEL, BEST):
        state = verigrad.load(Path("run", name))
        assert all(isinstance(one, verigrad.Tensor) for one in state.values())
