import numpy as np
import pytest

from realhands_ros.refinement.contour_matching import ContourPairs
from realhands_ros.refinement.offset_field import OffsetField, measurements

# A chain of 30 vertices.
EDGES = np.stack([np.arange(29), np.arange(1, 30)], axis=1).astype(np.int32)
PX_PER_M = 1000.0


def _pairs(vertices: list[int], distance: list[float], reliability: float = 1.0) -> ContourPairs:
    count = len(vertices)
    slopes = np.zeros((count, 3, 3))
    slopes[:, 0, 0] = PX_PER_M
    corners = np.stack([vertices, [0] * count, [0] * count], axis=1).astype(np.int32)
    return ContourPairs(
        corners, slopes, np.array(distance), np.ones(count), np.full(count, reliability)
    )


@pytest.fixture
def field() -> OffsetField:
    return OffsetField(EDGES, 30, spread_m=0.002, length_edges=3.0)


def test_a_precise_measurement_is_met_and_its_neighbours_move_along(field):
    offsets = field.fit([_pairs([15], [-2.0])], error_px=0.01)
    assert offsets[15, 0] == pytest.approx(2.0 / PX_PER_M, rel=1e-2)
    assert np.abs(offsets[:, 1:]).max() == 0.0
    moved = offsets[:, 0]
    assert (np.diff(moved[15:]) < 0.0).all()
    assert 0.5 < moved[17] / moved[15] < 0.99
    assert moved[29] < 0.1 * moved[15]


def test_an_imprecise_or_unreliable_measurement_moves_less(field):
    precise = field.fit([_pairs([15], [-2.0])], error_px=0.1)[15, 0]
    imprecise = field.fit([_pairs([15], [-2.0])], error_px=4.0)[15, 0]
    unreliable = field.fit([_pairs([15], [-2.0], reliability=0.1)], error_px=4.0)[15, 0]
    assert 0.0 < unreliable < imprecise < 0.5 * precise
    ignored = field.fit([_pairs([15], [-2.0], reliability=0.01)], error_px=4.0)
    assert not ignored.any()


def test_all_views_are_met_together(field):
    apart = field.fit([_pairs([5], [-1.0]), _pairs([25], [1.0])], error_px=0.01)
    assert apart[5, 0] == pytest.approx(1.0 / PX_PER_M, rel=1e-2)
    assert apart[25, 0] == pytest.approx(-1.0 / PX_PER_M, rel=1e-2)


def test_no_pairs_give_no_offsets(field):
    assert not field.fit([_pairs([], [])], error_px=1.0).any()


def test_a_vertex_is_measured_by_the_mean_of_its_pairs():
    """The second vertex of the last pair moves it most; the reliable pairs count more."""
    pairs = _pairs([3, 7, 3, 9], [1.0, 5.0, 4.0, -2.0])
    pairs.slopes[3, 1, 2] = 2 * PX_PER_M
    pairs.vertices[3, 1] = 8
    pairs.reliability[:] = [0.2, 0.04, 0.4, 1.0]
    found = measurements(pairs, 30)
    assert found.vertices.tolist() == [3, 8]
    np.testing.assert_allclose(found.distance, [3.0, -2.0])
    np.testing.assert_allclose(found.reliability, [0.3, 1.0])
    np.testing.assert_allclose(found.slopes, [[PX_PER_M, 0, 0], [PX_PER_M, 0, 2 * PX_PER_M]])
