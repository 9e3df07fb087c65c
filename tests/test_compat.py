"""Programs that import torch, run by verigrad. Each in a process of its own: this one may have the real
torch."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import optim
from torch.autograd import Variable
from torch.nn.modules.conv import Conv2d
from torch.nn.parameter import Parameter
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.dataloader import DataLoader as SameLoader
from torchvision import datasets, transforms

assert Conv2d is nn.Conv2d and SameLoader is DataLoader and Parameter is nn.Parameter
torch.manual_seed(0)
x = torch.randn(64, 4)
y = (x.sum(dim=1) > 0).long()
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
optimizer = optim.SGD(model.parameters(), lr=0.5)
scheduler = StepLR(optimizer, 1, 0.9)
for epoch in range(int(sys.argv[1])):
    for inputs, labels in DataLoader(TensorDataset(x, y), batch_size=16):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(Variable(inputs)), labels)
        loss.backward()
        optimizer.step()
    scheduler.step()
print(__name__, sys.argv, torch.__version__.split(".")[0], round(loss.item(), 6), nn.Linear.__module__)
"""


def run(*arguments, code=None):
    command = [sys.executable, *([] if code is None else ["-c", code]), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_program_is_run_as_it_is(tmp_path):
    (tmp_path / "program.py").write_text("import beside\n" + PROGRAM)
    (tmp_path / "beside.py").write_text("")
    done = run("-m", "verigrad.compat", tmp_path / "program.py", 3)
    assert (done.returncode, done.stderr) == (0, "")
    name, rest = done.stdout.split(" ", 1)
    assert name == "__main__" and rest.startswith(f"['{tmp_path / 'program.py'}', '3'] 2 ")
    assert rest.rstrip().endswith("verigrad.nn.linear")
    changed = PROGRAM
    for before, after in (
        ("import torch\n", "import verigrad as torch\n"),
        ("from torchvision", "from verigrad.vision"),
        ("import torch.", "import verigrad."),
        ("from torch", "from verigrad"),
        ("torch.__version__", "'2.'"),
    ):
        changed = changed.replace(before, after)
    direct = run("3", code=changed)
    assert direct.stderr == "" and direct.stdout.split()[-2:] == done.stdout.split()[-2:]


def test_it_is_off_unless_asked_for_and_can_be_switched_off():
    code = """
import sys
from verigrad import compat
assert not compat.installed()
compat.install()
compat.install()
import torch, torch.nn, torchvision.transforms as T, verigrad
assert torch.nn.Linear is verigrad.nn.Linear and torch.Tensor is verigrad.Tensor
assert T.ToTensor is verigrad.vision.transforms.ToTensor and "randn" in dir(torch)
assert not hasattr(torch, "no_such") and verigrad.nn.__name__ == "verigrad.nn"
assert verigrad.nn.__spec__.name == "verigrad.nn"
for name in ("torch.no_such", "torchvision.ops"):
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        print(error, error.name)
try:
    torch.no_such
except AttributeError as error:
    print(error)
try:
    torch.hub
except AttributeError as error:
    print(error)
compat.uninstall()
assert not compat.installed() and "torch" not in sys.modules
compat.uninstall()
"""
    done = run(code=code)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "No module named 'torch.no_such': verigrad answers to torch, and has no verigrad.no_such "
        "torch.no_such",
        "No module named 'torchvision.ops': verigrad answers to torchvision, and has no verigrad.vision.ops "
        "torchvision.ops",
        "module 'torch' has no attribute 'no_such': verigrad answers to it, as verigrad, and has none",
        "module 'torch' has no attribute 'hub': verigrad answers to it, as verigrad, and has none: "
        "no code is fetched from elsewhere; install the package that has the model",
    ]


def test_it_refuses_beside_the_real_one():
    code = """
import sys, types
sys.modules["torch"] = types.ModuleType("torch")
from verigrad import compat
try:
    compat.install()
except RuntimeError as error:
    print(error)
assert not compat.installed()
"""
    done = run(code=code)
    assert done.stderr == "" and "expected a process that has not imported torch" in done.stdout


def test_errors_of_programs_and_of_the_command(tmp_path):
    (tmp_path / "program.py").write_text("import torch\nraise SystemExit(torch.tensor(3).item())")
    assert run("-m", "verigrad.compat", tmp_path / "program.py").returncode == 3
    assert run("-m", "verigrad.compat").returncode == 2
    assert run("-m", "verigrad.compat", "-h").stdout.startswith("usage: python -m verigrad.compat PROGRAM.py")
    missing = run("-m", "verigrad.compat", tmp_path / "absent.py")
    assert missing.returncode == 1 and "No such file" in missing.stderr


@pytest.mark.parametrize("name", ["conv", "linear", "loss", "batchnorm", "adaptive"])
def test_paths_of_pytorchs_files(name):
    done = run(code=f"import verigrad.nn.modules.{name} as m; print(m.__name__)")
    if name == "adaptive":
        assert "No module named 'verigrad.nn.modules.adaptive'" in done.stderr
    else:
        assert done.stdout.startswith("verigrad.nn.")
