"""Meshes, silhouettes, keypoints and labels of a frame, drawn over its picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.data.hands import SIDE_COLOURS, HandMesh, HandTexture, HandView, MeshFlag
from realhands_ros.data.topology import Handedness
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.hand.drawing import draw_meshes, draw_skeleton, mesh_box
from realhands_ros.hand.model_file import default_model_folder, load_hand_model_data
from realhands_ros.pipeline import FrameResult
from realhands_ros.texture.display import TextureRenderer

Image = NDArray[np.uint8]
IntArray = NDArray[np.int64]

# How hands are drawn: shaded in grey, textured with their own skin, or as outlines only.
Look = Literal['shaded', 'textured', 'outline']
LOOKS: tuple[Look, ...] = ('shaded', 'textured', 'outline')

_SKELETON_BGR = (60, 220, 60)
_OUTLINE_BGR = (40, 220, 255)
_LABEL_INK_BGR = (30, 30, 30)
# Texts and lines are sized for pictures of this many pixels (of the longer side).
_REFERENCE_PX = 1000


class MeshOverlay:
    """Draws meshes, the network's silhouettes, the detected keypoints and labels."""

    def __init__(self, look: Look = 'shaded', model_folder: Path | None = None) -> None:
        """Read the hand model; ModelFileError when there is none."""
        folder = model_folder or default_model_folder()
        self.look = look
        self._faces: dict[Handedness, IntArray] = {
            side: load_hand_model_data(folder, side).faces for side in ('right', 'left')
        }
        self._renderer = TextureRenderer(folder) if look == 'textured' else None

    def drawn(
        self, image: Image, result: FrameResult, camera: PinholeCamera, view: int = 0
    ) -> Image:
        """
        Return a copy of a picture (H, W, 3) BGR with the hands of a frame drawn over it.

        ``camera`` took the picture; ``view`` says which of the frame's views it is.
        """
        picture = image.copy()
        order = sorted(
            range(len(result.meshes)),
            key=lambda number: -float(result.meshes[number].keypoints_cam[:, 2].mean()),
        )
        for number in order:
            mesh = result.meshes[number]
            if self.look == 'shaded':
                draw_meshes(picture, camera, [mesh], self._faces)
            elif self.look == 'textured' and result.textures:
                self._draw_textured(picture, mesh, result.textures[number], camera, view)
        for mesh in result.meshes:
            self._annotate(picture, mesh, view)
        return picture

    def _annotate(self, picture: Image, mesh: HandMesh, view: int) -> None:
        if view >= len(mesh.views):
            return
        seen = mesh.views[view]
        thickness = max(1, round(max(picture.shape) / _REFERENCE_PX))
        cv2.polylines(
            picture, silhouette_outlines(seen), True, _OUTLINE_BGR, thickness, cv2.LINE_AA
        )
        draw_skeleton(picture, seen.keypoints_px, _SKELETON_BGR)
        known = seen.keypoints_px[np.isfinite(seen.keypoints_px).all(axis=1)]
        for point in np.clip(np.round(known), -10_000, 10_000).astype(int):
            cv2.circle(
                picture, (int(point[0]), int(point[1])), thickness + 1, _SKELETON_BGR, cv2.FILLED
            )
        if len(known):
            _write_label(picture, hand_label(mesh), known.min(axis=0), mesh.handedness)

    def _draw_textured(
        self,
        picture: Image,
        mesh: HandMesh,
        texture: HandTexture,
        camera: PinholeCamera,
        view: int,
    ) -> None:
        assert self._renderer is not None
        box = mesh_box(mesh, camera)
        if box is None:
            return
        part = box.camera(camera)
        drawn = self._renderer.render(
            mesh.vertices_cam, mesh.handedness, texture.atlas, part, texture.shading[view]
        )
        pixels = box.part_of(picture)
        pixels[drawn.mask] = drawn.colours[drawn.mask][:, ::-1].astype(np.uint8)


def hand_label(mesh: HandMesh) -> str:
    """Return a short name: the start of the id, the side and its score, '?' for low confidence."""
    doubt = ' ?' if mesh.flags & MeshFlag.LOW_CONFIDENCE else ''
    return f'{mesh.id[:6]} {mesh.handedness} {mesh.handedness_score:.0%}{doubt}'


def silhouette_outlines(view: HandView) -> list[NDArray[np.int32]]:
    """Return the outlines (N, 1, 2) of a view's silhouette, pixels of the whole image."""
    if view.silhouette is None or view.crop_affine is None:
        return []
    inside = (view.silhouette > 127).astype(np.uint8)
    contours, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    # The affine is that of the crop, which may be larger than the silhouette in it.
    scale = 1.0 if view.crop is None else len(view.crop) / len(view.silhouette)
    inverse = cv2.invertAffineTransform(np.asarray(view.crop_affine, np.float64))
    outlines = []
    for contour in contours:
        crop_px = (contour.astype(np.float64) + 0.5) * scale - 0.5
        outlines.append(np.round(cv2.transform(crop_px, inverse)).astype(np.int32))
    return outlines


def _write_label(
    picture: Image, text: str, corner: NDArray[np.floating[Any]], handedness: Handedness
) -> None:
    """Write a text on a box of the hand's colour above ``corner``, within the picture."""
    scale = max(0.35, 0.6 * max(picture.shape) / _REFERENCE_PX)
    thickness = max(1, round(1.5 * scale))
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
    margin = 4 + below
    x = int(np.clip(corner[0], 0, max(picture.shape[1] - width - 8, 0)))
    y = int(np.clip(corner[1] - 2 * margin, height + 4, picture.shape[0] - margin))
    colour = SIDE_COLOURS[handedness][::-1]
    cv2.rectangle(picture, (x, y - height - 4), (x + width + 8, y + below + 2), colour, cv2.FILLED)
    cv2.putText(
        picture, text, (x + 4, y), cv2.FONT_HERSHEY_SIMPLEX, scale, _LABEL_INK_BGR, thickness,
        cv2.LINE_AA,
    )  # fmt: skip
