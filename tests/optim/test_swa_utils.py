"""Averages of weights: the mean, the exponential mean, batch normalisation, and the schedule."""

import copy
import inspect
import warnings

import pytest

import verigrad as vg
from verigrad import nn, optim
from verigrad.optim import swa_utils
from verigrad.optim.swa_utils import (
    SWALR,
    AveragedModel,
    get_ema_avg_fn,
    get_ema_multi_avg_fn,
    get_swa_avg_fn,
    get_swa_multi_avg_fn,
    update_bn,
)


def net():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def changes(model, count):
    """Puts other numbers into parameters and buffers, and yields after each."""
    for number in range(count):
        vg.manual_seed(number)
        with vg.no_grad():
            for tensor in (*model.parameters(), *model.buffers()):
                if tensor.is_floating_point():
                    tensor.copy_(vg.rand(tensor.shape))
                else:
                    tensor.fill_(3 * number * number)
        yield number


def values_of(model):
    return {name: each.detach().clone() for name, each in model.state_dict().items()}


@pytest.mark.parametrize("multi", [False, True])
@pytest.mark.parametrize("use_buffers", [False, True])
def test_the_mean_of_all(multi, use_buffers):
    model = net()
    options = {"multi_avg_fn": get_swa_multi_avg_fn()} if multi else {}
    average = AveragedModel(model, use_buffers=use_buffers, **options)
    seen = []
    for _ in changes(model, 5):
        average.update_parameters(model)
        seen.append(values_of(model))
    assert average.n_averaged.item() == 5 and average.n_averaged.dtype == vg.int64
    parameters = {name for name, _ in model.named_parameters()}
    for name, value in average.module.state_dict().items():
        if not value.is_floating_point():
            # 0, 3, 12, 27, 48: the mean of integers is cut off each time.
            assert value.item() == (16 if use_buffers else 48)
        elif name in parameters or use_buffers:
            expected = sum(each[name] for each in seen) / 5
            assert vg.allclose(value, expected, rtol=0, atol=1e-6), name
        else:
            assert vg.equal(value, seen[-1][name]), name
    assert all(vg.equal(value, seen[-1][name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("options", [{"avg_fn": get_ema_avg_fn}, {"multi_avg_fn": get_ema_multi_avg_fn}])
def test_the_exponential_mean(decay, options):
    model = net().double()
    average = AveragedModel(model, **{name: make(decay) for name, make in options.items()})
    expected = None
    for _ in changes(model, 6):
        average.update_parameters(model)
        now = values_of(model[0])
        expected = expected or now
        expected = {name: decay * expected[name] + (1 - decay) * now[name] for name in now}
        for name, value in average.module[0].state_dict().items():
            assert vg.allclose(value, expected[name], rtol=1e-14, atol=1e-15)
    if decay == 0.0:
        assert vg.equal(average.module[0].weight, model[0].weight)


def test_functions_of_the_user():
    model = net()
    largest = AveragedModel(model, avg_fn=lambda average, value, count: vg.maximum(average, value))
    counts = []

    def note(averages, values, count):
        counts.append((len(averages), averages[0].dtype, int(count)))
        assert all(a.shape == v.shape and not v.requires_grad for a, v in zip(averages, values, strict=True))

    noted = AveragedModel(model, multi_avg_fn=note, use_buffers=True)
    seen = []
    for _ in changes(model, 3):
        largest.update_parameters(model)
        noted.update_parameters(model)
        seen.append(model[0].weight.detach().clone())
    assert vg.equal(largest.module[0].weight, vg.stack(seen).amax(0))
    assert counts == [(8, vg.float32, 1), (1, vg.int64, 1), (8, vg.float32, 2), (1, vg.int64, 2)]


def test_an_averaged_model_is_a_module_of_its_own():
    model = net()
    average = AveragedModel(model)
    assert list(average.state_dict()) == ["n_averaged", *(f"module.{name}" for name in model.state_dict())]
    x = vg.randn(5, 3)
    model.eval()
    average.eval()
    before = average(x)
    assert vg.equal(before, model(x))
    for _ in changes(model, 2):
        average.update_parameters(model)
    again = AveragedModel(net())
    again.load_state_dict(average.state_dict())
    assert vg.equal(again.eval()(x), average(x)) and not vg.equal(before, average(x))
    assert average.module[0].weight.requires_grad and average.module[0].weight.grad_fn is None
    assert all(p.is_leaf for p in average.parameters())


def test_the_model_may_be_inside_of_another():
    model = net()
    average = AveragedModel(model)
    average.update_parameters(nn.Sequential(model))
    assert vg.equal(average.module[0].weight, model[0].weight)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: nn.Sequential(*net(), nn.Linear(2, 2)), r"expected parameter no more, got shape \[2, 2\]"),
        (lambda: net()[:1], r"expected parameter '1.weight' \[4\], got none"),
        (
            lambda: nn.Sequential(nn.Linear(3, 5)),
            r"expected parameter '0.weight' \[4, 3\], got shape \[5, 3\]",
        ),
        (
            lambda: nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2)),
            r"expected buffer '1.running_mean' \[4\], got none",
        ),
    ],
)
def test_another_model_is_refused(other, message):
    average = AveragedModel(net())
    before = values_of(average)
    with pytest.raises(ValueError, match="update_parameters: " + message):
        average.update_parameters(other())
    assert all(vg.equal(value, before[name]) for name, value in average.state_dict().items())


def test_errors():
    with pytest.raises(AssertionError, match="Only one of avg_fn and multi_avg_fn"):
        AveragedModel(net(), avg_fn=get_swa_avg_fn(), multi_avg_fn=get_swa_multi_avg_fn())
    for make in (get_ema_avg_fn, get_ema_multi_avg_fn):
        for decay in (-0.1, 1.1, float("nan")):
            with pytest.raises(ValueError, match="Invalid decay value"):
                make(decay)


# Batch normalisation.


def test_statistics_are_computed_anew():
    vg.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(3, 4), nn.BatchNorm1d(4, momentum=0.3), nn.BatchNorm1d(4), nn.Dropout(0.5)
    )
    model[2].eval()
    model[3].eval()
    model[1].running_mean.fill_(100.0)
    batches = [vg.randn(8, 3) for _ in range(5)]
    for loader in (batches, [(x, vg.zeros(8)) for x in batches], ([x] for x in batches)):
        model[1].num_batches_tracked.fill_(9)
        update_bn(loader, model)
        hidden = vg.stack([model[0](x).detach() for x in batches])
        variance = (hidden - hidden.mean(1, keepdim=True)).pow(2).sum(1) / 7
        assert vg.allclose(model[1].running_mean, hidden.mean([0, 1]), atol=1e-6)
        assert vg.allclose(model[1].running_var, variance.mean(0), atol=1e-6)
        assert model[1].num_batches_tracked.item() == model[2].num_batches_tracked.item() == 5
    assert [layer.momentum for layer in (model[1], model[2])] == [0.3, 0.1]
    assert [module.training for module in model] == [True, True, False, False]
    assert model.training and all(p.grad is None for p in model.parameters())


def test_a_failing_pass_leaves_modes_and_momenta():
    model = net().eval()
    with pytest.raises(RuntimeError):
        update_bn([vg.randn(8, 3), vg.randn(8, 5)], model)
    assert model[1].momentum == 0.1 and not any(module.training for module in model.modules())


def test_a_model_without_batch_normalisation_is_not_run():
    def refuse():
        raise AssertionError
        yield

    update_bn(refuse(), nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4)))


# The schedule.


def test_the_schedule_goes_to_a_constant():
    optimizer = optim.SGD([{"params": nn.Parameter(vg.ones(1)), "lr": lr} for lr in (0.1, 0.5)])
    scheduler = SWALR(optimizer, [0.05, 0.5], anneal_epochs=4, anneal_strategy="linear")
    rows = []
    for _ in range(7):
        rows.append(scheduler.get_last_lr())
        optimizer.step()
        scheduler.step()
    expected = [[0.1 - 0.0125 * min(t, 4), 0.5] for t in range(7)]
    assert rows == [pytest.approx(row, rel=1e-12) for row in expected]
    assert optimizer.param_groups[0]["swa_lr"] == 0.05


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"anneal_strategy": "other"}, "anneal_strategy must be one of 'cos' or 'linear', instead got other"),
        ({"anneal_epochs": -1}, "anneal_epochs must be equal or greater than 0, got -1"),
        ({"anneal_epochs": 2.5}, "anneal_epochs must be equal or greater than 0, got 2.5"),
        ({"swa_lr": [0.1, 0.2]}, "swa_lr must have the same length"),
    ],
)
def test_bad_schedules(options, message):
    optimizer = optim.SGD([nn.Parameter(vg.ones(1))], lr=0.1)
    with pytest.raises(ValueError, match=message):
        SWALR(optimizer, **{"swa_lr": 0.1, **options})
    assert "swa_lr" not in optimizer.param_groups[0]
    with pytest.raises(TypeError, match="int is not an Optimizer"):
        SWALR(3, 0.1)


# PyTorch.


def test_names_and_signatures_of_torch():
    torch = pytest.importorskip("torch")
    theirs = torch.optim.swa_utils
    assert set(swa_utils.__all__) == set(theirs.__all__)
    for name in swa_utils.__all__:
        own, other = (
            [(p.name, p.default) for p in inspect.signature(getattr(lib, name)).parameters.values()]
            for lib in (swa_utils, theirs)
        )
        assert own == other, name


MAKERS = {
    "default": lambda lib: {},
    "swa": lambda lib: {"avg_fn": lib.get_swa_avg_fn()},
    "swa of several": lambda lib: {"multi_avg_fn": lib.get_swa_multi_avg_fn()},
    "ema": lambda lib: {"avg_fn": lib.get_ema_avg_fn(0.8)},
    "ema of several": lambda lib: {"multi_avg_fn": lib.get_ema_multi_avg_fn(0.8)},
    "short ema of several": lambda lib: {"multi_avg_fn": lib.get_ema_multi_avg_fn(0.2)},
}


# PyTorch's mean of several refuses integer buffers.
@pytest.mark.parametrize(
    ("name", "use_buffers"),
    [(name, flag) for name in MAKERS for flag in (False, True) if not flag or name != "swa of several"],
)
def test_averages_of_torch(name, use_buffers):
    """Trained alike, with batch normalisation."""
    torch = pytest.importorskip("torch")
    maker = MAKERS[name]
    vg.manual_seed(0)
    model = net().double()
    other = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2)
    ).double()
    other.load_state_dict({name: torch.tensor(v.tolist()) for name, v in model.state_dict().items()})
    averages = []
    data = [vg.randn(6, 3) for _ in range(8)]
    for lib, one in ((vg, model), (torch, other)):
        optimizer = lib.optim.SGD(one.parameters(), lr=0.01, momentum=0.9)
        average = lib.optim.swa_utils.AveragedModel(
            one, **maker(lib.optim.swa_utils), use_buffers=use_buffers
        )
        batches = [lib.tensor(x.tolist(), dtype=lib.float64) for x in data]
        for batch in batches:
            optimizer.zero_grad()
            one(batch).pow(2).sum().backward()
            optimizer.step()
            average.update_parameters(one)
        averages.append({name: value.tolist() for name, value in average.state_dict().items()})
        lib.optim.swa_utils.update_bn(batches, average)
        averages.append({name: value.tolist() for name, value in average.state_dict().items()})

    def flat(state):
        return vg.cat([vg.tensor(value, dtype=vg.float64).reshape(-1) for value in state.values()])

    # PyTorch takes the weight of that mean in float32.
    tolerance = 1e-6 if name == "swa of several" else 1e-12
    for own, theirs in zip(averages[:2], averages[2:], strict=True):
        assert own.keys() == theirs.keys()
        assert vg.allclose(flat(own), flat(theirs), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [None, "float32"])
def test_schedule_of_torch(dtype):
    torch = pytest.importorskip("torch")
    for epochs in (0, 1, 7, 60):
        for strategy in ("cos", "linear"):
            for swa_lr in (0.05, [0.3, 1e-4]):
                for before in (0, 40):
                    runs = []
                    for lib in (vg, torch):
                        rates = [lib.tensor(x) if dtype else x for x in (0.1, 0.5)]
                        groups = [{"params": [lib.nn.Parameter(lib.ones(1))], "lr": rate} for rate in rates]
                        optimizer = lib.optim.SGD(groups)
                        first = lib.optim.lr_scheduler.ExponentialLR(optimizer, 0.99)
                        scheduler = lib.optim.swa_utils.SWALR(optimizer, swa_lr, epochs, strategy)
                        optimizer.step()
                        rows = []
                        for step in range(100 + before):
                            (first if step < before else scheduler).step()
                            rows.append([float(group["lr"]) for group in optimizer.param_groups])
                        state = {k: v for k, v in scheduler.state_dict().items() if not k.startswith("_is")}
                        state.pop("_get_lr_called_within_step", None)
                        runs.append((rows, repr(sorted(state)), state["_anneal_strategy"]))
                    assert runs[0] == runs[1]


def test_a_state_of_torch_is_taken_over():
    torch = pytest.importorskip("torch")
    schedulers = []
    for lib in (torch, vg):
        optimizer = lib.optim.SGD([lib.nn.Parameter(lib.ones(1))], lr=0.1)
        schedulers.append(lib.optim.swa_utils.SWALR(optimizer, 0.01, 9, "linear"))
        optimizer.step()
    theirs, ours = schedulers
    for _ in range(4):
        theirs.step()
    ours.load_state_dict(copy.deepcopy(theirs.state_dict()))
    ours.optimizer.param_groups[0]["lr"] = theirs.optimizer.param_groups[0]["lr"]
    with warnings.catch_warnings():
        for _ in range(9):
            theirs.step()
            ours.step()
            assert ours.get_last_lr() == theirs.get_last_lr()
