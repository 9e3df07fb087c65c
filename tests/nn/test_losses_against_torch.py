"""Modules of losses and distances: values, gradients, representations and signatures of PyTorch."""

import inspect
import warnings

import numpy as np
import pytest

import verigrad as vg
import verigrad.nn.functional as F
from verigrad import nn

RNG = np.random.default_rng(5)
X = RNG.normal(size=(6, 4))
Y = RNG.normal(size=(6, 4))
P = RNG.uniform(0.05, 0.95, size=(6, 4))
Q = RNG.uniform(0.05, 0.95, size=(6, 4))
BIT = RNG.integers(0, 2, size=(6, 4)).astype(float)
SIGN = 2 * BIT - 1
LABEL = RNG.integers(0, 4, size=6)
WEIGHT = np.array([0.5, 1.0, 2.0, 0.0])

# class -> inputs, options beside the reduction
CASES = {
    "L1Loss": ((X, Y), [{}]),
    "MSELoss": ((X, Y), [{}]),
    "SmoothL1Loss": ((X, Y), [{}, {"beta": 0.5}, {"beta": 0.0}]),
    "HuberLoss": ((X, Y), [{}, {"delta": 0.5}]),
    "BCELoss": ((P, Q), [{}, {"weight": WEIGHT}]),
    "BCEWithLogitsLoss": ((X, Q), [{}, {"weight": WEIGHT, "pos_weight": WEIGHT + 1}]),
    "KLDivLoss": ((np.log(P), Q), [{}, {"log_target": True}]),
    "PoissonNLLLoss": ((X, Q * 5), [{}, {"full": True}, {"log_input": False, "eps": 4.0}]),
    "GaussianNLLLoss": ((X, Y, Q), [{}, {"full": True, "eps": 0.5}]),
    "HingeEmbeddingLoss": ((X, SIGN), [{}, {"margin": 0.5}]),
    "CosineEmbeddingLoss": ((X, Y, SIGN[:, 0]), [{}, {"margin": 0.2}]),
    "MarginRankingLoss": ((X, Y, SIGN), [{}, {"margin": 0.5}]),
    "MultiMarginLoss": ((X, LABEL), [{}, {"p": 2, "margin": 0.5, "weight": WEIGHT}]),
    "MultiLabelSoftMarginLoss": ((X, BIT), [{}, {"weight": WEIGHT}]),
    "SoftMarginLoss": ((X, SIGN), [{}]),
    "TripletMarginLoss": ((X, Y, P), [{}, {"p": 1.0, "swap": True, "margin": 2.0, "eps": 1e-3}]),
    "NLLLoss": ((np.log(P), LABEL), [{}, {"weight": WEIGHT, "ignore_index": 1}]),
    "CrossEntropyLoss": ((X, LABEL), [{}, {"weight": WEIGHT, "label_smoothing": 0.2}]),
}
LOSSES = sorted(CASES)
FUNCTIONS = [
    "l1_loss",
    "mse_loss",
    "smooth_l1_loss",
    "huber_loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "kl_div",
    "poisson_nll_loss",
    "gaussian_nll_loss",
    "hinge_embedding_loss",
    "cosine_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_soft_margin_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "nll_loss",
    "cross_entropy",
    "embedding",
    "embedding_bag",
]


def run(lib, name, inputs, options, reduction):
    """The loss and the gradients of the floating-point inputs."""
    given = {k: lib.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    loss = getattr(lib.nn, name)(reduction=reduction, **given)
    tensors = [lib.tensor(x) for x in inputs]
    tensors[0].requires_grad_(True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = loss(*tensors)
    result.sum().backward()
    return result.detach().numpy(), tensors[0].grad.numpy()


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("name", LOSSES)
def test_values_and_gradients(name, reduction):
    torch = pytest.importorskip("torch")
    inputs, variants = CASES[name]
    for options in variants:
        for own, other in zip(
            run(vg, name, inputs, options, reduction),
            run(torch, name, inputs, options, reduction),
            strict=True,
        ):
            np.testing.assert_allclose(own, other, rtol=1e-10, atol=1e-14, err_msg=f"{name} {options}")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_signature_of_the_function(name):
    torch = pytest.importorskip("torch")
    own, other = (
        [(p.name, p.default) for p in inspect.signature(getattr(lib, name)).parameters.values()]
        for lib in (F, torch.nn.functional)
    )
    assert own == other


@pytest.mark.parametrize("name", LOSSES)
def test_weights_are_buffers_and_the_loss_prints_as_a_name(name):
    loss = getattr(nn, name)()
    assert repr(loss) == f"{name}()" and not list(loss.parameters()) and not loss.state_dict()
    if "weight" in inspect.signature(getattr(nn, name)).parameters:
        assert list(getattr(nn, name)(weight=vg.ones(4)).state_dict()) == ["weight"]


def test_both_weights_of_logits_are_buffers():
    loss = nn.BCEWithLogitsLoss(vg.ones(4), pos_weight=vg.ones(4))
    assert list(loss.state_dict()) == ["weight", "pos_weight"]


@pytest.mark.parametrize("name", [n for n in LOSSES if n not in ("HuberLoss", "GaussianNLLLoss")])
@pytest.mark.parametrize(
    ("flags", "reduction"), [({"size_average": False}, "sum"), ({"reduce": False}, "none")]
)
def test_deprecated_flags(name, flags, reduction):
    with pytest.warns(UserWarning, match=f"reduction='{reduction}'"):
        assert getattr(nn, name)(**flags).reduction == reduction


@pytest.mark.parametrize("name", LOSSES)
def test_unknown_reduction(name):
    with pytest.raises(ValueError, match="average is not a valid value for reduction"):
        getattr(nn, name)(reduction="average")


@pytest.mark.parametrize("name", ["l1_loss", "smooth_l1_loss", "huber_loss", "mse_loss"])
def test_broadcast_warns_where_it_is_called(name):
    with pytest.warns(UserWarning, match="different to the input size") as caught:
        getattr(F, name)(vg.ones(3, 1), vg.ones(3))
    assert caught[0].filename == __file__


@pytest.mark.parametrize("name", ["l1_loss", "kl_div", "poisson_nll_loss", "soft_margin_loss"])
def test_deprecated_flags_of_functions_warn_where_they_are_given(name):
    with pytest.warns(UserWarning, match="reduction='sum'") as caught:
        result = getattr(F, name)(vg.tensor(X), vg.tensor(Q), size_average=False)
    assert caught[0].filename == __file__
    assert result.item() == getattr(F, name)(vg.tensor(X), vg.tensor(Q), reduction="sum").item()
