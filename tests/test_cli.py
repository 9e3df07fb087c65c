"""The command line: its results, and one line with exit code 2 for every misuse."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import verigrad
from verigrad.cli import main
from verigrad.training import DEFAULT_MODEL, build_model
from verigrad.vision import datasets

pytest.importorskip("click")
pytest.importorskip("matplotlib")
pytest.importorskip("tqdm")
Image = pytest.importorskip("PIL.Image")

FILES = [
    "best.safetensors", "config.json", "curves.png", "filters.png", "metrics.csv", "misclassified.png",
    "model.safetensors",
]  # fmt: skip
MLP = ["--dataset", "mnist", "--model", "mlp"]
FULL = Path(__file__).resolve().parents[2] / "shared" / "data" / "mnist"


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    """Each test in an empty folder, without the user's cache or a network."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("VERIGRAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.MNIST, "mirrors", ("http://127.0.0.1:9/",))
    threads = verigrad.get_num_threads()
    yield
    verigrad.set_num_threads(threads)


@pytest.fixture
def tiny(mnist_files):
    return mnist_files(300, 60)


@pytest.fixture
def speck(mnist_files):
    return mnist_files(40, 20)


@pytest.fixture
def run(tiny, capsys):
    """A finished run on the tiny data."""
    assert main(["train", *MLP, "--data-dir", str(tiny), "--epochs", "3", "--out", "run"]) == 0
    capsys.readouterr()
    return Path("run").resolve()


def misuse(capsys, *arguments, message=""):
    """The error line of a misuse; checks that there is just that line, and no new file."""
    before = sorted(str(path) for path in Path.cwd().rglob("*"))
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert code == 2, err
    assert out == ""
    assert err.count("\n") == 1 and err.endswith("\n")
    assert err.startswith("verigrad: error: ")
    assert "Traceback" not in err
    assert re.search(message, err), err
    assert sorted(str(path) for path in Path.cwd().rglob("*")) == before
    return err


# train


def test_train_without_options(capsys):
    assert main(["train"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "\r" not in out
    lines = out.splitlines()
    parameters = sum(parameter.numel() for parameter in build_model(DEFAULT_MODEL).parameters())
    assert lines[0] == (
        f"training {DEFAULT_MODEL} on mnist-mini: 6000 training and 1000 test images, {parameters} parameters"
    )
    assert len([line for line in lines if line.startswith("epoch ")]) == 10
    share, right = re.fullmatch(r"test accuracy (\d+\.\d\d) % \((\d+) of 1000\)", lines[-2]).groups()
    assert float(share) == int(right) / 10 >= 92
    folder = Path(lines[-1].removeprefix("results in "))
    assert folder == Path(f"runs/mnist-mini-{DEFAULT_MODEL}-1")
    assert sorted(os.listdir(folder)) == FILES
    rows = list(csv.DictReader((folder / "metrics.csv").read_text().splitlines()))
    assert [int(row["epoch"]) for row in rows] == list(range(1, 11))
    assert set(rows[0]) == {
        "epoch", "lr", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "seconds",
    }  # fmt: skip
    assert float(rows[-1]["test_accuracy"]) == int(right) / 1000
    content = json.loads((folder / "config.json").read_text())
    assert content["config"]["dataset"] == "mnist-mini"
    assert content["result"]["test_accuracy"] == int(right) / 1000
    state = verigrad.load(folder / "model.safetensors")
    shapes = {key: tensor.shape for key, tensor in build_model(DEFAULT_MODEL).state_dict().items()}
    assert {key: tensor.shape for key, tensor in state.items()} == shapes
    with Image.open(folder / "curves.png") as picture:
        assert picture.size == (1440, 600)
    for name in ("filters.png", "misclassified.png"):
        with Image.open(folder / name) as picture:
            assert min(picture.size) > 500


def test_the_same_seed_gives_the_same_bytes_for_any_number_of_threads(tiny, capsys):
    models = {}
    for name, options in {
        "a": ["--seed", "3"],
        "b": ["--seed", "3", "--threads", "1"],
        "c": ["--seed", "3", "--threads", "2"],
        "d": ["--seed", "4"],
    }.items():
        arguments = ["train", *MLP, "--data-dir", str(tiny), "--epochs", "2", "--out", name]
        assert main(arguments + options) == 0
        models[name] = Path(name, "model.safetensors").read_bytes()
    assert models["a"] == models["b"] == models["c"] != models["d"]


@pytest.mark.parametrize(
    "options",
    [
        ["--optimizer", "adam", "--scheduler", "step"],
        ["--optimizer", "adamw", "--lr", "0.001", "--scheduler", "none"],
        ["--optimizer", "sgd", "--momentum", "0", "--lr", "1e-1", "--batch-size", "1000", "--device", "cpu"],
    ],
)
def test_options_of_train(tiny, options, capsys):
    arguments = [
        "train",
        *MLP,
        "--data-dir",
        str(tiny),
        "--epochs",
        "2",
        "--out",
        "deep/er/run",
    ]
    assert main(arguments + options) == 0
    assert "results in deep/er/run" in capsys.readouterr().out
    config = json.loads(Path("deep/er/run/config.json").read_text())["config"]
    assert config["optimizer"] == options[1]
    assert config["data_dir"] == str(tiny)
    assert config["momentum"] == 0


@pytest.mark.parametrize("model", ["mlp", "lenet", "cnn", "resnet"])
def test_every_model_trains_evaluates_and_predicts(speck, capsys, model):
    arguments = ["--dataset", "mnist", "--data-dir", str(speck), "--epochs", "1", "--batch-size", "20"]
    options = ["--model", model, "--augment", "--dropout", "0.2", "--label-smoothing", "0.1"]
    states = []
    for threads in ("1", "2"):
        assert main(["train", *arguments, *options, "--threads", threads, "--out", threads]) == 0
        states.append(Path(threads, "model.safetensors").read_bytes())
        capsys.readouterr()
    assert states[0] == states[1]
    assert sorted(os.listdir("1")) == FILES
    config = json.loads(Path("1/config.json").read_text())
    assert (config["config"]["model"], config["config"]["augment"]) == (model, True)
    assert (config["config"]["dropout"], config["config"]["label_smoothing"]) == (0.2, 0.1)
    assert main(["evaluate", "1"]) == 0
    result = config["result"]
    right = round(20 * result["test_accuracy"])
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"mnist: test loss {result['test_loss']:.4f}, test accuracy {5 * right:.2f} % ({right} of 20)"
    )
    predicted(capsys, "1", picture(0))


@pytest.mark.parametrize("option", [["--augment"], ["--dropout", "0.5"], ["--label-smoothing", "0.2"]])
def test_options_that_change_the_training(tiny, capsys, option):
    data = [*MLP, "--data-dir", str(tiny), "--epochs", "1"]
    for name, more in (("plain", []), ("changed", option), ("again", option)):
        assert main(["train", *data, *more, "--out", name]) == 0
    states = {name: Path(name, "model.safetensors").read_bytes() for name in ("plain", "changed", "again")}
    assert states["plain"] != states["changed"] == states["again"]


def test_a_network_without_mistakes(speck, capsys, monkeypatch):
    from verigrad.training.runs.report import Mistakes

    monkeypatch.setattr(Mistakes, "worst", lambda self, most: [])
    assert main(["train", *MLP, "--data-dir", str(speck), "--epochs", "1", "--out", "run"]) == 0
    assert Path("run/misclassified.png").stat().st_size > 100


def test_dropout_has_a_default_for_each_model(speck, capsys):
    from verigrad.training import MODELS

    data = ["--dataset", "mnist", "--data-dir", str(speck), "--epochs", "1"]
    for model in ("mlp", "lenet", "cnn"):
        assert main(["train", *data, "--model", model, "--out", model]) == 0
        config = json.loads(Path(model, "config.json").read_text())["config"]
        assert config["dropout"] == MODELS[model].dropout


def test_runs_are_numbered(tiny, capsys):
    arguments = ["train", *MLP, "--data-dir", str(tiny), "--epochs", "1"]
    assert main(arguments) == main(arguments) == 0
    assert sorted(os.listdir("runs")) == ["mnist-mlp-1", "mnist-mlp-2"]


@pytest.mark.skipif(not FULL.is_dir(), reason="the full MNIST files are not beside the repository")
def test_one_epoch_on_the_full_set(capsys):
    assert main(["train", *MLP, "--data-dir", str(FULL), "--epochs", "1", "--out", "full"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "60000 training and 10000 test images" in lines[0]
    assert float(lines[-2].split()[2]) >= 93


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epochs", "-1"], "epochs"),
        (["--epochs", "0"], "epochs"),
        (["--epochs", "1.5"], "epochs"),
        (["--epochs", "many"], "epochs"),
        (["--batch-size", "0"], "batch-size"),
        (["--lr", "nan"], "lr.*expected a number above 0, finite, got nan"),
        (["--lr", "inf"], "lr.*finite"),
        (["--lr", "0"], "lr"),
        (["--lr", "-0.1"], "lr"),
        (["--lr", "fast"], "lr.*'fast' is not a number"),
        (["--momentum", "1"], "momentum.*below 1"),
        (["--momentum", "-0.5"], "momentum"),
        (["--momentum", "nan"], "momentum"),
        (["--momentum", "0.9", "--optimizer", "adam"], "momentum only with the optimizer sgd"),
        (["--optimizer", "lbfgs"], "optimizer"),
        (["--scheduler", "magic"], "scheduler"),
        (["--dropout", "1"], "dropout.*below 1"),
        (["--dropout", "-0.1"], "dropout"),
        (["--dropout", "nan"], "dropout"),
        (["--label-smoothing", "1"], "label-smoothing.*below 1"),
        (["--label-smoothing", "much"], "label-smoothing.*'much' is not a number"),
        (["--augment", "5"], "unexpected extra argument"),
        (["--seed", "-1"], "seed"),
        (["--seed", str(2**63)], "seed"),
        (["--threads", "0"], "threads"),
        (["--device", "cuda"], "device"),
        (["--dataset", "cifar"], "dataset"),
        (["--model", "vgg"], "model"),
        (["--no-such-option"], "no-such-option"),
        (["stray"], "stray"),
        (["--dataset", "mnist"], "Dataset not found. --download fetches it, --data-dir names its folder"),
        (["--dataset", "fashion-mnist", "--data-dir", "nowhere"], "Dataset not found"),
        (["--dataset", "mnist", "--data-dir", ""], "data-dir.*expected a path, got an empty one"),
        (["--out", ""], "out.*expected a path, got an empty one"),
        (["--overwrite"], "expected --overwrite only with --out, got it alone"),
        (["--dataset", "mnist-mini", "--data-dir", "."], "expected no --data-dir with mnist-mini"),
        (["--dataset", "mnist", "--download"], "Error downloading"),
        (["--model", "mlp", "--lr", "1e30"], "expected a finite loss, got (nan|inf) in epoch 1"),
    ],
)
def test_misuses_of_train(capsys, options, message):
    if options[-1] == "1e30":
        assert main(["train", *options, "--out", "deep/er"]) == 2
        out, err = capsys.readouterr()
        assert re.search(message, err), err
        assert err.count("\n") == 1
        assert os.listdir() == []
    else:
        misuse(capsys, "train", *options, message=message)


def test_misuses_of_out(capsys, tiny):
    Path("file").write_text("old")
    data = ["--dataset", "mnist", "--data-dir", tiny, "--epochs", "1"]
    for out in ("file", "file/below"):
        misuse(capsys, "train", *data, "--out", out, message="expected a folder, got a file")
    Path("taken/model.safetensors").mkdir(parents=True)
    misuse(capsys, "train", *data, "--out", "taken", message="got a folder: taken/model.safetensors")
    misuse(capsys, "train", *data, "--out", "x" * 300, message="too long")
    misuse(capsys, "train", *data, "--out", "/proc/verigrad", message="/proc/verigrad")
    assert Path("file").read_text() == "old"


def test_a_folder_that_cannot_be_written(capsys, tiny, monkeypatch):
    # Simulated: the superuser, who runs tests in containers, may write anywhere.
    def denied(*, dir):  # noqa: A002
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr("tempfile.TemporaryFile", denied)
    arguments = ["train", "--dataset", "mnist", "--data-dir", tiny, "--out", "deep/er"]
    misuse(capsys, *arguments, message="Permission denied: deep/er")


def test_corrupt_data(capsys, tiny):
    path = tiny / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:1000])
    misuse(capsys, "train", "--dataset", "mnist", "--data-dir", tiny, message="read_idx: expected")
    path.unlink()
    misuse(capsys, "train", "--dataset", "mnist", "--data-dir", tiny, message="Dataset not found")
    misuse(capsys, "train", "--dataset", "mnist", "--data-dir", path, message="Dataset not found")


# evaluate


def test_evaluate(run, capsys):
    assert main(["evaluate", str(run)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 11
    assert lines[3].split()[:3] == ["3", "-", "three"]
    result = json.loads((run / "config.json").read_text())["result"]
    right = round(60 * result["test_accuracy"])
    assert lines[-1] == (
        f"mnist: test loss {result['test_loss']:.4f}, test accuracy {100 * right / 60:.2f} % ({right} of 60)"
    )
    assert sum(int(re.search(r"\((\d+) of", line)[1]) for line in lines[:-1] if "(no" not in line) == right


def test_evaluate_with_data_that_have_moved(run, tiny, tmp_path, capsys):
    moved = tmp_path / "moved"
    shutil.move(tiny, moved)
    misuse(capsys, "evaluate", run, message="Dataset not found")
    assert main(["evaluate", str(run), "--data-dir", str(moved), "--threads", "1"]) == 0


def test_misuses_of_evaluate(run, capsys):
    misuse(capsys, "evaluate", message="DIR")
    misuse(capsys, "evaluate", "nowhere", message="folder of a run, got nothing there: nowhere")
    misuse(capsys, "evaluate", ".", message="No such file or directory: config.json")
    misuse(capsys, "evaluate", run / "config.json", message="folder of a run")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", None, "No such file"),
        ("config.json", b"", "expected JSON"),
        ("config.json", b"\xff\xfe", "expected JSON"),
        ("config.json", b"[" * 100_000, "expected JSON"),
        ("config.json", b"[]", "config of a run"),
        ("config.json", b'{"format": 1}', "config of a run"),
        ("config.json", b'{"format": 2}', "expected the entries"),
        ("config.json", b'{"format": 2, "config": {"dataset": "mnist"}}', "expected the entries"),
        ("model.safetensors", None, "No such file"),
        ("model.safetensors", b"", "expected a safetensors file"),
        ("model.safetensors", b"\x80\x04pickle", "verigrad never unpickles"),
    ],
)
def test_damaged_runs(run, capsys, name, content, message):
    (run / name).unlink()
    if content is not None:
        (run / name).write_bytes(content)
    misuse(capsys, "evaluate", run, message=message)
    misuse(capsys, "predict", run, picture(3), message=message)


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ("dataset", "cifar", "dataset to be one of"),
        ("dataset", ["mnist"], "dataset to be one of"),
        ("model", "vgg", "model to be one of"),
        ("epochs", -1, "epochs"),
        ("epochs", True, "epochs"),
        ("lr", "fast", "lr"),
        ("lr", None, "lr"),
        ("data_dir", 5, "data_dir"),
        ("augment", 1, "augment to be true or false"),
        ("dropout", 1.0, "dropout"),
        ("dropout", True, "dropout"),
        ("label_smoothing", "some", "label_smoothing"),
        ("extra", 1, "expected the entries"),
    ],
)
def test_edited_configs(run, capsys, entry, value, message):
    content = json.loads((run / "config.json").read_text())
    content["config"][entry] = value
    (run / "config.json").write_text(json.dumps(content))
    misuse(capsys, "evaluate", run, message=message)


def test_a_model_of_another_shape(run, capsys):
    state = verigrad.load(run / "model.safetensors")
    for changed in (
        {key: value[..., :1] for key, value in state.items()},
        dict(list(state.items())[1:]),
        {**state, "more": verigrad.ones(1)},
        [1],
        {"a": 1},
    ):
        verigrad.save(changed, run / "model.safetensors")
        misuse(capsys, "evaluate", run, message="size mismatch|[Mm]issing|[Uu]nexpected|state_dict")


# predict


def picture(index, invert=False, scale=1):
    digit = datasets.MNISTMini(train=False).data[index].numpy()
    image = Image.fromarray(255 - digit if invert else digit)
    path = Path(f"digit-{index}-{invert}-{scale}.png")
    image.resize((28 * scale, 28 * scale)).save(path)
    return path


def predicted(capsys, *arguments):
    assert main(["predict", *map(str, arguments)]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    name, probability = re.fullmatch(r"class (\d - \w+), probability ([01]\.\d{4})", lines[0]).groups()
    table = {" ".join(line.split()[:3]): float(line.split()[3]) for line in lines[1:]}
    assert list(table) == datasets.MNIST.classes
    assert abs(sum(table.values()) - 1) < 1e-3
    assert table[name] == float(probability) == max(table.values())
    return name, err


def test_predict(tiny, capsys):
    assert main(["train", "--model", "mlp", "--out", "run"]) == 0
    capsys.readouterr()
    dataset = datasets.MNISTMini(train=False)
    for index in (0, 50, 100):
        expected = dataset.classes[int(dataset.targets[index])]
        for scale in (1, 4):
            assert predicted(capsys, "run", picture(index, scale=scale)) == (expected, "")
            assert predicted(capsys, "run", picture(index, True, scale), "--invert") == (expected, "")
    assert "try it with --invert" in predicted(capsys, "run", picture(0, True))[1]
    assert "try it without --invert" in predicted(capsys, "run", picture(0), "--invert")[1]


def test_misuses_of_predict(run, capsys):
    good = picture(0)
    Path("text.png").write_text("no picture")
    Path("half.png").write_bytes(good.read_bytes()[:60])
    misuse(capsys, "predict", run, message="IMAGE")
    misuse(capsys, "predict", run, "missing.png", message="No such file or directory: missing.png")
    misuse(capsys, "predict", run, ".", message="[Ii]s a directory|Permission denied")
    for name in ("text.png", "half.png"):
        misuse(capsys, "predict", run, name, message="expected a picture")
    misuse(capsys, "predict", "nowhere", good, message="folder of a run")
    misuse(capsys, "predict", "", good, message="expected a path, got an empty one")
    misuse(capsys, "predict", run, "", message="expected a path, got an empty one")


def test_weights_that_are_not_numbers(run, capsys):
    image = picture(0)
    state = verigrad.load(run / "model.safetensors")
    name, weight = next(iter(state.items()))
    for broken in (float("nan"), float("-inf")):
        weight[0, 0] = broken
        verigrad.save(state, run / "model.safetensors")
        for command in (["predict", run, image], ["evaluate", run]):
            misuse(capsys, *command, message=f"expected finite numbers in .*, got NaN or infinity in {name}")
    assert main(["predict", str(run), str(image), "--best"]) == 0
    capsys.readouterr()
    verigrad.save({key: 0 * one + 1e38 for key, one in state.items()}, run / "best.safetensors")
    misuse(capsys, "predict", run, image, "--best", message="finite numbers|finite outputs of the network")


# verify, and the program as a whole


def test_verify_passes_its_options_on(monkeypatch, capsys):
    calls = []

    class Verification:
        @staticmethod
        def run(op=None, json_path=None, progress=True, family=None, jobs=None, quick=False, device=""):
            calls.append((op, json_path, family, jobs, quick, device))
            return 1 if op else 0

    import verigrad.testing

    monkeypatch.setattr(verigrad.testing, "verify", Verification, raising=False)
    monkeypatch.setitem(sys.modules, "verigrad.testing.verify", Verification)
    assert main(["verify"]) == 0
    assert main(["verify", "--op", "exp", "--json", "f.json"]) == 1
    assert main(["verify", "--family", "unary", "--jobs", "3", "--quick", "--device", "cuda"]) == 0
    assert calls == [
        (None, None, None, None, False, "cpu"),
        ("exp", "f.json", None, None, False, "cpu"),
        (None, None, "unary", 3, True, "cuda"),
    ]


def test_verify_one_op(capsys):
    pytest.importorskip("numba")
    assert main(["verify", "--op", "neg", "--json", "table.json"]) == 0
    assert "pass" in capsys.readouterr().out
    assert json.loads(Path("table.json").read_text())
    for arguments in (["--op", "no such op"], ["--op", "neg", "--json", "missing/table.json"]):
        assert main(["verify", *arguments]) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)


def test_help_and_version(capsys):
    for arguments in ([], ["--help"], ["-h"]):
        assert main(arguments) == 0
        out = capsys.readouterr().out
        assert all(name in out for name in ("train", "evaluate", "predict", "verify"))
    assert main(["train", "--help"]) == 0
    out = capsys.readouterr().out
    for option in (
        "--dataset", "--data-dir", "--model", "--epochs", "--batch-size", "--lr", "--momentum", "--optimizer",
        "--scheduler", "--seed", "--threads", "--device", "--out", "--overwrite", "--augment", "--dropout",
        "--label-smoothing", "--resume", "--config", "--validation", "--early-stopping", "--weight-decay",
        "--find-lr", "--ensemble",
    ):  # fmt: skip
        assert option in out


def test_misuses_of_the_program(capsys):
    misuse(capsys, "paint", message="No such command")
    misuse(capsys, "--paint", message="--paint")


def program(*arguments, code=None, **options):
    command = [sys.executable, *(["-m", "verigrad"] if code is None else ["-c", code]), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_as_a_program():
    done = program("predict", "nowhere", "i.png")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    done = program("--help")
    assert (done.returncode, done.stderr) == (0, "")


def test_without_click():
    block = "import sys; sys.modules['click'] = None; "
    done = program(code=block + "from verigrad.cli import main; sys.exit(main(['train']))")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert 'pip install "verigrad[train]"' in done.stderr


def test_without_an_extra_nothing_is_begun():
    block = "import sys; sys.modules['matplotlib.figure'] = None; "
    done = program(code=block + "from verigrad.cli import main; sys.exit(main(['train']))")
    assert (done.returncode, done.stdout) == (2, "")
    assert 'pip install "verigrad[train]"' in done.stderr
    assert os.listdir() == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell with pipes")
def test_a_reader_that_goes_away(tiny):
    command = f"{sys.executable} -m verigrad train --dataset mnist --data-dir {tiny} --epochs 1 | true"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell that closes streams")
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams(tiny, closed):
    train = f"train --dataset mnist --model mlp --data-dir {tiny} --epochs 1 --out run"
    for command, code in ((train, 0), ("evaluate run", 0), ("predict nowhere x.png", 2), ("--help", 0)):
        line = f"{sys.executable} -m verigrad {command} {closed}"
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
    assert sorted(os.listdir("run")) == FILES


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is full")
def test_streams_that_cannot_be_written():
    for command, message in (
        ("--help >/dev/full", "verigrad: error: [Errno 28] No space left on device\n"),
        ("paint 2>/dev/full", ""),
    ):
        line = f"{sys.executable} -m verigrad {command}"
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", message)
