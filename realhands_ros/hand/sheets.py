"""Sheets of small pictures by which a person can judge a hand model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from realhands_ros.arrays import FloatArray
from realhands_ros.data.topology import NUM_JOINTS, NUM_SHAPE, Handedness
from realhands_ros.hand.drawing import VIEWS, Image, checkerboard, grid, label, portrait
from realhands_ros.hand.gestures import GESTURES, gesture_angles
from realhands_ros.hand.layer import HandModel
from realhands_ros.hand.model_file import load_uv_atlas
from realhands_ros.hand.skeleton import HandSkeleton

_HANDS: tuple[Handedness, ...] = ('right', 'left')
_TILE = 260
_EXTENT_M = 0.235
_EXTENT_OF_EXTREMES_M = 0.31
_SHEET_POSES = ('open', 'rest', 'point', 'pinch', 'fist', 'thumb_up')
_SHEET_SHAPES = 3
_SHEET_SEED = 5
_EXTREME_SHAPE = 3.0
_ATLAS_PIXELS = 4 * _TILE
_CHECKER_CELLS = 32


class HandPoser:
    """Poses the right or left hand of a model folder by joint angles."""

    def __init__(self, folder: Path | str, handedness: Handedness) -> None:
        """Load the model; ModelFileError if the folder has none."""
        self.model = HandModel.load(folder, handedness=handedness)
        self.handedness = handedness
        self.faces = self.model.data.faces
        # Angles are those of the right hand, whichever hand is drawn.
        self._skeleton = HandSkeleton.from_model(HandModel.load(folder).data)

    def vertices(self, angles: FloatArray, shape: FloatArray | None = None) -> FloatArray:
        """Return the vertices (778, 3) for joint angles (15, 3) and a shape (10,)."""
        pose = np.concatenate([np.zeros(3), self._skeleton.pose_from_angles(angles)])
        if self.handedness == 'left':
            pose = pose * np.tile([1.0, -1.0, -1.0], NUM_JOINTS)
        betas = np.zeros(NUM_SHAPE) if shape is None else shape
        posed = self.model(
            torch.tensor(pose[None], dtype=torch.float32),
            torch.tensor(betas[None], dtype=torch.float32),
        )
        return np.asarray(posed.vertices[0].detach().numpy(), dtype=np.float64)


def overview_sheet(folder: Path | str) -> Image:
    """Draw poses, row by row: the mean hand from three sides, then other shapes."""
    right = HandPoser(folder, 'right')
    shapes = np.random.default_rng(_SHEET_SEED).normal(size=(_SHEET_SHAPES, NUM_SHAPE))
    rows = []
    for name in _SHEET_POSES:
        row = [_tile(right, name, view, f'{name}, {view}') for view in VIEWS]
        row += [_tile(right, name, 'palm', 'another shape', shape=shape) for shape in shapes]
        rows.append(row)
    return grid(rows)


def gesture_sheet(folder: Path | str) -> Image:
    """Draw all gestures, row by row: right and left hand from three sides."""
    posers = [HandPoser(folder, handedness) for handedness in _HANDS]
    return grid([
        [
            _tile(poser, name, view, f'{poser.handedness}, {name}')
            for poser in posers
            for view in VIEWS
        ]
        for name in GESTURES
    ])  # fmt: skip


def shape_sheet(folder: Path | str) -> Image:
    """Draw shape directions, row by row: -3, 0 and 3 from the palm and from the side."""
    right = HandPoser(folder, 'right')
    rows = []
    for direction in range(NUM_SHAPE):
        row = []
        for view in ('palm', 'side'):
            for amount in (-_EXTREME_SHAPE, 0.0, _EXTREME_SHAPE):
                shape = np.zeros(NUM_SHAPE)
                shape[direction] = amount
                text = f'shape {direction}: {amount:+.0f}'
                extent = _EXTENT_OF_EXTREMES_M
                row.append(_tile(right, 'open', view, text, shape=shape, extent_m=extent))
        rows.append(row)
    return grid(rows)


def weight_sheet(folder: Path | str) -> Image:
    """Draw skin weights, one colour a joint, in three poses from three sides."""
    right = HandPoser(folder, 'right')
    hues = (np.arange(NUM_JOINTS) * 67) % 180
    swatches = np.stack([hues, np.full(NUM_JOINTS, 170), np.full(NUM_JOINTS, 245)], axis=1)
    palette = cv2.cvtColor(swatches[None].astype(np.uint8), cv2.COLOR_HSV2RGB)[0]
    colours = right.model.data.skin_weights @ palette.astype(np.float64)
    return grid([
        [_tile(right, name, view, name, vertex_colours=colours) for view in VIEWS]
        for name in ('open', 'rest', 'fist')
    ])  # fmt: skip


def uv_sheet(folder: Path | str) -> Image:
    """Draw the atlas with its triangles, and both hands wearing a checker through it."""
    checker = checkerboard(_ATLAS_PIXELS, _CHECKER_CELLS)
    columns = []
    for handedness in _HANDS:
        poser, atlas = HandPoser(folder, handedness), load_uv_atlas(folder, handedness)
        texture = (checker, atlas.uv.astype(np.float64), atlas.face_uv.astype(np.int64))
        columns += [
            [_tile(poser, name, view, handedness, texture=texture) for view in VIEWS]
            for name in ('open', 'fist')
        ]
    atlas_image = (checker * 0.35 + 160).astype(np.uint8)
    corners = atlas.uv * [_ATLAS_PIXELS, -_ATLAS_PIXELS] + [-0.5, _ATLAS_PIXELS - 0.5]
    for triangle in np.round(corners[atlas.face_uv]).astype(np.int32):
        cv2.polylines(atlas_image, [triangle], True, (40, 40, 90), 1, cv2.LINE_AA)
    return np.concatenate([atlas_image, grid(columns)], axis=1)


SHEETS: dict[str, Callable[[Path | str], Image]] = {
    'sheet': overview_sheet,
    'gestures': gesture_sheet,
    'shapes': shape_sheet,
    'weights': weight_sheet,
    'uv': uv_sheet,
}


def _tile(
    poser: HandPoser,
    gesture: str,
    view: str,
    text: str,
    *,
    shape: FloatArray | None = None,
    extent_m: float = _EXTENT_M,
    vertex_colours: FloatArray | None = None,
    texture: tuple[Image, FloatArray, NDArray[np.int64]] | None = None,
) -> Image:
    picture = portrait(
        poser.vertices(gesture_angles(gesture), shape),
        poser.faces,
        poser.handedness,
        view,
        size=_TILE,
        extent_m=extent_m,
        vertex_colours=vertex_colours,
        texture=texture,
    )
    return label(picture, text)
