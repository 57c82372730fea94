"""The worker sees the newest item, drops what came late, and ends when told."""

import threading

from realhands_ros.nodes.newest_first import NewestSlot, Worker


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
