"""Ensembles: the mean of probabilities and their spread; bootstrap samples."""

import pytest

import verigrad
from verigrad import nn
from verigrad.training import Accuracy, Ensemble, bootstrap, evaluate
from verigrad.utils.data import DataLoader, TensorDataset


def members(count=3):
    verigrad.manual_seed(0)
    return [nn.Linear(2, 4) for _ in range(count)]


def deviation(each):
    return verigrad.from_numpy(each.detach().numpy().std(0))


def test_the_mean_and_the_spread():
    models = members()
    inputs = verigrad.randn(5, 2)
    each = verigrad.stack([nn.functional.softmax(model(inputs), dim=1) for model in models])
    ensemble = Ensemble(models)
    assert verigrad.allclose(ensemble(inputs), each.mean(0))
    assert verigrad.allclose(ensemble(inputs).sum(1), verigrad.ones(5))
    assert verigrad.allclose(ensemble.spread(inputs), deviation(each), atol=1e-6)
    plain = Ensemble(models, probabilities=False)
    outputs = verigrad.stack([model(inputs) for model in models])
    assert verigrad.allclose(plain(inputs), outputs.mean(0))
    assert verigrad.allclose(plain.spread(inputs), deviation(outputs), atol=1e-6)
    assert bool((Ensemble(models[:1]).spread(inputs) == 0).all())


def test_it_is_a_module():
    ensemble = Ensemble(members())
    again = Ensemble([nn.Linear(2, 4) for _ in range(3)])
    again.load_state_dict(ensemble.state_dict())
    inputs = verigrad.randn(4, 2)
    assert verigrad.equal(ensemble(inputs), again(inputs))
    data = [(inputs, verigrad.tensor([0, 1, 2, 3]))]
    assert 0 <= evaluate(ensemble, data, metrics={"accuracy": Accuracy()})["accuracy"] <= 1


def test_what_is_no_ensemble():
    with pytest.raises(ValueError, match="Ensemble: expected at least one model"):
        Ensemble([])
    with pytest.raises(TypeError, match="Ensemble: expected models, got function"):
        Ensemble([lambda x: x])


def test_bootstrap():
    dataset = TensorDataset(verigrad.arange(200))
    generator = verigrad.Generator()
    generator.manual_seed(3)
    position = generator.get_state()
    drawn = bootstrap(dataset, generator)
    values = [int(one[0].item()) for one in drawn]
    assert len(values) == 200 and all(0 <= value < 200 for value in values)
    assert 100 < len(set(values)) < 150  # 1 - 1/e of them
    generator.set_state(position)
    assert bootstrap(dataset, generator).indices == drawn.indices
    assert sum(len(batch[0]) for batch in DataLoader(drawn, batch_size=32)) == 200
    with pytest.raises(ValueError, match="bootstrap: expected a dataset with samples"):
        bootstrap([])
