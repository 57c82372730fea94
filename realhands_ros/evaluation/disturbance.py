"""
Disturb true hands, keypoints and masks as a network would, for measuring the refinement.

All draws come from the generator that is passed in, so that a seed gives the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from realhands_ros.evaluation.metrics import mean_position_error, procrustes_aligned
from realhands_ros.geometry.rotations import axis_angle_to_matrix
from realhands_ros.hand.fast_model import FastHandModel
from realhands_ros.hand.pose_limits import clamp_angles
from realhands_ros.hand.skeleton import HandSkeleton

FloatArray = NDArray[np.float64]
Mask = NDArray[np.float32]

MaskDisturbance = Literal['eroded', 'dilated', 'holes', 'arm', 'unsure', 'all']

# Relative size of the noise in flexion, abduction and twist of a finger joint: a network errs most
# where the hand moves most.
_JOINT_NOISE = (1.0, 0.35, 0.2)
_SHAPE_NOISE_PER_JOINT_NOISE = 1.0


@dataclass(frozen=True)
class HandDisturbance:
    """
    How far a disturbed hand is from the true one; the defaults are a light network's errors.

    ``aligned_error_m`` is the range of the mean vertex error after similarity alignment,
    ``translation_error_m`` the range of the wrist's error, ``root_angle_deg`` the standard
    deviation of each component of the root's rotation error.
    """

    aligned_error_m: tuple[float, float] = (0.007, 0.013)
    translation_error_m: tuple[float, float] = (0.010, 0.020)
    root_angle_deg: float = 5.0


def disturb_hand(
    rng: np.random.Generator,
    model: FastHandModel,
    pose_aa: FloatArray,
    shape: FloatArray,
    translation: FloatArray,
    disturbance: HandDisturbance | None = None,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """
    Return disturbed pose (48,), shape (10,) and translation (3,) of a right hand.

    Finger angles and shape get normal noise, kept within the joint limits, whose size is found by
    bisection so that the aligned vertex error is a number drawn from its range; the root is turned
    and the wrist shifted in a random direction, independently of that.
    """
    wanted = disturbance or HandDisturbance()
    skeleton = HandSkeleton.from_model(model.data)
    angles = skeleton.angles_from_pose(pose_aa[3:])
    angle_noise = rng.standard_normal(angles.shape) * _JOINT_NOISE
    shape_noise = rng.standard_normal(shape.shape) * _SHAPE_NOISE_PER_JOINT_NOISE
    truth = model.forward(pose_aa, shape).vertices

    def disturbed(size: float) -> tuple[FloatArray, FloatArray]:
        fingers = skeleton.pose_from_angles(clamp_angles(angles + size * angle_noise))
        return np.concatenate([pose_aa[:3], fingers]), shape + size * shape_noise

    def error(size: float) -> float:
        vertices = model.forward(*disturbed(size)).vertices
        aligned = procrustes_aligned(vertices, truth, allow_reflection=False)
        return mean_position_error(aligned, truth)

    pose, new_shape = disturbed(_bisect(error, rng.uniform(*wanted.aligned_error_m)))
    turn = Rotation.from_rotvec(np.deg2rad(wanted.root_angle_deg) * rng.standard_normal(3))
    pose[:3] = (turn * Rotation.from_matrix(axis_angle_to_matrix(pose_aa[:3]))).as_rotvec()
    direction = rng.standard_normal(3)
    shift = rng.uniform(*wanted.translation_error_m) * direction / np.linalg.norm(direction)
    wrist = model.forward(pose_aa, shape).joints[0] + translation + shift
    return pose, new_shape, wrist - model.forward(pose, new_shape).joints[0]


def disturb_keypoints(
    rng: np.random.Generator,
    keypoints_px: FloatArray,
    *,
    noise: float = 0.015,
    outlier_share: float = 0.05,
) -> tuple[FloatArray, FloatArray]:
    """
    Return detected keypoints (21, 2) and scores (21,) for true keypoints in pixels.

    ``noise`` is the standard deviation, a share of the longer side of the keypoints' box
    (MediaPipe has about 1.5 %). A few keypoints are outliers, ten times as far off, and have a low
    score.
    """
    size = np.ptp(keypoints_px, axis=0).max()
    outlier = rng.random(len(keypoints_px)) < outlier_share
    spread = noise * size * np.where(outlier, 10.0, 1.0)
    scores = np.where(
        outlier, rng.uniform(0.1, 0.6, outlier.shape), rng.uniform(0.5, 1.0, outlier.shape)
    )
    return keypoints_px + spread[:, None] * rng.standard_normal(keypoints_px.shape), scores


def disturb_mask(
    rng: np.random.Generator, mask: Mask, kind: MaskDisturbance, *, wrist_px: FloatArray
) -> Mask:
    """
    Return a mask (H, W) in [0, 1] as a segmentation network would give for the true ``mask``.

    ``eroded`` and ``dilated`` by 0.4 % to 1.2 % of the image's side; ``holes``: up to five, round,
    inside or at the border; ``arm``: a stripe of it beyond ``wrist_px`` (2,), away from the hand's
    middle; ``unsure``: holes and arm, of probabilities between 0.35 and 0.65; ``all``: holes and
    arm, then eroded or dilated. All are blurred a little.
    """
    disturbed = (mask > 0.5).astype(np.uint8)
    if kind in ('holes', 'unsure', 'all'):
        _punch_holes(rng, disturbed)
    if kind in ('arm', 'unsure', 'all'):
        _add_arm(rng, disturbed, wrist_px)
    if kind == 'all':
        kind = 'eroded' if rng.random() < 0.5 else 'dilated'
    if kind in ('eroded', 'dilated'):
        radius = max(1, round(rng.uniform(0.004, 0.012) * max(mask.shape)))
        element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)
        operation = cv2.erode if kind == 'eroded' else cv2.dilate
        disturbed = np.asarray(operation(disturbed, element), dtype=np.uint8)
    probability = disturbed.astype(np.float32)
    if kind == 'unsure':
        wrong = probability != (mask > 0.5)
        probability[wrong] = 0.5 + rng.uniform(0.05, 0.15) * (2.0 * probability[wrong] - 1.0)
    blurred = cv2.GaussianBlur(probability, (0, 0), 1.0)
    return np.asarray(blurred, dtype=np.float32)


def _punch_holes(rng: np.random.Generator, mask: NDArray[np.uint8]) -> None:
    rows, columns = np.nonzero(mask)
    for _ in range(rng.integers(1, 6)):
        i = rng.integers(len(rows))
        radius = int(rng.uniform(0.01, 0.04) * max(mask.shape)) + 1
        cv2.circle(mask, (int(columns[i]), int(rows[i])), radius, (0,), -1)


def _add_arm(rng: np.random.Generator, mask: NDArray[np.uint8], wrist_px: FloatArray) -> None:
    rows, columns = np.nonzero(mask)
    away = wrist_px - np.array([columns.mean(), rows.mean()])
    away /= max(float(np.linalg.norm(away)), 1e-6)
    width = 0.25 * np.sqrt(len(rows))
    end = wrist_px + rng.uniform(0.05, 0.2) * max(mask.shape) * away
    across = width * np.array([-away[1], away[0]])
    corners = np.stack([wrist_px - across, wrist_px + across, end + across, end - across])
    cv2.fillConvexPoly(mask, np.round(corners).astype(np.int32), (1,))


def _bisect(error: Callable[[float], float], wanted: float) -> float:
    """Return a size at which a roughly rising ``error`` is as wanted."""
    low, high = 0.0, 1.5
    for _ in range(30):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if error(middle) < wanted else (low, middle)
    return 0.5 * (low + high)
