"""A user's hands: measured shape, and the file of atlas, shape and offsets."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realhands_ros.arrays import FloatArray
from realhands_ros.data.hands import HandMesh, MeshFlag, MeshStage
from realhands_ros.data.topology import NUM_SHAPE, NUM_VERTICES, Handedness
from realhands_ros.errors import ProfileError
from realhands_ros.hand.fast_model import FastHandModel
from realhands_ros.hand.model_file import HandModelData

# The shape of one user's hand, settled over good frames and then held.
#
# A hand does not change its shape from frame to frame; estimates of it do. Their mean over some
# fifty good frames is better than any of them, and a held shape leaves less to go wrong.


_BAD_FLAGS = (
    MeshFlag.SCALE_PRIOR
    | MeshFlag.EXTRAPOLATED
    | MeshFlag.TRUNCATED
    | MeshFlag.NOT_REFINED
    | MeshFlag.LOW_CONFIDENCE
)
_GOOD_STAGES = (MeshStage.REFINED, MeshStage.GROUND_TRUTH)
# Overlap of mesh and mask, where it is known, of a frame that says something about the shape.
_GOOD_IOU = 0.8


class CalibrationState(IntEnum):
    """How far the personal shape is."""

    COLLECTING = 0
    HELD = 1


@dataclass(frozen=True, eq=False)
class ShapeEstimate:
    """
    A user's hand: shape (10,), and what the model cannot express.

    ``offsets`` (778, 3) metres are added to the vertices of the flat rest pose, so that they turn
    with the bones; ``frames`` is the number of good frames that went in.
    """

    shape: FloatArray
    offsets: FloatArray
    frames: int

    @classmethod
    def unknown(cls) -> ShapeEstimate:
        """Return the model's mean hand, of which nothing was seen."""
        return cls(np.zeros(NUM_SHAPE), np.zeros((NUM_VERTICES, 3)), 0)


class PersonalShape:
    """The shape of one user's right or left hand."""

    def __init__(self, data: HandModelData, frames_needed: int) -> None:
        """Begin with the model ``data`` of that hand; hold after ``frames_needed`` good frames."""
        self._model = FastHandModel(data, dtype=np.float64)
        self.frames_needed = frames_needed
        self.estimate = ShapeEstimate.unknown()

    @property
    def state(self) -> CalibrationState:
        """Return whether the shape is held."""
        is_held = self.estimate.frames >= self.frames_needed
        return CalibrationState.HELD if is_held else CalibrationState.COLLECTING

    def reset(self) -> None:
        """Start over."""
        self.estimate = ShapeEstimate.unknown()

    def load(self, estimate: ShapeEstimate) -> None:
        """Take up a saved estimate; it is held if enough frames went into it."""
        self.estimate = estimate

    def observe(self, mesh: HandMesh) -> bool:
        """Take a refined mesh into account; return whether it was good enough and still needed."""
        if self.state is CalibrationState.HELD or not _is_good(mesh):
            return False
        share = 1.0 / (self.estimate.frames + 1)
        shape = np.asarray(mesh.shape, dtype=np.float64)
        offsets = self._in_rest_pose(mesh)
        self.estimate = ShapeEstimate(
            self.estimate.shape + share * (shape - self.estimate.shape),
            self.estimate.offsets + share * (offsets - self.estimate.offsets),
            self.estimate.frames + 1,
        )
        return True

    def apply(self, mesh: HandMesh) -> HandMesh:
        """
        Return the mesh with the personal shape in its pose, the wrist where it was.

        As long as nothing is held, the mesh is returned as it is.
        """
        if self.state is not CalibrationState.HELD:
            return mesh
        wrist = self._model.forward(mesh.pose_aa, mesh.shape, mesh.translation).joints[0]
        posed = self._model.forward(mesh.pose_aa, self.estimate.shape)
        translation = wrist - posed.joints[0]
        offsets = np.einsum('vij,vj->vi', posed.state.blended, self.estimate.offsets)
        return replace(
            mesh,
            shape=self.estimate.shape,
            translation=translation,
            vertex_offsets=offsets.astype(np.float32),
            vertices_cam=(posed.vertices + translation + offsets).astype(np.float32),
            keypoints_cam=(posed.keypoints + translation).astype(np.float32),
        )

    def _in_rest_pose(self, mesh: HandMesh) -> FloatArray:
        """Return the mesh's vertex offsets turned back with their bones, (778, 3)."""
        if mesh.vertex_offsets is None:
            return np.zeros((NUM_VERTICES, 3))
        turned = self._model.forward(mesh.pose_aa, mesh.shape).state.blended
        offsets = np.asarray(mesh.vertex_offsets, dtype=np.float64)
        return np.asarray(np.linalg.solve(turned, offsets[..., None])[..., 0])


def _is_good(mesh: HandMesh) -> bool:
    if mesh.stage not in _GOOD_STAGES or mesh.flags & _BAD_FLAGS:
        return False
    if np.isfinite(mesh.silhouette_iou) and mesh.silhouette_iou < _GOOD_IOU:
        return False
    finite = np.isfinite(mesh.shape).all() and np.isfinite(mesh.pose_aa).all()
    return bool(finite and (mesh.vertex_offsets is None or np.isfinite(mesh.vertex_offsets).all()))


# A user's hands in a file: atlas, shape and offsets of the right and the left hand.
#
# One npz (no pickles) with ``format``, ``version`` and ``topology`` and, for each hand that it
# holds, arrays named ``right/...`` or ``left/...``.

Image = NDArray[np.uint8]

FORMAT = 'realhands profile'
VERSION = 1
SIDES: tuple[Handedness, ...] = ('right', 'left')

_ATLAS_SIZES = (64, 4096)


@dataclass(frozen=True, eq=False)
class ProfileHand:
    """
    One hand of a user.

    ``colours`` (T, T, 3) uint8 RGB and ``coverage_map`` (T, T) uint8 as HandTexture has them;
    ``atlas`` (T, T, 3) the same with unseen skin filled in; ``coverage`` the share of the skin
    that was seen; ``estimate`` the hand's shape.
    """

    colours: Image
    coverage_map: Image
    atlas: Image
    coverage: float
    estimate: ShapeEstimate


@dataclass(frozen=True, eq=False)
class HandProfile:
    """
    A user's hands, one or two.

    ``topology`` is the key of the texture atlas of the hand model that they belong to
    (UvAtlas.key); shapes and atlases mean nothing for another model.
    """

    topology: str
    hands: Mapping[Handedness, ProfileHand]


def save_profile(profile: HandProfile, path: Path | str) -> None:
    """
    Write a profile.

    What is at ``path`` stays whole until the new file is complete. Raises ProfileError when the
    place cannot be written or the profile holds no hand.
    """
    path = Path(path)
    if not profile.hands:
        message = 'the profile holds no hand: show a hand to the cameras first'
        raise ProfileError(message)
    arrays: dict[str, Any] = {
        'format': np.array(FORMAT),
        'version': np.array(VERSION),
        'topology': np.array(profile.topology),
    }
    for side, hand in profile.hands.items():
        arrays |= {
            f'{side}/colours': hand.colours,
            f'{side}/coverage_map': hand.coverage_map,
            f'{side}/atlas': hand.atlas,
            f'{side}/coverage': np.array(hand.coverage),
            f'{side}/shape': hand.estimate.shape,
            f'{side}/offsets': hand.estimate.offsets.astype(np.float32),
            f'{side}/frames': np.array(hand.estimate.frames),
        }
    unfinished = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        with unfinished.open('wb') as file:
            np.savez_compressed(file, **arrays)
        unfinished.replace(path)
    except OSError as error:
        with suppress(OSError):
            unfinished.unlink()
        message = f'{path} cannot be written ({error.strerror}): choose another place'
        raise ProfileError(message) from error


def load_profile(path: Path | str) -> HandProfile:
    """Read a profile; ProfileError when it is missing, damaged, foreign or of a later version."""
    path = Path(path)
    if not path.is_file():
        message = f'{path} does not exist: make a profile with `realhands profile save`'
        raise ProfileError(message)
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except (OSError, ValueError, EOFError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        message = f'{path} cannot be read ({error}): it is damaged or no profile'
        raise ProfileError(message) from error
    _check_format(arrays, path)
    hands = {side: _hand(arrays, side, path) for side in SIDES if f'{side}/shape' in arrays}
    if not hands:
        message = f'{path} holds neither a right nor a left hand: make it anew'
        raise ProfileError(message)
    return HandProfile(str(arrays['topology']), hands)


def _check_format(arrays: Mapping[str, NDArray[Any]], path: Path) -> None:
    found = str(arrays.get('format', 'nothing'))
    if found != FORMAT or 'topology' not in arrays:
        message = (
            f'{path} is no hand profile (format {found!r}, expected {FORMAT!r}): make one with '
            '`realhands profile save`'
        )
        raise ProfileError(message)
    version = arrays.get('version')
    if version is None or version.dtype.kind not in 'iu' or int(version) != VERSION:
        message = f'{path} has version {version}; this program reads {VERSION}: make it anew'
        raise ProfileError(message)


def _hand(arrays: Mapping[str, NDArray[Any]], side: Handedness, path: Path) -> ProfileHand:
    def part(name: str, kinds: str, shape: tuple[int, ...]) -> NDArray[Any]:
        array = arrays.get(f'{side}/{name}')
        found = None if array is None else f'{array.dtype} {array.shape}'
        if array is None or array.dtype.kind not in kinds or array.shape != shape:
            message = f'{side}/{name} of {path} is {found}, expected {shape}: make it anew'
            raise ProfileError(message)
        if array.dtype.kind == 'f' and not np.isfinite(array).all():
            message = f'{side}/{name} of {path} holds NaN or infinity: make it anew'
            raise ProfileError(message)
        return array

    size = len(np.atleast_1d(arrays.get(f'{side}/atlas', np.zeros(0))))
    low, high = _ATLAS_SIZES
    if not low <= size <= high:
        message = f'the {side} atlas of {path} has {size} rows, not {low} to {high}: make it anew'
        raise ProfileError(message)
    return ProfileHand(
        colours=part('colours', 'u', (size, size, 3)).astype(np.uint8),
        coverage_map=part('coverage_map', 'u', (size, size)).astype(np.uint8),
        atlas=part('atlas', 'u', (size, size, 3)).astype(np.uint8),
        coverage=float(part('coverage', 'f', ())),
        estimate=ShapeEstimate(
            part('shape', 'f', (NUM_SHAPE,)).astype(np.float64),
            part('offsets', 'f', (NUM_VERTICES, 3)).astype(np.float64),
            int(part('frames', 'iu', ())),
        ),
    )


# The profile in use: the one that the live system starts with, and keeps up to date.


def profile_in_use_path() -> Path:
    """Return where the profile in use lies, whether there is one or not (XDG base directories)."""
    data_home = os.environ.get('XDG_DATA_HOME') or str(Path.home() / '.local' / 'share')
    return Path(data_home) / 'realhands' / 'profile.npz'


def load_profile_in_use() -> HandProfile | None:
    """Return the profile in use, None if there is none; ProfileError when it is damaged."""
    path = profile_in_use_path()
    return load_profile(path) if path.exists() else None


def use_profile(profile: HandProfile) -> Path:
    """Make a profile the one in use; return its path. Raises ProfileError."""
    path = profile_in_use_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f'{path.parent} cannot be made ({error.strerror}): set XDG_DATA_HOME to a place'
        raise ProfileError(message) from error
    save_profile(profile, path)
    return path
