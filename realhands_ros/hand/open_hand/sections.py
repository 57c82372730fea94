"""Plane sections through a hand's mesh: outlines, areas, extents."""

from __future__ import annotations

import numpy as np

from realhands_ros.hand.open_hand.source import FloatArray, IntArray

NUM_RAYS = 128


def section_outline(
    vertices: FloatArray, faces: IntArray, centre: FloatArray, frame: FloatArray
) -> FloatArray:
    """
    Cut the surface with the plane through ``centre``; return its outline around it.

    ``frame`` (3, 3) has the rows side, dorsal (both in the plane) and the plane's normal. The
    outline (NUM_RAYS, 2), in side and dorsal coordinates, is where rays from the centre first meet
    the surface, starting dorsal and turning towards the side; NaN for rays that meet nothing.
    """
    segments = section_segments(vertices, faces, centre, frame)
    angles = 2.0 * np.pi * np.arange(NUM_RAYS) / NUM_RAYS
    rays = np.stack([np.sin(angles), np.cos(angles)], axis=1)
    distances = _first_hits(segments, rays)
    distances[np.isinf(distances)] = np.nan
    return np.asarray(distances[:, None] * rays)


def section_segments(
    vertices: FloatArray, faces: IntArray, centre: FloatArray, frame: FloatArray
) -> FloatArray:
    """Return the segments (S, 2, 2) in which a plane cuts the faces, in its own axes."""
    local = (vertices - centre) @ frame.T
    height = local[faces, 2]
    corners = local[faces[(height.min(axis=1) < 0.0) & (height.max(axis=1) >= 0.0)]]
    ends = []
    for k in range(3):
        a, b = corners[:, k], corners[:, (k + 1) % 3]
        crosses = (a[:, 2] < 0.0) != (b[:, 2] < 0.0)
        share = a[:, 2] / np.where(crosses, a[:, 2] - b[:, 2], np.inf)
        ends.append(np.where(crosses[:, None], a + share[:, None] * (b - a), np.nan)[:, :2])
    stacked = np.stack(ends, axis=1)
    return np.asarray(stacked[~np.isnan(stacked[:, :, 0])].reshape(-1, 2, 2))


def _first_hits(segments: FloatArray, rays: FloatArray) -> FloatArray:
    """Return the distance (R,) at which each ray from the origin first meets a segment."""
    across = segments @ np.stack([rays[:, 1], -rays[:, 0]])
    along = segments @ rays.T
    crosses = (across[:, 0] < 0.0) != (across[:, 1] < 0.0)
    share = across[:, 0] / np.where(crosses, across[:, 0] - across[:, 1], np.inf)
    distance = along[:, 0] + share * (along[:, 1] - along[:, 0])
    return np.asarray(np.where(crosses & (distance > 0.0), distance, np.inf).min(axis=0))


def polygon_area(polygon: FloatArray) -> float:
    """Return the area of a polygon (P, 2)."""
    x, y = polygon.T
    return float(0.5 * abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)))


def polygon_centroid(polygon: FloatArray) -> FloatArray:
    """Return the centre of area (2,) of a polygon (P, 2)."""
    following = np.roll(polygon, -1, axis=0)
    cross = polygon[:, 0] * following[:, 1] - polygon[:, 1] * following[:, 0]
    return np.asarray(((polygon + following) * cross[:, None]).sum(axis=0) / (3.0 * cross.sum()))
