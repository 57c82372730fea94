"""
The arm behind the hand: a forearm that continues the wrist's open edge, a sleeve or band on it.

The arm is a curve that leaves the wrist along the hand's own direction, bends into the forearm's
within a few centimetres and again at the elbow, with a ring of points at every step along it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from realhands_ros.geometry.rotations import reproducible_arctan2
from realhands_ros.synthesis.mesh import MeshGeometry, rotation_between, tube, unit

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FOREARM_LENGTH_M = 0.27
# From the wrist's edge to the shoulder, and long enough to leave any picture.
ARM_TO_SHOULDER_M = 0.56
LONG_ARM_M = 0.85
_WRIST_BEND_M = 0.055
_ELBOW_BEND_M = 0.06
# The outline of the wrist's edge becomes a forearm's within this length.
_ROUNDING_M = 0.09
_HEM_M = 0.012
STEP_M = 0.005

# Half width and half thickness (metres) of a forearm, by the distance from the wrist's edge.
_PROFILE_AT_M = np.array([0.0, 0.05, 0.12, 0.19, 0.27, 0.56])
_HALF_WIDTH_M = np.array([0.029, 0.032, 0.041, 0.045, 0.043, 0.050])
_HALF_THICKNESS_M = np.array([0.020, 0.024, 0.035, 0.041, 0.042, 0.050])

# Distances of the forearm's rings from the wrist's edge; the upper arm's are _UPPER_STEP_M apart.
_RING_AT_M = np.array(
    [0.0, 0.004, 0.009, 0.015, 0.022, 0.03, 0.04, 0.052, 0.066, 0.085, 0.11, 0.14, 0.17, 0.20,
     0.23, 0.25, 0.27, 0.29, 0.31]
)  # fmt: skip
_UPPER_STEP_M = 0.08


@dataclass(frozen=True, eq=False)
class ArmCurve:
    """
    The axis of an arm and its cross-section along it.

    ``loop`` (K, 3) are the points of the wrist's edge in order; ``centres`` (S, 3) and ``frames``
    (S, 3, 3; columns lateral, dorsal, along) follow the axis in steps of ``STEP_M``; ``girth``
    scales the forearm's thickness.
    """

    loop: FloatArray
    centres: FloatArray
    frames: FloatArray
    girth: float

    @property
    def length(self) -> float:
        """Return how far the arm reaches from the wrist's edge, metres."""
        return STEP_M * (len(self.centres) - 1)

    @property
    def end(self) -> FloatArray:
        """Return the middle of the arm's far end, (3,)."""
        return np.asarray(self.centres[-1])

    def rings(
        self, distances: FloatArray, *, lift: ArrayLike = 0.0, angles: FloatArray | None = None
    ) -> FloatArray:
        """
        Return the cross-sections at ``distances`` (R,) metres from the wrist's edge, (R, K, 3).

        ``lift``, broadcast to (R, K), takes them off the skin by that many metres. Without
        ``angles`` (K,) there is one point for each of the loop's. Negative distances are on the
        hand's side of the edge.
        """
        steps = np.clip(distances / STEP_M, 0, len(self.centres) - 1)
        frames = self.frames[np.round(steps).astype(int)]
        centres = np.stack(
            [
                np.interp(steps, np.arange(len(self.centres)), self.centres[:, axis])
                for axis in range(3)
            ],
            axis=-1,
        )
        centres = centres + np.minimum(distances, 0.0)[:, None] * self.frames[0][:, 2]
        loop_local = (self.loop - self.centres[0]) @ self.frames[0]
        loop_angles = reproducible_arctan2(loop_local[:, 1], loop_local[:, 0])
        at_wrist = loop_local
        if angles is not None:
            at_wrist = _resample_loop(loop_local, loop_angles, angles)
        angles = loop_angles if angles is None else angles
        outline = np.zeros((len(distances), len(angles), 3))
        for axis, size, wave in ((0, _HALF_WIDTH_M, np.cos), (1, _HALF_THICKNESS_M, np.sin)):
            sizes = self.girth * np.interp(distances, _PROFILE_AT_M, size)
            outline[..., axis] = np.outer(sizes, wave(angles))
        blend = _smoothstep(distances / _ROUNDING_M)[:, None, None]
        local = (1 - blend) * at_wrist + blend * outline
        local = local + np.asarray(lift)[..., None] * unit(local * [1, 1, 0])
        return np.asarray(centres[:, None] + local @ frames.transpose(0, 2, 1))


def boundary_loop(faces: IntArray) -> IntArray:
    """
    Return the vertices along a mesh's only hole, in the order that continues its surface.

    A tube that starts with this ring has the same orientation as the mesh.
    """
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    forward = {(int(a), int(b)) for a, b in edges}
    following = {b: a for a, b in forward if (b, a) not in forward}
    loop = [next(iter(sorted(following)))]
    while following[loop[-1]] != loop[0]:
        loop.append(following[loop[-1]])
    return np.array(loop)


def arm_curve(
    loop_points: FloatArray,
    to_hand: FloatArray,
    dorsal: FloatArray,
    to_elbow: FloatArray,
    to_shoulder: FloatArray,
    *,
    girth: float,
    length: float = LONG_ARM_M,
) -> ArmCurve:
    """
    Lay the axis of an arm behind a wrist.

    ``loop_points`` (K, 3) as ``boundary_loop`` orders them; ``to_hand`` and ``dorsal`` (3,) are
    the hand's own directions; ``to_elbow`` and ``to_shoulder`` (3,) those of the arm. ``girth`` 1
    is an average adult's; ``length`` of the axis in metres.
    """
    start = -unit(to_hand)
    distances = np.arange(0.0, length + STEP_M / 2, STEP_M)
    side = unit(np.cross(dorsal, start))
    frame = np.stack([side, np.cross(start, side), start], axis=1)
    bends = _growing_turn(start, to_elbow, _smoothstep(distances / _WRIST_BEND_M))
    at_elbow = (distances - FOREARM_LENGTH_M) / _ELBOW_BEND_M + 0.5
    frames = _growing_turn(to_elbow, to_shoulder, _smoothstep(at_elbow)) @ bends @ frame
    centres = loop_points.mean(0) + STEP_M * np.cumsum(frames[:, :, 2], axis=0)
    return ArmCurve(loop_points, centres - STEP_M * frames[0, :, 2], frames, girth)


def forearm_mesh(curve: ArmCurve) -> MeshGeometry:
    """Return the skin from the wrist's edge to the arm's end; ring 0 is the edge itself."""
    upper = np.arange(_RING_AT_M[-1] + _UPPER_STEP_M, curve.length, _UPPER_STEP_M)
    distances = np.concatenate([_RING_AT_M, upper, [curve.length]])
    return tube(curve.rings(distances))


def band_mesh(
    curve: ArmCurve,
    start: float,
    stop: float,
    *,
    gap: float,
    folds: FloatArray | None = None,
    around: int = 28,
    rings: int = 24,
) -> MeshGeometry:
    """
    Return a sleeve, watch strap or bandage around the arm between two distances from the wrist.

    ``gap`` is its distance from the skin in metres; ``folds`` (rings, around) is added to it. The
    hem at ``start`` turns inwards, so that the cloth has thickness.
    """
    # Clockwise about the arm's axis, as the wrist's loop is ordered, makes normals point outwards.
    angles = np.linspace(0, 2 * np.pi, around, endpoint=False)
    lift = np.full((rings, around), gap) if folds is None else gap + folds
    distances = np.linspace(start, stop, rings)
    hem = np.array([start + _HEM_M, start])
    hem_lift = np.array([[0.55], [0.8]]) * lift[0]
    return tube(
        curve.rings(
            np.concatenate([hem, distances]), lift=np.concatenate([hem_lift, lift]), angles=angles
        ),
        uv_scale=(3.0, (stop - start) * 12.0),
    )


def _resample_loop(
    loop_local: FloatArray, loop_angles: FloatArray, angles: FloatArray
) -> FloatArray:
    order = np.argsort(loop_angles)
    columns = [
        np.interp(angles, loop_angles[order], loop_local[order, axis], period=2 * np.pi)
        for axis in range(3)
    ]
    return np.stack(columns, axis=-1)


def _smoothstep(x: ArrayLike) -> FloatArray:
    t = np.clip(np.asarray(x, dtype=np.float64), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t))


def _growing_turn(start: FloatArray, end: FloatArray, fractions: FloatArray) -> FloatArray:
    """Return the rotations (S, 3, 3) that go from none to taking ``start`` to ``end``."""
    whole = Rotation.from_matrix(rotation_between(start, end)).as_rotvec()
    return np.asarray(Rotation.from_rotvec(fractions[:, None] * whole).as_matrix())
