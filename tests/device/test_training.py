"""MNIST is learned on a CUDA device, real or emulated, as on the CPU, and with the same bits in each run."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import verigrad
from verigrad import cuda, nn, optim
from verigrad.training import Callback, Trainer
from verigrad.utils.data import DataLoader, TensorDataset
from verigrad.vision.datasets import MNISTMini

pytestmark = pytest.mark.skipif(
    not cuda.is_available(), reason="no CUDA device, and not the emulation's build"
)


def mlp() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 24), nn.ReLU(), nn.Linear(24, 10))


def cnn() -> nn.Module:
    """What networks of images are made of, random numbers among it: they are equal on both devices."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, stride=2),
        nn.GELU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.25),
        nn.Linear(24, 10),
    )


def sgd(parameters: object) -> optim.Optimizer:
    return optim.SGD(parameters, lr=0.05, momentum=0.9, weight_decay=1e-3)


def adamw(parameters: object) -> optim.Optimizer:
    return optim.AdamW(parameters, lr=3e-3)


class Losses(Callback):
    """The mean loss so far, after each batch."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_batch_end(self, state: object) -> None:
        self.seen.append(state.loss.compute())


def trained(
    build: Callable[[], nn.Module], optimizer: Callable[..., optim.Optimizer], device: str, dtype: object
) -> tuple[list[float], dict[str, np.ndarray]]:
    """The losses of two epochs of three batches, the last of which is shorter, and of the test images; and
    what the model has learned."""
    parts = []
    for train, count in ((True, 80), (False, 40)):
        images = MNISTMini(train=train)
        x = images.data[:count].unsqueeze(1).to(dtype) / 255
        # A generator of its own: the default one is for dropout, and on a device it is another.
        own = verigrad.Generator()
        parts.append(DataLoader(TensorDataset(x, images.targets[:count]), batch_size=32, generator=own))
    verigrad.manual_seed(3)
    model = build().to(dtype).to(device)
    verigrad.manual_seed(4)  # each device has a generator of its own, and weights come from the CPU's
    losses = Losses()
    trainer = Trainer(
        model,
        nn.CrossEntropyLoss(),
        optimizer(model.parameters()),
        callbacks=[losses],
        progress=False,
    )
    history = trainer.fit(*parts, epochs=2)
    assert all(p.device.type == device and p.grad.device.type == device for p in model.parameters())
    values = {name: value.cpu().numpy() for name, value in model.state_dict().items()}
    return losses.seen + [row["val_loss"] for row in history], values


@pytest.mark.parametrize(("build", "optimizer"), [(mlp, sgd), (cnn, adamw)])
@pytest.mark.parametrize("dtype", [verigrad.float32, verigrad.float64], ids=str)
def test_mnist_is_learned_as_on_the_cpu(build, optimizer, dtype):
    wanted, there = trained(build, optimizer, "cpu", dtype)
    got, here = trained(build, optimizer, "cuda", dtype)
    assert len(got) == 8 and got[5] < got[0]
    # Six steps multiply the rounding errors of the first one.
    np.testing.assert_allclose(got, wanted, rtol=1000 * float(np.finfo(str(dtype).split(".")[1]).eps))
    assert here.keys() == there.keys()
    again, same = trained(build, optimizer, "cuda", dtype)
    assert again == got
    assert all(same[name].tobytes() == here[name].tobytes() for name in here)
