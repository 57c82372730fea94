"""
A hand that nobody showed, to put a stage to work before it counts.

What a stage compiles or allocates on its first call would else hold up the first hands, on a
slow machine for many seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from std_msgs.msg import Header

from realhands_ros.data.frames import StereoFrame
from realhands_ros.data.hands import HandMesh, HandObservation, HandView, MeshStage
from realhands_ros.data.topology import Handedness
from realhands_ros.geometry.camera import PinholeCamera, StereoRig
from realhands_ros.geometry.crop import crop_affine
from realhands_ros.geometry.mirror import mirror_axis_angle
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data
from realhands_ros.messages.decode import mesh_from_msg, observation_from_msg
from realhands_ros.messages.encode import mesh_to_msg, observation_to_msg

_RIG = StereoRig.rectified(
    fx=265.0, fy=265.0, cx=335.5, cy=187.5, width=672, height=376, baseline=0.12
)
_PLACE = (0.0, 0.0, 0.45)
_CROP_PX, _CROP_MARGIN = 128, 1.5
# The back of a flat hand, fingers up.
_UPRIGHT_AA = (1.2092, -1.2092, 1.2092)
# A call that takes longer has compiled something, and the next one may come further.
_QUICK_S = 0.2
_MOST_CALLS = 6


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """One hand as each stage gets it, in the array types in which messages arrive."""

    observation: HandObservation
    mesh: HandMesh
    cameras: tuple[PinholeCamera, ...]


def rehearsals(folder: Path | None, *, stereo: bool) -> Iterator[Rehearsal]:
    """Return a right and a left hand of the model in ``folder`` before one camera or two."""
    cameras = _RIG.views[: 2 if stereo else 1]
    sides: tuple[Handedness, ...] = ('right', 'left')
    for side in sides:
        mesh = _mesh(folder or default_model_folder(), side)
        views = tuple(_view(mesh, camera) for camera in cameras)
        observation = HandObservation('rehearsal', side, views)
        header = Header()
        yield Rehearsal(
            observation_from_msg(observation_to_msg(observation, header)),
            mesh_from_msg(mesh_to_msg(replace(mesh, views=views), header)),
            cameras,
        )


def empty_frame(*, stereo: bool) -> StereoFrame:
    """Return a frame of images that show no hand."""
    cameras = _RIG.views[: 2 if stereo else 1]
    images = tuple(_noise((camera.height, camera.width, 4)) for camera in cameras)
    return StereoFrame(0, '', images, cameras)


def rehearse(work: Callable[[], object]) -> None:
    """Call ``work`` until it is quick, some times at most."""
    for _ in range(_MOST_CALLS):
        start = time.perf_counter()
        work()
        if time.perf_counter() - start < _QUICK_S:
            return


def _mesh(folder: Path, side: Handedness) -> HandMesh:
    # Imported here: the keypoint node rehearses without a hand, and starts sooner without numba.
    from realhands_ros.hand.fast_model import FastHandModel

    pose = np.zeros(48)
    pose[:3] = _UPRIGHT_AA
    if side == 'left':
        pose = mirror_axis_angle(pose)
    model = FastHandModel(load_hand_model_data(folder, side))
    translation = np.array(_PLACE) - model.forward(pose, np.zeros(10)).vertices.mean(axis=0)
    posed = model.forward(pose, np.zeros(10), translation)
    return HandMesh(
        id='rehearsal',
        handedness=side,
        vertices_cam=posed.vertices,
        keypoints_cam=posed.keypoints,
        pose_aa=pose,
        translation=translation,
        topology_key='rehearsal',
        stage=MeshStage.REGRESSED,
    )


def _view(mesh: HandMesh, camera: PinholeCamera) -> HandView:
    keypoints_px = camera.project(mesh.keypoints_cam)
    affine = crop_affine(keypoints_px, _CROP_PX, _CROP_MARGIN, camera.intrinsics)
    outline = camera.cropped(affine, _CROP_PX, _CROP_PX).project(mesh.vertices_cam)
    silhouette = np.zeros((_CROP_PX, _CROP_PX), np.uint8)
    cv2.fillConvexPoly(silhouette, cv2.convexHull(outline.round().astype(np.int32)), 255)
    crop = _noise((_CROP_PX, _CROP_PX, 3))
    return HandView(keypoints_px, np.ones(21), affine, crop, silhouette)


def _noise(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
