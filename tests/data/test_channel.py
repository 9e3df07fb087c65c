"""The channel between a loader and a worker."""

import numpy as np
import pytest

import verigrad
from verigrad.data import channel


def test_slots_are_used_again():
    ours, end = channel.pair()
    theirs = channel.Channel(end)
    for value in range(10):
        theirs.send(np.full(50000, value))
        assert ours.receive()[0] == value
        ours.send("thanks")
        theirs.receive()
    assert len(theirs._slots) == 1
    theirs.send(np.zeros(90000))  # too large for it: it is given up
    ours.receive()
    assert len(theirs._slots) == len(ours._seen) == 1
    with pytest.raises(BlockingIOError):
        ours.receive()
    theirs.close()
    with pytest.raises(channel.ClosedError):
        ours.receive()
    with pytest.raises(channel.ClosedError):
        ours.send(1)
    ours.close()


def test_what_does_not_fit_waits_in_the_outbox():
    ours, end = channel.pair()
    theirs = channel.Channel(end)
    count = 0
    while not ours.waiting:
        ours.send(count)
        count += 1
    ours.send(count)
    for value in range(count + 1):
        ours.flush()
        assert theirs.receive() == value
    assert not ours.waiting
    ours.close()
    theirs.close()


def test_generators_travel():
    ours, end = channel.pair()
    theirs = channel.Channel(end)
    source = verigrad.Generator().manual_seed(3)
    verigrad.rand(5, generator=source)
    theirs.send(source)
    copy = ours.receive()
    assert verigrad.rand(3, generator=copy).tolist() == verigrad.rand(3, generator=source).tolist()
    ours.close()
    theirs.close()
