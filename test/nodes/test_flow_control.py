"""A frame begins when few others are under way, and nothing that is lost or dead stops it."""

import threading
import time

import pytest

from realhands_ros.nodes.flow_control import FlowControl

LONG_S = 30.0


@pytest.fixture
def answered():
    """Make flow control to which a frame has come back, so that it waits for others."""

    def make(limit, patience_s=LONG_S):
        flow = FlowControl(limit, patience_s)
        flow.sent(0)
        flow.came_back(0)
        return flow

    return make


def waits(flow):
    """Return whether ``wait`` is still waiting after a while, and what makes it end."""
    thread = threading.Thread(target=flow.wait, daemon=True)
    thread.start()
    thread.join(0.1)
    return thread.is_alive()


def test_as_many_as_the_limit_are_under_way(answered):
    flow = answered(2)
    flow.sent(1)
    assert not waits(flow)
    flow.sent(2)
    assert waits(flow)
    flow.came_back(1)
    assert not waits(flow)


def test_who_waits_is_woken_by_what_comes_back(answered):
    flow = answered(1)
    flow.sent(1)
    threading.Timer(0.1, flow.came_back, [1]).start()
    begin = time.monotonic()
    flow.wait()
    assert 0.05 < time.monotonic() - begin < LONG_S


def test_frames_before_the_one_that_came_back_were_lost(answered):
    flow = answered(2)
    flow.sent(1)
    flow.sent(2)
    flow.came_back(2)
    flow.sent(3)
    assert not waits(flow)


def test_a_stranger_ends_no_waiting(answered):
    flow = answered(1)
    flow.sent(1)
    flow.came_back(77)
    assert waits(flow)


def test_stamps_may_go_back_as_in_a_loop(answered):
    flow = answered(2)
    flow.sent(900)
    flow.sent(100)
    assert waits(flow)
    flow.came_back(100)
    assert not waits(flow)


def test_nobody_waits_before_anything_came_back():
    flow = FlowControl(1, LONG_S)
    flow.sent(1)
    flow.sent(2)
    assert not waits(flow)


def test_nobody_waits_for_the_dead(answered):
    flow = answered(1, patience_s=0.2)
    flow.sent(1)
    assert waits(flow)
    time.sleep(0.2)
    assert not waits(flow)
    flow.sent(2)
    assert not waits(flow)


def test_zero_is_no_limit(answered):
    flow = answered(0)
    for stamp_ns in range(1, 9):
        flow.sent(stamp_ns)
    assert not waits(flow)
