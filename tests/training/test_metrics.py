"""Accuracy, MeanLoss and History."""

import csv
import math

import pytest

import verigrad
from verigrad.training import Accuracy, History, MeanLoss


def test_accuracy_counts_over_batches():
    accuracy = Accuracy()
    assert math.isnan(accuracy.compute())
    accuracy.update(verigrad.tensor([[0.1, 0.9], [0.8, 0.2]]), verigrad.tensor([1, 1]))
    accuracy.update(verigrad.tensor([[0.1, 0.9]], requires_grad=True), verigrad.tensor([1]))
    assert (accuracy.correct, accuracy.count) == (2, 3)
    assert accuracy.compute() == 2 / 3
    accuracy.reset()
    assert math.isnan(accuracy.compute())


def test_accuracy_takes_probabilities_as_targets():
    accuracy = Accuracy()
    accuracy.update(verigrad.tensor([[0.1, 0.9], [0.8, 0.2]]), verigrad.tensor([[0.3, 0.7], [0.4, 0.6]]))
    assert accuracy.compute() == 0.5


@pytest.mark.parametrize(
    ("output", "target"), [((2,), (2,)), ((2, 3), (3,)), ((2, 3, 4), (2,)), ((2, 3), ())]
)
def test_accuracy_refuses_other_shapes(output, target):
    with pytest.raises(ValueError, match=r"Accuracy: expected output \[B, C\]"):
        Accuracy().update(verigrad.zeros(*output), verigrad.zeros(target, dtype=verigrad.int64))


def test_mean_loss_weighs_by_samples():
    mean = MeanLoss()
    assert math.isnan(mean.compute())
    mean.update(1.0, 3)
    mean.update(5.0, 1)
    assert mean.compute() == 2.0


def test_history(tmp_path):
    history = History()
    assert (len(history), history.columns, list(history)) == (0, [], [])
    history.append({"epoch": 1, "train_loss": 0.1 + 0.2})
    history.append({"epoch": 2, "train_loss": 1e-30})
    assert len(history) == 2
    assert history[-1]["epoch"] == 2
    assert history.column("train_loss") == [0.1 + 0.2, 1e-30]
    with pytest.raises(KeyError):
        history.column("missing")
    with pytest.raises(ValueError, match="History: expected the columns"):
        history.append({"epoch": 3})
    text = history.to_csv(tmp_path / "m.csv")
    assert (tmp_path / "m.csv").read_bytes() == text.encode()
    rows = list(csv.DictReader(text.splitlines()))
    assert [float(row["train_loss"]) for row in rows] == history.column("train_loss")
    assert text.count("\n") == 3 and "\r" not in text
