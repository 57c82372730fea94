"""
The texture atlas of a hand model: where in a square image each triangle's skin lies.

The file ``UV_RIGHT.npz`` beside the model serves both hands. It is made by build_uv_atlas.py.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realhands_ros.errors import ModelFileError
from realhands_ros.hand.model_file import load_hand_model_data
from realhands_ros.hand.topology import NUM_FACES, Handedness

IntArray = NDArray[np.int64]

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
    atlas = _read(path)
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


def _read(path: Path) -> UvAtlas:
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
