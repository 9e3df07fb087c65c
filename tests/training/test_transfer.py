"""Transfer learning: what is frozen, the new head, and rates for each layer."""

import pytest

import verigrad
from verigrad import nn, optim
from verigrad.training import Trainer, discriminative_rates, freeze, replace_head, unfreeze
from verigrad.vision import models


def network():
    body = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 4))
    return nn.Sequential(body, nn.ReLU(), nn.Linear(4, 3))


def test_freezing():
    model = network()
    assert freeze(model, "0.0", "2.bias") == ["0.0.weight", "0.0.bias", "2.bias"]
    assert [one.requires_grad for one in model.parameters()] == [False, False, True, True, True, False]
    assert unfreeze(model, "0") == ["0.0.weight", "0.0.bias", "0.2.weight", "0.2.bias"]
    assert freeze(model) == [name for name, _ in model.named_parameters()]
    assert not any(one.requires_grad for one in model.parameters())
    for act in (freeze, unfreeze):
        for name in ("3", "0.0.w", ""):
            with pytest.raises(ValueError, match=f"{act.__name__}: expected names of modules or parameters"):
                act(model, name)


def test_frozen_parameters_stay_in_training():
    model = network()
    freeze(model, "0")
    before = {name: one.detach().clone() for name, one in model.named_parameters()}
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    trainer = Trainer(model, nn.CrossEntropyLoss(), optimizer, progress=False)
    trainer.fit([(verigrad.randn(6, 2), verigrad.tensor([0, 1, 2, 0, 1, 2]))], epochs=2)
    for name, one in model.named_parameters():
        assert verigrad.equal(before[name], one) == name.startswith("0."), name


def test_a_new_head():
    model = network().double()
    freeze(model)
    head = replace_head(model, 7)
    assert model[2] is head and (head.in_features, head.out_features) == (4, 7)
    assert head.weight.dtype == verigrad.float64 and head.weight.requires_grad
    assert tuple(model(verigrad.zeros(5, 2, dtype=verigrad.float64)).shape) == (5, 7)
    bare = nn.Sequential(nn.Linear(2, 4, bias=False))
    assert replace_head(bare, 2).bias is None
    resnet = models.small_resnet18(10, in_channels=1)
    assert replace_head(resnet, 3) is resnet.fc
    for bad in (0, 2.0):
        with pytest.raises(ValueError, match="replace_head: expected outputs"):
            replace_head(model, bad)
    with pytest.raises(ValueError, match="expected a model with a Linear layer"):
        replace_head(nn.Sequential(nn.ReLU()), 2)


def test_rates_for_each_layer():
    model = network()
    groups = discriminative_rates(model, 0.26)
    assert [group["lr"] for group in groups] == pytest.approx([0.1, 0.26])
    assert [len(group["params"]) for group in groups] == [4, 2]
    assert len(optim.SGD(groups, lr=1.0).param_groups) == 2
    freeze(model, "0.0", "2")
    (group,) = discriminative_rates(model, 0.26, factor=2)
    assert (group["lr"], len(group["params"])) == (0.26, 2)
    freeze(model)
    with pytest.raises(ValueError, match="expected parameters that require gradients"):
        discriminative_rates(model, 0.1)
    for options in ((0.0,), (0.1, 0.0), (float("nan"),)):
        with pytest.raises(ValueError, match="expected lr and factor above 0"):
            discriminative_rates(model, *options)


def test_shared_and_own_parameters_come_once():
    model = network()
    model.scale = nn.Parameter(verigrad.ones(1))
    model[2].weight = nn.Parameter(verigrad.ones(3, 4))
    model.append(nn.Linear(4, 3))
    model[3].weight = model[2].weight
    groups = discriminative_rates(model, 1.0, factor=10)
    assert [len(group["params"]) for group in groups] == [4, 2, 1, 1]
    assert [group["lr"] for group in groups] == pytest.approx([1e-3, 1e-2, 1e-1, 1])
