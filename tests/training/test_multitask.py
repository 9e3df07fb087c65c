"""One loss for several tasks."""

import math

import pytest

import verigrad
from verigrad import nn, optim
from verigrad.training import MultiTaskLoss, Trainer


def test_the_weighted_sum():
    outputs = {"class": verigrad.randn(4, 3), "size": verigrad.randn(4), "unused": None}
    targets = {"class": verigrad.tensor([0, 1, 2, 0]), "size": verigrad.zeros(4)}
    loss = MultiTaskLoss({"class": nn.CrossEntropyLoss(), "size": nn.functional.mse_loss}, {"size": 0.25})
    first = nn.functional.cross_entropy(outputs["class"], targets["class"]).item()
    second = nn.functional.mse_loss(outputs["size"], targets["size"]).item()
    assert loss(outputs, targets).item() == pytest.approx(first + 0.25 * second)
    assert loss.values == {"class": first, "size": second}
    for changed in ({"class": outputs["class"]}, {}):
        with pytest.raises(ValueError, match="MultiTaskLoss: expected outputs of every task, got none of"):
            loss(changed, targets)
    with pytest.raises(ValueError, match="expected targets of every task, got none of 'size'"):
        loss(outputs, {"class": targets["class"]})


def test_training_two_heads():
    class Heads(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.first, self.second = nn.Linear(2, 8), nn.Linear(8, 2), nn.Linear(8, 1)

        def forward(self, points):
            hidden = self.body(points).relu()
            return {"side": self.first(hidden), "sum": self.second(hidden)}

    verigrad.manual_seed(0)
    points = verigrad.randn(64, 2)
    targets = {"side": (points[:, 0] > 0).long(), "sum": points.sum(1, keepdim=True)}
    model = Heads()
    loss = MultiTaskLoss({"side": nn.CrossEntropyLoss(), "sum": nn.MSELoss()})
    trainer = Trainer(model, loss, optim.Adam(model.parameters(), lr=0.02), progress=False)
    history = trainer.fit([(points, targets)], [(points, targets)], epochs=60)
    assert history[-1]["val_loss"] < history[0]["val_loss"] / 4


def test_what_is_refused():
    with pytest.raises(ValueError, match="MultiTaskLoss: expected at least one loss"):
        MultiTaskLoss({})
    for weights in ({"other": 1.0}, {"a": math.nan}):
        with pytest.raises(ValueError, match="MultiTaskLoss: expected finite weights of a, got"):
            MultiTaskLoss({"a": nn.MSELoss()}, weights)
