"""Plane sections of a mesh against a cylinder known in closed form."""

import numpy as np
import pytest
import trimesh

from realhands_ros.hand.open_hand.sections import (
    NUM_RAYS,
    polygon_area,
    polygon_centroid,
    section_outline,
)

FRAME = np.eye(3)


@pytest.fixture(scope='module')
def cylinder() -> trimesh.Trimesh:
    return trimesh.creation.cylinder(radius=0.01, height=0.08, sections=256)


def test_outline_of_a_cylinder_is_its_circle(cylinder) -> None:
    outline = section_outline(cylinder.vertices, cylinder.faces, np.array([0, 0, 0.01]), FRAME)
    assert outline.shape == (NUM_RAYS, 2)
    np.testing.assert_allclose(np.linalg.norm(outline, axis=1), 0.01, rtol=1e-3)
    # It starts at the second axis of the frame and turns towards the first.
    np.testing.assert_allclose(outline[0], [0.0, 0.01], atol=1e-5)
    assert outline[1, 0] > 0


def test_section_from_off_the_axis_has_the_same_area_and_its_own_centroid(cylinder) -> None:
    centre = np.array([0.004, 0.0, 0.0])
    outline = section_outline(cylinder.vertices, cylinder.faces, centre, FRAME)
    assert polygon_area(outline) == pytest.approx(np.pi * 1e-4, rel=0.01)
    np.testing.assert_allclose(polygon_centroid(outline), [-0.004, 0.0], atol=1e-4)


def test_rays_that_meet_nothing_are_nan(cylinder) -> None:
    outline = section_outline(cylinder.vertices, cylinder.faces, np.array([0, 0.02, 0]), FRAME)
    assert np.isnan(outline).any()
