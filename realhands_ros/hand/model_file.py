"""Hand models on disk: files in MANO's layout, texture atlas, topology."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from realhands_ros.arrays import FloatArray
from realhands_ros.data.hands import MeshTopology
from realhands_ros.data.topology import (
    JOINT_PARENTS,
    NUM_FACES,
    NUM_JOINTS,
    NUM_SHAPE,
    NUM_VERTICES,
    Handedness,
)
from realhands_ros.errors import ModelFileError
from realhands_ros.geometry.mirror import POINT_SIGNS, mirror_axis_angle, mirror_points
from realhands_ros.resources import resource_path

# Hand-model files in MANO's layout.
#
# One folder holds ``MANO_RIGHT.npz`` and ``MANO_LEFT.npz`` with the keys of the official model
# (Romero et al., "Embodied Hands", 2017): the open hand that comes with this package, or the real
# MANO after ``realhands hand import``. Everything that enters is checked here once, so that the
# layers may trust it.

IntArray = NDArray[np.int64]

NUM_FINGER_POSE = 3 * (NUM_JOINTS - 1)
NUM_POSE_FEATURES = 9 * (NUM_JOINTS - 1)

# Shapes of the file's arrays; official files have more shape directions, of which the first
# NUM_SHAPE are used everywhere.
_FILE_SHAPES: dict[str, tuple[int, ...]] = {
    'v_template': (NUM_VERTICES, 3),
    'shapedirs': (NUM_VERTICES, 3, NUM_SHAPE),
    'posedirs': (NUM_VERTICES, 3, NUM_POSE_FEATURES),
    'J_regressor': (NUM_JOINTS, NUM_VERTICES),
    'weights': (NUM_VERTICES, NUM_JOINTS),
    'kintree_table': (2, NUM_JOINTS),
    'f': (NUM_FACES, 3),
    'hands_mean': (NUM_FINGER_POSE,),
    'hands_components': (NUM_FINGER_POSE, NUM_FINGER_POSE),
}
FILE_KEYS = tuple(_FILE_SHAPES)


@dataclass(frozen=True, eq=False)
class HandModelData:
    """
    The arrays of one hand model, float64 and checked; lengths in metres, angles in radians.

    v_template (778, 3): vertices of the flat rest pose.
    shapedirs (778, 3, 10): displacement of the vertices per unit of each shape parameter.
    posedirs (778, 3, 135): displacement per element of (R - I) of joints 1..15, row-major.
    joint_regressor (16, 778): rest joints from the shaped vertices (key ``J_regressor``).
    skin_weights (778, 16): rows sum to 1 (key ``weights``).
    faces (1538, 3) int64; parents (16,) int64, -1 for the wrist.
    hands_mean (45,): the mean finger pose, axis-angle relative to the flat hand.
    hands_components (45, 45): principal components of the finger pose, one a row.
    """

    v_template: FloatArray
    shapedirs: FloatArray
    posedirs: FloatArray
    joint_regressor: FloatArray
    skin_weights: FloatArray
    faces: IntArray
    parents: IntArray
    hands_mean: FloatArray
    hands_components: FloatArray
    handedness: Handedness


def default_model_folder() -> Path:
    """
    Return the folder of the open hand that comes with the package.

    Raises ConfigError when the package is neither in a source tree nor sourced.
    """
    return resource_path('models/mano')


def model_file_path(folder: Path | str, handedness: Handedness) -> Path:
    """Return the path that a hand's npz has in ``folder``, under MANO's official name."""
    return Path(folder) / f'MANO_{handedness.upper()}.npz'


def load_hand_model_data(folder: Path | str, handedness: Handedness = 'right') -> HandModelData:
    """
    Read ``MANO_RIGHT.npz`` or ``MANO_LEFT.npz`` of a folder, unless this process has it already.

    The arrays are shared by all who ask for them: they are not to be written to. Raises
    ModelFileError when the file is missing, damaged, holds pickled objects, or is not in MANO's
    layout.
    """
    path = model_file_path(folder, handedness)
    if not path.is_file():
        message = (
            f'{path} does not exist; for the official model run '
            f'`realhands hand import MANO_{handedness.upper()}.pkl --out {folder}`'
        )
        raise ModelFileError(message)
    status = path.stat()
    return _read(path, handedness, (status.st_ino, status.st_mtime_ns))


@lru_cache(maxsize=4)
def _read(path: Path, handedness: Handedness, version: tuple[int, int]) -> HandModelData:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in FILE_KEYS if key in archive}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        message = (
            f'{path} cannot be read ({error}); it is damaged or holds pickled objects: make it '
            'again with `realhands hand import`'
        )
        raise ModelFileError(message) from error
    return hand_model_data_from_arrays(arrays, handedness, source=str(path))


def save_hand_model_data(data: HandModelData, folder: Path | str) -> Path:
    """Write a model under its official npz name, readable by smplx too; return the path."""
    path = model_file_path(folder, data.handedness)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path,
        v_template=data.v_template,
        shapedirs=data.shapedirs,
        posedirs=data.posedirs,
        J_regressor=data.joint_regressor,
        weights=data.skin_weights,
        kintree_table=np.stack([data.parents, np.arange(NUM_JOINTS)]),
        f=data.faces.astype(np.uint32),
        hands_mean=data.hands_mean,
        hands_components=data.hands_components,
    )
    return path


def hand_model_data_from_arrays(
    arrays: Mapping[str, ArrayLike], handedness: Handedness, *, source: str
) -> HandModelData:
    """
    Check arrays under MANO's file keys and return them as HandModelData.

    ``source`` is the name of their file for messages. Of more than 10 shape directions the first
    10 are taken. Raises ModelFileError for a missing key, a wrong shape, a value that is not
    finite, a face index out of range, skin weights that do not sum to 1 or another skeleton.
    """
    missing = [key for key in FILE_KEYS if key not in arrays]
    if missing:
        message = f'{source} lacks {", ".join(missing)}: it is not a hand model in MANO layout'
        raise ModelFileError(message)
    checked = {key: _checked_array(key, arrays[key], source) for key in FILE_KEYS}
    _check_weights(checked['weights'], source)
    return HandModelData(
        v_template=checked['v_template'],
        shapedirs=checked['shapedirs'],
        posedirs=checked['posedirs'],
        joint_regressor=checked['J_regressor'],
        skin_weights=checked['weights'],
        faces=_checked_faces(checked['f'], source),
        parents=_checked_parents(checked['kintree_table'], source),
        hands_mean=checked['hands_mean'],
        hands_components=checked['hands_components'],
        handedness=handedness,
    )


def mirrored_hand_model_data(data: HandModelData) -> HandModelData:
    """
    Return the other hand: the model whose output is the mirror image (x negated) of this one's.

    It is driven by mirrored poses (axis-angle (x, y, z) becomes (x, -y, -z)) and the same shape.
    """
    signs = np.array(POINT_SIGNS)
    # A rotation R becomes M R M under the mirror M, so its element (r, c) takes both signs.
    feature_signs = np.tile(np.outer(signs, signs).ravel(), NUM_JOINTS - 1)
    return replace(
        data,
        v_template=mirror_points(data.v_template),
        shapedirs=data.shapedirs * signs[:, None],
        posedirs=data.posedirs * signs[:, None] * feature_signs,
        faces=np.ascontiguousarray(data.faces[:, ::-1]),
        hands_mean=mirror_axis_angle(data.hands_mean),
        hands_components=mirror_axis_angle(data.hands_components),
        handedness='left' if data.handedness == 'right' else 'right',
    )


def _checked_array(key: str, value: ArrayLike, source: str) -> FloatArray:
    expected = _FILE_SHAPES[key]
    raw = np.asarray(value)
    if raw.dtype.kind not in 'fiub':
        message = f'{key} of {source} has type {raw.dtype}; numbers are needed'
        raise ModelFileError(message)
    array = raw.astype(np.float64)
    if key == 'shapedirs' and array.ndim == 3 and array.shape[2] > NUM_SHAPE:
        array = np.ascontiguousarray(array[:, :, :NUM_SHAPE])
    if array.shape != expected:
        message = f'{key} of {source} has shape {array.shape}; MANO layout has {expected}'
        raise ModelFileError(message)
    if not np.isfinite(array).all():
        message = f'{key} of {source} holds NaN or infinity: the file is damaged'
        raise ModelFileError(message)
    return array


def _check_weights(weights: FloatArray, source: str) -> None:
    worst = float(np.abs(weights.sum(axis=1) - 1).max())
    if worst > 1e-3:
        message = f'skin weights of {source} must sum to 1 for every vertex, off by {worst:g}'
        raise ModelFileError(message)


def _checked_faces(faces: FloatArray, source: str) -> IntArray:
    if faces.min() < 0 or faces.max() >= NUM_VERTICES:
        message = (
            f'faces of {source} name vertices {faces.min():.0f}..{faces.max():.0f}; '
            f'there are {NUM_VERTICES}'
        )
        raise ModelFileError(message)
    return faces.astype(np.int64)


def _checked_parents(kintree_table: FloatArray, source: str) -> IntArray:
    # The root's parent is -1, which official files keep as an unsigned 4294967295.
    parents = np.concatenate([[-1], kintree_table[0, 1:].astype(np.int64)])
    if tuple(parents) != JOINT_PARENTS:
        message = f"kintree_table of {source} has parents {parents.tolist()}, not MANO's"
        raise ModelFileError(message)
    return parents


# The texture atlas of a hand model: where in a square image each triangle's skin lies.
#
# The file ``UV_RIGHT.npz`` beside the model serves both hands. It is made by build_uv_atlas.py.

FILE_NAME = 'UV_RIGHT.npz'


@dataclass(frozen=True, eq=False)
class UvAtlas:
    """
    Texture coordinates of a hand mesh.

    ``uv`` (M, 2) float32 in [0, 1], (0, 0) being the bottom-left corner of the image;
    ``face_uv`` (1538, 3) int32, the uv of each corner of each face, in the order of the model's
    faces; ``key`` names the atlas and the mesh it belongs to, and is the same for both hands.
    """

    uv: NDArray[np.float32]
    face_uv: NDArray[np.int32]
    key: str


def atlas_key(faces: IntArray, uv: NDArray[np.float32], face_uv: NDArray[np.int32]) -> str:
    """Return the digest of the right hand's faces (1538, 3) and its atlas."""
    digest = hashlib.sha256()
    digest.update(np.ascontiguousarray(faces, dtype='<i4').tobytes())
    digest.update(np.ascontiguousarray(uv, dtype='<f4').tobytes())
    digest.update(np.ascontiguousarray(face_uv, dtype='<i4').tobytes())
    return digest.hexdigest()[:16]


def save_uv_atlas(atlas: UvAtlas, folder: Path | str) -> Path:
    """Write a right hand's atlas beside its model; return the path. Raises ModelFileError."""
    path = Path(folder) / FILE_NAME
    # Several nodes may meet a new model at once: none must read what another has half written.
    unfinished = path.with_suffix(f'.{os.getpid()}.npz')
    try:
        np.savez_compressed(
            unfinished, uv=atlas.uv, face_uv=atlas.face_uv, key=np.array(atlas.key)
        )
        unfinished.replace(path)
    except OSError as error:
        message = f'{path} cannot be written ({error.strerror}): make {folder} writable once'
        raise ModelFileError(message) from error
    return path


def load_uv_atlas(folder: Path | str, handedness: Handedness = 'right') -> UvAtlas:
    """
    Read the atlas of the model in ``folder``; make and keep it if there is none yet.

    Raises ModelFileError when the file is damaged, belongs to another mesh or cannot be written,
    or when the left model has other faces than the right one.
    """
    path = Path(folder) / FILE_NAME
    data = load_hand_model_data(folder, 'right')
    if not path.is_file():
        # Imported here: building needs all that reading does, and reads the model through this
        # file.
        from realhands_ros.hand.build_uv_atlas import build_and_save

        build_and_save(folder)
    atlas = _read_atlas(path)
    if atlas.key != atlas_key(data.faces, atlas.uv, atlas.face_uv):
        message = (
            f'{path} belongs to another mesh than {folder}: delete it, or run '
            f'`python -m realhands_ros.hand.build_uv_atlas --folder {folder}`'
        )
        raise ModelFileError(message)
    if handedness == 'right':
        return atlas
    left_faces = load_hand_model_data(folder, 'left').faces
    return UvAtlas(atlas.uv, _carry_over(data.faces, atlas.face_uv, left_faces), atlas.key)


def _read_atlas(path: Path) -> UvAtlas:
    try:
        with np.load(path, allow_pickle=False) as archive:
            uv, face_uv, key = archive['uv'], archive['face_uv'], str(archive['key'])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        message = f'{path} cannot be read ({error}): delete it, it is made anew'
        raise ModelFileError(message) from error
    fits = uv.ndim == 2 and uv.shape[1] == 2 and face_uv.shape == (NUM_FACES, 3)
    if not fits or face_uv.min() < 0 or face_uv.max() >= len(uv):
        message = (
            f'{path} has uv {uv.shape} and face_uv {face_uv.shape}, which is no atlas of '
            f'{NUM_FACES} faces: delete it, it is made anew'
        )
        raise ModelFileError(message)
    return UvAtlas(uv.astype(np.float32), face_uv.astype(np.int32), key)


def _carry_over(
    faces: IntArray, face_uv: NDArray[np.int32], other_faces: IntArray
) -> NDArray[np.int32]:
    """Return the face_uv of the same triangles listed in another order or winding."""
    corners = np.sort(faces, axis=1)
    other_corners = np.sort(other_faces, axis=1)
    order, other_order = np.lexsort(corners.T), np.lexsort(other_corners.T)
    if not np.array_equal(corners[order], other_corners[other_order]):
        message = 'the left model has other faces than the right one, so they share no atlas'
        raise ModelFileError(message)
    by_vertex = np.take_along_axis(face_uv, np.argsort(faces, axis=1), axis=1)
    ranks = np.argsort(np.argsort(other_faces, axis=1), axis=1)
    carried = np.empty_like(face_uv)
    carried[other_order] = by_vertex[order]
    return np.asarray(np.take_along_axis(carried, ranks, axis=1))


# What never changes about a hand model's meshes: triangles, texture coordinates and their key.


def load_mesh_topology(folder: Path | str, handedness: Handedness) -> MeshTopology:
    """Read the topology of the model in ``folder``; raise ModelFileError when it is damaged."""
    faces = load_hand_model_data(folder, handedness).faces
    atlas = load_uv_atlas(folder, handedness)
    return MeshTopology(faces, atlas.uv, atlas.face_uv, atlas_key(faces, atlas.uv, atlas.face_uv))
