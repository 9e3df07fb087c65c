"""no_grad, enable_grad, inference_mode, set_grad_enabled: as context managers and as decorators."""

import threading

import pytest

import verigrad as vg
from verigrad import autograd


@pytest.fixture
def x():
    return vg.tensor([1.0, 2.0], requires_grad=True)


def recording():
    return vg.is_grad_enabled()


# -- context managers ----------------------------------------------------------------------------------------


def test_recording_is_on_at_the_start(x):
    assert recording() and (x * 2).requires_grad


def test_no_grad(x):
    with vg.no_grad():
        y = x * 2
        fresh = vg.ones(1, requires_grad=True)
        assert not recording()
    assert not y.requires_grad and y.grad_fn is None and y.is_leaf
    assert fresh.requires_grad and x.requires_grad
    assert recording()


def test_nesting(x):
    with vg.no_grad():
        with vg.enable_grad():
            assert (x * 2).requires_grad
            with vg.no_grad():
                assert not recording()
            assert recording()
        assert not recording()
    assert recording()


def test_one_object_can_be_entered_twice():
    mode = vg.no_grad()
    with mode:
        with mode:
            assert not recording()
        assert not recording()
    assert recording()


@pytest.mark.parametrize("mode", [vg.no_grad, vg.inference_mode, lambda: vg.set_grad_enabled(False)])
def test_errors_restore_the_mode(mode):
    with pytest.raises(KeyError), mode():
        raise KeyError
    assert recording() and not vg.is_inference_mode_enabled()


def test_set_grad_enabled(x):
    with vg.set_grad_enabled(False):
        assert not (x * 2).requires_grad
        with vg.set_grad_enabled(True):
            assert (x * 2).requires_grad
        assert not recording()
    assert recording()


def test_set_grad_enabled_as_a_function():
    try:
        vg.set_grad_enabled(False)
        assert not recording()
    finally:
        vg.set_grad_enabled(True)
    assert recording()


def test_inference_mode(x):
    assert not vg.is_inference_mode_enabled()
    with vg.inference_mode():
        assert vg.is_inference_mode_enabled() and not recording()
        y = x * 2
        with vg.inference_mode(False):
            assert not vg.is_inference_mode_enabled() and recording()
            assert (x * 2).requires_grad
        assert vg.is_inference_mode_enabled() and not recording()
    assert not vg.is_inference_mode_enabled() and recording()
    assert not y.requires_grad


def test_leaving_inference_mode_restores_no_grad():
    with vg.no_grad():
        with vg.inference_mode():
            pass
        assert not recording()


def test_inference_tensors_cannot_be_saved(x):
    with vg.inference_mode():
        constant = vg.ones(2)
    with pytest.raises(RuntimeError, match="[Ii]nference"):
        x * constant  # noqa: B018
    (x + constant).sum().backward()
    (x * constant.clone()).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: vg.set_grad_enabled(1), "set_grad_enabled: expected mode to be a bool, got int"),
        (lambda: vg.inference_mode(1), "inference_mode: expected mode to be a bool, got int"),
        (lambda: vg.set_grad_enabled(recording), "expected mode to be a bool, got function"),
    ],
)
def test_modes_are_bools(call, message):
    with pytest.raises(TypeError, match=message):
        call()
    assert recording()


# -- decorators ----------------------------------------------------------------------------------------------

MODES = [
    (vg.no_grad, False),
    (vg.no_grad(), False),
    (vg.enable_grad, True),
    (vg.enable_grad(), True),
    (vg.inference_mode, False),
    (vg.inference_mode(), False),
    (vg.inference_mode(True), False),
]


@pytest.mark.parametrize(("mode", "expected"), MODES)
@pytest.mark.parametrize("outside", [False, True])
def test_decorated_functions(mode, expected, outside):
    @mode
    def function(a, *, b=0):
        """Says so."""
        return a, b, recording()

    with vg.set_grad_enabled(outside):
        assert function(1, b=2) == (1, 2, expected)
        assert recording() is outside
    assert function.__name__ == "function" and function.__doc__ == "Says so."


def test_decorated_methods():
    class Thing:
        @vg.no_grad
        def bare(self):
            return self, recording()

        @vg.no_grad()
        def called(self):
            return self, recording()

    thing = Thing()
    assert thing.bare() == thing.called() == (thing, False)


def test_decorating_with_set_grad_enabled():
    @vg.set_grad_enabled(False)
    def function():
        return recording()

    assert recording()
    assert function() is False
    assert recording()


def test_recursive_decorated_functions():
    @vg.no_grad()
    def depth(n):
        return 0 if n == 0 else 1 + depth(n - 1) + recording()

    assert depth(5) == 5 and recording()


@pytest.mark.parametrize(("mode", "expected"), MODES)
def test_generators_see_the_mode_and_their_callers_do_not(mode, expected):
    @mode
    def generator(n):
        got = []
        for _ in range(n):
            got.append((yield recording()))
        return got

    with vg.set_grad_enabled(not expected):
        running = generator(3)
        assert next(running) is expected
        assert recording() is not expected
        assert running.send("a") is expected
        assert running.send("b") is expected
        with pytest.raises(StopIteration) as stop:
            running.send("c")
        assert stop.value.value == ["a", "b", "c"]
        assert recording() is not expected


def test_generators_get_what_is_thrown_and_may_go_on():
    @vg.no_grad()
    def generator():
        try:
            yield 1
        except KeyError:
            yield recording()

    running = generator()
    next(running)
    assert running.throw(KeyError) is False
    assert recording()
    with pytest.raises(OSError):
        running.throw(OSError)
    assert recording()


def test_closed_generators_clean_up_in_their_mode():
    seen = []

    @vg.no_grad()
    def generator():
        try:
            yield
        finally:
            seen.append(recording())

    running = generator()
    next(running)
    running.close()
    assert seen == [False] and recording()


def test_generators_that_yield_from():
    @vg.no_grad()
    def inner():
        return (yield recording())

    def outer():
        return (yield from inner()), recording()

    running = outer()
    assert next(running) is False
    with pytest.raises(StopIteration) as stop:
        running.send(5)
    assert stop.value.value == (5, True)


async def coroutine():
    """Something no mode can be held across."""


@pytest.mark.parametrize("target", [coroutine, int, 3])
@pytest.mark.parametrize("mode", [vg.no_grad(), vg.set_grad_enabled(True), vg.inference_mode()])
def test_what_cannot_be_decorated(mode, target):
    with pytest.raises(TypeError, match="expected a function to decorate, got"):
        mode(target)


# -- threads -------------------------------------------------------------------------------------------------


def test_modes_belong_to_their_thread(x):
    inside, done = threading.Event(), threading.Event()
    seen = {}

    def other():
        seen["start"] = recording()
        with vg.no_grad():
            inside.set()
            done.wait(10)
            seen["inside"] = recording()
        seen["end"] = recording()

    with vg.no_grad():
        thread = threading.Thread(target=other)
        thread.start()
    assert inside.wait(10)
    assert recording() and (x * 2).requires_grad
    done.set()
    thread.join()
    assert seen == {"start": True, "inside": False, "end": True}


def test_many_threads_do_not_disturb_each_other():
    wrong = []

    def work(number):
        x = vg.tensor([float(number)], requires_grad=True)
        for step in range(200):
            with vg.set_grad_enabled(step % 2 == 0):
                y = x * 2
            if y.requires_grad != (step % 2 == 0):
                wrong.append(number)
            with vg.inference_mode(step % 3 == 0):
                pass
            x.grad = None
            (x * x).backward()
            if x.grad.item() != 2.0 * number:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_one_leaf_shared_by_threads():
    x = vg.zeros(4, requires_grad=True)

    def work():
        for _ in range(100):
            (x * 2).sum().backward()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert x.grad.tolist() == [800.0] * 4


def test_names():
    for name in ("no_grad", "enable_grad", "inference_mode", "set_grad_enabled"):
        assert getattr(vg, name) is getattr(autograd, name)
