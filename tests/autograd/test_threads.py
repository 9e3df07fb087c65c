"""Passes, hooks and gradients on several Python threads, and forks while they run.

tests/cpp/test_threads.cpp has the same without Python, where a thread sanitizer sees the most.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

import verigrad as vg

ROUNDS = 200


def together(*functions: Callable[[], None]) -> None:
    """Runs each function on a thread of its own; an exception of one comes out."""
    errors: list[BaseException] = []

    def guarded(function: Callable[[], None]) -> None:
        try:
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(f,)) for f in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_a_gradient_is_cleared_while_two_threads_add_to_it() -> None:
    p = vg.ones(1000, requires_grad=True)

    def passes() -> None:
        for _ in range(ROUNDS):
            (p * 2).sum().backward()

    def clear() -> None:
        for i in range(ROUNDS * 5):
            grad: Any = p.grad
            if grad is not None:
                assert grad.shape == (1000,)
                grad.foo = i  # an object that outlives this round in p
            p.grad = None if i % 3 else grad

    together(passes, passes, clear)
    p.grad = None
    (p * 2).sum().backward()
    assert p.grad is not None and p.grad.tolist() == [2.0] * 1000


def test_hooks_come_and_go_while_passes_run() -> None:
    p = vg.ones(10, requires_grad=True)
    y = p * 1
    done = threading.Event()

    def passes() -> None:
        try:
            for _ in range(ROUNDS):
                y.sum().backward(retain_graph=True)
        finally:
            done.set()

    def hooks() -> None:
        while not done.is_set():
            handles = [t.register_hook(lambda grad: None) for t in (p, y, p, y)]
            for handle in handles:
                handle.remove()

    together(passes, hooks)
    assert p.grad is not None and p.grad.tolist() == [float(ROUNDS)] * 10


@pytest.mark.host("a process that has used CUDA cannot be forked")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.skipif(
    "VERIGRAD_TEST_SANITIZER" in os.environ, reason="a sanitizer refuses threads in the child"
)
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_during_a_pass_leaves_a_child_that_computes() -> None:
    vg.set_num_threads(2)
    w = vg.ones(400, 400, requires_grad=True)
    done = threading.Event()

    def passes() -> None:
        while not done.is_set():
            ((w @ w) * vg.rand(400, 400)).sum().backward()

    worker = threading.Thread(target=passes)
    worker.start()
    try:
        for _ in range(20):
            child = os.fork()
            if child == 0:
                try:
                    signal.alarm(60)  # ends a child that hangs
                    w.grad = None
                    ((w @ w) * 1.0).sum().backward()
                    right = w.grad is not None and w.grad.max().item() == 800.0
                    os._exit(0 if right else 1)
                finally:
                    os._exit(2)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        done.set()
        worker.join()
