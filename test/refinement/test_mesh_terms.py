import numpy as np
import pytest

from realhands_ros.data.topology import NUM_FACES, NUM_VERTICES
from realhands_ros.refinement.mesh_terms import LENGTH_UNIT_M, MeshTerms, unique_edges

TERMS = ('edge_length', 'laplacian', 'normal_consistency')

# Two triangles that share the edge 1-2 and make a right angle with one another.
FOLDED = np.array([[0.0, 0.0, 0.1], [0.0, 0.0, 0.0], [0.1, 0.0, 0.0], [0.0, 0.1, 0.0]])
FOLDED_FACES = np.array([[0, 1, 2], [2, 1, 3]])


@pytest.fixture(scope='module')
def terms(hand_data) -> MeshTerms:
    return MeshTerms(hand_data.faces, NUM_VERTICES)


def test_the_neighbourhood_is_that_of_the_hand(terms):
    """A disk-like surface has V - E + F = 1 and every inner edge two faces (a rim of 16)."""
    assert len(terms.edges) == NUM_VERTICES + NUM_FACES - 1
    assert len(terms.neighbouring_faces) == len(terms.edges) - 16


@pytest.mark.parametrize('name', TERMS)
def test_gradients_agree_with_finite_differences(terms, hand_data, name):
    rng = np.random.default_rng(0)
    vertices = hand_data.v_template + rng.normal(scale=5e-4, size=(NUM_VERTICES, 3))
    term = getattr(terms, name)
    gradient = np.zeros_like(vertices)
    value = term(vertices, 3.0, gradient)
    assert term(vertices, 3.0, None) == value
    assert value == pytest.approx(3.0 * term(vertices, 1.0, None))
    for _ in range(4):
        direction = rng.normal(size=vertices.shape)
        step = 1e-7
        values = [term(vertices + sign * step * direction, 3.0, None) for sign in (1.0, -1.0)]
        expected = (values[0] - values[1]) / (2.0 * step)
        assert np.vdot(gradient, direction) == pytest.approx(expected, rel=1e-3)


def test_values_of_a_folded_sheet():
    terms = MeshTerms(FOLDED_FACES, 4)
    # Five edges, three of 0.1 m and two of 0.1 sqrt(2) m, each seen from both ends, per vertex.
    squares = 2 * (3 * 0.1**2 + 2 * 2 * 0.1**2)
    assert terms.edge_length(FOLDED, 1.0, None) == pytest.approx(squares / 4 / LENGTH_UNIT_M**2)
    assert terms.normal_consistency(FOLDED, 1.0, None) == pytest.approx(1.0)
    outer = FOLDED[0] - 0.5 * (FOLDED[1] + FOLDED[2]), FOLDED[3] - 0.5 * (FOLDED[1] + FOLDED[2])
    inner = FOLDED[1] - FOLDED[[0, 2, 3]].mean(0), FOLDED[2] - FOLDED[[0, 1, 3]].mean(0)
    expected = sum(delta @ delta for delta in outer + inner) / 4 / LENGTH_UNIT_M**2
    assert terms.laplacian(FOLDED, 1.0, None) == pytest.approx(expected)


def test_a_flat_sheet_has_consistent_normals_and_a_collapsed_face_no_nan():
    terms = MeshTerms(FOLDED_FACES, 4)
    flat = FOLDED.copy()
    flat[3] = [0.1, 0.0, -0.1]
    assert terms.normal_consistency(flat, 1.0, None) == pytest.approx(0.0)
    collapsed, gradient = FOLDED.copy(), np.zeros((4, 3))
    collapsed[3] = collapsed[1]
    assert np.isfinite(terms.normal_consistency(collapsed, 1.0, gradient))
    assert np.isfinite(gradient).all()


def test_a_vertex_without_faces_counts_nothing():
    with_stray = np.vstack([FOLDED, [[5.0, 5.0, 5.0]]])
    gradient = np.zeros_like(with_stray)
    value = MeshTerms(FOLDED_FACES, 5).laplacian(with_stray, 1.0, gradient)
    alone = MeshTerms(FOLDED_FACES, 4).laplacian(FOLDED, 1.0, None)
    assert value * 5 == pytest.approx(alone * 4)
    assert np.abs(gradient[4]).max() == 0.0


def test_edges_are_counted_once():
    assert unique_edges(FOLDED_FACES).tolist() == [[0, 1], [0, 2], [1, 2], [1, 3], [2, 3]]
