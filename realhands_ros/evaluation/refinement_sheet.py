"""A picture of the samples that a refinement left furthest from the truth, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from realhands_ros.evaluation.refinement_samples import RefinementSample, RefinementSampler
from realhands_ros.geometry.rasterizer import rasterize
from realhands_ros.refinement.hand_estimate import Refinement, ViewObservation

FloatArray = NDArray[np.float64]
Image = NDArray[np.uint8]

_TILE_PX = 224
_ARM_COLOUR, _MISSING_COLOUR = (160, 60, 0), (0, 130, 0)


def write_sheet(
    path: Path,
    sampler: RefinementSampler,
    samples: Sequence[RefinementSample],
    refinements: Sequence[Refinement],
    worst: int = 20,
) -> None:
    """
    Write a PNG of the ``worst`` samples by IoU with the true masks, in two columns.

    A row shows the start, the refined hand in each view, and the truth. What sticks out of the
    true mask is red, what the mesh leaves uncovered green, and what only the target mask holds
    (an arm) blue.
    """
    scores = sampler.scores(samples, [refinement.parameters for refinement in refinements])
    rows = []
    for index in np.argsort(scores.iou)[:worst]:
        row = _row(sampler, samples[index], refinements[index])
        label = (
            f'{index}: IoU {scores.iou[index]:.3f}, PA {1e3 * scores.aligned_error[index]:.1f} mm'
        )
        cv2.putText(row, label, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1)
        rows.append(row)
    half = -(-len(rows) // 2)
    rows += [np.zeros_like(rows[0])] * (2 * half - len(rows))
    cv2.imwrite(str(path), np.hstack([np.vstack(rows[:half]), np.vstack(rows[half:])]))


def _row(sampler: RefinementSampler, sample: RefinementSample, result: Refinement) -> Image:
    faces, views = sampler.data.faces, sample.estimate.views
    start = sampler.vertices(sample.estimate.parameters)
    tiles = [_tile(start, faces, views[0], sample.masks[0])]
    tiles += [
        _tile(result.vertices, faces, view, mask)
        for view, mask in zip(views, sample.masks, strict=True)
    ]
    tiles.append(_tile(sample.vertices, faces, views[0], sample.masks[0]))
    return np.hstack(tiles)


def _tile(
    vertices: FloatArray,
    faces: NDArray[np.int64],
    view: ViewObservation,
    mask: NDArray[np.float32],
) -> Image:
    """Shade a mesh in a view's crop, over the masks."""
    vertices_cam = view.camera.to_camera(vertices)
    fragments = rasterize(vertices_cam, faces, view.camera)
    corners = vertices_cam[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    facing = np.abs(normals[:, 2]) / np.maximum(np.linalg.norm(normals, axis=1), 1e-12)
    shade = 60 + 170 * facing[np.maximum(fragments.face_id, 0)]
    is_hand = mask > 0.5
    image = np.zeros((*mask.shape, 3))
    if view.target is not None:
        image[(view.target > 0.5) & ~is_hand] = _ARM_COLOUR
    image[fragments.mask] = shade[fragments.mask, None]
    image[fragments.mask & ~is_hand] *= (0.3, 0.3, 1.0)
    image[~fragments.mask & is_hand] = _MISSING_COLOUR
    return np.asarray(cv2.resize(image.astype(np.uint8), (_TILE_PX, _TILE_PX)), dtype=np.uint8)
