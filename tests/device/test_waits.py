"""What the host waits for on a CUDA device, counted where the runtime is asked to wait: not for a training
step, nor for values that only the device needs to judge. Skipped where there is no device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import verigrad
from verigrad import Tensor, cuda, nn

F = nn.functional
pytestmark = pytest.mark.skipif(
    not cuda.is_available(), reason="no CUDA device, and not the emulation's build"
)


def waits() -> int:
    """How often the process has waited for a device."""
    count: int = verigrad._C._testing.device_waits()
    return count


@contextmanager
def without_waiting() -> Iterator[None]:
    """Fails where the block waits for a device."""
    before = waits()
    yield
    assert waits() == before


def there(*data: Any, grad: bool = False) -> Tensor:
    """A tensor of the numbers on the device."""
    return verigrad.tensor(data, device="cuda", requires_grad=grad)


def scores(*shape: int) -> Tensor:
    """Random numbers whose gradient is wanted."""
    return verigrad.rand(*shape, device="cuda", requires_grad=True)


LABELS = (0, 2, 1, 2)
MASK = (True, False, True, False)

#: Programs of tensors that are on the device when the count begins.
PROGRAMS: dict[str, Callable[[], Callable[[], Tensor]]] = {
    "cross_entropy": lambda: bind(F.cross_entropy, scores(4, 3), there(*LABELS)),
    "cross_entropy of weights": lambda: bind(
        F.cross_entropy, scores(4, 3), there(*LABELS), weight=there(1.0, 2.0, 0.5)
    ),
    "cross_entropy that ignores a class": lambda: bind(
        F.cross_entropy, scores(4, 3), there(*LABELS), ignore_index=2
    ),
    "cross_entropy with smoothing": lambda: bind(
        F.cross_entropy, scores(4, 3), there(*LABELS), label_smoothing=0.1
    ),
    "cross_entropy of pixels": lambda: bind(
        F.cross_entropy, scores(2, 3, 2), there([0, 1], [2, -100]), reduction="sum"
    ),
    "nll_loss": lambda: bind(F.nll_loss, scores(4, 3), there(*LABELS), weight=there(1.0, 2.0, 0.5)),
    "multi_margin_loss": lambda: bind(F.multi_margin_loss, scores(4, 3), there(*LABELS)),
    "binary_cross_entropy": lambda: bind(F.binary_cross_entropy, scores(4), verigrad.rand(4, device="cuda")),
    "binary_cross_entropy_with_logits": lambda: bind(
        F.binary_cross_entropy_with_logits, scores(4), verigrad.rand(4, device="cuda")
    ),
    "embedding": lambda: bind(
        F.embedding, there(*LABELS), scores(3, 5), padding_idx=0, scale_grad_by_freq=True
    ),
    "embedding with a greatest norm": lambda: bind(
        F.embedding, there(*LABELS), scores(3, 5), max_norm=0.5, norm_type=3
    ),
    "embedding_bag": lambda: bind(F.embedding_bag, there([0, 2], [1, 2]), scores(3, 5)),
    "one_hot": lambda: bind(F.one_hot, there(*LABELS), 3),
    "dropout": lambda: bind(F.dropout, scores(4, 3), 0.5),
    "feature_alpha_dropout": lambda: bind(F.feature_alpha_dropout, scores(4, 3, 2), 0.5, True),
    "where": lambda: bind(verigrad.where, there(*MASK), scores(4), 0.5),
    "where of two numbers": lambda: bind(verigrad.where, there(*MASK), 1.0, 0.0),
    "masked_fill": lambda: bind(scores(4).masked_fill, there(*MASK), -1),
    "clamp": lambda: bind(scores(4).clamp, 0, there(0.5)[0]),
    "rrelu": lambda: bind(F.rrelu, scores(4), 0.1, 0.3, True),
    "pow": lambda: bind(verigrad.pow, 2.0, scores(4)),
    "gather": lambda: bind(scores(4, 3).gather, 1, there([0], [1], [2], [-0])),
    "a row by index": lambda: bind(scores(4, 3).__getitem__, there(0, -1, 2)),
    "pairs by index": lambda: bind(scores(4, 3).__getitem__, (there(0, -1), there(2, 1))),
    "numbers at an index": lambda: bind(written, there([1.0, 2.0], [3.0, 4.0]), there(1, -2), 5),
    "numbers at pairs": lambda: bind(written, there([1.0, 2.0], [3.0, 4.0]).t(), (there(1), there(-2)), 5),
    "numbers where a mask holds": lambda: bind(written, there(*map(float, range(4))), there(*MASK), -1),
    "randperm": lambda: bind(verigrad.randperm, 7, device="cuda"),
}


def bind(function: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Callable[[], Tensor]:
    """The call, for later."""
    return lambda: function(*args, **kwargs)


def written(target: Tensor, key: Any, value: float) -> Tensor:
    """The target with the value at the key."""
    target[key] = value
    return target


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_and_its_gradient_do_not_wait(name: str) -> None:
    program = PROGRAMS[name]()
    with without_waiting():
        result = program()
        if result.requires_grad:
            result.sum().backward()
    cuda.synchronize()


@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "AdamW"])
def test_a_training_step_does_not_wait(optimizer: str) -> None:
    model = nn.Sequential(
        nn.Embedding(7, 4, padding_idx=0),
        nn.Flatten(),
        nn.Linear(12, 8),
        nn.BatchNorm1d(8),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(8, 3),
    ).cuda()
    more = {"momentum": 0.9} if optimizer == "SGD" else {}
    update = getattr(verigrad.optim, optimizer)(model.parameters(), lr=0.1, weight_decay=0.01, **more)
    tokens, labels = there([1, 0, 6], [2, 2, 0], [5, 4, 3]), there(0, 2, -100)
    for _ in range(3):
        with without_waiting():
            update.zero_grad()
            loss = F.cross_entropy(model(tokens), labels)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            nn.utils.clip_grad_value_(model.parameters(), 0.2)
            nn.utils.max_norm_([model[2].weight], 1.0)
            update.step()
    assert all(p.isfinite().all() for p in model.parameters())


def test_waiting_is_counted() -> None:
    x, mask = there(3.0, 1.0), there(True, False)
    needed: dict[str, Callable[[], Any]] = {
        "synchronize": cuda.synchronize,
        "item": x[0].item,
        "cpu": x.cpu,
        "tolist": x.tolist,
        "nonzero": mask.nonzero,
        "mask": lambda: x[mask],
        "one_hot": lambda: F.one_hot(x.long()),
        "equal": lambda: x.equal(x),
        "bool": lambda: bool(x[0]),
        "event": lambda: cuda.current_stream().synchronize(),
    }
    for name, call in needed.items():
        before = waits()
        call()
        assert waits() - before == (2 if name == "one_hot" else 1), name  # its least and its greatest class


def test_norms_are_clipped_as_on_the_cpu() -> None:
    for numbers in ([3.0, 4.0], [0.3, 0.4], [0.0, 0.0], [1e30, 1e30], [1e-30, 0.0], [float("inf"), 1.0]):
        for order in (2.0, 1.0, 3.0, 0.0, float("inf")):
            results = []
            for device in ("cpu", "cuda"):
                parameter = verigrad.zeros(2, device=device, requires_grad=True)
                parameter.grad = verigrad.tensor(numbers, device=device)
                total = nn.utils.clip_grad_norm_([parameter], 1.0, order)
                results.append([total.item(), *parameter.grad.tolist()])
            assert results[1] == pytest.approx(results[0], rel=1e-6, nan_ok=True), (numbers, order)


MISTAKES: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "cross_entropy": (
        lambda: F.cross_entropy(scores(2, 3), there(0, 3)),
        IndexError,
        "cross_entropy: Target 3 is out of bounds, expected labels from 0 to 2",
    ),
    "cross_entropy of weights": (
        lambda: F.cross_entropy(scores(2, 3), there(-1, 0), there(1.0, 1.0, 1.0), ignore_index=5),
        IndexError,
        "cross_entropy: Target -1 is out of bounds",
    ),
    "nll_loss": (
        lambda: F.nll_loss(scores(2, 3), there(0, 1 << 40)),
        IndexError,
        f"nll_loss: Target {1 << 40} is out of bounds",
    ),
    "embedding": (
        lambda: F.embedding(there(0, 3), scores(3, 2)),
        IndexError,
        r"embedding: expected an index in \[0, 3\), got 3",
    ),
    "embedding with a greatest norm": (
        lambda: F.embedding(there(0, -1), scores(3, 2), max_norm=0.1),
        IndexError,
        r"embedding: expected an index in \[0, 3\), got -1",
    ),
    "embedding_bag": (
        lambda: F.embedding_bag(there([0, -1]), scores(3, 2)),
        RuntimeError,
        r"embedding_bag: expected an index in \[0, 3\), got -1",
    ),
    "one_hot": (
        lambda: F.one_hot(there(0, 3), 3),
        RuntimeError,
        r"one_hot: expected an index in \[0, 3\), got 3",
    ),
    "multi_margin_loss": (
        lambda: F.multi_margin_loss(scores(2, 3), there(0, 3)),
        RuntimeError,
        "multi_margin_loss: target out of range, expected classes from 0 to 2, got 3",
    ),
    "binary_cross_entropy": (
        lambda: F.binary_cross_entropy(there(0.5, 1.5), there(0.0, 1.0)),
        RuntimeError,
        "binary_cross_entropy: all elements of input should be between 0 and 1",
    ),
    "binary_cross_entropy of targets": (
        lambda: F.binary_cross_entropy(there(0.5, 0.5), there(0.0, float("nan"))),
        RuntimeError,
        "binary_cross_entropy: all elements of target should be between 0 and 1",
    ),
    "a subscript": (
        lambda: scores(3, 4)[there(0, -4)],
        IndexError,
        "index -4 is out of bounds for dimension 0 with size 3",
    ),
    "a pair": (
        lambda: scores(3, 4)[there(0, 1), there(0, 4)],
        IndexError,
        "index 4 is out of bounds for dimension 1 with size 4",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_in_values_are_raised_at_the_next_synchronisation(name: str) -> None:
    call, error, message = MISTAKES[name]
    with without_waiting():
        call()
    with pytest.raises(error, match=message):
        cuda.synchronize()
    cuda.synchronize()  # once


def test_a_wrong_index_shortens_no_row() -> None:
    table = verigrad.ones(3, 2, device="cuda")
    F.embedding(there(0, -1, 3), table, max_norm=0.5, norm_type=1)
    with pytest.raises(IndexError, match="embedding"):
        cuda.synchronize()
    assert table[0].sum().item() == pytest.approx(0.5) and table[1:].tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize("turned", [False, True])
def test_a_wrong_pair_writes_nothing_and_the_others_are_written(turned: bool) -> None:
    """Also where the pair would name another element of the tensor."""
    x = verigrad.zeros(3, 4, 2, device="cuda")
    view = x.transpose(0, 2) if turned else x
    first = there(1, 0) if turned else there(2, 1)
    view[first, there(1, 4)] = 7
    with pytest.raises(IndexError, match="index 4 is out of bounds for dimension 1 with size 4"):
        cuda.synchronize()
    assert view.sum().item() == 7 * view.shape[2]
    assert view[1 if turned else 2, 1].tolist() == [7] * view.shape[2]
