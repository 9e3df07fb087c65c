"""Metrics, as scikit-learn defines them, and History."""

import csv
import math

import pytest

import verigrad
from verigrad.training import (
    F1,
    MAE,
    R2,
    Accuracy,
    ConfusionMatrix,
    History,
    MeanLoss,
    Precision,
    Recall,
    TopKAccuracy,
)
from verigrad.training.metrics import named_metrics


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


def updated(metric, outputs, targets, size=4):
    """A metric after batches of *size*."""
    for begin in range(0, len(targets), size):
        metric.update(outputs[begin : begin + size], targets[begin : begin + size])
    return metric.compute()


def test_binary_accuracy():
    scores = verigrad.tensor([0.2, 0.5, 0.7, 0.9])
    target = verigrad.tensor([0, 1, 1, 0])
    assert updated(Accuracy(0.5), scores, target) == 0.5
    assert updated(Accuracy(0.5), scores.reshape(4, 1), target.float()) == 0.5
    with pytest.raises(ValueError, match="Accuracy: expected one output for each target"):
        Accuracy(0.5).update(verigrad.zeros(4, 2), target)


def test_top_k_accuracy():
    scores = verigrad.tensor([[0.1, 0.2, 0.7], [0.3, 0.3, 0.4], [0.5, 0.25, 0.25], [0.0, math.nan, 1.0]])
    target = verigrad.tensor([1, 0, 1, 1])
    # The second and third are ties, in which the higher class counts as larger.
    assert updated(TopKAccuracy(1), scores, target) == 0
    assert updated(TopKAccuracy(2), scores, target) == 0.25
    assert updated(TopKAccuracy(3), scores, target) == 0.75  # NaN is never among the largest
    assert TopKAccuracy(3).name == "top3_accuracy" and math.isnan(TopKAccuracy().compute())
    for k in (0, 1.0, True):
        with pytest.raises(ValueError, match="TopKAccuracy: expected k"):
            TopKAccuracy(k)
    with pytest.raises(ValueError, match=r"TopKAccuracy: expected output \[B, C\]"):
        TopKAccuracy().update(scores, verigrad.zeros(3, dtype=verigrad.int64))


def test_the_confusion_matrix_counts():
    predicted, target = verigrad.tensor([0, 1, 1, 2, 0, 1]), verigrad.tensor([0, 1, 0, 1, 0, 1])
    counts = [[2, 1, 0], [0, 2, 1], [0, 0, 0]]
    assert updated(ConfusionMatrix(), predicted, target, 1).tolist() == counts
    assert updated(ConfusionMatrix(3), predicted, target).tolist() == counts
    scores = nn_one_hot(predicted, 4)
    assert updated(ConfusionMatrix(), scores, target).tolist() == [[*row, 0] for row in counts] + [[0] * 4]
    assert ConfusionMatrix(2).compute().tolist() == [[0, 0], [0, 0]]
    for bad in (3, -1):
        with pytest.raises(ValueError, match=f"expected class numbers from 0 to 2, got {bad}"):
            ConfusionMatrix(3).update(verigrad.tensor([0]), verigrad.tensor([bad]))
    with pytest.raises(ValueError, match="expected class numbers not negative, got -1"):
        ConfusionMatrix().update(verigrad.tensor([0]), verigrad.tensor([-1]))
    with pytest.raises(ValueError, match="ConfusionMatrix: expected classes"):
        ConfusionMatrix(0)


def nn_one_hot(labels, classes):
    return (verigrad.arange(classes).reshape(1, -1) == labels.reshape(-1, 1)).float()


def test_shares_by_hand():
    # Class 0: 2 of 3 right of those predicted, 2 of 2 found; class 1: 1 of 1, 1 of 3; class 2: 0 of 1, none.
    predicted, target = verigrad.tensor([0, 0, 0, 1, 2]), verigrad.tensor([0, 0, 1, 1, 1])
    expected = {
        Precision: ([2 / 3, 1, 0], 5 / 9, 13 / 15),
        Recall: ([1, 1 / 3, 0], 4 / 9, 0.6),
        F1: ([0.8, 0.5, 0], 1.3 / 3, 0.62),
    }
    for metric, (each, macro, weighted) in expected.items():
        assert updated(metric(None), predicted, target).tolist() == pytest.approx(each)
        assert updated(metric(), predicted, target) == pytest.approx(macro)
        assert updated(metric("weighted"), predicted, target) == pytest.approx(weighted)
        assert updated(metric("micro"), predicted, target) == pytest.approx(0.6)
        assert math.isnan(metric().compute())
    assert updated(Recall(zero_division=1.0), predicted, target) == pytest.approx((1 + 1 / 3 + 1) / 3)
    assert updated(Recall(zero_division=math.nan), predicted, target) == pytest.approx((1 + 1 / 3) / 2)


def test_shares_refuse():
    for options, message in (
        ({"average": "mean"}, "average to be one of"),
        ({"zero_division": 2}, "zero_division to be 0, 1 or NaN"),
        ({"zero_division": "warn"}, "zero_division"),
    ):
        with pytest.raises(ValueError, match=f"F1: expected {message}"):
            F1(**options)
    metric = F1("binary")
    metric.update(verigrad.tensor([2]), verigrad.tensor([0]))
    with pytest.raises(ValueError, match="F1: expected two classes for the average 'binary', got 3"):
        metric.compute()


@pytest.mark.parametrize("average", ["binary", "micro", "macro", "weighted", None])
@pytest.mark.parametrize("zero_division", [0.0, 1.0, math.nan])
def test_shares_are_those_of_sklearn(average, zero_division):
    theirs = pytest.importorskip("sklearn.metrics")
    names = {Precision: "precision_score", Recall: "recall_score", F1: "f1_score"}
    generator = verigrad.Generator()
    for seed in range(30):
        generator.manual_seed(seed)
        classes = 2 if average == "binary" else 1 + seed % 5
        predicted, target = (verigrad.randint(0, classes, (1 + seed % 7,), generator=generator) for _ in "ab")
        for metric, name in names.items():
            ours = updated(metric(average, zero_division, classes), predicted, target, 3)
            options = {"average": average, "zero_division": zero_division}
            if average is None:
                options["labels"] = list(range(classes))
            expected = getattr(theirs, name)(target.tolist(), predicted.tolist(), **options)
            ours = ours.tolist() if average is None else ours
            assert ours == pytest.approx(expected, rel=1e-12, nan_ok=True), (seed, name)


def test_top_k_is_that_of_sklearn():
    theirs = pytest.importorskip("sklearn.metrics")
    generator = verigrad.Generator()
    for seed in range(20):
        generator.manual_seed(seed)
        scores = verigrad.randint(0, 4, (12, 5), generator=generator).float()  # with many ties
        target = verigrad.randint(0, 5, (12,), generator=generator)
        for k in (1, 2, 4):
            expected = theirs.top_k_accuracy_score(target.tolist(), scores.tolist(), k=k, labels=range(5))
            assert updated(TopKAccuracy(k), scores, target) == pytest.approx(expected)


def test_mean_absolute_error():
    output, target = verigrad.tensor([[1.0, 2.0], [3.0, 4.0]]), verigrad.tensor([[1.5, 2.0], [1.0, 4.0]])
    assert updated(MAE(), output, target, 1) == 2.5 / 4
    assert math.isnan(MAE().compute())
    for metric in (MAE, R2):
        with pytest.raises(ValueError, match=f"{metric.__name__}: expected output and target of one shape"):
            metric().update(output, target[:, 0])


def test_r2():
    target = verigrad.tensor([1.0, 2.0, 3.0, 6.0])
    assert updated(R2(), target, target, 1) == 1
    assert updated(R2(), verigrad.full((4,), 3.0), target, 3) == 0
    assert updated(R2(), target + 1, target) == pytest.approx(1 - 4 / 14)
    assert updated(R2(), verigrad.ones(3), verigrad.ones(3)) == 1
    assert updated(R2(), verigrad.zeros(3), verigrad.ones(3)) == 0
    assert math.isnan(updated(R2(), verigrad.ones(1), verigrad.ones(1)))
    # Far from zero, where a sum of squares would have no digits left.
    assert updated(R2(), 1e7 + target.double() + 1, 1e7 + target.double(), 1) == pytest.approx(1 - 4 / 14)
    two = verigrad.stack([target, target], 1)
    shifted = verigrad.stack([target, target + 1], 1)
    assert updated(R2(), shifted, two) == pytest.approx((1 + 1 - 4 / 14) / 2)


@pytest.mark.parametrize(
    "metric",
    [Accuracy(), TopKAccuracy(2), ConfusionMatrix(), Precision(), Recall("weighted"), F1(), R2(), MAE()],
)
def test_metrics_go_on_from_their_state(metric, tmp_path):
    generator = verigrad.Generator()
    generator.manual_seed(0)
    target = verigrad.randint(0, 3, (12,), generator=generator)
    output = verigrad.rand(12, 3, generator=generator)
    if isinstance(metric, R2 | MAE):
        target = verigrad.rand(12, 3, generator=generator)
    metric.reset()
    whole = updated(metric, output, target)
    metric.reset()
    updated(metric, output[:8], target[:8])
    verigrad.save(metric.state_dict(), tmp_path / "state.safetensors")
    updated(metric, output, target)
    metric.load_state_dict(verigrad.load(tmp_path / "state.safetensors"))
    again = updated(metric, output[8:], target[8:])
    assert (
        bool((again == whole).all())
        if isinstance(metric, ConfusionMatrix) and metric.name[0] == "c"
        else again == whole
    )


def test_metrics_by_name():
    assert {name: type(one) for name, one in named_metrics(["accuracy", MAE(), TopKAccuracy(3)]).items()} == {
        "accuracy": Accuracy, "mae": MAE, "top3_accuracy": TopKAccuracy,
    }  # fmt: skip
    for metrics, error, message in (
        (["speed"], ValueError, "expected one of accuracy, .*, got 'speed'"),
        ([Accuracy(), Accuracy()], ValueError, "expected different names"),
        ([3], TypeError, "expected metrics, got int"),
        ("accuracy", TypeError, "expected a mapping or a list, got str"),
        ({"a": Accuracy}, TypeError, "expected metrics"),
    ):
        with pytest.raises(error, match=f"metrics: {message}"):
            named_metrics(metrics)
