"""A recording that cannot be read is named, at once or when it comes to that."""

import shutil
import threading

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed (make setup)')

from realhands_ros.errors import DatasetError
from realhands_ros.system.player import _read_ahead, open_bag

TOPICS = {'/zed/zed_node/left/color/rect/image': None}


def damaged(bag, folder, damage):
    """Return a copy of a bag whose data went through ``damage``."""
    shutil.copytree(bag, folder)
    (file,) = folder.glob('*.mcap')
    data = np.frombuffer(file.read_bytes(), np.uint8).copy()
    file.write_bytes(damage(data).tobytes())
    return folder


def scrawled(data):
    data[len(data) // 4 : len(data) // 2] = 255
    return data


def test_a_damaged_recording_is_played_as_far_as_it_goes(zed_bag, tmp_path):
    bag = damaged(zed_bag, tmp_path / 'bag', scrawled)
    messages = _read_ahead(bag, TOPICS, threading.Event())
    with pytest.raises(DatasetError, match=r'bag is damaged, and cannot be played to its end'):
        list(messages)


@pytest.mark.parametrize('damage', [lambda data: data[:100], lambda data: data[:0]])
def test_a_recording_that_was_cut_is_no_recording(zed_bag, tmp_path, damage):
    bag = damaged(zed_bag, tmp_path / 'bag', damage)
    with pytest.raises(DatasetError, match='cannot be read'), open_bag(bag):
        pass


def test_no_recording_is_no_recording(tmp_path):
    with pytest.raises(DatasetError, match='cannot be read'), open_bag(tmp_path / 'none'):
        pass
