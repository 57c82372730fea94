"""Pictures of textured hands: over the camera's image, and from where no camera stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.normals import vertex_normals
from realhands_ros.geometry.rasterizer import rasterize
from realhands_ros.hand.hand_mesh import HandMesh
from realhands_ros.hand.mesh_topology import MeshTopology, load_mesh_topology
from realhands_ros.hand.model_file import default_model_folder
from realhands_ros.hand.portrait import portrait, sample_texture
from realhands_ros.hand.topology import Handedness
from realhands_ros.texture.hand_texture import HandTexture, Image
from realhands_ros.texture.profile import SIDES
from realhands_ros.texture.shading import gains

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TexturedView:
    """
    What a camera would see of a textured hand.

    ``colours`` (H, W, 3) RGB in 0..255, zeros off the hand; ``mask`` (H, W) the hand's pixels;
    ``depth`` (H, W) float32 metres, inf off the hand.
    """

    colours: FloatArray
    mask: NDArray[np.bool_]
    depth: NDArray[np.float32]


class TextureRenderer:
    """Draws the hands of one model with their atlases."""

    def __init__(self, model_folder: Path | None = None) -> None:
        """Read the meshes' topology; ModelFileError when there is none."""
        folder = model_folder or default_model_folder()
        self._topology: dict[Handedness, MeshTopology] = {
            side: load_mesh_topology(folder, side) for side in SIDES
        }

    def render(
        self,
        vertices: NDArray[np.floating[Any]],
        handedness: Handedness,
        atlas: Image,
        camera: PinholeCamera,
        shading: FloatArray | None = None,
    ) -> TexturedView:
        """
        Draw one hand.

        ``vertices`` (778, 3) metres in the rig's frame; ``atlas`` (T, T, 3) RGB as
        HandTexture.atlas; ``shading`` (9, 3), one of HandTexture.shading, gives the skin the light
        in which a camera saw it; without it the skin has its own colour everywhere.
        """
        topology = self._topology[handedness]
        drawn = rasterize(camera.to_camera(vertices), topology.faces, camera)
        uv = drawn.interpolate(topology.uv, topology.face_uv)
        colours = sample_texture(atlas, uv) * drawn.mask[..., None]
        if shading is not None:
            normals = drawn.interpolate(vertex_normals(vertices, topology.faces), topology.faces)[
                drawn.mask
            ]
            normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
            colours[drawn.mask] *= gains(shading, np.asarray(normals, np.float64))
        return TexturedView(np.clip(colours, 0, 255), drawn.mask, drawn.depth)

    def overlay(
        self,
        image: Image,
        meshes: Sequence[HandMesh],
        textures: Sequence[HandTexture],
        camera: PinholeCamera,
        view: int = 0,
    ) -> Image:
        """Return a camera's image (H, W, 3) BGR with the textured hands drawn over it."""
        result = image.copy()
        nearest = np.full(image.shape[:2], np.inf, dtype=np.float32)
        for mesh, texture in zip(meshes, textures, strict=True):
            shading = texture.shading[view]
            drawn = self.render(mesh.vertices_cam, mesh.handedness, texture.atlas, camera, shading)
            in_front = drawn.depth < nearest
            nearest[in_front] = drawn.depth[in_front]
            result[in_front] = drawn.colours[in_front][:, ::-1].astype(np.uint8)
        return result

    def novel_view(
        self, vertices: ArrayLike, handedness: Handedness, atlas: Image, view: str, size: int = 320
    ) -> Image:
        """
        Return a hand under a light of its own, RGB (size, size, 3).

        ``vertices`` (778, 3) are in the model's frame (root rotation zero); ``view`` is one of
        hand.portrait.VIEWS.
        """
        topology = self._topology[handedness]
        texture = (atlas, topology.uv.astype(np.float64), topology.face_uv.astype(np.int64))
        return portrait(vertices, topology.faces, handedness, view, size=size, texture=texture)
