"""The networks: shapes, parameters counted by hand, names of the state_dict, and PyTorch's logits."""

import numpy as np
import pytest

import verigrad
from verigrad import nn
from verigrad.vision import models

# Name -> the network for a number of classes and channels, and the shape of an image.
MAKERS = {
    "lenet": (models.LeNet5, (28, 28)),
    "cnn": (models.MNISTCNN, (28, 28)),
    "resnet": (models.small_resnet18, (16, 12)),
}


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


def test_parameters_counted_by_hand():
    lenet = 6 * (25 + 1) + 16 * (6 * 25 + 1) + 120 * (400 + 1) + 84 * (120 + 1) + 10 * (84 + 1)
    assert count(models.LeNet5()) == lenet == 61706
    assert count(models.LeNet5(26, 3)) == lenet + 2 * 6 * 25 + 16 * 85
    cnn = 9 * (1 * 16 + 16 * 16 + 16 * 32 + 32 * 32) + 2 * (16 + 16 + 32 + 32) + 10 * (32 * 49 + 1)
    assert count(models.MNISTCNN()) == cnn == 32154
    cnn = 9 * (1 * 32 + 32 * 32 + 32 * 64 + 64 * 64) + 2 * (32 + 32 + 64 + 64) + 10 * (64 * 49 + 1)
    assert count(models.MNISTCNN(channels=32)) == cnn == 96554
    # Each block: two convolutions of 3 x 3, two pairs for normalisation; three have a shortcut of 1 x 1.
    blocks = 0
    for before, width in (
        (64, 64),
        (64, 64),
        (64, 128),
        (128, 128),
        (128, 256),
        (256, 256),
        (256, 512),
        (512, 512),
    ):
        blocks += 9 * width * (before + width) + 4 * width
        blocks += (before * width + 2 * width) if before != width else 0
    assert count(models.small_resnet18()) == 9 * 3 * 64 + 128 + blocks + 513 * 10 == 11173962
    # GoogLeNet's block 3a (table 1 of the paper).
    weights = 192 * 64 + 192 * 96 + 9 * 96 * 128 + 192 * 16 + 25 * 16 * 32 + 192 * 32
    assert count(models.InceptionBlock(192, 64, 96, 128, 16, 32, 32)) == weights + 2 * (
        64 + 96 + 128 + 16 + 32 + 32
    )


def test_names_of_the_state_dict():
    assert list(models.LeNet5().state_dict()) == [
        f"{layer}.{part}" for layer in ("conv1", "conv2", "fc1", "fc2", "fc3") for part in ("weight", "bias")
    ]
    norm = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    cnn = []
    for place in (0, 3, 7, 10):
        cnn += [f"features.{place}.weight", *(f"features.{place + 1}.{part}" for part in norm)]
    assert list(models.MNISTCNN().state_dict()) == [*cnn, "fc.weight", "fc.bias"]
    # Those of torchvision.models.resnet18.
    resnet = ["conv1.weight", *(f"bn1.{part}" for part in norm)]
    for stage in (1, 2, 3, 4):
        for block in (0, 1):
            for k in (1, 2):
                resnet += [
                    f"layer{stage}.{block}.conv{k}.weight",
                    *(f"layer{stage}.{block}.bn{k}.{part}" for part in norm),
                ]
            if stage > 1 and block == 0:
                resnet.append(f"layer{stage}.0.downsample.0.weight")
                resnet += [f"layer{stage}.0.downsample.1.{part}" for part in norm]
    assert list(models.small_resnet18().state_dict()) == [*resnet, "fc.weight", "fc.bias"]
    inception = []
    for branch in ("branch1", "branch2.0", "branch2.1", "branch3.0", "branch3.1", "branch4.1"):
        inception += [f"{branch}.conv.weight", *(f"{branch}.bn.{part}" for part in norm)]
    assert list(models.InceptionBlock(4, 1, 1, 1, 1, 1, 1).state_dict()) == inception


@pytest.mark.parametrize("name", MAKERS)
def test_shapes(name):
    make, size = MAKERS[name]
    model = make(7, 2)
    for batch in (2, 5):
        assert tuple(model(verigrad.randn(batch, 2, *size)).shape) == (batch, 7)
    model.eval()
    for batch in (0, 1, 2):
        assert tuple(model(verigrad.randn(batch, 2, *size)).shape) == (batch, 7)
    with pytest.raises(RuntimeError):
        model(verigrad.zeros(1, 3, *size))


def test_the_inception_block():
    block = models.InceptionBlock(6, 4, 3, 5, 2, 3, 1)
    for batch in (1, 3):
        assert tuple(block(verigrad.randn(batch, 6, 9, 7)).shape) == (batch, 13, 9, 7)
    assert tuple(block.eval()(verigrad.randn(0, 6, 9, 7)).shape) == (0, 13, 9, 7)
    assert block.branch3[1].conv.kernel_size == (5, 5)
    assert block.branch1.bn.eps == 0.001


def test_images_of_another_size_or_depth():
    assert tuple(models.small_resnet18(in_channels=1).eval()(verigrad.zeros(1, 1, 28, 28)).shape) == (1, 10)
    for make in (models.LeNet5, models.MNISTCNN):
        with pytest.raises(RuntimeError):
            make().eval()(verigrad.zeros(1, 1, 32, 32))
    with pytest.raises(ValueError, match="expected the blocks of 4 stages"):
        models.ResNet(models.BasicBlock, (2, 2))
    small = models.SmallResNet(models.BasicBlock, (1, 1, 1, 1), 3, 1)
    assert len(small.layer2) == 1 and small.layer2[0].stride == 2
    assert tuple(small.eval()(verigrad.zeros(1, 1, 8, 8)).shape) == (1, 3)


def test_dropout_is_where_it_is_said():
    for make, size in MAKERS.values():
        model = make(10, 1, dropout=0.5)
        assert model.dropout.p == 0.5
        images = verigrad.randn(4, 1, *size)
        assert not verigrad.equal(model(images), model(images))
        model.eval()
        assert verigrad.equal(model(images), model(images))


def test_initialisation_of_the_resnet():
    verigrad.manual_seed(0)
    weight = models.small_resnet18().layer3[1].conv1.weight
    assert weight.detach().numpy().std() == pytest.approx(np.sqrt(2 / (256 * 9)), rel=0.01)


@pytest.mark.parametrize("name", MAKERS)
def test_seeds(name):
    make, _ = MAKERS[name]
    states = []
    for seed in (1, 1, 2):
        verigrad.manual_seed(seed)
        states.append(make(10, 1).state_dict())
    assert all(verigrad.equal(states[0][key], states[1][key]) for key in states[0])
    first = next(iter(states[0]))
    assert not verigrad.equal(states[0][first], states[2][first])


# The same networks in PyTorch, written down on their own.


def torch_lenet(torch):
    layers = torch.nn

    class LeNet(layers.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.conv2 = layers.Conv2d(1, 6, 5, padding=2), layers.Conv2d(6, 16, 5)
            self.fc1, self.fc2, self.fc3 = (
                layers.Linear(400, 120),
                layers.Linear(120, 84),
                layers.Linear(84, 10),
            )

        def forward(self, x):
            f = layers.functional
            x = f.max_pool2d(f.relu(self.conv1(x)), 2)
            x = f.max_pool2d(f.relu(self.conv2(x)), 2).flatten(1)
            return self.fc3(f.relu(self.fc2(f.relu(self.fc1(x)))))

    return LeNet()


def torch_cnn(torch):
    layers = torch.nn

    class CNN(layers.Module):
        def __init__(self):
            super().__init__()
            made = []
            for before, width in ((1, 16), (16, 16), (16, 32), (32, 32)):
                made += [
                    layers.Conv2d(before, width, 3, 1, 1, bias=False),
                    layers.BatchNorm2d(width),
                    layers.ReLU(),
                ]
                if before == width:
                    made.append(layers.MaxPool2d(2))
            self.features, self.fc = layers.Sequential(*made), layers.Linear(1568, 10)

        def forward(self, x):
            return self.fc(self.features(x).flatten(1))

    return CNN()


def torch_resnet(torch):
    layers = torch.nn

    class Block(layers.Module):
        def __init__(self, before, width, stride):
            super().__init__()
            self.conv1 = layers.Conv2d(before, width, 3, stride, 1, bias=False)
            self.bn1 = layers.BatchNorm2d(width)
            self.conv2 = layers.Conv2d(width, width, 3, 1, 1, bias=False)
            self.bn2 = layers.BatchNorm2d(width)
            self.downsample = layers.Sequential()
            if stride == 2:
                self.downsample = layers.Sequential(
                    layers.Conv2d(before, width, 1, 2, bias=False), layers.BatchNorm2d(width)
                )

        def forward(self, x):
            inner = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
            return torch.relu(inner + self.downsample(x))

    class Net(layers.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.bn1 = layers.Conv2d(1, 64, 3, 1, 1, bias=False), layers.BatchNorm2d(64)
            for stage, (before, width) in enumerate(((64, 64), (64, 128), (128, 256), (256, 512)), 1):
                pair = Block(before, width, 1 if stage == 1 else 2), Block(width, width, 1)
                setattr(self, f"layer{stage}", layers.Sequential(*pair))
            self.fc = layers.Linear(512, 10)

        def forward(self, x):
            x = torch.relu(self.bn1(self.conv1(x)))
            x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
            return self.fc(x.mean((2, 3)))

    return Net()


TWINS = {"lenet": torch_lenet, "cnn": torch_cnn, "resnet": torch_resnet}


def moved_statistics(model):
    """Running statistics that are not those of a new network."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])
@pytest.mark.parametrize("name", MAKERS)
def test_the_logits_are_pytorchs(name, dtype, tolerance):
    torch = pytest.importorskip("torch")
    make, size = MAKERS[name]
    verigrad.manual_seed(0)
    model = make(10, 1, dropout=0.0)
    moved_statistics(model)
    model.to(getattr(verigrad, dtype))
    twin = TWINS[name](torch).to(getattr(torch, dtype))
    twin.load_state_dict(
        {key: torch.from_numpy(value.numpy().copy()) for key, value in model.state_dict().items()}
    )
    images = np.random.default_rng(0).normal(size=(8, 1, *size)).astype(dtype)
    for training in (True, False):
        model.train(training)
        twin.train(training)
        with torch.no_grad(), verigrad.no_grad():
            wanted = twin(torch.from_numpy(images)).numpy()
            found = model(verigrad.from_numpy(images)).numpy()
        scale = max(1.0, float(np.abs(wanted).max()))
        assert np.abs(found - wanted).max() <= tolerance * scale
    for key, value in twin.state_dict().items():  # the running statistics moved alike
        np.testing.assert_allclose(model.state_dict()[key].numpy(), value.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", MAKERS)
def test_the_gradients_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    make, size = MAKERS[name]
    verigrad.manual_seed(1)
    model = make(10, 1, dropout=0.0).to(verigrad.float64)
    twin = TWINS[name](torch).double()
    twin.load_state_dict(
        {key: torch.from_numpy(value.numpy().copy()) for key, value in model.state_dict().items()}
    )
    images, labels = np.random.default_rng(0).normal(size=(4, 1, *size)), np.array([0, 3, 9, 1])
    nn.functional.cross_entropy(model(verigrad.from_numpy(images)), verigrad.from_numpy(labels)).backward()
    torch.nn.functional.cross_entropy(twin(torch.from_numpy(images)), torch.from_numpy(labels)).backward()
    gradients = {key: parameter.grad.numpy() for key, parameter in twin.named_parameters()}
    for key, parameter in model.named_parameters():
        scale = np.abs(gradients[key]).max()
        assert np.abs(parameter.grad.numpy() - gradients[key]).max() <= 1e-9 * max(scale, 1e-3), key


@pytest.mark.parametrize(
    ("name", "block", "layers"),
    [("resnet18", 1, (2, 2, 2, 2)), ("resnet34", 1, (3, 4, 6, 3)), ("resnet50", 4, (3, 4, 6, 3))],
)
def test_the_imagenet_family(name, block, layers):
    """The weights that the paper's table 1 asks for, and the shape of the answer."""
    model = getattr(models, name)(num_classes=7)
    expected, inplanes = 7 * 7 * 3 * 64 + 2 * 64, 64
    for stage, count_of_blocks in enumerate(layers):
        planes = 64 * 2**stage
        for _ in range(count_of_blocks):
            out = planes * block
            if block == 1:
                expected += 9 * planes * (inplanes + planes) + 4 * planes
            else:
                expected += planes * inplanes + 9 * planes * planes + planes * out + 4 * planes + 2 * out
            if inplanes != out:
                expected += inplanes * out + 2 * out
            inplanes = out
    assert count(model) == expected + (inplanes + 1) * 7
    assert tuple(model.eval()(verigrad.zeros(1, 3, 40, 40)).shape) == (1, 7)
    assert isinstance(model.maxpool, nn.MaxPool2d) and model.conv1.kernel_size == (7, 7)
    keys = list(model.state_dict())
    parts = ["conv1", "bn1", "conv2", "bn2"] + ["conv3", "bn3"] * (block == 4)
    assert {key.split(".")[2] for key in keys if key.startswith("layer2.0.")} == {*parts, "downsample"}
    zeroed = getattr(models, name)(zero_init_residual=True).layer1[0]
    last = zeroed.bn2 if block == 1 else zeroed.bn3
    assert last.weight.sum().item() == 0 and zeroed.bn1.weight.min().item() == 1


def test_weights_are_not_downloaded():
    for name in ("resnet18", "resnet34", "resnet50"):
        with pytest.raises(
            ValueError, match=f"{name}: expected weights=None.* got 'DEFAULT'; load_state_dict"
        ):
            getattr(models, name)(weights="DEFAULT")
    with pytest.raises(ValueError, match="only supports groups=1"):
        models.resnet18(groups=2)
    assert models.resnet50(groups=32, width_per_group=4).layer1[0].conv2.groups == 32
