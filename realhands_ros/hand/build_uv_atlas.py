"""
Makes the texture atlas of a hand model in MANO layout: two islands, palm and back.

The seam follows the sides of hand and fingers: each face goes to the side it looks to, and a
minimum cut through the mesh keeps the seam short and the islands whole. Each island is flattened
with the fingers fanned out, so that none comes to lie on its neighbour, and both are packed into
the square.

Run ``python -m realhands_ros.hand.build_uv_atlas`` after any change of the mesh.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve
from scipy.sparse import coo_array, csc_array, csr_array, diags
from scipy.sparse.csgraph import breadth_first_order, maximum_flow
from scipy.sparse.linalg import factorized
from scipy.spatial.transform import Rotation

from realhands_ros.arrays import FloatArray
from realhands_ros.data.topology import JOINT_NAMES
from realhands_ros.errors import ModelFileError
from realhands_ros.hand.model_file import (
    HandModelData,
    UvAtlas,
    atlas_key,
    default_model_folder,
    load_hand_model_data,
    save_uv_atlas,
)
from realhands_ros.hand.skeleton import HandSkeleton

# Flattening of a disc of triangles into the plane with as little stretch as possible.
#
# As-rigid-as-possible parameterisation (Liu et al., "A Local/Global Approach to Mesh
# Parameterization", 2008): every triangle is rotated into the plane as it is, and the plane's
# vertices follow from a linear system with the cotangent Laplacian; the two steps alternate.

IntArray = NDArray[np.int64]

# Obtuse triangles have negative cotangents, which make the system indefinite.
_SMALLEST_COTANGENT = 0.05
# Holds the drawing where it is: the energy itself does not depend on its place.
_ANCHOR_WEIGHT = 1e-6


def flatten(
    vertices: FloatArray,
    faces: IntArray,
    start: FloatArray,
    *,
    pull: FloatArray,
    iterations: int = 300,
) -> FloatArray:
    """
    Return plane coordinates (V, 2), in the unit of ``vertices`` (V, 3), of all vertices.

    ``start`` (V, 2) is a rough drawing of the mesh to begin with; ``pull`` (V,) says how strongly
    (against cotangent weights of about 1) each vertex is drawn towards its place in it, which
    decides between drawings that the energy finds equally good.
    """
    triangles = triangle_coordinates(vertices, faces)
    first, second, weights = _cotangent_edges(triangles, faces)
    holds = csc_array(diags(pull + _ANCHOR_WEIGHT))
    solve = factorized(_laplacian(first, second, weights, len(vertices)) + holds)
    edges = np.roll(triangles, -1, axis=1) - np.roll(triangles, -2, axis=1)
    plane = np.asarray(start, dtype=np.float64)
    for _ in range(iterations):
        rotations = _closest_rotations(jacobians(triangles, plane, faces))
        turned = weights[..., None] * np.einsum('fab,fkb->fka', rotations, edges)
        right_side = (pull + _ANCHOR_WEIGHT)[:, None] * start
        np.add.at(right_side, first, turned)
        np.add.at(right_side, second, -turned)
        plane = np.stack([solve(right_side[:, 0]), solve(right_side[:, 1])], axis=1)
    return plane


def triangle_coordinates(vertices: FloatArray, faces: IntArray) -> FloatArray:
    """Lay each triangle in a plane of its own: corners (F, 3, 2), the first one at the origin."""
    a, b, c = np.moveaxis(np.asarray(vertices)[faces], 1, 0)
    length = np.linalg.norm(b - a, axis=1)
    x_axis = (b - a) / length[:, None]
    along = ((c - a) * x_axis).sum(axis=1)
    height = np.linalg.norm(c - a - along[:, None] * x_axis, axis=1)
    corners = np.zeros((len(faces), 3, 2))
    corners[:, 1, 0], corners[:, 2, 0], corners[:, 2, 1] = length, along, height
    return corners


def jacobians(triangles: FloatArray, plane: FloatArray, faces: IntArray) -> FloatArray:
    """Return the linear maps (F, 2, 2) of triangles (F, 3, 2) to their place in the plane."""
    source = np.swapaxes(triangles[:, 1:] - triangles[:, :1], 1, 2)
    target = np.swapaxes(plane[faces[:, 1:]] - plane[faces[:, :1]], 1, 2)
    return np.asarray(target @ np.linalg.inv(source))


def stretches(vertices: FloatArray, faces: IntArray, plane: FloatArray) -> FloatArray:
    """
    Return the larger and smaller stretch (F, 2) of each triangle from 3D to the plane.

    They are the singular values of its linear map; the smaller one carries the sign of the area,
    negative for a triangle that is turned over.
    """
    maps = jacobians(triangle_coordinates(vertices, faces), plane, faces)
    singular = np.linalg.svd(maps, compute_uv=False)
    singular[:, 1] *= np.sign(np.linalg.det(maps))
    return np.asarray(singular)


def _cotangent_edges(
    triangles: FloatArray, faces: IntArray
) -> tuple[IntArray, IntArray, FloatArray]:
    """Return start, end and weight (F, 3) of the edge opposite each corner."""
    to_next = np.roll(triangles, -1, axis=1) - triangles
    to_last = np.roll(triangles, -2, axis=1) - triangles
    area = np.abs(to_next[..., 0] * to_last[..., 1] - to_next[..., 1] * to_last[..., 0])
    cotangents = np.maximum((to_next * to_last).sum(axis=2) / area, _SMALLEST_COTANGENT)
    return np.roll(faces, -1, axis=1), np.roll(faces, -2, axis=1), cotangents / 2


def _laplacian(first: IntArray, second: IntArray, weights: FloatArray, size: int) -> csc_array:
    i, j, w = first.ravel(), second.ravel(), weights.ravel()
    rows, columns = np.concatenate([i, j, i, j]), np.concatenate([i, j, j, i])
    values = np.concatenate([w, w, -w, -w])
    return csc_array(coo_array((values, (rows, columns)), shape=(size, size)))


def _closest_rotations(maps: FloatArray) -> FloatArray:
    u, _, vt = np.linalg.svd(maps)
    u[:, :, 1] *= np.sign(np.linalg.det(u @ vt))[:, None]
    return np.asarray(u @ vt)


# Packing of two flat islands of triangles into the smallest square, with a margin between them.
#
# The islands are drawn as masks; where one may lie beside the other is found for all shifts at
# once as a convolution of the masks, for a fan of angles.

Mask = NDArray[np.uint8]

# Cells of the search grid along the longer side of an island.
_GRID = 160
_ANGLE_STEP_DEG = 15


def pack_pair(
    islands: tuple[FloatArray, FloatArray],
    faces: tuple[IntArray, IntArray],
    *,
    margin: float,
) -> tuple[FloatArray, FloatArray]:
    """
    Return the two islands' points (V, 2) turned and shifted into the unit square, equally scaled.

    ``margin`` is the least distance between the islands and to the border, in parts of the square.
    """
    cell = max(float(np.ptp(island, axis=0).max()) for island in islands) / _GRID
    # The square ends up about as wide as half as much again as one island.
    gap = int(np.ceil(1.5 * _GRID * margin)) + 1
    best: tuple[float, FloatArray, FloatArray] | None = None
    angles = np.deg2rad(np.arange(0, 360, _ANGLE_STEP_DEG))
    seconds = [_drawn(_turned(islands[1], angle), faces[1], cell, 0) for angle in angles]
    # Turning both by a right angle changes nothing, so the first needs a quarter of the angles.
    for angle in angles[: len(angles) // 4]:
        first, mask, origin = _drawn(_turned(islands[0], angle), faces[0], cell, gap)
        for second, other_mask, other_origin in seconds:
            side, shift = _tightest_shift(mask, other_mask, gap)
            if best is None or side < best[0]:
                best = side, first - origin, second - other_origin + shift * cell
    assert best is not None
    return _fitted(best[1], best[2], margin)


def _turned(points: FloatArray, angle: float) -> FloatArray:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.asarray(points @ np.array([[cos, sin], [-sin, cos]]))


def _drawn(
    points: FloatArray, faces: IntArray, cell: float, border: int
) -> tuple[FloatArray, Mask, FloatArray]:
    """Return points, a mask of their faces grown by ``border`` cells, and the mask's origin."""
    origin = points.min(axis=0) - border * cell
    grid_points = np.round((points - origin) / cell).astype(np.int32)
    columns, rows = grid_points.max(axis=0) + border + 1
    mask = np.zeros((int(rows), int(columns)), dtype=np.uint8)
    for triangle in grid_points[faces]:
        cv2.fillConvexPoly(mask, triangle, (1,))
    if border:
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * border + 1, 2 * border + 1))
        mask = np.asarray(cv2.dilate(mask, kernel), dtype=np.uint8)
    return points, mask, origin


def _tightest_shift(mask: Mask, other: Mask, gap: int) -> tuple[float, FloatArray]:
    """Return the side of the smallest square over all shifts of ``other`` that touch nothing."""
    overlap = fftconvolve(mask.astype(np.float32), other[::-1, ::-1].astype(np.float32))
    rows, columns = overlap.shape
    # Shift of other's top-left cell in cells of mask, per row and column of the overlap.
    down = np.arange(rows) - (other.shape[0] - 1)
    right = np.arange(columns) - (other.shape[1] - 1)
    height = _extent(down, other.shape[0], mask.shape[0], gap)
    width = _extent(right, other.shape[1], mask.shape[1], gap)
    side = np.maximum(height[:, None], width[None, :]).astype(np.float64)
    side[overlap > 0.5] = np.inf
    row, column = np.unravel_index(side.argmin(), side.shape)
    return float(side[row, column]), np.array([right[column], down[row]], dtype=np.float64)


def _extent(shift: IntArray, other: int, grown: int, gap: int) -> IntArray:
    return np.asarray(np.maximum(shift + other, grown - gap) - np.minimum(shift, gap))


def _fitted(first: FloatArray, second: FloatArray, margin: float) -> tuple[FloatArray, FloatArray]:
    low = np.minimum(first.min(axis=0), second.min(axis=0))
    high = np.maximum(first.max(axis=0), second.max(axis=0))
    scale = (1.0 - 2.0 * margin) / float((high - low).max())
    shift = 0.5 - scale * (low + high) / 2
    return first * scale + shift, second * scale + shift


BoolArray = NDArray[np.bool_]

# Distance of the islands from each other and from the border, in parts of the square: 4 texels of
# 512, enough for bilinear lookup two mipmap levels down.
MARGIN = 4 / 512

# A face of double (or half) the wanted size, or drawn twice as long as wide, counts as an outlier.
STRETCH_LIMIT = 2.0

# Price of a metre of seam against a square metre of faces on the wrong side.
_SEAM_PRICE_M = 3e-3
# Flow capacities are integers; this many to the square metre.
_CAPACITY_SCALE = 1e9

# Which way the back looks, in the right hand's model frame (fingers -x, palm -y, thumb +z). Hand
# and finger bases lean towards the tips, which leaves the skin between the fingers to the back's
# island.
_BACK_OF_HAND = (-0.45, 1.0, 0.0)
# The thumb's seam turns from the hand's to its own sides along its length: share of its own.
_THUMB_SHARE = {'thumb1': 0.35, 'thumb2': 0.65, 'thumb3': 1.0}

# Turn of each finger about its base before flattening, in degrees, positive towards the thumb.
_FAN_DEG = {'index': 19.0, 'middle': 2.0, 'ring': -14.0, 'little': -31.0}
_FAN_PULL = 0.2


def build_uv_atlas(data: HandModelData) -> UvAtlas:
    """Unwrap a right hand model; ModelFileError when its mesh cannot be cut into two discs."""
    back = back_faces(data)
    islands, island_faces, corners = [], [], np.zeros_like(data.faces)
    for side, sign in ((~back, -1.0), (back, 1.0)):
        faces = data.faces[side]
        if _euler_characteristic(faces) != 1:
            message = (
                f'a side of the hand ({len(faces)} faces) is no disc, so it cannot be unwrapped: '
                'the mesh is not a closed hand in the flat rest pose'
            )
            raise ModelFileError(message)
        used, local = np.unique(faces, return_inverse=True)
        local = local.reshape(faces.shape)
        islands.append(_flattened(data, used, local, sign))
        island_faces.append(local)
    packed = pack_pair((islands[0], islands[1]), (island_faces[0], island_faces[1]), margin=MARGIN)
    corners[~back] = island_faces[0]
    corners[back] = island_faces[1] + len(packed[0])
    uv = np.concatenate(packed).astype(np.float32)
    face_uv = corners.astype(np.int32)
    return UvAtlas(uv, face_uv, atlas_key(data.faces, uv, face_uv))


def build_and_save(folder: Path | str) -> UvAtlas:
    """Unwrap the right hand of a folder and write the atlas beside it."""
    atlas = build_uv_atlas(load_hand_model_data(folder, 'right'))
    save_uv_atlas(atlas, folder)
    return atlas


def back_faces(data: HandModelData) -> BoolArray:
    """Return which faces (1538,) belong to the back's island: a minimum cut of the face graph."""
    corners = data.v_template[data.faces]
    area_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) / 2
    towards = data.skin_weights[data.faces].mean(axis=1) @ _back_directions(data)
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    votes = (area_normals * towards).sum(axis=1)
    first, second, lengths = _shared_edges(data)

    count = len(votes)
    source, sink, every = count, count + 1, np.arange(count)
    rows = np.concatenate([first, second, np.full(count, source), every])
    columns = np.concatenate([second, first, every, np.full(count, sink)])
    prices = np.concatenate([
        _SEAM_PRICE_M * lengths, _SEAM_PRICE_M * lengths,
        np.maximum(votes, 0.0), np.maximum(-votes, 0.0),
    ])  # fmt: skip
    capacities = np.round(prices * _CAPACITY_SCALE).astype(np.int32)
    graph = csr_array((capacities, (rows, columns)), shape=(count + 2, count + 2))
    remaining = graph - maximum_flow(graph, source, sink).flow
    remaining.data = (remaining.data > 0).astype(np.int32)
    remaining.eliminate_zeros()
    reached = breadth_first_order(remaining, source, return_predecessors=False)
    back = np.zeros(count + 2, dtype=bool)
    back[reached] = True
    return back[:count]


def _back_directions(data: HandModelData) -> FloatArray:
    """Return where the back of each joint's part looks, (16, 3) unit vectors."""
    hand = np.array(_BACK_OF_HAND)
    directions = np.empty((len(JOINT_NAMES), 3))
    directions[1:] = HandSkeleton.from_model(data).frames[:, :, 1]
    for joint, name in enumerate(JOINT_NAMES):
        if name == 'wrist' or (name.endswith('1') and name not in _THUMB_SHARE):
            directions[joint] = hand
        elif name in _THUMB_SHARE:
            share = _THUMB_SHARE[name]
            directions[joint] = share * directions[joint] + (1 - share) * hand
    return np.asarray(directions / np.linalg.norm(directions, axis=1, keepdims=True))


def _shared_edges(data: HandModelData) -> tuple[IntArray, IntArray, FloatArray]:
    """Return the pairs of faces (E,), (E,) that share an edge, and the edges' lengths (E,)."""
    edges = np.sort(np.stack([data.faces, np.roll(data.faces, -1, axis=1)], axis=2), axis=2)
    edges, owners = edges.reshape(-1, 2), np.repeat(np.arange(len(data.faces)), 3)
    order = np.lexsort(edges.T)
    edges, owners = edges[order], owners[order]
    shared = (edges[1:] == edges[:-1]).all(axis=1)
    ends = data.v_template[edges[1:][shared]]
    return owners[:-1][shared], owners[1:][shared], np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1)


def _euler_characteristic(faces: IntArray) -> int:
    edges = np.sort(np.stack([faces, np.roll(faces, -1, axis=1)], axis=2), axis=2).reshape(-1, 2)
    return len(np.unique(faces)) - len(np.unique(edges, axis=0)) + len(faces)


def _flattened(data: HandModelData, used: IntArray, faces: IntArray, sign: float) -> FloatArray:
    """Flatten one island seen from outside; ``sign`` is 1 for the back and -1 for the palm."""
    fanned = _fanned_vertices(data)[used]
    # Image axes with the fingers up: for the back, thumb (+z) left; for the palm, thumb right.
    start = np.stack([-sign * fanned[:, 2], -fanned[:, 0]], axis=1)
    fingers = [j for j, name in enumerate(JOINT_NAMES) if name.rstrip('123') in _FAN_DEG]
    pull = _FAN_PULL * (data.skin_weights[used][:, fingers].sum(axis=1) > 0.5)
    return flatten(data.v_template[used], faces, start, pull=pull)


def _fanned_vertices(data: HandModelData) -> FloatArray:
    """Return the rest vertices (778, 3) with the fingers turned in the plane of the palm."""
    joints = data.joint_regressor @ data.v_template
    fanned = data.v_template.copy()
    for finger, degrees in _FAN_DEG.items():
        base = JOINT_NAMES.index(f'{finger}1')
        share = data.skin_weights[:, base : base + 3].sum(axis=1, keepdims=True)
        turn = Rotation.from_euler('y', degrees, degrees=True)
        fanned += share * (turn.apply(data.v_template - joints[base]) + joints[base])
        fanned -= share * data.v_template
    return fanned


def stretch_outliers(data: HandModelData, atlas: UvAtlas) -> BoolArray:
    """
    Return the faces (1538,) that the atlas distorts beyond STRETCH_LIMIT.

    That is: one direction drawn more than 2 times as long as the other, or an area drawn more than
    2 times larger or smaller than the atlas does on the whole.
    """
    separate = data.v_template[data.faces].reshape(-1, 3)
    faces = np.arange(len(separate)).reshape(-1, 3)
    corner_uv = atlas.uv[atlas.face_uv].reshape(-1, 2).astype(np.float64)
    large, small = stretches(separate, faces, corner_uv).T
    corners = data.v_template[data.faces]
    areas = np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    relative_area = large * small / np.average(large * small, weights=areas)
    return np.asarray(
        (large > STRETCH_LIMIT * small)
        | (relative_area > STRETCH_LIMIT)
        | (relative_area < 1 / STRETCH_LIMIT)
    )


def atlas_coverage(atlas: UvAtlas) -> float:
    """Return the part of the square that faces cover."""
    a, b, c = np.moveaxis(atlas.uv[atlas.face_uv].astype(np.float64), 1, 0)
    return float(np.abs(np.cross(b - a, c - a)).sum() / 2)


def main() -> None:
    """Make the atlas of a folder and print how good it is."""
    parser = argparse.ArgumentParser(description='Make the texture atlas of a hand model.')
    parser.add_argument('--folder', type=Path, help='model folder (default: the open hand)')
    folder = parser.parse_args().folder or default_model_folder()
    data = load_hand_model_data(folder, 'right')
    atlas = build_and_save(folder)
    print(f'key {atlas.key}')
    print(f'stretch outliers {stretch_outliers(data, atlas).mean():.2%} of the faces')
    print(f'coverage {atlas_coverage(atlas):.1%} of the square')


if __name__ == '__main__':
    main()
