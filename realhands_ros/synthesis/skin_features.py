"""
Where on a hand the details of its skin lie: nails, creases, knuckles, tendons, palm lines.

Everything is placed in the model's rest pose, in 3D, from the skeleton and the surface itself: no
vertex numbers and no texture coordinates. So the same code serves the open hand, a user's MANO and
any atlas, and a bare forearm gets its skin from the same function.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from realhands_ros.data.topology import FINGER_NAMES, JOINT_NAMES
from realhands_ros.hand.model_file import HandModelData
from realhands_ros.hand.skeleton import HandSkeleton
from realhands_ros.synthesis.noise import NoiseField

FloatArray = NDArray[np.float64]
Floats = NDArray[np.float32]

# Main lines of the palm as (across, along): across runs from the index (0) to the little finger's
# knuckle (1), along from the wrist (0) to the knuckles (1).
_PALM_LINES = {
    'heart': ((1.12, 0.72), (0.80, 0.76), (0.45, 0.86), (0.22, 0.98), (0.16, 1.08)),
    'head': ((-0.16, 0.84), (0.15, 0.78), (0.50, 0.64), (0.88, 0.46)),
    'life': ((-0.16, 0.84), (0.06, 0.74), (0.24, 0.52), (0.29, 0.30), (0.24, 0.10)),
    'fate': ((0.46, 0.12), (0.44, 0.40), (0.38, 0.74)),
}
NUM_LINE_VARIANTS = 4

# How much the inner side of the forearm is like the palm.
_ARM_PALM = 0.25


@dataclass(frozen=True, eq=False)
class SurfacePoints:
    """
    Points on the skin in the rest pose.

    ``position`` and ``normal`` (N, 3); ``weights`` (N, 16) skinning weights; ``spacing`` the
    distance between neighbours in metres, below which no detail is made.
    """

    position: Floats
    normal: Floats
    weights: Floats
    spacing: float


@dataclass(frozen=True, eq=False)
class SkinFeatures:
    """
    Strength of each detail at N points, 0..1 unless stated; ``position`` (N, 3) metres.

    ``palm`` how much this is the skin of the palm; ``redness`` where blood shows; ``wrinkles``
    signed relief of the knuckles' folds, -1..1; ``creases`` flexion creases of the fingers;
    ``palm_lines`` (NUM_LINE_VARIANTS, N) the lines of the palm; ``tendons``; ``veins`` where veins
    may show; ``hair`` where hair may grow; ``nail``, ``lunula`` and ``nail_edge`` parts of a nail;
    ``nail_fold`` the furrow around it.
    """

    position: Floats
    palm: Floats
    redness: Floats
    wrinkles: Floats
    creases: Floats
    palm_lines: Floats
    tendons: Floats
    veins: Floats
    hair: Floats
    nail: Floats
    lunula: Floats
    nail_edge: Floats
    nail_fold: Floats


def hand_features(data: HandModelData, points: SurfacePoints) -> SkinFeatures:
    """Place the details of a right hand's skin at points of its surface in the rest pose."""
    skeleton = HandSkeleton.from_model(data)
    facing = _facing(skeleton, points)
    # The wrist crease is the end of the palm's skin.
    wrist_x = skeleton.joints[0, 0]
    before_wrist = _smoothstep(wrist_x + 0.004, wrist_x - 0.018, points.position[:, 0])
    palm = _smoothstep(0.25, -0.35, facing)
    palm = palm * (_ARM_PALM + (1 - _ARM_PALM) * before_wrist)
    dorsal = _smoothstep(-0.1, 0.45, facing)
    wobble = NoiseField(np.random.default_rng(0))(points.position, cell=0.006)
    nails = _Nails.of(skeleton, data)
    nail, lunula, edge, fold = nails.at(points)
    wrinkles, creases, knuckles = _joint_folds(skeleton, points, palm, dorsal, wobble)
    back = points.weights[:, [0, 1, 4, 7, 10]].sum(1) * dorsal
    tips = _near_tips(skeleton, points.position)
    return SkinFeatures(
        position=points.position,
        palm=palm * (1 - nail),
        redness=np.clip(knuckles + 0.7 * tips * palm + 0.25 * palm, 0, 1) * (1 - nail),
        wrinkles=wrinkles * (1 - nail),
        creases=creases,
        palm_lines=_palm_lines(skeleton, points, palm, wobble),
        tendons=_tendons(skeleton, points, dorsal),
        veins=back,
        hair=back * (1 - tips),
        nail=nail,
        lunula=lunula,
        nail_edge=edge,
        nail_fold=fold,
    )


def arm_features(position: Floats, dorsal: Floats) -> SkinFeatures:
    """
    Return the features of a bare forearm.

    ``position`` (N, 3) metres continues the hand's rest pose; ``dorsal`` (N,) is 1 on the back of
    the arm and 0 on its inner side.
    """
    none = np.zeros(len(position), dtype=np.float32)
    return SkinFeatures(
        position=position,
        palm=_ARM_PALM * (1 - dorsal),
        redness=none,
        wrinkles=none,
        creases=none,
        palm_lines=np.zeros((NUM_LINE_VARIANTS, len(position)), dtype=np.float32),
        tendons=none,
        veins=0.3 + 0.4 * (1 - dorsal),
        hair=0.3 + 0.7 * dorsal,
        nail=none,
        lunula=none,
        nail_edge=none,
        nail_fold=none,
    )


def _facing(skeleton: HandSkeleton, points: SurfacePoints) -> Floats:
    """Return how far each point faces the back of its own finger, -1 (palm) .. 1 (back)."""
    dorsal = np.concatenate([[[0.0, 1.0, 0.0]], skeleton.frames[:, :, 1]])
    facing = points.normal @ dorsal.T.astype(np.float32)
    return np.asarray((facing * points.weights).sum(1), dtype=np.float32)


def _joint_folds(
    skeleton: HandSkeleton, points: SurfacePoints, palm: Floats, dorsal: Floats, wobble: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return (wrinkles on the knuckles, creases on the inner side, redness of the knuckles)."""
    wrinkles, creases, knuckles = np.zeros((3, len(points.position)), dtype=np.float32)
    warp = 0.0012 * wobble[:, 0]
    for joint in range(1, len(JOINT_NAMES)):
        finger, place = JOINT_NAMES[joint][:-1], int(JOINT_NAMES[joint][-1])
        own = _finger_weight(points, finger)
        local = (points.position - skeleton.joints[joint]) @ skeleton.frames[joint - 1]
        along, across = local[:, 2], local[:, 0]
        is_base = place == 1
        spread = 0.008 if is_base else 0.0055 if place == 2 else 0.004
        at_knuckle = np.exp(-((along / spread) ** 2)) * own * dorsal
        if finger == 'thumb' and is_base:
            at_knuckle = at_knuckle * 0.0
        knuckles += (0.5 if is_base else 0.6) * at_knuckle
        bow = along + warp * 1.3 - np.sign(along) * 12.0 * across**2
        fold = np.cos(2 * np.pi * bow / 0.0021)
        wrinkles += (0.25 if is_base else 1.0) * at_knuckle * fold
        for at, strength in _crease_places(finger, place, skeleton, joint):
            creases += strength * own * palm * _line(along - at + warp, 0.0006, points.spacing)
    # Detail finer than the texels would only alias.
    wrinkles *= np.exp(-((points.spacing / 0.0012) ** 2))
    return wrinkles, np.clip(creases, 0, 1), np.clip(knuckles, 0, 1)


def _crease_places(
    finger: str, place: int, skeleton: HandSkeleton, joint: int
) -> list[tuple[float, float]]:
    """Return (distance along the bone in metres, strength) of the creases near one joint."""
    if finger == 'thumb':
        return [] if place == 1 else [(-0.001, 0.7), (0.0012, 0.5)]
    if place == 1:
        bone = np.linalg.norm(skeleton.joints[joint + 1] - skeleton.joints[joint])
        return [(0.42 * float(bone), 0.9), (0.47 * float(bone), 0.4)]
    return [(-0.001, 0.8), (0.0011, 0.7)] if place == 2 else [(0.0, 0.8)]


def _near_tips(skeleton: HandSkeleton, position: Floats) -> Floats:
    distance = np.stack([np.linalg.norm(position - tip, axis=1) for tip in skeleton.tips])
    return np.asarray(np.exp(-((distance.min(0) / 0.013) ** 2)), dtype=np.float32)


def _tendons(skeleton: HandSkeleton, points: SurfacePoints, dorsal: Floats) -> Floats:
    result = np.zeros(len(points.position), dtype=np.float32)
    wrist = skeleton.joints[0]
    for name in ('index1', 'middle1', 'ring1', 'little1'):
        knuckle = skeleton.joints[JOINT_NAMES.index(name)]
        start = wrist + 0.3 * (knuckle - wrist) * [1, 1, 0.3]
        axis = (knuckle - start) * [1, 0, 1]
        length = np.linalg.norm(axis)
        offset = (points.position - start) * np.array([1, 0, 1], dtype=np.float32)
        along = offset @ (axis / length) / length
        across = offset @ np.cross(axis / length, [0, 1, 0])
        shown = _smoothstep(0.0, 0.35, along) * _smoothstep(1.0, 0.8, along)
        result += np.exp(-((across / 0.0024) ** 2)) * shown * dorsal
    return result


def _palm_lines(
    skeleton: HandSkeleton, points: SurfacePoints, palm: Floats, wobble: Floats
) -> Floats:
    """Return the palm's lines in NUM_LINE_VARIANTS hands that differ a little."""
    joints = skeleton.joints
    wrist, index = joints[0], joints[JOINT_NAMES.index('index1')]
    little = joints[JOINT_NAMES.index('little1')]
    flat = np.array([0, 2])
    own = points.weights[:, [0, 1, 4, 7, 10, 13]].sum(1) * palm
    position = points.position[:, flat] + 0.0012 * wobble[:, :2]
    variants = []
    for variant in range(NUM_LINE_VARIANTS):
        rng = np.random.default_rng(variant)
        lines = np.zeros(len(position), dtype=np.float32)
        for name, control in _PALM_LINES.items():
            places = np.array(control) + rng.normal(0, 0.035, (len(control), 2))
            across, along = places[:, :1], places[:, 1:]
            curve = wrist + along * ((1 - across) * (index - wrist) + across * (little - wrist))
            strength = 1.0 if name != 'fate' else rng.uniform(0, 0.6)
            distance = _distance_to_polyline(position, _smooth_curve(curve[:, flat]))
            lines = np.maximum(lines, strength * _line(distance, 0.0008, points.spacing))
        variants.append(lines * own)
    return np.asarray(np.stack(variants), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class _Nails:
    """
    The five nails, each an ellipse-like patch on the back of a fingertip.

    ``origin`` (5, 3) is the end joint; ``frames`` (5, 3, 3) lateral, dorsal, along; ``end`` (5,)
    the distance of the finger's end from it; ``half_width`` (5,) of the finger's tip, metres.
    """

    origin: FloatArray
    frames: FloatArray
    end: FloatArray
    half_width: FloatArray

    @classmethod
    def of(cls, skeleton: HandSkeleton, data: HandModelData) -> _Nails:
        joints = [JOINT_NAMES.index(f'{finger}3') for finger in FINGER_NAMES]
        ends, half_widths = [], []
        for joint in joints:
            own = data.skin_weights[:, joint] > 0.6
            local = (data.v_template[own] - skeleton.joints[joint]) @ skeleton.frames[joint - 1]
            end = local[:, 2].max()
            ends.append(end)
            half_widths.append(np.abs(local[local[:, 2] < 0.75 * end, 0]).max())
        frames = np.stack([skeleton.frames[joint - 1] for joint in joints])
        return cls(skeleton.joints[joints], frames, np.array(ends), np.array(half_widths))

    def at(self, points: SurfacePoints) -> tuple[Floats, Floats, Floats, Floats]:
        """Return (nail, lunula, free edge, furrow around the nail)."""
        nail, lunula, edge, fold = np.zeros((4, len(points.position)), dtype=np.float32)
        for finger, name in enumerate(FINGER_NAMES):
            own = points.weights[:, JOINT_NAMES.index(f'{name}3')] > 0.4
            frame = self.frames[finger]
            local = (points.position - self.origin[finger]) @ frame
            faces_back = _smoothstep(0.05, 0.35, points.normal @ frame[:, 1])
            width = 0.74 * self.half_width[finger]
            length = 1.5 * self.half_width[finger]
            stop = self.end[finger] - 0.0012
            across = local[:, 0] / width
            along = (local[:, 2] - (stop - length / 2)) / (length / 2)
            radius = (np.abs(across) ** 3.5 + np.abs(along) ** 3.5) ** (1 / 3.5)
            soft = max(0.06, 0.8 * points.spacing / width)
            inside = _smoothstep(1 + soft, 1 - soft, radius) * faces_back * own
            nail = np.maximum(nail, inside)
            moon = _smoothstep(1.1, 0.9, np.hypot(across / 0.55, (along + 1.05) / 0.5))
            lunula = np.maximum(lunula, inside * moon * (1.0 if name == 'thumb' else 0.5))
            edge = np.maximum(edge, inside * _smoothstep(0.78, 0.9, along - 0.12 * across**2))
            rim = np.exp(-(((radius - 1.08) / 0.09) ** 2)) * _smoothstep(0.9, 0.6, along)
            fold = np.maximum(fold, rim * faces_back * own)
        return nail, lunula, edge, fold


def _finger_weight(points: SurfacePoints, finger: str) -> Floats:
    columns = [JOINT_NAMES.index(f'{finger}{place}') for place in (1, 2, 3)]
    total = points.weights[:, columns].sum(1)
    return np.asarray(_smoothstep(0.25, 0.6, total))


def _line(distance: FloatArray, half_width: float, spacing: float) -> Floats:
    """Return a line's profile, no narrower than the texels can show and then fainter."""
    drawn = max(half_width, 0.7 * spacing)
    profile = np.exp(-((distance / drawn) ** 2)) * half_width / drawn
    return np.asarray(profile, dtype=np.float32)


def _smooth_curve(control: FloatArray, samples: int = 24) -> FloatArray:
    spline = CubicSpline(np.linspace(0, 1, len(control)), control)
    return np.asarray(spline(np.linspace(0, 1, samples)))


def _distance_to_polyline(points: Floats, curve: FloatArray) -> FloatArray:
    best = np.full(len(points), np.inf)
    for start, stop in zip(curve[:-1], curve[1:], strict=True):
        span = stop - start
        t = np.clip((points - start) @ span / (span @ span), 0, 1)
        best = np.minimum(best, np.linalg.norm(points - start - t[:, None] * span, axis=1))
    return best


def _smoothstep(start: float, stop: float, x: NDArray[np.floating[Any]]) -> Floats:
    t = np.clip((x - start) / (stop - start), 0.0, 1.0)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)
