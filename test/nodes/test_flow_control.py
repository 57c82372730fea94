"""A frame begins when few others are under way, and nothing that is lost or dead stops it."""

from __future__ import annotations

import random
import threading
import time

import pytest

from realhands_ros.errors import ConfigError
from realhands_ros.nodes.flow_control import FlowControl, NewestSlot, Pairer, Worker

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


# The worker sees the newest item, drops what came late, and ends when told.


def test_the_newest_item_displaces_the_older_one():
    slot = NewestSlot()
    assert slot.put(1) is False
    assert slot.put(2) is True
    assert slot.take() == 2
    assert slot.put(3) is False


def test_a_closed_slot_gives_nothing():
    slot = NewestSlot()
    slot.put(1)
    slot.close()
    assert slot.take() is None


def test_a_slow_worker_skips_to_the_newest():
    seen, started, go_on = [], threading.Event(), threading.Event()

    def work(item):
        seen.append(item)
        started.set()
        assert go_on.wait(10)

    worker = Worker('test', work)
    worker.offer(0)
    assert started.wait(10)
    dropped = [worker.offer(item) for item in (1, 2, 3)]
    go_on.set()
    while len(seen) < 2:
        started.wait(0.01)
    worker.stop()
    assert seen == [0, 3]
    assert dropped == [False, True, True]


def test_stop_waits_for_the_item_in_work():
    finished, started = [], threading.Event()

    def work(item):
        started.set()
        threading.Event().wait(0.1)
        finished.append(item)

    worker = Worker('test', work)
    worker.offer(7)
    assert started.wait(10)
    worker.stop()
    assert finished == [7]


def test_who_had_to_wait_takes_what_is_newest_then():
    seen, waiting, go_on = [], threading.Event(), threading.Event()

    def wait():
        waiting.set()
        assert go_on.wait(10)

    worker = Worker('test', seen.append, wait)
    assert waiting.wait(10)
    for item in (1, 2, 3):
        worker.offer(item)
    go_on.set()
    while not seen:
        waiting.wait(0.01)
    worker.stop()
    assert seen == [3]


# Pairs are exact, and nothing that stamps may do stalls the pairing.


def feed(pairer, arrivals):
    """Add (source, stamp) items named 'source:stamp'; return the pairs in the order of coming."""
    results = [pairer.add(source, stamp, f'{source}:{stamp}') for source, stamp in arrivals]
    return [pair for pair in results if pair]


def both(stamps):
    return [(source, stamp) for stamp in stamps for source in ('left', 'right')]


def test_equal_stamps_are_paired_left_first():
    arrivals = [('right', 5), ('left', 5), ('left', 6), ('right', 6)]
    assert feed(Pairer(), arrivals) == [('left:5', 'right:5'), ('left:6', 'right:6')]


def test_stamps_that_differ_by_a_nanosecond_are_no_pair():
    pairer = Pairer()
    assert feed(pairer, [('left', 5), ('right', 6)]) == []


def test_a_lost_image_is_counted_and_costs_one_frame():
    pairer = Pairer()
    arrivals = [item for item in both(range(10)) if item != ('right', 4)]
    pairs = feed(pairer, arrivals)
    assert [left for left, _ in pairs] == [f'left:{i}' for i in range(10) if i != 4]
    assert pairer.unpaired == {'left': 1, 'right': 0}


def test_one_camera_may_be_late_by_several_frames():
    arrivals = [('left', i) for i in range(8)] + [('right', i) for i in range(8)]
    assert len(feed(Pairer(), arrivals)) == 8


def test_one_camera_stopping_neither_grows_nor_stalls():
    pairer = Pairer(most_waiting=4)
    assert feed(pairer, both(range(3)) + [('left', i) for i in range(3, 1000)]) != []
    assert pairer.unpaired['left'] == 997 - 4
    assert len(feed(pairer, both(range(1000, 1005)))) == 5


@pytest.mark.parametrize('lost', [[], [('left', 9)], [('right', 9)], [('right', 8), ('right', 9)]])
def test_a_bag_that_starts_anew_is_paired_at_once(lost):
    pairer = Pairer()
    first = [item for item in both(range(10)) if item not in lost]
    feed(pairer, first)
    pairs = feed(pairer, both(range(10)))
    assert [left for left, _ in pairs] == [f'left:{i}' for i in range(10)]


def test_slop_takes_the_nearest():
    pairer = Pairer(slop_ns=10)
    arrivals = [('left', 0), ('left', 15), ('right', 12), ('left', 40), ('right', 51)]
    assert feed(pairer, arrivals) == [('left:15', 'right:12')]
    assert pairer.unpaired == {'left': 1, 'right': 0}


def test_negative_slop_is_refused():
    with pytest.raises(ConfigError, match='sync_slop is -1'):
        Pairer(slop_ns=-1)


def test_every_item_is_paired_counted_or_waiting():
    random.seed(0)
    pairer = Pairer(most_waiting=5)
    pairs, added = 0, {'left': 0, 'right': 0}
    for _ in range(3000):
        source, stamp = random.choice(('left', 'right')), random.randrange(40)
        added[source] += 1
        pairs += pairer.add(source, stamp, None) is not None
    for source in added:
        waiting = added[source] - pairs - pairer.unpaired[source]
        assert 0 <= waiting <= 5
