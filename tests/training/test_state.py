"""TrainState: a run goes on from its state, bit for bit, from any place; other runs' states are refused."""

import hashlib
import warnings

import pytest

import verigrad
from verigrad import nn, optim
from verigrad.training import (
    Accuracy,
    Callback,
    Checkpoints,
    EarlyStopping,
    LRScheduler,
    ModelCheckpoint,
    Trainer,
    TrainState,
    random_state,
    set_random_state,
)
from verigrad.utils.data import DataLoader, TensorDataset


def data(n=26):
    generator = verigrad.Generator()
    generator.manual_seed(5)
    points = verigrad.randn(n, 3, generator=generator)
    return TensorDataset(points, (points.sum(1) > 0).long())


class Ended(Exception):
    pass


class EndAfter(Callback):
    """Stands for a crash after so many checkpoints."""

    def __init__(self, count):
        self.left = count

    def on_checkpoint(self, state):
        self.left -= 1
        if not self.left:
            raise Ended


def own_generator():
    generator = verigrad.Generator()
    generator.manual_seed(9)
    return generator


LOADERS = {
    "order from the default generator": lambda: DataLoader(data(), batch_size=4, shuffle=True),
    "order from its own": lambda: DataLoader(data(), batch_size=4, shuffle=True, generator=own_generator()),
    "last batch dropped": lambda: DataLoader(data(), batch_size=4, shuffle=True, drop_last=True),
    "two workers": lambda: DataLoader(data(), batch_size=4, shuffle=True, num_workers=2),
    "a list of batches": lambda: list(DataLoader(data(), batch_size=4)),
}
OPTIMIZERS = {
    "sgd": lambda parameters: optim.SGD(parameters, lr=0.1, momentum=0.9),
    "adam": lambda parameters: optim.Adam(parameters, lr=0.02),
}


def run(folder, loader, optimizer="adam", accumulate=1, crash=None, resume=False, epochs=3):
    """Hash of the weights, generators and history at the end of a run with all that keeps a state."""
    verigrad.manual_seed(1)
    model = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 2))
    made = OPTIMIZERS[optimizer](model.parameters())
    callbacks = [
        EarlyStopping(patience=3, restore_best_weights=True),
        LRScheduler(optim.lr_scheduler.StepLR(made, step_size=2, gamma=0.9), "step"),
        ModelCheckpoint(Checkpoints(folder, keep_last=2), every_steps=1),
    ]
    if crash is not None:
        callbacks.append(EndAfter(crash))
    trainer = Trainer(
        model,
        nn.CrossEntropyLoss(),
        made,
        scheduler=optim.lr_scheduler.StepLR(made, step_size=1, gamma=0.5),
        metrics=["accuracy", "f1"],
        callbacks=callbacks,
        accumulate=accumulate,
        progress=False,
    )
    validation = DataLoader(data(), batch_size=13, shuffle=True)
    history = trainer.fit(loader, validation, epochs, resume=resume)
    digest = hashlib.sha256()
    for tensor in [*model.state_dict().values(), verigrad.get_rng_state()]:
        digest.update(tensor.numpy().tobytes())
    digest.update(repr([{**row, "seconds": 0} for row in history]).encode())
    digest.update(repr((trainer.state.step, made.param_groups[0]["lr"])).encode())
    return digest.hexdigest()


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize(("optimizer", "accumulate"), [("adam", 1), ("sgd", 3)])
def test_a_run_that_goes_on_has_the_same_bits(tmp_path, name, optimizer, accumulate):
    options = {"optimizer": optimizer, "accumulate": accumulate}
    expected = run(tmp_path / "whole", LOADERS[name](), **options)
    # After the first batch, in the middle, after the last batch of an epoch, after its end, in the next one.
    for crash in (1, 4, 7, 8, 9) if accumulate == 1 else (1, 2, 3, 4):
        folder = tmp_path / str(crash)
        with pytest.raises(Ended):
            run(folder, LOADERS[name](), crash=crash, **options)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # the scheduler's about an order that is right
            assert run(folder, LOADERS[name](), resume=True, **options) == expected, crash


def test_a_run_that_broke_several_times(tmp_path):
    expected = run(tmp_path / "whole", LOADERS["order from the default generator"]())
    for _ in range(4):
        with pytest.raises(Ended):
            run(tmp_path / "run", LOADERS["order from the default generator"](), crash=4, resume=True)
    assert run(tmp_path / "run", LOADERS["order from the default generator"](), resume=True) == expected


def test_a_finished_run_has_nothing_left(tmp_path):
    loader = LOADERS["order from its own"]
    expected = run(tmp_path, loader())
    assert run(tmp_path, loader(), resume=True) == expected


def test_more_epochs_after_the_end(tmp_path):
    loader = LOADERS["order from its own"]
    run(tmp_path / "a", loader(), epochs=1)
    longer = run(tmp_path / "a", loader(), epochs=2, resume=True)
    assert longer == run(tmp_path / "b", loader(), epochs=2)


def parts():
    verigrad.manual_seed(1)
    model = nn.Linear(3, 2)
    return model, optim.SGD(model.parameters(), lr=0.1)


def test_a_loop_of_ones_own(tmp_path):
    def trained(folder, crash=None):
        model, optimizer = parts()
        loader = DataLoader(data(), batch_size=4, shuffle=True)
        scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=1)
        state = TrainState(model, optimizer, scheduler, loader)
        checkpoints = Checkpoints(folder)
        checkpoints.restore(state)
        while state.epoch < 3 or state.in_epoch:
            for points, labels in state.batches():
                optimizer.zero_grad()
                nn.functional.cross_entropy(nn.functional.dropout(model(points)), labels).backward()
                optimizer.step()
                state.step += 1
                if state.step % 2 == 0:
                    checkpoints.save(state)
                if state.step == crash:
                    return None
            scheduler.step()
            checkpoints.save(state)
        assert (state.epoch, state.step) == (3, 21)
        return model.weight.tolist()

    whole = trained(tmp_path / "whole")
    for crash in (1, 6, 7, 8, 15, 20):
        folder = tmp_path / str(crash)
        assert trained(folder, crash) is None
        assert trained(folder) == whole


def test_random_states():
    verigrad.manual_seed(3)
    before = random_state()
    assert list(before)[0] == "cpu"
    first = verigrad.rand(3)
    set_random_state(before)
    assert verigrad.equal(verigrad.rand(3), first)


# What does not fit


def saved_state(**changes):
    model, optimizer = parts()
    state = TrainState(model, optimizer, loader=[], metrics={"accuracy": Accuracy()})
    return {**state.state_dict(), **changes}


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.Linear(3, 4), RuntimeError, r"weight is \[2, 3\], not \[4, 3\]"),
        (lambda: nn.Sequential(nn.Linear(3, 2)), RuntimeError, "0.weight is missing"),
        (lambda: nn.Linear(3, 2, bias=False), RuntimeError, "bias is unknown"),
    ],
)
def test_the_state_of_another_model(make, error, message):
    model = make()
    before = {name: one.clone() for name, one in model.state_dict().items()}
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    state = TrainState(model, optimizer, loader=[], metrics={"accuracy": Accuracy()})
    with pytest.raises(error, match=f"resume: expected the state of this model.*{message}"):
        state.load_state_dict(saved_state())
    assert all(verigrad.equal(before[name], one) for name, one in model.state_dict().items())


def test_states_that_are_refused():
    model, optimizer = parts()
    state = TrainState(model, optimizer, loader=[], metrics={"accuracy": Accuracy()})
    for saved in ({}, {"format": 2}, [1], None):
        with pytest.raises(ValueError, match="resume: expected a training state of format 1"):
            state.load_state_dict(saved)
    with pytest.raises(ValueError, match="resume: expected the metrics"):
        state.load_state_dict(saved_state(metrics={}))
    with pytest.raises(ValueError, match="the state of the optimizer SGD, got that of Adam"):
        state.load_state_dict(saved_state(classes={"optimizer": "Adam", "scheduler": None}))
    with pytest.raises(ValueError, match="the state of the scheduler None, got that of StepLR"):
        state.load_state_dict(saved_state(classes={"optimizer": "SGD", "scheduler": "StepLR"}))
    with pytest.raises(ValueError, match="expected the kind of loader that was used before"):
        state.load_state_dict(saved_state(loader={"position": 3}))


def test_data_that_have_shrunk(tmp_path):
    with pytest.raises(Ended):
        run(tmp_path / "loader", DataLoader(data(), batch_size=4), crash=5)
    with pytest.raises(ValueError, match=r"expected the state of a loader with len\(dataset\)=20, got .* 26"):
        run(tmp_path / "loader", DataLoader(data(20), batch_size=4), resume=True)
    loader = list(DataLoader(data(), batch_size=4))
    with pytest.raises(Ended):
        run(tmp_path, loader, crash=5)
    with pytest.raises(RuntimeError, match="resume: expected a loader of at least the 5 batches .* got 3"):
        run(tmp_path, loader[:3], resume=True)


def test_a_metric_without_a_state(tmp_path):
    class Count:
        def reset(self):
            self.count = 0

        def update(self, output, target):
            self.count += 1

        compute = reset

    model, optimizer = parts()
    callbacks = [ModelCheckpoint(tmp_path)]
    trainer = Trainer(
        model,
        nn.CrossEntropyLoss(),
        optimizer,
        metrics={"n": Count()},
        callbacks=callbacks,
        progress=False,
    )
    with pytest.raises(TypeError, match="expected the metric 'n' to have state_dict, got Count"):
        trainer.fit(DataLoader(data(), batch_size=4))
