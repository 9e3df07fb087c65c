"""Anomaly mode: the line whose derivative is NaN, or raises."""

import inspect
import warnings

import pytest

import verigrad as vg
from verigrad.autograd import detect_anomaly, set_detect_anomaly


@pytest.fixture(autouse=True)
def off():
    yield
    vg._C._set_anomaly_enabled(False, True)


def root_of_zero():
    x = vg.zeros(2, requires_grad=True)
    return x, x.sqrt() * 0  # 0 times infinity


LINE = inspect.getsourcelines(root_of_zero)[1] + 2


def test_the_error_and_the_warning_name_the_line():
    with set_detect_anomaly(True):
        x, y = root_of_zero()
        with (
            pytest.warns(
                UserWarning, match="Error detected in SqrtBackward0. Traceback of forward call"
            ) as seen,
            pytest.raises(
                RuntimeError, match="Function 'SqrtBackward0' returned nan values in its 0th output"
            ) as error,
        ):
            y.sum().backward()
    for text in (str(error.value), str(seen[0].message)):
        assert f'test_anomaly.py", line {LINE}, in root_of_zero' in text and "x.sqrt() * 0" in text
    assert x.grad is None


def test_without_the_mode_nan_passes():
    x, y = root_of_zero()
    y.sum().backward()
    assert x.grad.isnan().all()


def test_nan_may_be_allowed():
    with set_detect_anomaly(True, check_nan=False):
        x, y = root_of_zero()
        y.sum().backward()
    assert x.grad.isnan().all()


def test_a_forward_pass_outside_has_no_line():
    _, y = root_of_zero()
    with (
        set_detect_anomaly(True),
        pytest.warns(UserWarning, match="No forward pass information available"),
        pytest.raises(RuntimeError, match="returned nan values in its 0th output"),
    ):
        y.sum().backward()


def test_errors_of_a_backward_are_reported_too():
    class Broken(vg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            raise KeyError("mine")

    with (
        set_detect_anomaly(True),
        pytest.warns(UserWarning, match=r"BrokenBackward(.|\n)*Broken\.apply"),
        pytest.raises(KeyError, match="mine"),
    ):
        Broken.apply(vg.ones(2, requires_grad=True)).sum().backward()


def test_a_second_pass_names_both_origins():
    with set_detect_anomaly(True):
        x = vg.zeros((), requires_grad=True)
        y = x.abs() ** 1.5
        (first,) = vg.autograd.grad(y, x, create_graph=True)
        with pytest.warns(UserWarning) as seen, pytest.raises(RuntimeError, match="returned nan"):
            (first.sqrt() * 0).backward()
    assert "Traceback of forward call that caused the error" in str(seen[0].message)
    with set_detect_anomaly(True):
        x = vg.zeros((), requires_grad=True)
        (first,) = vg.autograd.grad(x.sinh(), x, create_graph=True)
        trace = next(iter_traces(first))
    assert "Previous calculation was induced by SinhBackward0" in trace


def iter_traces(tensor):
    """What a failing node of the second graph would say."""
    node = tensor.grad_fn

    def broken(outputs):
        raise ValueError("broken")

    node.register_prehook(lambda outputs: (outputs[0] * float("nan"),))
    with pytest.warns(UserWarning) as seen, pytest.raises(RuntimeError):
        tensor.backward()
    yield str(seen[0].message)


def test_no_gradient_is_changed_by_the_mode():
    def run():
        x = vg.tensor([1.0, 2.0], requires_grad=True)
        (x.exp() * x).sum().backward()
        return x.grad.tolist()

    plain = run()
    with set_detect_anomaly(True):
        assert run() == plain


def test_integers_are_not_asked_for_nan():
    with set_detect_anomaly(True):
        x = vg.tensor([3.0, 1.0], requires_grad=True)
        x.sort().values[0].backward()
    assert x.grad.tolist() == [0.0, 1.0]


def test_the_function_form_stays_on():
    assert not vg.is_anomaly_enabled() and vg.is_anomaly_check_nan_enabled()
    set_detect_anomaly(True, False)
    assert vg.is_anomaly_enabled() and not vg.is_anomaly_check_nan_enabled()
    with set_detect_anomaly(False):
        assert not vg.is_anomaly_enabled()
    assert vg.is_anomaly_enabled() and not vg.is_anomaly_check_nan_enabled()
    set_detect_anomaly(False)
    assert not vg.is_anomaly_enabled()


def test_the_context_manager_says_that_it_is_on():
    with pytest.warns(UserWarning, match="Anomaly Detection has been enabled") as seen:
        context = detect_anomaly()
    assert seen[0].filename == __file__
    assert not vg.is_anomaly_enabled()
    with context:
        assert vg.is_anomaly_enabled() and vg.is_anomaly_check_nan_enabled()
    assert not vg.is_anomaly_enabled()


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: set_detect_anomaly(1), "mode"),
        (lambda: set_detect_anomaly(True, 1), "check_nan"),
        (lambda: detect_anomaly(1), "check_nan"),
    ],
)
def test_flags_are_bools(call, name):
    with pytest.raises(TypeError, match=f"expected {name} to be a bool, got int"):
        call()
    assert not vg.is_anomaly_enabled()


def test_as_in_pytorch():
    torch = pytest.importorskip("torch")

    def run(lib):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            with lib.autograd.detect_anomaly():
                x = lib.zeros(2, requires_grad=True)
                y = (x.sqrt() * 0).sum()
                with pytest.raises(RuntimeError) as error:
                    y.backward()
        first, second = (str(one.message) for one in seen)
        return first, second.partition("\n")[0], str(error.value).partition(" It was recorded")[0]

    assert run(vg) == run(torch)
