"""Which views of a hand, and which of their masks, the refinement can use."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from realhands_ros.refinement.hand_estimate import (
    FloatArray,
    FloatImage,
    RefinementFlag,
    ViewObservation,
)

# A hand nearer to a camera than this is a wrong estimate, and projections near zero depth explode.
MIN_DEPTH_M = 0.03
# Shares of the mesh's vertices inside of a crop: fewer are no view of the hand, or a truncated
# one.
_MIN_VISIBLE = 0.25
_FULLY_VISIBLE = 0.97
# Shares of a crop that a mask may cover.
_MASK_SHARES = (0.005, 0.97)


def usable_views(
    vertices: FloatArray, views: tuple[ViewObservation, ...]
) -> tuple[tuple[ViewObservation, ...], RefinementFlag]:
    """
    Return the views that see a mesh (V, 3), without masks that are none, and what was found.

    All returned views have the same size, the commonest one.
    """
    flags = RefinementFlag.NONE
    usable = []
    sizes = Counter((view.camera.height, view.camera.width) for view in views)
    for view in views:
        size = view.camera.height, view.camera.width
        visible = visible_share(vertices, view) if size == sizes.most_common(1)[0][0] else 0.0
        if visible < _MIN_VISIBLE:
            flags |= RefinementFlag.VIEW_UNUSABLE
            continue
        if visible < _FULLY_VISIBLE:
            flags |= RefinementFlag.TRUNCATED
        if view.target is not None and not _is_mask(view.target):
            flags |= RefinementFlag.MASK_UNUSABLE
            view = replace(view, target=None)
        usable.append(view)
    # A covered camera sees nothing of the hand, and so says nothing about its distance.
    observing = [view for view in usable if _observes(view)]
    if not observing:
        return tuple(usable), flags | RefinementFlag.NOTHING_OBSERVED
    if len(observing) < len(usable):
        flags |= RefinementFlag.VIEW_UNUSABLE
    if len(observing) == 1:
        flags |= RefinementFlag.SCALE_PRIOR
    return tuple(observing), flags


def visible_share(vertices: FloatArray, view: ViewObservation) -> float:
    """Return the share of vertices (V, 3) inside of a view's crop; 0 if any is not before it."""
    camera = view.camera
    if not camera.to_camera(vertices)[:, 2].min() > MIN_DEPTH_M:
        return 0.0
    pixels = camera.project(vertices)
    inside = (pixels > -0.5) & (pixels < np.array([camera.width, camera.height]) - 0.5)
    return np.count_nonzero(inside[:, 0] & inside[:, 1]) / len(vertices)


def _is_mask(target: FloatImage) -> bool:
    if not (target.min() >= 0.0 and target.max() <= 1.0):  # NaN is neither
        return False
    low, high = _MASK_SHARES
    return low < np.count_nonzero(target > 0.5) / target.size < high


def _observes(view: ViewObservation) -> bool:
    """Return whether a view has a mask or a keypoint."""
    if view.target is not None:
        return True
    if view.keypoints_px is None or view.keypoint_scores is None:
        return False
    known = np.isfinite(view.keypoints_px).all(axis=1) & (view.keypoint_scores > 0.0)
    return bool(known.any())
