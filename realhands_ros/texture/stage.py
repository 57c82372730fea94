"""The texture stage: refined meshes with their crops in, texture atlases out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from realhands_ros.data.hands import HandMesh, HandTexture, Image, MeshFlag
from realhands_ros.data.topology import NUM_VERTICES, Handedness
from realhands_ros.errors import ConfigError, ImageError, ProfileError
from realhands_ros.geometry.camera import PinholeCamera
from realhands_ros.geometry.rasterizer import TexelTable, vertex_normals
from realhands_ros.hand.model_file import (
    UvAtlas,
    default_model_folder,
    load_hand_model_data,
    load_mesh_topology,
    load_uv_atlas,
)
from realhands_ros.texture.atlas import AtlasPicture, AveragingConfig, HandAtlas
from realhands_ros.texture.display import AtlasFiller
from realhands_ros.texture.profile import SIDES, HandProfile, PersonalShape, ProfileHand
from realhands_ros.texture.views import SceneOfHands, ViewReader

# Meshes that do not lie where the hand is would paint it with what is beside it.
_NO_UPDATE = MeshFlag.LOW_CONFIDENCE | MeshFlag.EXTRAPOLATED


@dataclass(frozen=True)
class TextureStageConfig:
    """
    How the atlas is kept.

    ``atlas_size``: its side in texels. ``averaging``: how frames are averaged, by confidence or by
    the paper's plain exponential smoothing. ``model_folder``: the hand model (None: the open
    hand). ``calibration_frames``: good frames after which the personal shape is held. Raises
    ConfigError for a value out of range.
    """

    atlas_size: int = 512
    averaging: AveragingConfig = field(default_factory=AveragingConfig)
    model_folder: Path | None = None
    calibration_frames: int = 50

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 64 <= self.atlas_size <= 4096:
            message = f'atlas_size is {self.atlas_size}; choose 64 to 4096 texels (default 512)'
            raise ConfigError(message)
        if self.calibration_frames < 1:
            message = f'calibration_frames is {self.calibration_frames}; give 1 or more'
            raise ConfigError(message)


class TextureStage:
    """
    Keeps one atlas and one shape for the right and one for the left hand.

    A hand that comes back under a new id goes on with what is known of it; the hand of somebody
    else turns the atlas into its own within some frames, or at once after ``reset``.
    """

    def __init__(self, config: TextureStageConfig | None = None) -> None:
        """Lay out the atlases; ModelFileError when the model cannot be read."""
        self.config = config or TextureStageConfig()
        folder = self.config.model_folder or default_model_folder()
        self.topology = load_uv_atlas(folder, 'right').key
        self._hands = {side: _Hand(side, folder, self.config) for side in SIDES}

    def __call__(
        self, meshes: Sequence[HandMesh], cameras: Sequence[PinholeCamera]
    ) -> tuple[HandTexture, ...]:
        """
        Project one frame's crops onto the meshes; return one texture a mesh, in their order.

        ``cameras`` are those of the whole images, one a view, the left first, as ``mesh.views``
        has them. Hands hide one another, so give all meshes of a frame in one call. A view
        without a crop, or off the hand, is left out; a mesh that does not fit its images leaves
        the atlas as it was, and the texture's ``note`` says so. Raises nothing for what a frame
        may hold.
        """
        sound = [number for number, mesh in enumerate(meshes) if _is_sound(mesh)]
        main = {side: self._main_mesh(side, meshes, sound) for side in SIDES}
        scene = SceneOfHands.of(
            [(meshes[n].vertices_cam, self._hands[meshes[n].handedness].faces) for n in sound]
        )
        textures = []
        for number, mesh in enumerate(meshes):
            hand = self._hands[mesh.handedness]
            note = hand.objection(mesh)
            if not note and number != main[mesh.handedness]:
                note = f'another {mesh.handedness} hand of this frame owns the atlas'
            if not note:
                note = hand.update(mesh, scene, sound.index(number), cameras)
            other = self._hands['left' if mesh.handedness == 'right' else 'right']
            textures.append(hand.texture(mesh, note, other))
        return tuple(textures)

    def reset(self, handedness: Handedness | None = None) -> None:
        """Forget skin and personal shape of one hand, or of both (None)."""
        for side in SIDES if handedness is None else (handedness,):
            self._hands[side].reset()

    @property
    def shapes(self) -> Mapping[Handedness, PersonalShape]:
        """Return the personal shape of each hand: its state, its estimate, ``apply(mesh)``."""
        return {side: hand.shape for side, hand in self._hands.items()}

    def profile(self) -> HandProfile:
        """Return what is known of the hands that have been seen."""
        return HandProfile(
            self.topology,
            {
                side: self._hands[side].saved(self._hands[other])
                for side, other in (SIDES, SIDES[::-1])
                if self._hands[side].picture.coverage > 0
            },
        )

    def load(self, profile: HandProfile) -> None:
        """
        Go on with a saved profile; hands that it lacks are forgotten.

        Raises ProfileError when it belongs to another hand model or has another atlas size.
        """
        if profile.topology != self.topology:
            message = (
                f'the profile belongs to the hand model {profile.topology}, this stage has '
                f'{self.topology}: choose the same model folder, or make a new profile'
            )
            raise ProfileError(message)
        for side, saved in profile.hands.items():
            if len(saved.colours) != self.config.atlas_size:
                message = (
                    f'the {side} atlas of the profile has {len(saved.colours)} texels a side, '
                    f'this stage {self.config.atlas_size}: set atlas_size to that of the profile'
                )
                raise ProfileError(message)
        self.reset()
        for side, saved in profile.hands.items():
            self._hands[side].load(saved)

    def _main_mesh(
        self, side: Handedness, meshes: Sequence[HandMesh], sound: Sequence[int]
    ) -> int | None:
        """Return the number of the mesh, of several right (left) ones, that owns the atlas."""
        ours = [number for number in sound if meshes[number].handedness == side]
        last_id = self._hands[side].last_id
        return max(ours, key=lambda n: (meshes[n].id == last_id, meshes[n].score), default=None)


class _Hand:
    """Everything that is kept of one of the two hands."""

    def __init__(self, side: Handedness, folder: Path, config: TextureStageConfig) -> None:
        data, atlas = load_hand_model_data(folder, side), load_uv_atlas(folder, side)
        self.faces = data.faces
        self.last_id = ''
        self.shape = PersonalShape(data, config.calibration_frames)
        self._side = side
        self._config = config
        self._keys = {atlas.key, load_mesh_topology(folder, side).key}
        self._table = texel_table(atlas, config.atlas_size)
        self._filler = AtlasFiller(self._table, data.faces)
        self.reset()

    def reset(self) -> None:
        is_plain = self._config.averaging.smoothing == 'exponential'
        self._reader = ViewReader(is_plain=is_plain)
        self._atlas = HandAtlas(self._table, self.faces, self._config.averaging)
        self.shape.reset()

    @property
    def picture(self) -> AtlasPicture:
        """Return the atlas as it is now."""
        return self._atlas.picture

    def objection(self, mesh: HandMesh) -> str:
        """Return why a mesh must not touch the atlas, in words; empty when it may."""
        if not _is_sound(mesh):
            return f'the mesh has {np.shape(mesh.vertices_cam)} vertices, or NaN among them'
        if mesh.topology_key and mesh.topology_key not in self._keys:
            return f'the mesh has topology {mesh.topology_key}, the atlas {min(self._keys)}'
        if mesh.flags & _NO_UPDATE:
            return 'the mesh is a guess (flag LOW_CONFIDENCE or EXTRAPOLATED)'
        return ''

    def update(
        self, mesh: HandMesh, scene: SceneOfHands, number: int, cameras: Sequence[PinholeCamera]
    ) -> str:
        """Average a frame in; return why that was not possible, or nothing."""
        normals = vertex_normals(mesh.vertices_cam, self.faces)
        try:
            views = self._reader(scene, number, normals, mesh.views, cameras)
        except ImageError as error:
            return str(error)
        self._atlas.update(views, normals)
        self.shape.observe(mesh)
        self.last_id = mesh.id
        return ''

    def texture(self, mesh: HandMesh, note: str, other: _Hand) -> HandTexture:
        colours, coverage_map, coverage = self.picture
        return HandTexture(
            id=mesh.id,
            handedness=self._side,
            topology_key=mesh.topology_key,
            colours=colours,
            coverage_map=coverage_map,
            coverage=coverage,
            shading=self._atlas.shading.copy(),
            updated=not note,
            note=note,
            fill=partial(self._filler.fill, other=_seen(other.picture)),
        )

    def saved(self, other: _Hand) -> ProfileHand:
        colours, coverage_map, coverage = self.picture
        atlas = self._filler.fill(colours, coverage_map, _seen(other.picture))
        return ProfileHand(colours, coverage_map, atlas, coverage, self.shape.estimate)

    def load(self, saved: ProfileHand) -> None:
        self._atlas.load(saved.colours, saved.coverage_map)
        self.shape.load(saved.estimate)


def texel_table(atlas: UvAtlas, size: int) -> TexelTable:
    """Return where the texels of a hand's atlas image (``size`` a side, v up) lie on its mesh."""
    corners = np.column_stack([atlas.uv[:, 0], 1.0 - atlas.uv[:, 1]]) * size - 0.5
    return TexelTable.of(corners, atlas.face_uv, size)


def _is_sound(mesh: HandMesh) -> bool:
    vertices = np.asarray(mesh.vertices_cam)
    return vertices.shape == (NUM_VERTICES, 3) and bool(np.isfinite(vertices).all())


def _seen(picture: AtlasPicture) -> tuple[Image, Image] | None:
    return (picture.colours, picture.coverage_map) if picture.coverage > 0 else None
