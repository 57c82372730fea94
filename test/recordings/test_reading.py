"""Whole and damaged recordings give the frames that they hold, and say what they lack."""

from pathlib import Path

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin

from realhands_ros.errors import DatasetError
from realhands_ros.messages.topics import TRUTH_TOPIC
from realhands_ros.recordings.bag import BagFile
from realhands_ros.recordings.frames import FrameStream
from realhands_ros.recordings.topics import find_camera, find_truth
from realhands_ros.recordings.truth import TruthStream

STEP_NS = 100_000_000


def read(path: Path, **options) -> tuple[list, FrameStream, BagFile]:
    with BagFile(path) as bag:
        stream = FrameStream(bag, find_camera(bag.topics, **options))
        return list(stream), stream, bag


@pytest.mark.parametrize('version', ['5.0', '5.1'])
@pytest.mark.parametrize('storage', [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_both_wrapper_generations_and_both_storages(record, tmp_path, version, storage):
    with record(version, storage) as recorder:
        for frame in range(3):
            recorder.pair(frame)
    frames, stream, bag = read(tmp_path / 'bag')
    assert len(frames) == 3
    assert bag.damage is None and not stream.skipped
    assert np.diff([frame.stamp_ns for frame in frames]).tolist() == [STEP_NS, STEP_NS]
    assert frames[0].images[0].shape == (48, 64, 4)
    np.testing.assert_allclose(frames[0].cameras[1].translation, [-0.12, 0, 0], atol=1e-9)


def test_pairs_are_exact_and_order_does_not_matter(record, tmp_path):
    with record() as recorder:
        recorder.image('right', 0)
        recorder.image('left', 1)
        for eye in ('left', 'right'):
            recorder.info(eye)
        recorder.image('left', 0)
        recorder.image('right', 1)
        recorder.image('left', 2)
    frames, stream, _ = read(tmp_path / 'bag')
    assert len(frames) == 2
    assert stream.skipped == {'left images without a partner of the same stamp': 1}


def test_mono_needs_the_left_camera_only(record, tmp_path):
    with record() as recorder:
        recorder.info('left')
        recorder.image('left', 0)
    frames, _, _ = read(tmp_path / 'bag', mono=True)
    assert frames[0].num_views == 1


@pytest.mark.parametrize('share', [0.35, 0.7, 0.95])
@pytest.mark.parametrize('with_metadata', [True, False])
def test_a_cut_file_gives_what_is_whole_of_it(record, tmp_path, share, with_metadata):
    with record() as recorder:
        # Larger than a chunk of the file, so that there are several.
        for frame in range(150):
            recorder.pair(frame)
            recorder.truth(frame)
    path = tmp_path / 'bag' / 'bag.mcap'
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    if not with_metadata:
        (tmp_path / 'bag' / 'metadata.yaml').unlink()
    frames, _, bag = read(tmp_path / 'bag')
    assert 0 < len(frames) < 150
    assert bag.damage
    with BagFile(tmp_path / 'bag') as bag:
        assert len(list(bag.messages({TRUTH_TOPIC}))) >= len(frames) - 1


def test_bytes_that_were_altered_end_the_data_there(record, tmp_path):
    with record() as recorder:
        for frame in range(150):
            recorder.pair(frame)
    path = tmp_path / 'bag' / 'bag.mcap'
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 40_000] = bytes(40_000)
    path.write_bytes(bytes(data))
    with BagFile(tmp_path / 'bag') as bag:
        list(bag.messages(bag.topics))
        # Without compression the pixels may be what was hit, which no reader can tell.
        assert bag.topics


def test_a_missing_topic_is_named_with_those_that_are_there(record, tmp_path):
    with record() as recorder:
        recorder.image('left', 0)
    with pytest.raises(DatasetError, match=r'no topic .*left/color/rect/camera_info'):
        read(tmp_path / 'bag')
    with pytest.raises(DatasetError, match='--left and --right'):
        read(tmp_path / 'bag', left='/camera/image')


def test_no_camera_at_all(record, tmp_path):
    with record() as recorder:
        recorder.truth(0)
    with pytest.raises(DatasetError, match='no image of a ZED; it has /ground_truth/hands'):
        read(tmp_path / 'bag')


def test_one_image_is_no_frame(record, tmp_path):
    with record() as recorder:
        for eye in ('left', 'right'):
            recorder.info(eye)
        recorder.image('left', 0)
    with pytest.raises(DatasetError, match='no topic .*right/color/rect/image'):
        read(tmp_path / 'bag', right='/zed/zed_node/right/color/rect/image')


def test_images_without_partners_are_counted_in_the_message(record, tmp_path):
    with record() as recorder:
        for eye in ('left', 'right'):
            recorder.info(eye)
        recorder.image('left', 0)
        recorder.image('right', 1)
    with pytest.raises(DatasetError, match='no complete frame: 1 of .*left images without'):
        read(tmp_path / 'bag')


def test_images_of_another_frame_are_skipped_and_counted(record, tmp_path):
    with record() as recorder:
        recorder.pair(0)
        recorder.pair(1, frame_id='map')
        recorder.pair(2)
    frames, stream, _ = read(tmp_path / 'bag')
    assert len(frames) == 2
    assert list(stream.skipped.values()) == [1]
    assert "'map'" in next(iter(stream.skipped))


def test_a_damaged_image_costs_its_frame_only(record, tmp_path):
    def shorten(message):
        message.data = message.data[:100]

    with record() as recorder:
        recorder.pair(0)
        recorder.pair(1, change=shorten)
    frames, stream, _ = read(tmp_path / 'bag')
    assert len(frames) == 1
    assert sum(stream.skipped.values()) == 1


def test_padded_rows_and_grey_images_are_read(record, tmp_path):
    def as_padded_grey(message):
        grey = np.full((48, 80), 7, np.uint8)
        grey[:, 64:] = 255
        message.encoding, message.step, message.data = 'mono8', 80, grey.reshape(-1)

    with record() as recorder:
        recorder.pair(0, change=as_padded_grey)
    frames, _, _ = read(tmp_path / 'bag')
    assert (frames[0].images[0] == 7).all()
    assert frames[0].images[0].shape == (48, 64)


def test_what_is_no_recording(tmp_path):
    with pytest.raises(DatasetError, match='does not exist'):
        BagFile(tmp_path / 'nothing').__enter__()
    (tmp_path / 'empty.mcap').write_bytes(b'')
    with pytest.raises(DatasetError, match='cannot be read'):
        BagFile(tmp_path / 'empty.mcap').__enter__()
    (tmp_path / 'folder').mkdir()
    with pytest.raises(DatasetError, match='cannot be read'):
        BagFile(tmp_path / 'folder').__enter__()


def test_truth_is_found_by_stamp(record, tmp_path, true_mesh):
    with record() as recorder:
        for frame in (0, 2):
            recorder.truth(frame)
        recorder.pair(0)
    with BagFile(tmp_path / 'bag') as bag:
        (camera,) = {topic for topic in bag.topics if topic.endswith('left/color/rect/image')}
        truth = TruthStream(bag, find_truth(bag.topics, None), camera)
        start = 1_700_000_000_000_000_000
        (hand,) = truth.at(start, 'zed_left_camera_frame_optical')
        np.testing.assert_allclose(hand.hand.vertices, true_mesh.vertices_cam, atol=1e-6)
        assert hand.visible_share == 1.0
        assert truth.at(start + STEP_NS, 'zed_left_camera_frame_optical') is None
        # The older generation's name of the same frame.
        assert truth.at(start + 2 * STEP_NS, 'zed_left_camera_optical_frame')
        assert truth.at(start + 3 * STEP_NS, 'zed_left_camera_frame_optical') is None


def test_truth_in_another_frame_is_refused(record, tmp_path):
    with record() as recorder:
        recorder.truth(0, frame_id='map')
    with BagFile(tmp_path / 'bag') as bag:
        truth = TruthStream(bag, TRUTH_TOPIC, '/zed/zed_node/left/color/rect/image')
        with pytest.raises(DatasetError, match="'map'.*transform the truth"):
            truth.at(1_700_000_000_000_000_000, 'zed_left_camera_frame_optical')


def test_a_topic_that_holds_no_hands_is_refused(record, tmp_path):
    with record() as recorder:
        recorder.pair(0)
    with BagFile(tmp_path / 'bag') as bag:
        assert find_truth(bag.topics, None) is None
        with pytest.raises(DatasetError, match='is not there'):
            find_truth(bag.topics, '/hands')
        with pytest.raises(DatasetError, match='is a sensor_msgs/msg/Image'):
            find_truth(bag.topics, '/zed/zed_node/left/color/rect/image')
