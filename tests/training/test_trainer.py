"""Trainer, evaluate and predict: what they compute, what callbacks see, and what they refuse."""

import math

import pytest

import verigrad
from verigrad import nn, optim
from verigrad.training import MODELS, Accuracy, Callback, Trainer, build_model, evaluate, mlp, predict
from verigrad.utils.data import DataLoader, TensorDataset


def blobs(n=40):
    """Two classes that a line separates."""
    generator = verigrad.Generator()
    generator.manual_seed(0)
    labels = verigrad.arange(n) % 2
    points = verigrad.randn(n, 2, generator=generator) + 4.0 * labels.reshape(n, 1).float()
    return TensorDataset(points, labels)


def parts(lr=0.1, seed=0):
    verigrad.manual_seed(seed)
    model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))
    return model, optim.SGD(model.parameters(), lr=lr, momentum=0.9)


def fit(model, train, validation=None, *, epochs, optimizer, loss=None, metrics=("accuracy",), **options):
    """Train in one call, without progress."""
    name = options.pop("validation_name", "val")
    options.setdefault("progress", False)
    trainer = Trainer(model, loss or nn.CrossEntropyLoss(), optimizer, metrics=metrics, **options)
    return trainer.fit(train, validation, epochs, validation_name=name)


def loader(**options):
    generator = verigrad.Generator()
    generator.manual_seed(1)
    return DataLoader(blobs(), batch_size=8, shuffle=True, generator=generator, **options)


def test_it_learns():
    model, optimizer = parts()
    history = fit(model, loader(), loader(), epochs=10, optimizer=optimizer)
    assert history.columns == [
        "epoch", "lr", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "seconds",
    ]  # fmt: skip
    assert history.column("epoch") == list(range(1, 11))
    assert history[-1]["val_accuracy"] >= 0.95
    assert history[-1]["train_loss"] < history[0]["train_loss"] / 2
    assert model.training


def test_augmentation_is_for_training_batches_only():
    seen = []

    def augment(points):
        seen.append(len(points))
        return points + 100.0

    class Watching(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(2, 2)
            self.means = {True: [], False: []}

        def forward(self, points):
            self.means[self.training].append(points.mean().item())
            return self.linear(points)

    model = Watching()
    optimizer = optim.SGD(model.parameters(), lr=1e-6)
    fit(model, loader(), loader(), epochs=2, optimizer=optimizer, augment=augment)
    assert seen == [8] * 10
    assert min(model.means[True]) > 90 and max(model.means[False]) < 10


def test_the_test_loss_may_be_another_one():
    model, optimizer = parts()
    smooth = nn.CrossEntropyLoss(label_smoothing=0.5)
    options = {"epochs": 1, "optimizer": optimizer, "loss": smooth}
    history = fit(model, loader(), loader(), validation_loss=nn.CrossEntropyLoss(), **options)
    assert history[-1]["val_loss"] == evaluate(model, loader(), nn.CrossEntropyLoss())["loss"]
    model, options["optimizer"] = parts()
    history = fit(model, loader(), loader(), **options)
    assert history[-1]["val_loss"] == evaluate(model, loader(), smooth)["loss"]


def test_it_does_what_the_loop_by_hand_does():
    model, optimizer = parts()
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    history = fit(model, loader(), epochs=3, optimizer=optimizer, scheduler=scheduler)
    assert history.column("lr") == [0.1, 0.05, 0.025]
    by_hand, optimizer = parts()
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    batches = loader()
    losses = []
    for _ in range(3):
        total = 0.0
        for points, labels in batches:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(by_hand(points), labels)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(labels)
        scheduler.step()
        losses.append(total / 40)
    assert history.column("train_loss") == losses
    for ours, theirs in zip(model.parameters(), by_hand.parameters(), strict=True):
        assert verigrad.equal(ours, theirs)


def test_evaluate_restores_the_mode_and_leaves_no_graph():
    model, _ = parts()
    seen = []

    class Watch(nn.Module):
        def forward(self, x):
            seen.append((self.training, x.requires_grad, verigrad.is_grad_enabled()))
            return model(x)

    watch = Watch()
    for mode in (True, False):
        watch.train(mode)
        result = evaluate(watch, loader(), nn.CrossEntropyLoss(), ["accuracy"])
        assert watch.training is mode
    assert set(seen) == {(False, False, False)}
    assert set(result) == {"loss", "accuracy"}
    dataset = blobs()
    whole = nn.functional.cross_entropy(model(dataset.tensors[0]), dataset.tensors[1]).item()
    assert math.isclose(result["loss"], whole, rel_tol=1e-5)


def test_the_mode_is_restored_after_an_error():
    model, _ = parts()
    with pytest.raises(RuntimeError):
        evaluate(model, [(verigrad.zeros(1, 3), verigrad.tensor([0]))])
    assert model.training


def test_own_loss_and_metrics():
    verigrad.manual_seed(0)
    model = nn.Linear(1, 1)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    x = verigrad.linspace(-1, 1, 16).reshape(16, 1)
    data = DataLoader(TensorDataset(x, 3 * x + 1), batch_size=4)
    history = fit(model, data, data, epochs=60, optimizer=optimizer, loss=nn.MSELoss(), metrics={})
    assert history.columns == ["epoch", "lr", "train_loss", "val_loss", "seconds"]
    assert history[-1]["val_loss"] < 1e-3
    assert abs(model.weight.item() - 3) < 0.1


def test_callbacks_are_called_in_order_and_can_stop():
    model, optimizer = parts()
    calls = []

    class Recorder(Callback):
        def __getattribute__(self, name):
            if name.startswith("on_"):
                return lambda state: calls.append(
                    (name[3:], state.epoch, state.batch, state.step, len(state.history))
                )
            return super().__getattribute__(name)

    class Stop(Callback):
        def on_epoch_end(self, state):
            state.stop = state.epoch == 2

    data = DataLoader(blobs(), batch_size=20)
    history = fit(model, data, epochs=5, optimizer=optimizer, callbacks=[Recorder(), Stop()])
    assert len(history) == 2
    assert calls == [
        ("start", 0, 0, 0, 0),
        ("epoch_start", 1, 0, 0, 0),
        ("batch_start", 1, 1, 0, 0),
        ("gradients", 1, 1, 0, 0),
        ("batch_end", 1, 1, 1, 0),
        ("checkpoint", 1, 1, 1, 0),
        ("batch_start", 1, 2, 1, 0),
        ("gradients", 1, 2, 1, 0),
        ("batch_end", 1, 2, 2, 0),
        ("checkpoint", 1, 2, 2, 0),
        ("epoch_end", 1, 2, 2, 1),
        ("checkpoint", 1, 2, 2, 1),
        ("epoch_start", 2, 0, 2, 1),
        ("batch_start", 2, 1, 2, 1),
        ("gradients", 2, 1, 2, 1),
        ("batch_end", 2, 1, 3, 1),
        ("checkpoint", 2, 1, 3, 1),
        ("batch_start", 2, 2, 3, 1),
        ("gradients", 2, 2, 3, 1),
        ("batch_end", 2, 2, 4, 1),
        ("checkpoint", 2, 2, 4, 1),
        ("epoch_end", 2, 2, 4, 2),
        ("checkpoint", 2, 2, 4, 2),
        ("end", 2, 2, 4, 2),
    ]


def test_on_end_is_called_after_an_error():
    model, optimizer = parts()
    ended = []

    class End(Callback):
        def on_end(self, state):
            ended.append(state.epoch)

    with pytest.raises(TypeError):
        fit(model, [5], epochs=1, optimizer=optimizer, callbacks=[End()])
    assert ended == [1]


@pytest.mark.parametrize("epochs", [0, -1, 1.5, True, "3", None])
def test_epochs_that_are_refused(epochs):
    model, optimizer = parts()
    with pytest.raises(ValueError, match="fit: expected epochs to be a positive int"):
        fit(model, loader(), epochs=epochs, optimizer=optimizer)


def test_loaders_that_are_refused():
    model, optimizer = parts()
    with pytest.raises(ValueError, match="fit: expected train to have at least one batch"):
        fit(model, [], epochs=1, optimizer=optimizer)
    with pytest.raises(ValueError, match="evaluate: expected a loader with at least one sample"):
        fit(model, loader(), [], epochs=1, optimizer=optimizer)
    points = verigrad.zeros(1, 2)
    for batch in (points, (points,), (points, points, points), 5):
        with pytest.raises(TypeError, match=r"fit: expected batches \(inputs, targets\)"):
            fit(model, [batch], epochs=1, optimizer=optimizer)
    with pytest.raises(TypeError, match="evaluate: expected targets with a Tensor, got list"):
        evaluate(model, [(points, [1])])


def test_a_loss_that_is_not_one_finite_number():
    model, optimizer = parts()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    points = verigrad.full((1, 2), float("nan"))
    with pytest.raises(RuntimeError, match="expected a finite loss, got nan in epoch 1, batch 1"):
        fit(model, [(points, verigrad.tensor([0]))], epochs=1, optimizer=optimizer)
    assert all(verigrad.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    with pytest.raises(RuntimeError, match="expected loss to give one number"):
        fit(
            model,
            loader(),
            epochs=1,
            optimizer=optimizer,
            loss=nn.CrossEntropyLoss(reduction="none"),
        )


def test_a_loader_without_length():
    model, optimizer = parts()

    class Endless:
        def __iter__(self):
            return iter([(verigrad.zeros(1, 2), verigrad.tensor([0]))])

    assert len(fit(model, Endless(), epochs=2, optimizer=optimizer)) == 2


def test_models():
    verigrad.manual_seed(0)
    model = mlp()
    assert [tuple(one.shape) for one in model.parameters()] == [
        (64, 784), (64,), (64, 64), (64,), (10, 64), (10,),
    ]  # fmt: skip
    assert tuple(model(verigrad.zeros(3, 1, 28, 28)).shape) == (3, 10)
    assert tuple(mlp(4, (), 2)(verigrad.zeros(5, 2, 2)).shape) == (5, 2)
    verigrad.manual_seed(0)
    again = build_model("mlp")
    assert all(verigrad.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    assert tuple(list(build_model("mlp", 3).parameters())[-1].shape) == (3,)
    with pytest.raises(ValueError, match="build_model: expected one of mlp, lenet, cnn, resnet, got 'vgg'"):
        build_model("vgg")


def test_metrics_are_reset_between_the_sets():
    model, optimizer = parts()
    accuracy = Accuracy()
    fit(
        model,
        loader(),
        loader(),
        epochs=2,
        optimizer=optimizer,
        metrics={"accuracy": accuracy},
    )
    assert accuracy.count == 40


def test_dropout_of_the_networks():
    assert [type(layer).__name__ for layer in mlp(dropout=0.3)] == [
        "Flatten", "Linear", "ReLU", "Dropout", "Linear", "ReLU", "Dropout", "Linear",
    ]  # fmt: skip
    for name, info in MODELS.items():
        for dropout in (None, 0.0, 0.4):
            layers = [
                layer for layer in build_model(name, 10, dropout).modules() if isinstance(layer, nn.Dropout)
            ]
            assert {layer.p for layer in layers} <= {info.dropout if dropout is None else dropout}
            assert layers or not dropout


@pytest.mark.parametrize("name", MODELS)
def test_every_network_takes_the_images_of_mnist(name):
    model = build_model(name, 7).eval()
    for batch in (0, 1, 2):
        assert tuple(model(verigrad.zeros(batch, 1, 28, 28)).shape) == (batch, 7)


# Accumulated gradients


def test_accumulated_gradients_are_those_of_a_large_batch():
    dataset = blobs(44)  # groups of 24 and of 20, whose last batch has 4
    states = []
    for size, accumulate in ((24, 1), (8, 3)):
        model, optimizer = parts()
        history = fit(
            model, DataLoader(dataset, batch_size=size), epochs=3, optimizer=optimizer, accumulate=accumulate
        )
        states.append((model.state_dict(), history.column("train_loss")))
    for name, large in states[0][0].items():
        assert verigrad.allclose(large, states[1][0][name], rtol=1e-5, atol=1e-6)
    assert states[0][1] == pytest.approx(states[1][1], rel=1e-5)


def test_an_update_for_each_group():
    model, optimizer = parts()
    seen = []

    class Watch(Callback):
        def on_batch_end(self, state):
            seen.append((state.batch, state.step))

    data = DataLoader(blobs(), batch_size=8)
    fit(model, data, epochs=1, optimizer=optimizer, accumulate=2, callbacks=[Watch()])
    assert seen == [(2, 1), (4, 2), (5, 3)]


# Optimizers that need a closure


def test_an_optimizer_that_needs_a_closure():
    class Twice(optim.SGD):
        """Asks for the loss twice, as a line search does."""

        def step(self, closure):
            self.losses = [closure()]
            super().step()
            self.losses.append(closure())

    model, _ = parts()
    optimizer = Twice(model.parameters(), lr=0.1)
    data = [next(iter(loader()))]
    history = fit(model, data, epochs=2, optimizer=optimizer)
    assert history[-1]["train_loss"] == optimizer.losses[0] > optimizer.losses[1]


# What is not finite


class Cursed(nn.Module):
    """Its loss is NaN, or the gradient of one weight, for a batch of thirteens."""

    def __init__(self, gradient):
        super().__init__()
        self.gradient = gradient
        self.norm = nn.BatchNorm1d(2)
        self.first = nn.Linear(2, 4)
        self.second = nn.Linear(4, 2)

    def forward(self, points):
        hidden = self.first(self.norm(points))
        if points[0, 0].item() == 13:
            # The root's gradient at 0 is infinite.
            bad = (hidden * 0).abs().sqrt() if self.gradient else hidden * float("nan")
            hidden = hidden + bad
        return self.second(hidden)


@pytest.mark.parametrize("gradient", [False, True])
def test_what_is_not_finite_is_named(gradient):
    verigrad.manual_seed(0)
    model = Cursed(gradient)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    good = (verigrad.randn(4, 2), verigrad.tensor([0, 1, 0, 1]))
    bad = (verigrad.full((4, 2), 13.0), good[1])
    what = "finite gradients" if gradient else "a finite loss, got nan"
    where = r" in epoch 1, batch 2 \(step 1\): the gradient of (norm|first|second)\.\w+ is not finite"
    with pytest.raises(RuntimeError, match=f"fit: expected {what}{where}"):
        fit(model, [good, bad], epochs=1, optimizer=optimizer)
    assert all(bool(one.isfinite().all()) for one in model.parameters())


def test_weights_that_are_not_finite_are_named():
    model, optimizer = parts()
    model[2].bias.detach().fill_(float("inf"))
    with pytest.raises(RuntimeError, match=r"2\.bias is no longer finite; a smaller learning rate may help"):
        fit(model, loader(), epochs=1, optimizer=optimizer)


@pytest.mark.parametrize("gradient", [False, True])
def test_what_is_not_finite_is_skipped_when_asked(gradient):
    good = [(verigrad.randn(4, 2), verigrad.tensor([0, 1, 0, 1])) for _ in range(3)]
    bad = (verigrad.full((4, 2), 13.0), good[0][1])
    states = []
    for data in (good, [good[0], bad, *good[1:]]):
        verigrad.manual_seed(0)
        model = Cursed(gradient)
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        trainer = Trainer(
            model, nn.CrossEntropyLoss(), optimizer, metrics=["accuracy"], nonfinite="skip", progress=False
        )
        history = trainer.fit(data, epochs=2)
        states.append((model.state_dict(), history.column("train_loss"), trainer.state.step))
    assert trainer.state.skipped == 2
    assert states[0][1:] == states[1][1:]
    for name, one in states[0][0].items():  # the statistics of the normalisation, too
        assert verigrad.equal(one, states[1][0][name]), name


def test_a_sum_of_gradients_that_overflows_is_no_error():
    model = nn.Linear(2, 1, bias=False)
    optimizer = optim.SGD(model.parameters(), lr=0.0)
    data = [(verigrad.full((1, 2), 3e38), verigrad.zeros(1, 1))]
    fit(model, data, epochs=1, optimizer=optimizer, loss=lambda output, target: output.clamp(-1, 1).sum()
        + (model.weight * 3e38).sum(), metrics=())  # fmt: skip
    assert not math.isfinite(model.weight.grad.sum().item())


def test_parameters_without_a_gradient():
    model = nn.ModuleDict({"used": nn.Linear(2, 2), "idle": nn.Linear(2, 2)})
    frozen = nn.Parameter(verigrad.ones(1), requires_grad=False)

    class Head(nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = model
            self.frozen = frozen

        def forward(self, points):
            return self.parts["used"](points)

    whole = Head()
    optimizer = optim.SGD(whole.parameters(), lr=0.1)
    message = r"got none for parts\.idle\.weight, parts\.idle\.bias; allow_unused=True"
    with pytest.raises(RuntimeError, match=message):
        fit(whole, loader(), epochs=1, optimizer=optimizer)
    assert len(fit(whole, loader(), epochs=1, optimizer=optimizer, allow_unused=True)) == 1


# Batches, outputs and arguments


def test_batches_of_containers():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(2, 2)

        def forward(self, inputs):
            return self.linear(inputs["a"]) + self.linear(inputs["b"][0])

    points, labels = next(iter(loader()))
    batch = ({"a": points, "b": (points, "kept")}, {"label": labels, "name": "kept"})
    model = Two()
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def loss(output, target):
        assert target["name"] == "kept"
        return nn.functional.cross_entropy(output, target["label"])

    history = fit(model, [batch], epochs=2, optimizer=optimizer, loss=loss, metrics=())
    assert history[1]["train_loss"] < history[0]["train_loss"]


def test_predict():
    model, _ = parts()
    dataset = blobs()
    model[1].eval()  # modes come back one by one
    whole = predict(model, dataset.tensors[0])
    assert not whole.requires_grad and (model.training, model[1].training) == (True, False)
    batches = DataLoader(dataset, batch_size=16)
    trainer = Trainer(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.1))
    for data in (batches, [points for points, _ in batches], dataset.tensors[0]):
        assert verigrad.allclose(trainer.predict(data), whole)
    with pytest.raises(ValueError, match="predict: expected at least one batch"):
        predict(model, [])
    with pytest.raises(TypeError, match="predict: expected a model that gives tensors, got tuple"):
        predict(Pairing(), dataset.tensors[0])


class Pairing(nn.Module):
    def forward(self, points):
        return points, points


def test_evaluate_of_a_trainer():
    model, optimizer = parts()
    trainer = Trainer(model, nn.CrossEntropyLoss(), optimizer, metrics=["confusion_matrix", "accuracy"])
    result = trainer.evaluate(loader())
    assert list(result) == ["loss", "confusion_matrix", "accuracy"]
    assert int(result["confusion_matrix"].sum().item()) == 40
    trainer.progress = False
    history = trainer.fit(loader(), loader())
    assert [name for name in history.columns if "confusion" in name] == []


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"accumulate": 0}, ValueError, "accumulate to be a positive int, got 0"),
        ({"nonfinite": "ignore"}, ValueError, "nonfinite to be 'raise' or 'skip', got 'ignore'"),
        ({"progress": "bar"}, ValueError, "progress to be True, False or \"auto\", got 'bar'"),
        ({"loss": None}, TypeError, "loss to be a function, got NoneType"),
        ({"augment": 3}, TypeError, "augment to be a function, got int"),
        ({"callbacks": [print]}, TypeError, "callbacks, got builtin_function_or_method"),
    ],
)
def test_arguments_that_are_refused(options, error, message):
    model, optimizer = parts()
    with pytest.raises(error, match=f"Trainer: expected {message}"):
        Trainer(model, options.pop("loss", nn.MSELoss()), optimizer, **options)


def test_resume_needs_to_know_from_where():
    model, optimizer = parts()
    trainer = Trainer(model, nn.CrossEntropyLoss(), optimizer, progress=False)
    with pytest.raises(ValueError, match="fit: expected a ModelCheckpoint among the callbacks"):
        trainer.fit(loader(), resume=True)
