"""Pairs are exact, and nothing that stamps may do stalls the pairing."""

import random

import pytest

from realhands_ros.errors import ConfigError
from realhands_ros.nodes.pairing import Pairer


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
