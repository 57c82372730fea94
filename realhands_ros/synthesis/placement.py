"""
Where the hand is held: position, direction of the forearm and turn of the hand, by view mix.

A hand is placed the way an arm places it: first the forearm comes from an elbow, then it is rolled
about its length (pronation), then the wrist bends within its range.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from realhands_ros.data.topology import Handedness
from realhands_ros.geometry.camera import StereoRig
from realhands_ros.synthesis.config import DEFAULT_DISTANCE_M, ViewMix
from realhands_ros.synthesis.mesh import unit

FloatArray = NDArray[np.float64]

# From the wrist to the middle of the hand's keypoints.
_WRIST_TO_CENTRE_M = 0.08

# Degrees that the camera looks down.
_PITCH_RANGE_DEG: dict[ViewMix, tuple[float, float]] = {
    'egocentric': (10.0, 55.0),
    'tabletop': (40.0, 88.0),
    'frontal': (-15.0, 20.0),
}

# Share of samples whose roll is drawn from the whole circle, and the spread of the others about
# the mix's usual side (back of the hand for the first two, palm for the last).
_FREE_ROLL_SHARE: dict[ViewMix, float] = {'egocentric': 0.2, 'tabletop': 0.2, 'frontal': 0.05}
_ROLL_SPREAD_DEG: dict[ViewMix, float] = {'egocentric': 32.0, 'tabletop': 28.0, 'frontal': 16.0}
# Of the frontal views, those that show whose hand it is.
_BODY_SHARE = 0.2
# Spread and limit of the wrist's bend.
_WRIST_FLEXION_DEG: dict[ViewMix, tuple[float, float]] = {
    'egocentric': (22.0, 60.0),
    'tabletop': (15.0, 50.0),
    'frontal': (10.0, 40.0),
}
_WRIST_DEVIATION_DEG = (9.0, 22.0)


@dataclass(frozen=True, eq=False)
class HandPlacement:
    """
    How one hand is held, in the rig's frame.

    ``rotation`` (3, 3) of the hand model about the wrist, ``wrist`` (3,) metres; ``to_elbow`` (3,)
    and ``to_shoulder`` (3,) are the unit directions of forearm and upper arm, seen from the hand.
    With ``has_body`` the arm ends at a shoulder; otherwise it goes on, out of the picture.
    """

    rotation: FloatArray
    wrist: FloatArray
    to_elbow: FloatArray
    to_shoulder: FloatArray
    has_body: bool = False


def sample_up(rng: np.random.Generator, view_mix: ViewMix) -> FloatArray:
    """Return the direction against gravity in the rig's frame, (3,)."""
    pitch = np.deg2rad(rng.uniform(*_PITCH_RANGE_DEG[view_mix]))
    roll = np.deg2rad(np.clip(rng.normal(0, 4), -12, 12))
    upright = np.array([0.0, -np.cos(pitch), -np.sin(pitch)])
    return np.asarray(Rotation.from_rotvec([0, 0, roll]).apply(upright))


def sample_placement(
    rng: np.random.Generator,
    view_mix: ViewMix,
    handedness: Handedness,
    rig: StereoRig,
    up: FloatArray,
    distance_m: tuple[float, float] = DEFAULT_DISTANCE_M,
) -> HandPlacement:
    """
    Draw one way to hold a hand before the rig.

    ``up`` (3,) is the direction against gravity, ``distance_m`` the range of the distance to the
    middle of the hand.
    """
    centre = _sample_centre(rng, rig, distance_m)
    side = 1.0 if handedness == 'right' else -1.0
    if view_mix == 'egocentric':
        pointing = _egocentric_forearm(rng, side, centre)
        dorsal = -unit(centre)
    elif view_mix == 'tabletop':
        pointing = _tabletop_forearm(rng, up)
        dorsal = up
    else:
        pointing = _frontal_forearm(rng, side, up)
        dorsal = unit(centre)
    roll = rng.normal(0, _ROLL_SPREAD_DEG[view_mix])
    if rng.random() < _FREE_ROLL_SHARE[view_mix]:
        roll = rng.uniform(-180, 180)
    rotation = _hand_rotation(
        rng, pointing, dorsal, np.deg2rad(roll), handedness, _WRIST_FLEXION_DEG[view_mix]
    )
    fingers = -side * rotation[:, 0]
    has_body = view_mix == 'frontal' and rng.random() < _BODY_SHARE
    return HandPlacement(
        rotation=rotation,
        wrist=centre - _WRIST_TO_CENTRE_M * fingers,
        to_elbow=-pointing,
        to_shoulder=_to_shoulder(rng, side, pointing, up, has_body=has_body),
        has_body=has_body,
    )


def beside(
    rng: np.random.Generator,
    placement: HandPlacement,
    view_mix: ViewMix,
    handedness: Handedness,
) -> HandPlacement:
    """Place the same person's other hand beside the first, roughly as its mirror image."""
    towards_other = -1.0 if handedness == 'right' else 1.0
    if view_mix == 'frontal':
        towards_other = -towards_other
    gap = rng.uniform(0.12, 0.26)
    offset = np.array([towards_other * gap, rng.uniform(-0.08, 0.08), rng.uniform(-0.04, 0.10)])
    mirror = np.diag([-1.0, 1.0, 1.0])
    turn = Rotation.from_rotvec(rng.normal(0, 0.3, 3)).as_matrix()
    to_elbow = turn @ mirror @ placement.to_elbow
    return HandPlacement(
        rotation=turn @ mirror @ placement.rotation @ mirror,
        wrist=placement.wrist + offset,
        to_elbow=to_elbow,
        to_shoulder=unit(to_elbow + rng.normal(0, 0.2, 3)),
    )


def _sample_centre(
    rng: np.random.Generator, rig: StereoRig, distance_m: tuple[float, float]
) -> FloatArray:
    """Return a point that both views see well inside their images."""
    depth = rng.uniform(*distance_m)
    focal = rig.left.intrinsics[0, 0]
    disparity = focal * rig.baseline / depth
    width, height = rig.left.width, rig.left.height
    half_hand = 0.09 * focal / depth
    spread_x = max(width / 2 - half_hand - disparity / 2, 0.08 * width)
    spread_y = max(height / 2 - half_hand, 0.08 * height)
    pixel = np.array(
        [
            width / 2 + disparity / 2 + rng.triangular(-1, 0, 1) * spread_x,
            height / 2 + rng.triangular(-1, 0, 1) * spread_y,
            1.0,
        ]
    )
    return np.asarray(np.linalg.inv(rig.left.intrinsics) @ pixel * depth)


def _egocentric_forearm(rng: np.random.Generator, side: float, centre: FloatArray) -> FloatArray:
    elbow = np.array(
        [side * rng.uniform(0.02, 0.36), rng.uniform(0.2, 0.45), rng.uniform(0.05, 0.35)]
    )
    return unit(centre - elbow)


def _tabletop_forearm(rng: np.random.Generator, up: FloatArray) -> FloatArray:
    away = unit(np.array([0.0, 0.0, 1.0]) - up[2] * up + np.array([0.0, -0.3, 0.0]))
    azimuth = rng.normal(0, 0.9) + (np.pi if rng.random() < 0.35 else 0.0)
    horizontal = Rotation.from_rotvec(azimuth * up).apply(unit(away - (away @ up) * up))
    return unit(horizontal + up * np.tan(np.deg2rad(rng.normal(-5, 15))))


def _frontal_forearm(rng: np.random.Generator, side: float, up: FloatArray) -> FloatArray:
    # The person faces the camera: the right hand is on the left of the image.
    lean = np.array([side * rng.normal(0.2, 0.25), 0.0, rng.normal(-0.05, 0.18)])
    return unit(up + lean)


def _to_shoulder(
    rng: np.random.Generator, side: float, pointing: FloatArray, up: FloatArray, *, has_body: bool
) -> FloatArray:
    if has_body:
        # Up and back from the elbow, towards the middle of a person who faces the camera.
        return unit(np.array([0.15 * side, 0.0, 0.8]) + 0.6 * up + rng.normal(0, 0.15, 3))
    return unit(-pointing + rng.normal(0, 0.2, 3))


def _hand_rotation(
    rng: np.random.Generator,
    pointing: FloatArray,
    dorsal: FloatArray,
    roll: float,
    handedness: Handedness,
    flexion_range: tuple[float, float],
) -> FloatArray:
    """Return the rotation of a hand whose forearm points along ``pointing``, wrist bent."""
    dorsal = unit(dorsal - (dorsal @ pointing) * pointing)
    dorsal = Rotation.from_rotvec(roll * pointing).apply(dorsal)
    across = -pointing if handedness == 'right' else pointing
    straight = np.stack([across, dorsal, np.cross(across, dorsal)], axis=1)
    bend = np.deg2rad(
        [
            np.clip(rng.normal(0, spread), -limit, limit)
            for spread, limit in (flexion_range, _WRIST_DEVIATION_DEG)
        ]
    )
    # In the model's frame the wrist flexes about z and deviates about y.
    return np.asarray(straight @ Rotation.from_euler('ZY', bend).as_matrix())
