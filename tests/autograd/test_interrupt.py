"""Ctrl-C during long work: it ends soon, and leaves a process that goes on computing."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGINT to a process")

# Each program sends itself SIGINT shortly after `work` begins; `work` runs for much longer than that.
# Afterwards every kind of work has to succeed.
FRAME = """
import os, signal, sys, threading, time
import verigrad as vg

vg.set_num_threads({threads})
{setup}

def work():
{work}

def strike():
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=strike).start()
start = time.monotonic()
try:
    work()
except KeyboardInterrupt:
    print("interrupted after", round(time.monotonic() - start - 0.3, 2))
else:
    sys.exit("work was done before the signal, or went on after it")

{check}
w = vg.ones(700, 700, requires_grad=True)
for _ in range(3):
    y = ((w @ w).exp() * 1e-300 + w).sum()
    w.grad = None
    y.backward()
assert w.grad.isfinite().all() and vg.arange(3e6).sum().item() > 0
print("fine")
"""

CHAIN = """
x = vg.ones(1, requires_grad=True)
y = x
for _ in range(400_000):
    y = y * 1.0
"""

LONG_WORK = {
    # setup, work, check
    "a long graph": (
        CHAIN,
        "    while True: y.backward(retain_graph=True)",
        "x.grad = None\ny.backward()\nassert x.grad.item() == 1.0",
    ),
    "a graph to some inputs": (CHAIN, "    while True: vg.autograd.grad(y, x, retain_graph=True)", ""),
    "a product": (
        "a = vg.rand(6000, 6000)",
        "    return [a @ a for _ in range(50)]",
        "assert a.min().item() >= 0",
    ),
    "an elementwise kernel": (
        "a = vg.rand(20_000_000, dtype=vg.float64)",
        "    return [a.sin().exp() for _ in range(500)] and None",
        "",
    ),
    "a reduction": ("a = vg.rand(4000, 4000)", "    for _ in range(100_000): a.sum(0)", ""),
    "a convolution": (
        "a, b = vg.rand(64, 64, 128, 128), vg.rand(128, 64, 5, 5)",
        "    for _ in range(1000): vg.nn.functional.conv2d(a, b)",
        "",
    ),
    "the gradient of a convolution": (
        "a, b = vg.rand(16, 32, 64, 64), vg.rand(64, 32, 5, 5, requires_grad=True)\n"
        "y = vg.nn.functional.conv2d(a, b).sum()",
        "    while True: y.backward(retain_graph=True)",
        "b.grad = None",
    ),
    "on another thread": (
        CHAIN + "import _thread\nstopped = threading.Event()\n"
        "def passes():\n"
        "    while not stopped.is_set(): vg.autograd.grad(y, x, retain_graph=True)\n"
        "threading.Thread(target=passes).start()",
        "    while True: time.sleep(0.01)",
        "stopped.set()",
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
    setup, work, check = LONG_WORK[kind]
    out = run(FRAME.format(setup=setup, work=work, check=check, threads=threads))
    assert "interrupted after" in out and out.endswith("fine\n")


@pytest.mark.parametrize("threads", [1, 2])
def test_what_is_written_in_place_is_never_half_done(threads: int) -> None:
    setup = "n = 20_000_000\na, p = vg.zeros(n), vg.zeros(n, requires_grad=True)\np.grad = vg.ones(n)\n"
    setup += "sgd = vg.optim.SGD([p], lr=1.0)"
    work = "    while True:\n        a.add_(1.0)\n        a += 1.0\n        a[:] = a\n        sgd.step()"
    check = "assert a.min().item() == a.max().item() and p.min().item() == p.max().item()"
    run(FRAME.format(setup=setup, work=work, check=check, threads=threads))


def test_gradients_are_added_whole() -> None:
    setup = "x = vg.zeros(20_000_000, requires_grad=True)\ny = x.sum()"
    work = "    while True: y.backward(retain_graph=True)"
    run(
        FRAME.format(
            setup=setup, work=work, check="assert x.grad.min().item() == x.grad.max().item()", threads=2
        )
    )


def test_other_signals_run_their_handlers_and_the_work_goes_on() -> None:
    program = FRAME.split("def strike")[0].format(
        threads=2,
        setup=CHAIN
        + "calls = []\nsignal.signal(signal.SIGALRM, lambda *_: calls.append(vg.ones(3).sum().item()))",
        work="    y.backward(retain_graph=True)",
    )
    program += "signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)\nwhile len(calls) < 3: work()\n"
    program += "signal.setitimer(signal.ITIMER_REAL, 0)\nassert set(calls) == {3.0} and x.grad.item() >= 1\n"
    run(program)
