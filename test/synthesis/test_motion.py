"""Hands move smoothly, within the limits of joints, at natural speeds, all over the volume."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from realhands_ros.errors import ConfigError
from realhands_ros.hand.gestures import gesture_angles
from realhands_ros.hand.pose_limits import within_limits
from realhands_ros.synthesis.choreography import ROUTINES, choreograph
from realhands_ros.synthesis.film import Film, FilmSettings
from realhands_ros.synthesis.motion import HandMotion, KeyPose, Sway
from realhands_ros.synthesis.rigs import zed_rig
from realhands_ros.synthesis.scene import Label

RIG = zed_rig('zed2i', 'VGA')
SECONDS = 20.0
RATE = 60.0

STILL = Sway(np.ones(1), np.zeros((1, 6)), np.zeros(6))


class Recording:
    """A motion sampled at RATE."""

    def __init__(self, seed, handedness, has_company):
        rng = np.random.default_rng(seed)
        motion, _ = choreograph(rng, RIG, handedness, SECONDS, has_company=has_company)
        states = [motion.at(time) for time in np.arange(0.0, SECONDS, 1 / RATE)]
        self.wrist = np.array([state.placement.wrist for state in states])
        self.rotation = Rotation.from_matrix([state.placement.rotation for state in states])
        self.fingers = np.array([state.fingers for state in states])
        self.in_view = _in_both_views(self.wrist)


def _in_both_views(points):
    size = np.array([RIG.left.width, RIG.left.height])
    pixels = np.stack([camera.project(points) for camera in RIG.views])
    return ((pixels > 0) & (pixels < size)).all(axis=(0, 2))


CASES = [(0, 'right', False), (1, 'left', False), (2, 'left', True)]


@pytest.fixture(scope='module', params=CASES)
def recording(request):
    return Recording(*request.param)


def test_speeds_are_natural(recording):
    wrist_speed = np.linalg.norm(np.diff(recording.wrist, axis=0), axis=1) * RATE
    turn_speed = (recording.rotation[:-1].inv() * recording.rotation[1:]).magnitude() * RATE
    assert 0.5 < wrist_speed.max() < 1.2
    assert 1.0 < turn_speed.max() < 4.0
    assert np.abs(np.diff(recording.fingers, axis=0)).max() * RATE < 12.0


def test_fingers_stay_within_their_limits(recording):
    assert within_limits(recording.fingers, tolerance_deg=1e-6).all()


def test_the_hand_moves_through_the_working_volume(recording):
    seen = recording.wrist[recording.in_view]
    assert seen[:, 2].min() > 0.25 and seen[:, 2].max() < 0.8
    assert np.ptp(seen[:, 2]) > 0.25
    assert np.ptp(seen[:, 0]) > 0.2 and np.ptp(seen[:, 1]) > 0.15


def test_the_hand_leaves_and_comes_back(recording):
    changes = np.diff(recording.in_view.astype(int))
    assert recording.in_view[0]
    assert (changes == -1).any() and (changes == 1).any()
    assert 0.6 < recording.in_view.mean() < 1.0


def test_every_gesture_is_made(recording):
    for name in ROUTINES:
        fingers = gesture_angles(ROUTINES[name][-1].fingers)
        assert np.abs(recording.fingers - fingers).max(axis=(1, 2)).min() < np.deg2rad(6), name


def test_two_hands_keep_apart():
    left, right = Recording(3, 'left', True), Recording(3, 'right', True)
    assert (right.wrist[:, 0] - left.wrist[:, 0]).min() > 0.05


def test_motion_is_twice_continuously_differentiable():
    """Differences of the second derivative must vanish with the step, also at key poses."""
    motion, _ = choreograph(np.random.default_rng(4), RIG, 'right', SECONDS)

    def largest_jump_of_acceleration(step):
        times = np.arange(0.0, 3.0, step)
        states = [motion.at(time) for time in times]
        values = np.array([[*s.placement.wrist, *s.fingers.ravel()] for s in states])
        acceleration = np.diff(values, 2, axis=0) / step**2
        return np.abs(np.diff(acceleration, axis=0)).max()

    coarse, fine = largest_jump_of_acceleration(4e-3), largest_jump_of_acceleration(1e-3)
    assert fine < 0.4 * coarse


def test_the_same_seed_moves_the_same_way():
    one, same, other = (
        choreograph(np.random.default_rng(seed), RIG, 'right', 5.0)[0] for seed in (5, 5, 6)
    )
    assert np.array_equal(one.at(2.3).placement.wrist, same.at(2.3).placement.wrist)
    assert np.array_equal(one.at(2.3).fingers, same.at(2.3).fingers)
    assert not np.allclose(one.at(2.3).placement.wrist, other.at(2.3).placement.wrist)


def test_a_left_hand_mirrors_a_right_one():
    wrists, turn = np.array([[0.1, 0.0, 0.4], [0.2, 0.1, 0.5]]), np.array([0.8, 0.1, 0.2])
    poses = [
        KeyPose(0.0, 0.2, wrists[0], np.zeros(3), gesture_angles('rest')),
        KeyPose(1.0, 1.2, wrists[1], turn, gesture_angles('fist')),
    ]
    origin = np.array([0.06, 0.0, 0.0])
    right = HandMotion(poses, STILL, 'right', origin).at(0.7)
    left = HandMotion(poses, STILL, 'left', origin).at(0.7)
    mirror = np.diag([-1.0, 1.0, 1.0])
    assert np.allclose(left.placement.wrist - origin, mirror @ (right.placement.wrist - origin))
    assert np.allclose(left.placement.rotation, mirror @ right.placement.rotation @ mirror)
    assert np.array_equal(left.fingers, right.fingers)


def test_a_motion_passes_through_its_key_poses_and_rests_there():
    wrists = [np.array([0.1, 0.0, 0.4]), np.array([0.2, 0.1, 0.5])]
    poses = [
        KeyPose(0.0, 0.2, wrists[0], np.zeros(3), gesture_angles('rest')),
        KeyPose(1.0, 1.2, wrists[1], np.zeros(3), gesture_angles('point')),
    ]
    motion = HandMotion(poses, STILL, 'right', np.zeros(3))
    for time, wrist in ((-1.0, 0), (0.0, 0), (0.15, 0), (1.0, 1), (1.2, 1), (9.0, 1)):
        assert np.allclose(motion.at(time).placement.wrist, wrists[wrist])
    assert np.allclose(motion.at(1.1).fingers, gesture_angles('point'))
    assert np.allclose(motion.at(0.6).placement.wrist, (wrists[0] + wrists[1]) / 2)


@pytest.mark.parametrize('motion', ['grips', 'objects'])
def test_grasps_stay_within_the_limits_and_bend(motion) -> None:
    moved, visits = choreograph(np.random.default_rng(8), RIG, 'right', 10.0, motion=motion)
    angles = np.array([moved.at(t).fingers for t in np.arange(0, 30, 0.1)])
    assert within_limits(angles).all()
    assert np.rad2deg(angles[..., 0].sum(axis=1)).max() > 500
    assert bool(visits) == (motion == 'objects')


def test_what_is_held_does_not_move_in_the_hand() -> None:
    """During a visit the fingers keep still, and an object is where the hand is."""
    film = Film(FilmSettings(seconds=4.0, rate=5.0, motion='objects', seed=3))
    found = 0
    for index in range(20):
        frame = film.frame(index)
        for mesh in frame.scene.meshes:
            if mesh.label is Label.OBJECT:
                found += 1
                gaps = np.linalg.norm(mesh.vertices[:, None] - frame.hands[0].vertices, axis=2)
                assert gaps.min() < 0.2
    assert found > 3


def test_an_unknown_motion_is_named() -> None:
    with pytest.raises(ConfigError, match="'juggle'.*grips"):
        FilmSettings(motion='juggle')
