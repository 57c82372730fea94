"""The keypoint node is fed what broken cameras send: counted, said once, survived."""

from __future__ import annotations

import array
from copy import deepcopy

import numpy as np
import pytest

pytest.importorskip('realhands.msg', reason='the messages are not built (make setup)')

from realhands.msg import HandMeshArray
from realhands_ros.messages.encode import mesh_to_msg
from realhands_ros.nodes.keypoint_node import KeypointNode

OBSERVATIONS = 'hands/observations'


@pytest.fixture(scope='module')
def bench(bench_of, shots):
    bench = bench_of(KeypointNode, OBSERVATIONS)
    bench.start()
    calibrate(bench, shots.infos())
    return bench


@pytest.fixture(autouse=True)
def _fresh(bench):
    bench.fresh()


def calibrate(bench, infos):
    for eye, info in zip(('left', 'right'), infos, strict=True):
        bench.send(f'{eye}/camera_info', info)
    expected = [(info.width, *info.p) for info in infos]

    def arrived():
        known = bench.node._feed._infos
        seen = [known[eye] for eye in ('left', 'right') if eye in known]
        return [(info.width, *info.p) for info in seen] == expected

    bench.wait(arrived, 'the calibration')


def show(bench, pair):
    """Show a pair and return what the node says of it."""
    for eye, image in zip(('left', 'right'), pair, strict=True):
        bench.send(f'{eye}/image', image)
    stamp = pair[0].header.stamp
    return bench.result(OBSERVATIONS, stamp.sec * 1_000_000_000 + stamp.nanosec)


def show_good(bench, shots):
    """The next good frame is processed: its hand is there."""
    for _ in range(3):  # a hand is believed at second sight, if the first was no pair
        answer = show(bench, shots.pair(shots.stamp_ns()))
        if answer.hands:
            break
    (hand,) = answer.hands
    assert hand.handedness == hand.HANDEDNESS_RIGHT
    assert answer.header.frame_id == 'zed_left_camera_frame_optical'
    return hand


def grey_16_bit(image):
    image.encoding = '16UC1'


def unknown_encoding(image):
    image.encoding = 'yuv9000'


def short_step(image):
    image.step = 100


def cut_off(image):
    image.data = image.data[:1000]


def empty(image):
    image.width, image.height, image.data = 0, 0, array.array('B')


def smaller_than_calibrated(image):
    image.height //= 2


@pytest.mark.parametrize(
    ('damage', 'words'),
    [
        (grey_16_bit, "encoding '16UC1'"),
        (unknown_encoding, "encoding 'yuv9000'"),
        (short_step, 'its step is wrong'),
        (cut_off, 'it is cut off'),
        (empty, 'is empty'),
        (smaller_than_calibrated, 'camera_info'),
    ],
)
@pytest.mark.parametrize('view', [0, 1])
def test_a_bad_image_is_counted_said_once_and_survived(bench, shots, damage, words, view):
    for _ in range(3):
        pair = shots.pair(shots.stamp_ns())
        damage(pair[view])
        assert show(bench, pair).hands == []
    assert bench.said(words) == 1
    assert bench.counted(words) == 3
    show_good(bench, shots)


@pytest.mark.parametrize('encoding', ['bgra8', 'bgr8', 'rgb8'])
def test_padded_rows_are_no_fault(bench, shots, encoding):
    expected = show_good(bench, shots)
    pair = shots.pair(shots.stamp_ns())
    for image in pair:
        pixels = np.frombuffer(image.data, np.uint8).reshape(image.height, image.width, 4)
        channels = {'bgra8': [0, 1, 2, 3], 'bgr8': [0, 1, 2], 'rgb8': [2, 1, 0]}[encoding]
        rows = np.full((image.height, image.width * len(channels) + 36), 200, np.uint8)
        rows[:, :-36] = pixels[..., channels].reshape(image.height, -1)
        image.encoding, image.step = encoding, rows.shape[1]
        image.data = array.array('B', rows.tobytes())
    (hand,) = show(bench, pair).hands
    assert hand.id == expected.id
    moved = np.subtract(hand.views[0].keypoints_px, expected.views[0].keypoints_px)
    assert np.abs(moved).max() < 3.0
    assert bench.counted('') == 0


def zero_baseline(infos):
    infos[1].p[3] = 0.0


def no_intrinsics(infos):
    for info in infos:
        info.k[:], info.p[:] = 0.0, 0.0


def nan_projection(infos):
    infos[0].p[2] = np.nan


def singular_projection(infos):
    infos[0].p[8:] = 0.0


def no_size(infos):
    infos[0].width = 0


@pytest.mark.parametrize(
    ('damage', 'words'),
    [
        (zero_baseline, 'baseline is 0 m'),
        (no_intrinsics, 'not calibrated'),
        (nan_projection, 'must be finite'),
        (singular_projection, 'last row must be 0, 0, 1'),
        (no_size, 'both must be positive'),
    ],
)
def test_a_bad_calibration_is_counted_said_once_and_survived(bench, shots, damage, words):
    infos = deepcopy(shots.infos())
    damage(infos)
    for eye, info in zip(('left', 'right'), infos, strict=True):
        bench.send(f'{eye}/camera_info', info)
    bench.wait(lambda: words in bench.node._feed.calibration, 'the bad calibration')
    try:
        for _ in range(3):
            assert show(bench, shots.pair(shots.stamp_ns())).hands == []
        assert bench.said(words) == 1
        assert bench.counted(words) == 3
        assert words in bench.node.facts()['calibration']
    finally:
        calibrate(bench, shots.infos())
    assert bench.node.facts()['calibration'] == 'valid'
    show_good(bench, shots)


def test_exchanged_cameras_are_said(bench, shots):
    for _ in range(14):
        left, right = shots.pair(shots.stamp_ns())
        left.data, right.data = right.data, left.data
        show(bench, (left, right))
    assert bench.said('left and right exchanged (negative disparity)') == 1
    assert bench.counted('negative disparity') >= 2
    show_good(bench, shots)


def test_a_covered_camera_is_said_and_the_other_goes_on(bench, shots):
    for _ in range(3):
        pair = shots.pair(shots.stamp_ns())
        pair[1].data = array.array('B', bytes(len(pair[1].data)))
        show(bench, pair)
    assert bench.said('the right image shows nothing') == 1
    assert bench.counted('the right image shows nothing') == 3
    show_good(bench, shots)


def test_one_camera_stops_and_comes_back(bench, shots):
    before = bench.node._pairer.unpaired['left']
    for _ in range(14):
        bench.send('left/image', shots.pair(shots.stamp_ns())[0])
        bench.spin(0.01)
    assert bench.said('without a partner') == 1
    assert bench.results[OBSERVATIONS] == []
    show_good(bench, shots)
    assert bench.node._pairer.unpaired['left'] == before + 14
    assert bench.node.facts()['left images without a partner since the start'] == str(before + 14)


def test_stamps_that_go_back_start_anew(bench, shots):
    """As when a bag starts anew: the frames are processed, and the hand is another one."""
    first = show_good(bench, shots)
    again = shots.stamp_ns() - 3_600_000_000_000
    hands = []
    for number in range(3):
        hands += show(bench, shots.pair(again + number * 33_000_000)).hands
    assert hands and first.id not in {hand.id for hand in hands}
    assert len({hand.id for hand in hands}) == 1
    assert bench.said('the stamps went back by ') == bench.counted('') == 1


def test_meshes_with_nan_are_refused(bench, shots, frame_result, header_of):
    stamp_ns = shots.stamp_ns()
    mesh = mesh_to_msg(frame_result.refined[0], header_of(stamp_ns))
    vertices = np.asarray(mesh.vertices)
    vertices[5] = np.nan
    mesh.vertices = array.array('f', vertices.astype(np.float32).tobytes())
    for _ in range(3):
        bench.send('hands/mesh', HandMeshArray(header=header_of(stamp_ns), hands=[mesh]))
    words = 'expected finite values, found nan'
    assert bench.said(words) == 1
    bench.wait(lambda: bench.node.health._problems.total() == 3, 'all three')
    assert bench.counted(words) == 3
    show_good(bench, shots)
