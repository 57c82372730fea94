"""A hand with a painted skin before two cameras, rendered without light or noise."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from realhands_ros.data.hands import HandMesh, HandView, MeshStage
from realhands_ros.data.topology import Handedness
from realhands_ros.geometry.camera import PinholeCamera, StereoRig
from realhands_ros.geometry.crop import crop_affine
from realhands_ros.geometry.mirror import mirror_axis_angle
from realhands_ros.hand.fast_model import FastHandModel
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data
from realhands_ros.texture.display import TextureRenderer

Image = NDArray[np.uint8]

CROP_PX = 224
BACKGROUND = (255, 0, 255)


def painted_skin(size: int = 512) -> Image:
    """Return an atlas (T, T, 3) RGB of a skin tone with slow waves of 15 levels."""
    rows, columns = np.mgrid[0:size, 0:size] / size
    waves = np.sin(14 * rows) + np.cos(17 * columns)
    tone = np.array([200.0, 150.0, 125.0])
    return np.clip(tone + 7.5 * waves[..., None], 0, 255).astype(np.uint8)


@dataclass
class Studio:
    """Two cameras, and hands posed in front of them."""

    rig: StereoRig = field(
        default_factory=lambda: StereoRig.rectified(
            fx=500, fy=500, cx=320, cy=180, width=640, height=360, baseline=0.06
        )
    )
    skin: Image = field(default_factory=painted_skin)

    def __post_init__(self) -> None:
        folder = default_model_folder()
        self.models = {
            side: FastHandModel(load_hand_model_data(folder, side)) for side in ('right', 'left')
        }
        self.renderer = TextureRenderer()

    @property
    def cameras(self) -> tuple[PinholeCamera, PinholeCamera]:
        return self.rig.views

    def hand(
        self,
        side: Handedness = 'right',
        *,
        shown: Literal['back', 'palm'] = 'back',
        pose: NDArray[np.float64] | None = None,
        place: tuple[float, float, float] = (0.0, 0.0, 0.4),
        shape: NDArray[np.float64] | None = None,
        gains: tuple[float, float] = (1.0, 1.0),
        skin: Image | None = None,
        name: str = 'a',
    ) -> HandMesh:
        """Return a mesh whose middle is at ``place``, with what both cameras see of it."""
        if pose is None:
            pose = np.zeros(48)
            pose[:3] = wrist_rotation(shown)
            if side == 'left':
                pose = mirror_axis_angle(pose)
        shape = np.zeros(10) if shape is None else shape
        posed = self.models[side].forward(pose, shape)
        translation = np.array(place) - posed.vertices.mean(axis=0)
        mesh = HandMesh(
            id=name,
            handedness=side,
            vertices_cam=posed.vertices + translation,
            keypoints_cam=posed.keypoints + translation,
            pose_aa=pose,
            translation=translation,
            topology_key='',
            shape=shape,
            stage=MeshStage.REFINED,
        )
        views = tuple(
            self.view(mesh, camera, self.skin if skin is None else skin, gain)
            for camera, gain in zip(self.cameras, gains, strict=True)
        )
        return replace(mesh, views=views)

    def view(self, mesh: HandMesh, camera: PinholeCamera, skin: Image, gain: float) -> HandView:
        keypoints = camera.project(mesh.keypoints_cam)
        affine = crop_affine(keypoints, CROP_PX, 1.4, camera.intrinsics)
        drawn = self.renderer.render(
            mesh.vertices_cam, mesh.handedness, skin, camera.cropped(affine, CROP_PX, CROP_PX)
        )
        picture = np.where(drawn.mask[..., None], drawn.colours * gain, BACKGROUND)
        # A lens mixes the colours at an edge.
        blurred = cv2.GaussianBlur(np.clip(picture, 0, 255), (0, 0), 0.7)
        return HandView(
            keypoints,
            np.ones(21),
            affine,
            np.ascontiguousarray(blurred.round().astype(np.uint8)[..., ::-1]),
            np.where(drawn.mask, 255, 0).astype(np.uint8),
        )


def wrist_rotation(shown: Literal['back', 'palm']) -> NDArray[np.float64]:
    """Return the wrist's rotation (3,) that shows a side of a right hand, fingers up."""
    sign = 1.0 if shown == 'back' else -1.0
    # Model axes (columns) in the optical frame: fingers (-x) up, the shown side to z < 0.
    rotation = np.array([[0.0, 0.0, -sign], [1.0, 0.0, 0.0], [0.0, -sign, 0.0]])
    return np.asarray(cv2.Rodrigues(rotation)[0].ravel())


@pytest.fixture(scope='session')
def studio() -> Studio:
    return Studio()
