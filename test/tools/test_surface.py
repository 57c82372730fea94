"""Subdivision and projection on meshes known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from tools.open_hand.source import RiggedHand
from tools.open_hand.surface import (
    NUM_RAYS,
    closest_points,
    polygon_area,
    polygon_centroid,
    section_outline,
    subdivided,
)


@pytest.fixture(scope='module')
def sphere() -> trimesh.Trimesh:
    return trimesh.creation.icosphere(subdivisions=2, radius=0.02)


def test_closest_points_lie_on_the_mesh_and_none_is_nearer(sphere) -> None:
    points = np.random.default_rng(0).normal(scale=0.03, size=(50, 3))
    found = closest_points(points, sphere.vertices, sphere.faces)
    rebuilt = found.interpolate(np.asarray(sphere.vertices), np.asarray(sphere.faces))
    np.testing.assert_allclose(rebuilt, found.positions, atol=1e-12)
    assert (found.barycentric >= -1e-12).all()
    distance = np.linalg.norm(points - found.positions, axis=1)
    # Points sampled densely all over the surface are never nearer than the closest one.
    samples, _ = trimesh.sample.sample_surface(sphere, 4000, seed=1)
    sampled = np.linalg.norm(points[:, None] - samples, axis=2).min(axis=1)
    assert (distance <= sampled + 1e-12).all()
    assert (sampled - distance < 0.0015).all()


def test_subdivision_passes_near_the_vertices_and_blends_the_weights(sphere) -> None:
    weights = np.random.default_rng(2).dirichlet(np.ones(16), len(sphere.vertices))
    hand = RiggedHand(
        np.array(sphere.vertices), np.array(sphere.faces), weights, np.zeros((16, 3)),
        np.zeros((5, 3)),
    )  # fmt: skip
    fine = subdivided(hand, levels=2)
    assert len(fine.faces) == 16 * len(hand.faces)
    radii = np.linalg.norm(fine.vertices, axis=1)
    np.testing.assert_allclose(radii, 0.02, rtol=0.01)
    np.testing.assert_allclose(fine.skin_weights.sum(axis=1), 1.0, atol=1e-12)


# Plane sections of a mesh against a cylinder known in closed form.

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
