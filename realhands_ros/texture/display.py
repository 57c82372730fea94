"""Pictures of textured hands, and made-up skin where no camera has looked yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_matrix, diags
from scipy.sparse.linalg import splu

from realhands_ros.arrays import FloatArray
from realhands_ros.data.hands import HandMesh, HandTexture, Image, MeshTopology
from realhands_ros.data.topology import Handedness
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.rasterizer import TexelTable, rasterize, vertex_normals
from realhands_ros.hand.drawing import portrait, sample_texture
from realhands_ros.hand.model_file import default_model_folder, load_mesh_topology
from realhands_ros.texture.light import gains
from realhands_ros.texture.profile import SIDES

# Pictures of textured hands: over the camera's image, and from where no camera stands.


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


# Skin that no camera has seen yet, made up for display.
#
# Skin tone varies slowly over a hand, so the tone at unseen vertices is taken from their
# neighbours on the mesh, across the seams of the atlas: the smoothest field that meets what was
# seen, drawn weakly to the mean tone. Where the other hand was seen, its tone and its detail
# (creases, nails) take the place of the missing ones, since a person's hands are nearly mirror
# images.

# Pull of a vertex towards what was seen at it, towards the other hand's tone, and towards the mean
# tone, relative to that of one neighbour.
_SEEN_PULL, _OTHER_PULL, _MEAN_PULL = 10.0, 2.0, 1e-3
# Of a coverage map (1..255), where a texel's own colour counts in full.
_SURE = 24.0
# Shown while nothing at all has been seen.
_DEFAULT_TONE = (205.0, 165.0, 145.0)


class _Tone(NamedTuple):
    """Mean colour (778, 3) of the texels at each vertex, and how much was seen of them, 0..1."""

    colours: FloatArray
    share: FloatArray


class AtlasFiller:
    """Fills the atlases of one mesh."""

    def __init__(self, table: TexelTable, faces: NDArray[np.int64]) -> None:
        """``table`` and ``faces`` (F, 3) of one hand; both hands have the same atlas."""
        self._table = table
        self._corners = faces[table.face]
        self._count = int(faces.max()) + 1
        self._laplacian = _laplacian(faces, self._count)
        self._all_weights = self._at_vertices(np.ones(len(table.texels)))

    def fill(
        self,
        colours: Image,
        coverage_map: Image,
        other: tuple[Image, Image] | None = None,
    ) -> Image:
        """
        Return an atlas for display, (T, T, 3) uint8.

        ``colours`` (T, T, 3) and ``coverage_map`` (T, T) are a HandTexture's, ``other`` those of
        the other hand.
        """
        own = _at_texels(self._table, colours, coverage_map)
        tone = self._tone(*own)
        other_texels = None if other is None else _at_texels(self._table, *other)
        other_tone = None if other_texels is None else self._tone(*other_texels)
        field = self._smooth_field(tone, other_tone)
        filled = self._over_texels(field)
        if other_texels is not None and other_tone is not None:
            detail = other_texels[0] - self._over_texels(self._smooth_field(other_tone, None))
            filled += detail * np.minimum(other_texels[1] / _SURE, 1.0)[:, None]
        sure = np.minimum(own[1] / _SURE, 1.0)[:, None]
        result = filled + sure * (own[0] - filled)
        return self._picture(np.clip(result + 0.5, 0, 255).astype(np.uint8), field)

    def _picture(self, texels: Image, field: FloatArray) -> Image:
        size = self._table.size
        picture = np.empty((size * size, 3), np.uint8)
        picture[:] = np.clip(field.mean(axis=0), 0, 255).astype(np.uint8)
        picture[self._table.texels] = texels
        picture[self._table.gutter] = texels[self._table.gutter_source]
        return picture.reshape(size, size, 3)

    def _tone(self, colours: FloatArray, covered: FloatArray) -> _Tone:
        weight = np.minimum(covered / _SURE, 1.0)
        total = self._at_vertices(weight)
        sums = np.stack([self._at_vertices(weight * channel) for channel in colours.T], axis=1)
        share = total / np.maximum(self._all_weights, 1e-9)
        return _Tone(sums / np.maximum(total, 1e-9)[:, None], share)

    def _smooth_field(self, tone: _Tone, other: _Tone | None) -> FloatArray:
        """Return the smoothest colours (778, 3) that meet what is known."""
        seen = _SEEN_PULL * tone.share
        pull = seen + _MEAN_PULL
        mean = np.array(_DEFAULT_TONE)
        if tone.share.any():
            mean = np.average(tone.colours, axis=0, weights=tone.share)
        target = seen[:, None] * tone.colours + _MEAN_PULL * mean
        if other is not None and other.share.any():
            # The other hand may stand in another light.
            both = np.minimum(tone.share, other.share)
            shift = (both @ (tone.colours - other.colours)) / max(float(both.sum()), 1e-9)
            borrowed = _OTHER_PULL * other.share * (tone.share < 0.5)
            pull = pull + borrowed
            target = target + borrowed[:, None] * (other.colours + shift)
        system = self._laplacian + diags(pull)
        return np.asarray(splu(system.tocsc()).solve(target))

    def _at_vertices(self, values: FloatArray) -> FloatArray:
        """Sum texels' values (N,) at the vertices, by barycentric weight, (778,)."""
        spread = self._table.barycentric * values[:, None]
        sums = np.bincount(self._corners.ravel(), spread.ravel(), minlength=self._count)
        return np.asarray(sums, dtype=np.float64)

    def _over_texels(self, at_vertices: FloatArray) -> FloatArray:
        """Interpolate (778, 3) over the texels, (N, 3)."""
        return np.asarray(
            np.einsum('nk,nkc->nc', self._table.barycentric, at_vertices[self._corners])
        )


def _at_texels(
    table: TexelTable, colours: Image, coverage_map: Image
) -> tuple[FloatArray, FloatArray]:
    return (
        colours.reshape(-1, 3)[table.texels].astype(np.float64),
        coverage_map.reshape(-1)[table.texels].astype(np.float64),
    )


def _laplacian(faces: NDArray[np.int64], count: int) -> coo_matrix:
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    ends = np.unique(np.sort(ends, axis=1), axis=0)
    rows, columns = np.concatenate([ends, ends[:, ::-1]]).T
    adjacency = coo_matrix((np.ones(len(rows)), (rows, columns)), (count, count))
    return diags(np.asarray(adjacency.sum(axis=1)).ravel()) - adjacency
