"""`Classifier` and `Regressor`: networks as estimators of scikit-learn, for its pipelines and searches.

Importing this module needs scikit-learn, which comes with the extra "sklearn".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import verigrad
from verigrad import nn, optim
from verigrad.data import DataLoader, TensorDataset
from verigrad.utils._extras import require

from .evaluation import predict
from .models import mlp
from .trainer import Trainer

require("sklearn", "scikit-learn", "sklearn", "verigrad.training.sklearn")

from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin  # noqa: E402
from sklearn.utils import check_random_state  # noqa: E402
from sklearn.utils.multiclass import check_classification_targets  # noqa: E402
from sklearn.utils.validation import check_is_fitted, validate_data  # noqa: E402

__all__ = ["Classifier", "Regressor"]

_OPTIMIZERS = {"adam": optim.Adam, "adamw": optim.AdamW, "sgd": optim.SGD}
_PREDICTION_BATCH = 1024


class _Network(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What both estimators share: the network, its training, and how it travels between processes."""

    def __init__(
        self,
        hidden: Sequence[int] = (64,),
        build: Callable[[int, int], nn.Module] | None = None,
        optimizer: str = "adam",
        lr: float = 0.01,
        weight_decay: float = 0.0,
        epochs: int = 60,
        batch_size: int = 32,
        random_state: Any = None,
    ) -> None:
        self.hidden = hidden
        self.build = build
        self.optimizer = optimizer
        self.lr = lr
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.batch_size = batch_size
        self.random_state = random_state

    def _train(self, inputs: Any, targets: verigrad.Tensor, outputs: int, loss: nn.Module) -> None:
        import numpy

        if self.optimizer not in _OPTIMIZERS:
            raise ValueError(
                f"{type(self).__name__}: expected optimizer to be one of {', '.join(_OPTIMIZERS)}, "
                f"got {self.optimizer!r}"
            )
        # Standardised, so that the rates suit data of any scale.
        self.mean_ = inputs.mean(0)
        deviation = inputs.std(0)
        self.scale_ = numpy.where(deviation > 0, deviation, 1.0)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        before = verigrad.get_rng_state()
        try:
            verigrad.manual_seed(seed)
            self.outputs_ = outputs
            self.network_ = self._fresh()
            optimizer: Any = _OPTIMIZERS[self.optimizer]
            trainer = Trainer(
                self.network_,
                loss,
                optimizer(self.network_.parameters(), lr=self.lr, weight_decay=self.weight_decay),
                progress=False,
            )
            dataset = TensorDataset(self._inputs(inputs), targets)
            self.history_ = trainer.fit(
                DataLoader(dataset, batch_size=self.batch_size, shuffle=True), epochs=self.epochs
            )
        finally:
            verigrad.set_rng_state(before)
        self.n_iter_ = len(self.history_)

    def _fresh(self) -> nn.Module:
        features = int(self.n_features_in_)
        if self.build is None:
            network: nn.Module = mlp(features, tuple(self.hidden), self.outputs_)
        else:
            network = self.build(features, self.outputs_)
        return network.double()

    def _inputs(self, inputs: Any) -> verigrad.Tensor:
        return verigrad.from_numpy((inputs - self.mean_) / self.scale_)

    def _outputs(self, X: Any) -> verigrad.Tensor:  # noqa: N803  # scikit-learn's name
        check_is_fitted(self)
        inputs = self._inputs(validate_data(self, X, reset=False, dtype="float64"))
        parts = [
            inputs[begin : begin + _PREDICTION_BATCH] for begin in range(0, len(inputs), _PREDICTION_BATCH)
        ]
        return predict(self.network_, parts)

    def __getstate__(self) -> dict[str, Any]:
        # Tensors are not pickled; their numbers are.
        state: dict[str, Any] = dict(super().__getstate__())
        if "network_" in state:
            network = state.pop("network_")
            state["_weights"] = {name: one.numpy().copy() for name, one in network.state_dict().items()}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        weights = state.pop("_weights", None)
        super().__setstate__(state)
        if weights is not None:
            before = verigrad.get_rng_state()
            self.network_ = self._fresh()
            verigrad.set_rng_state(before)
            self.network_.load_state_dict({name: verigrad.tensor(one) for name, one in weights.items()})


class Classifier(ClassifierMixin, _Network):  # type: ignore[misc]
    """A network that classifies rows of numbers.

    Args:
        hidden: sizes of the hidden layers of a perceptron with ReLU; default (64,).
        build: instead, a function of (features, outputs) that makes the network; its outputs are logits. It
            is called once for each fit, and once where a fitted estimator is unpickled.
        optimizer: "adam" (default), "adamw" or "sgd".
        lr: learning rate; default 0.01.
        weight_decay: of the optimizer; default 0.
        epochs: passes over the data; default 60.
        batch_size: samples for one update; default 32.
        random_state: an int for the same network each time, a ``RandomState``, or None (default).

    Inputs are standardised by the training data; all is computed in float64.

    Attributes:
        classes_: the labels, sorted.
        n_features_in_: columns of the training data.
        network_: the trained network.
        history_: its `History`.
    """

    def fit(self, X: Any, y: Any) -> Classifier:  # noqa: N803
        """Train on rows X [n, features] and labels y [n].

        Raises:
            ValueError: they do not fit, or an argument is out of range.
        """
        import numpy

        X, y = validate_data(self, X, y, dtype="float64")
        check_classification_targets(y)
        self.classes_, targets = numpy.unique(y, return_inverse=True)
        numbers = verigrad.tensor(targets.astype("int64"))
        self._train(X, numbers, len(self.classes_), nn.CrossEntropyLoss())
        return self

    def predict_proba(self, X: Any) -> Any:  # noqa: N803
        """The probability of each class: [n, classes]."""
        return nn.functional.softmax(self._outputs(X), dim=1).numpy()

    def predict(self, X: Any) -> Any:  # noqa: N803
        """The label of the most probable class: [n]."""
        best = self._outputs(X).argmax(1).numpy()
        return self.classes_[best]


class Regressor(RegressorMixin, _Network):  # type: ignore[misc]
    """A network that predicts a number for rows of numbers, trained on the mean squared error.

    Arguments and attributes as for `Classifier`; the network has one output, and targets are standardised
    as well.
    """

    def fit(self, X: Any, y: Any) -> Regressor:  # noqa: N803
        """Train on rows X [n, features] and numbers y [n].

        Raises:
            ValueError: they do not fit, or an argument is out of range.
        """
        X, y = validate_data(self, X, y, dtype="float64", y_numeric=True)
        y = y.astype("float64")
        self.target_mean_, self.target_scale_ = float(y.mean()), float(y.std()) or 1.0
        targets = verigrad.tensor((y - self.target_mean_) / self.target_scale_).reshape(-1, 1)
        self._train(X, targets, 1, nn.MSELoss())
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        """The predicted numbers: [n]."""
        outputs = self._outputs(X).reshape(-1).numpy()
        return outputs * self.target_scale_ + self.target_mean_
