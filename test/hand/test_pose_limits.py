"""Joint limits."""

import numpy as np

from realhands_ros.hand.gestures import GESTURES
from realhands_ros.hand.pose_limits import JOINT_LIMITS_DEG, clamp_angles, within_limits
from realhands_ros.hand.skeleton import FINGER_JOINT_NAMES


def _angles(**degrees: float) -> np.ndarray:
    angles = np.zeros((15, 3))
    for key, value in degrees.items():
        joint, axis = key.split('_')
        column = ('flexion', 'abduction', 'twist').index(axis)
        angles[FINGER_JOINT_NAMES.index(joint), column] = np.deg2rad(value)
    return angles


def _degrees(angles: np.ndarray, joint: str) -> np.ndarray:
    return np.rad2deg(angles[FINGER_JOINT_NAMES.index(joint)])


def test_the_table_covers_every_joint_in_order() -> None:
    assert tuple(JOINT_LIMITS_DEG) == FINGER_JOINT_NAMES
    for limits in JOINT_LIMITS_DEG.values():
        for low, high in (limits.flexion, limits.abduction, limits.twist):
            assert low <= 0 <= high


def test_projection_lands_within_the_limits_and_stays() -> None:
    wild = np.random.default_rng(0).uniform(-3, 3, (500, 15, 3))
    clamped = clamp_angles(wild)
    assert within_limits(clamped).all()
    assert not within_limits(wild).any()
    assert np.allclose(clamp_angles(clamped), clamped)


def test_angles_within_the_limits_are_left_alone() -> None:
    angles = _angles(index1_flexion=40, index2_flexion=50, index3_flexion=30, thumb1_flexion=20)
    assert np.array_equal(clamp_angles(angles), angles)


def test_a_bent_knuckle_has_little_abduction_left() -> None:
    straight = clamp_angles(_angles(index1_abduction=30))
    bent = clamp_angles(_angles(index1_abduction=30, index1_flexion=90))
    assert _degrees(straight, 'index1')[1] > 15
    assert _degrees(bent, 'index1')[1] < 6


def test_the_last_joint_follows_the_middle_one() -> None:
    alone = clamp_angles(_angles(ring3_flexion=80))
    assert _degrees(alone, 'ring3')[0] < 25
    together = clamp_angles(_angles(ring2_flexion=105, ring3_flexion=0))
    assert _degrees(together, 'ring3')[0] > 20


def test_gestures_keep_the_limits() -> None:
    for name, angles in GESTURES.items():
        assert within_limits(angles), name
