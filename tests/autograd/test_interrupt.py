"""Ctrl-C during long work: it ends soon, and leaves a process that goes on computing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGINT to a process")

# Each program sends itself SIGINT shortly after one native call begins that lasts for much longer: were
# it not interrupted, `done` would have its result when Python gets to raise. Then other work must succeed.
FRAME = """
import os, signal, sys, threading, time
import verigrad as vg

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
vg.set_num_threads({threads})
done = []
{setup}

def work():
{work}

def strike():
    time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=strike).start()
start = time.monotonic()
try:
    work()
except KeyboardInterrupt:
    print("interrupted after", round(time.monotonic() - start - 0.1, 2))
else:
    sys.exit("the signal was lost")

{check}
w = vg.ones(700, 700, requires_grad=True)
for _ in range(3):
    w.grad = None
    (w @ w).sum().backward()
    assert (w.grad == 1400).all() and vg.ones(3_000_000).sum().item() == 3e6
print("fine")
"""

CHAIN = """
x = vg.ones(30_000, requires_grad=True)
y = x
for _ in range(100_000):
    y = y * 1.0
y = y.sum()
"""

LONG_WORK = {
    # name: (what goes before, the call, what follows)
    "a long graph": (
        CHAIN,
        "map(vg.Tensor.backward, [y])",
        "assert x.grad is None\ny = (x * 2).sum()\ny.backward()\nassert x.grad[0].item() == 2",
    ),
    "a graph to some inputs": (
        CHAIN,
        "map(vg._C._grad, [[y]], [[x]], [[None]], [True], [False], [False])",
        "assert vg.autograd.grad((x * 2).sum(), x)[0][0].item() == 2",
    ),
    "a product": ("a = vg.rand(7000, 7000)", "map(vg.matmul, [a], [a])", ""),
    "an elementwise kernel": ("a = vg.rand(40_000_000, dtype=vg.float64)", "map(vg.pow, [a], [1.37])", ""),
    "a reduction": ("a = vg.rand(1000, 1).expand(1000, 10_000_000)", "map(vg.sum, [a])", ""),
    "a convolution": (
        "a, b = vg.rand(64, 64, 128, 128), vg.rand(128, 64, 5, 5)",
        "map(vg.nn.functional.conv2d, [a], [b])",
        "",
    ),
    "the gradient of a convolution": (
        "a, b = vg.rand(16, 64, 128, 128), vg.rand(128, 64, 5, 5, requires_grad=True)\n"
        "y = vg.nn.functional.conv2d(a, b).sum()",
        "map(vg.Tensor.backward, [y])",
        "assert b.grad is None",
    ),
}


def run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", LONG_WORK)
def test_ctrl_c_ends_long_work(kind: str, threads: int) -> None:
    if kind == "the gradient of a convolution" and "VERIGRAD_TEST_SANITIZER" in os.environ:
        pytest.skip("the convolution before it takes minutes under a sanitizer")
    setup, call, check = LONG_WORK[kind]
    check = f"assert not done, 'the call went on to its end'\n{check}"
    out = run(FRAME.format(setup=setup, work=f"    done.extend({call})", check=check, threads=threads))
    assert "interrupted after" in out and out.endswith("fine\n")


def test_ctrl_c_while_another_thread_computes() -> None:
    setup = CHAIN + "stopped = threading.Event()\ndef passes():\n"
    setup += "    while not stopped.is_set(): vg.autograd.grad(y, x, retain_graph=True)\n"
    setup += "threading.Thread(target=passes).start()"
    run(FRAME.format(setup=setup, work="    while True: time.sleep(0.01)", check="stopped.set()", threads=2))


# Calls that write to equal elements and take much longer than the time between two looks at the signals:
# were one interrupted, its elements would differ.
WRITES = {
    "an operation in place": (
        "a = vg.full((8_000_000,), 2.0, dtype=vg.float64)",
        "a.pow_(1.7)\n        a.pow_(1 / 1.7)",
    ),
    "a step of an optimizer": (
        "a = vg.zeros(20_000_000, dtype=vg.float64, requires_grad=True)\n"
        "a.grad = vg.ones(20_000_000, dtype=vg.float64)\nadam = vg.optim.Adam([a], lr=1.0)\nadam.step()",
        "adam.step()",
    ),
    "the addition to a gradient": (
        "x = vg.zeros(40_000_000, dtype=vg.float64, requires_grad=True)\n"
        "y = x.sum()\ny.backward()\na = x.grad",
        "y.backward(retain_graph=True)",
    ),
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", WRITES)
def test_what_is_written_in_place_is_never_half_done(kind: str, threads: int) -> None:
    setup, call = WRITES[kind]
    work = f"    while True:\n        {call}"
    check = "a = a.detach()\nassert a.min().item() == a.max().item()"
    run(FRAME.format(setup=setup, work=work, check=check, threads=threads))


def test_other_signals_run_their_handlers_and_the_work_goes_on() -> None:
    program = FRAME.split("def strike")[0].format(
        threads=2,
        setup=CHAIN
        + "calls = []\nsignal.signal(signal.SIGALRM, lambda *_: calls.append(vg.ones(3).sum().item()))",
        work="    y.backward(retain_graph=True)",
    )
    program += "signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)\nwhile len(calls) < 3: work()\n"
    program += (
        "signal.setitimer(signal.ITIMER_REAL, 0)\nassert set(calls) == {3.0} and x.grad[0].item() >= 1\n"
    )
    run(program)
