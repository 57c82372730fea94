"""
Skins of people from a folder: textures in MakeHuman's layout, transferred to our hand.

Each point of our hand is carried by its bones onto MakeHuman's hand (linear blend skinning with
the similarities between the two skeletons' bones), where the nearest point of the surface that
faces the same way gives the colour. The forearm is matched by distance from the wrist and angle
about its axis. What a texture says is the unevenness of real skin; relief, gloss and the person's
tone come from ``skin``, since six people are few.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from realhands_ros.data.topology import KEYPOINTS_FROM_JOINTS_AND_TIPS, NUM_JOINTS
from realhands_ros.errors import DatasetError
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.rasterizer import rasterize, vertex_normals
from realhands_ros.hand.model_file import HandModelData
from realhands_ros.hand.skeleton import BONE_ENDS, FINGER_JOINT_NAMES, HandSkeleton
from realhands_ros.resources import resource_path
from realhands_ros.synthesis.colour import srgb_to_linear
from realhands_ros.synthesis.mesh import unit

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Floats = NDArray[np.float32]

_SUFFIXES = ('.jpg', '.jpeg', '.png')
# Painters leave a dark or grey rim where the layout's pieces end.
_RIM_SHARE = 0.004
_NEIGHBOURS = 24
_SMALLEST_COSINE = 0.1
_FIRST_PALM_POINTS = (0, 5, 9, 13, 17)
_FOREARM_M = 0.2
_MOST_UNEVEN = 0.8
_RAY_M = 0.06


@dataclass(frozen=True, eq=False)
class _Arm:
    """MakeHuman's right arm; see tools/build_makehuman_arm.py."""

    vertices: FloatArray
    faces: IntArray
    uv: FloatArray
    face_uv: IntArray
    keypoints: FloatArray
    elbow: FloatArray

    @classmethod
    def load(cls) -> _Arm:
        with np.load(resource_path('models/makehuman_arm.npz')) as file:
            return cls(
                file['vertices'].astype(np.float64),
                file['faces'].astype(np.int64),
                file['uv'].astype(np.float64),
                file['face_uv'].astype(np.int64),
                file['keypoints'],
                file['elbow'],
            )


def skin_files(folder: Path) -> list[Path]:
    """Return the pictures of a folder of skins; raise DatasetError when there is none."""
    paths = sorted(path for path in folder.glob('*') if path.suffix.lower() in _SUFFIXES)
    if not paths:
        message = (
            f'{folder} holds no skins; put JPEG or PNG textures in the layout of MakeHuman there'
        )
        raise DatasetError(message)
    return paths


class SkinTextures:
    """The skins of a folder; colours are linear RGB."""

    def __init__(self, folder: Path) -> None:
        """Read all pictures of a folder; DatasetError when there is none or one is damaged."""
        self._arm = _Arm.load()
        self._textures = [_read_texture(path, self._arm) for path in skin_files(folder)]

    def __len__(self) -> int:
        """Return the number of skins."""
        return len(self._textures)

    def unevenness(self, number: int, uv: Floats, palm: Floats) -> Floats:
        """
        Return by what natural logarithm a skin is brighter than on average, (N, 3).

        ``uv`` (N, 2) are places in the layout, ``palm`` (N,) is 1 on the palm. The difference
        between palm and back is taken out as well: it depends on the person's tone.
        """
        logarithm = np.log(np.maximum(self.colours(number, uv), 1e-3))
        basis = np.stack([np.ones_like(palm), palm], axis=1)
        fitted = basis @ np.linalg.lstsq(basis, logarithm, rcond=None)[0]
        return np.asarray(
            np.clip(logarithm - fitted, -_MOST_UNEVEN, _MOST_UNEVEN), dtype=np.float32
        )

    def colours(self, number: int, uv: Floats) -> Floats:
        """Return the colours (N, 3) of a skin at places (N, 2) of MakeHuman's layout."""
        texture = self._textures[number]
        size = np.array(texture.shape[1::-1]) - 1
        x, y = (uv * size).astype(np.float32).T
        # OpenCV takes pictures of up to 32767 rows.
        rows = [
            cv2.remap(texture, x[None, i : i + 8192], y[None, i : i + 8192], cv2.INTER_LINEAR)[0]
            for i in range(0, len(x), 8192)
        ]
        return np.asarray(np.concatenate(rows), dtype=np.float32)

    def places_on_hand(self, data: HandModelData, points: Floats, weights: Floats) -> Floats:
        """
        Return where points of a right hand's rest pose lie in MakeHuman's layout, (N, 2).

        ``points`` (N, 3) metres and ``weights`` (N, 16) of skinning.
        """
        skeleton = HandSkeleton.from_model(data)
        normals = vertex_normals(data.v_template, data.faces)
        nearest = cKDTree(data.v_template).query(points)[1]
        matrices = _bone_matrices(skeleton, self._arm)
        blended = np.einsum('nj,jab->nab', np.asarray(weights, dtype=np.float64), matrices)
        moved = np.einsum('nab,nb->na', blended[:, :, :3], points) + blended[:, :, 3]
        facing = unit(np.einsum('nab,nb->na', blended[:, :, :3], normals[nearest]))
        return self._nearest_uv(moved, facing)

    def places_on_forearm(self, distance: Floats, angle: Floats) -> Floats:
        """
        Return where points of a right forearm lie in the layout, (N, 2).

        ``distance`` (N,) metres from the wrist; ``angle`` (N,) about the arm, 0 on the thumb's
        side and a right angle on the back. Beyond 0.2 m the arm is a mirror image.
        """
        arm = self._arm
        distance = _FOREARM_M - np.abs(_FOREARM_M - np.mod(distance, 2 * _FOREARM_M))
        axis = unit(arm.elbow - arm.keypoints[0])
        side = arm.keypoints[5] - arm.keypoints[17]
        side = unit(side - (side @ axis) * axis)
        dorsal = unit(np.cross(side, axis))
        if dorsal @ _dorsal(arm.keypoints) < 0:
            dorsal = -dorsal
        outwards = np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * dorsal
        points = arm.keypoints[0] + distance[:, None] * axis + _RAY_M * outwards
        return self._nearest_uv(points, outwards)

    def _nearest_uv(self, points: FloatArray, normals: FloatArray) -> Floats:
        """Return the layout's place of the nearest surface that faces along ``normals``."""
        arm = self._arm
        corners = arm.vertices[arm.faces]
        face_normals = unit(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
        candidates = cKDTree(corners.mean(1)).query(points, _NEIGHBOURS)[1]
        best = np.full(len(points), np.inf)
        result = np.zeros((len(points), 2))
        for face in candidates.T:
            weights, distance = _closest_on_triangles(points, corners[face])
            away = (face_normals[face] * normals).sum(1) < _SMALLEST_COSINE
            distance = distance + 0.02 * away
            better = distance < best
            uv = (arm.uv[arm.face_uv[face]] * weights[..., None]).sum(1)
            best[better], result[better] = distance[better], uv[better]
        return result.astype(np.float32)


def _read_texture(path: Path, arm: _Arm) -> Floats:
    """Return a texture (H, W, 3), linear, its rim and what is outside the arm filled."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        message = f'{path} cannot be read as a picture; remove it from the folder of skins'
        raise DatasetError(message)
    height, width = picture.shape[:2]
    flat = np.concatenate([arm.uv * [width - 1, height - 1], np.ones((len(arm.uv), 1))], axis=1)
    inside = rasterize(flat, arm.face_uv, PinholeCamera(np.eye(3), width, height)).mask
    depth = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 3)
    rim = (depth <= _RIM_SHARE * width).astype(np.uint8)
    _, label = cv2.distanceTransformWithLabels(rim, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    # The labels number the pixels inside row by row.
    filled = picture[rim == 0][label - 1][..., ::-1]
    return np.asarray(srgb_to_linear(filled / 255.0), dtype=np.float32)


def _dorsal(keypoints: FloatArray) -> FloatArray:
    """Return the direction out of the back of a right hand, (3,)."""
    return unit(np.cross(keypoints[17] - keypoints[5], keypoints[9] - keypoints[0]))


def _bone_matrices(skeleton: HandSkeleton, arm: _Arm) -> FloatArray:
    """Return what takes each bone of our flat hand onto MakeHuman's, (16, 3, 4)."""
    numbers = list(KEYPOINTS_FROM_JOINTS_AND_TIPS)
    targets = np.empty_like(skeleton.points)
    targets[numbers] = arm.keypoints
    ours = skeleton.points[numbers]
    matrices = np.empty((NUM_JOINTS, 3, 4))
    palm = list(_FIRST_PALM_POINTS)
    turn, scale = _similarity(ours[palm], arm.keypoints[palm])
    centre, target = ours[palm].mean(0), arm.keypoints[palm].mean(0)
    matrices[0] = np.column_stack([scale * turn, target - scale * turn @ centre])
    for number in range(len(FINGER_JOINT_NAMES)):
        joint, end = number + 1, BONE_ENDS[number]
        bone = targets[end] - targets[joint]
        stretch = np.linalg.norm(bone) / np.linalg.norm(
            skeleton.points[end] - skeleton.points[joint]
        )
        frame = skeleton.frames[number]
        along = unit(bone)
        dorsal = turn @ frame[:, 1]
        dorsal = unit(dorsal - (dorsal @ along) * along)
        other = np.stack([np.cross(dorsal, along), dorsal, along], axis=1)
        # Along the bone it is as long as theirs; across, as much thicker as their hand is larger.
        linear = other @ np.diag([scale, scale, stretch]) @ frame.T
        offset = targets[joint] - linear @ skeleton.points[joint]
        matrices[joint] = np.column_stack([linear, offset])
    return matrices


def _similarity(source: FloatArray, target: FloatArray) -> tuple[FloatArray, float]:
    """Return rotation and scale between point sets (Umeyama, 1991)."""
    a, b = source - source.mean(0), target - target.mean(0)
    u, s, vt = np.linalg.svd(b.T @ a)
    sign = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    return u @ sign @ vt, float((s * np.diag(sign)).sum() / (a**2).sum())


def _closest_on_triangles(
    points: FloatArray, corners: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return weights (N, 3) of the corners and distances (N,) of the nearest triangle points."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    ab, ac, ap = b - a, c - a, points - a
    d00, d01, d11 = (ab * ab).sum(1), (ab * ac).sum(1), (ac * ac).sum(1)
    d20, d21 = (ap * ab).sum(1), (ap * ac).sum(1)
    scale = 1.0 / np.maximum(d00 * d11 - d01 * d01, 1e-20)
    v, w = (d11 * d20 - d01 * d21) * scale, (d00 * d21 - d01 * d20) * scale
    # Outside, cutting the weights off is near enough: neighbours cover the rest.
    weights = np.clip(np.stack([1.0 - v - w, v, w], axis=1), 0.0, 1.0)
    weights /= weights.sum(1, keepdims=True)
    nearest = (corners * weights[..., None]).sum(1)
    return weights, np.linalg.norm(points - nearest, axis=1)
