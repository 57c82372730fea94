"""The network node is fed observations that cannot be: counted, said once, survived."""

from __future__ import annotations

import array
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip('realhands.msg', reason='the messages are not built (make setup)')

from rclpy.lifecycle import TransitionCallbackReturn

from realhands.msg import HandObservationArray
from realhands_ros.messages.encode import observation_to_msg
from realhands_ros.nodes.handnet_node import HandNetNode

MESHES = 'hands/mesh_regressed'


@pytest.fixture(scope='module')
def bench(bench_of):
    bench = bench_of(HandNetNode, MESHES)
    bench.start()
    return bench


@pytest.fixture(autouse=True)
def _fresh(bench, shots):
    bench.fresh()
    for eye, info in zip(('left', 'right'), shots.infos(), strict=True):
        bench.send(f'{eye}/camera_info', info)
    bench.wait(lambda: bench.node.facts()['calibration'] == 'valid', 'the calibration')


@pytest.fixture
def observation(frame_result):
    return frame_result.observations[0]


def show(bench, shots, header_of, hand):
    """Send one hand and return what the node makes of it."""
    stamp_ns = shots.stamp_ns()
    header = header_of(stamp_ns)
    bench.send('hands/observations', HandObservationArray(header=header, hands=[hand]))
    return bench.result(MESHES, stamp_ns)


def show_good(bench, shots, header_of, observation):
    answer = show(bench, shots, header_of, observation_to_msg(observation, header_of(0)))
    (mesh,) = answer.hands
    assert (mesh.id, mesh.handedness) == (observation.id, mesh.HANDEDNESS_RIGHT)
    assert np.isfinite(mesh.vertices).all()
    assert 0.2 < mesh.wrist.pose.position.z < 1.2
    return mesh


def no_identity(hand):
    hand.id = ''


def no_side(hand):
    hand.handedness = 0


def impossible_side(hand):
    hand.handedness = 7


def short_landmarks(hand):
    hand.world_landmarks = array.array('f', [0.0] * 5)


def nan_score(hand):
    scores = np.ones(21, np.float32)
    scores[3] = np.nan
    hand.views[0].keypoint_scores = scores


def cut_off_crop(hand):
    hand.views[1].crop.data = hand.views[1].crop.data[:100]


def wrong_crop_encoding(hand):
    hand.views[0].crop.encoding = 'rgba8'


def no_crops(hand):
    for view in hand.views:
        view.crop.width, view.crop.height, view.crop.data = 0, 0, array.array('B')


def dark_crops(hand):
    for view in hand.views:
        view.crop.data = array.array('B', bytes(len(view.crop.data)))


def nan_affines(hand):
    for view in hand.views:
        view.crop_affine = np.full(6, np.nan)


def no_views(hand):
    hand.views = []
    hand.world_landmarks = array.array('f')


@pytest.mark.parametrize(
    ('damage', 'words'),
    [
        (no_identity, 'expected the identity of a track'),
        (no_side, 'expected 1 (left) or 2 (right), found 0'),
        (impossible_side, 'expected 0 (unknown), 1 (left) or 2 (right), found 7'),
        (short_landmarks, 'world_landmarks: expected'),
        (nan_score, 'expected values in [0, 1], found nan'),
        (cut_off_crop, 'crop.data: expected'),
        (wrong_crop_encoding, "expected bgr8, found 'rgba8'"),
        (no_crops, 'the view has no crop'),
        (dark_crops, 'the crop is uniform'),
        (nan_affines, 'the crop affine must be a finite'),
        (no_views, 'it has no view'),
    ],
)
def test_a_bad_hand_is_counted_said_once_and_survived(
    bench, shots, header_of, observation, damage, words
):
    for _ in range(3):
        hand = observation_to_msg(observation, header_of(0))
        damage(hand)
        assert show(bench, shots, header_of, hand).hands == []
    assert bench.said(words) == 1
    assert bench.counted(words) == 3
    show_good(bench, shots, header_of, observation)


def test_a_dark_view_leaves_the_other_one(bench, shots, header_of, observation):
    hand = observation_to_msg(observation, header_of(0))
    hand.views[1].crop.data = array.array('B', bytes(len(hand.views[1].crop.data)))
    (mesh,) = show(bench, shots, header_of, hand).hands
    assert not mesh.flags & mesh.FLAG_STEREO
    assert np.isfinite(mesh.vertices).all()


def test_unknown_keypoints_are_no_fault(bench, shots, header_of, observation):
    views = tuple(
        replace(view, keypoints_px=np.full((21, 2), np.nan), keypoint_scores=np.zeros(21))
        for view in observation.views
    )
    hand = observation_to_msg(replace(observation, views=views), header_of(0))
    (mesh,) = show(bench, shots, header_of, hand).hands
    assert np.isfinite(mesh.vertices).all()
    assert mesh.flags & mesh.FLAG_LOW_CONFIDENCE


def test_a_calibration_without_baseline_is_survived(bench, shots, header_of, observation):
    left, right = deepcopy(shots.infos())
    right.p[3] = 0.0
    bench.send('right/camera_info', right)
    bench.wait(lambda: 'baseline' in bench.node.facts()['calibration'], 'the calibration')
    hand = observation_to_msg(observation, header_of(0))
    assert show(bench, shots, header_of, hand).hands == []
    assert bench.said('baseline is 0 m') == 1
    bench.send('right/camera_info', shots.infos()[1])
    bench.wait(lambda: bench.node.facts()['calibration'] == 'valid', 'the calibration')
    show_good(bench, shots, header_of, observation)


def test_missing_weights_leave_the_node_unconfigured(bench_of, tmp_path):
    bench = bench_of(HandNetNode, weights=str(tmp_path / 'none.safetensors'))
    assert bench.node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert bench.said('none.safetensors') == 1
    (tmp_path / 'none.safetensors').write_bytes(b'no weights')
    assert bench.node.trigger_configure() == TransitionCallbackReturn.FAILURE
    bench.spin(0.2)
    assert len([text for text in bench.logs if 'cannot become inactive' in text]) == 2
    assert not any('Traceback' in text for text in bench.logs)
