import numpy as np
import pytest

from realhands_ros.refinement.normal_equations import normal_equations, solve_positive


def test_the_normal_equations_are_those_of_the_sum_of_squares():
    rng = np.random.default_rng(0)
    rows, error, weight = rng.normal(size=(40, 7)), rng.normal(size=40), rng.uniform(size=40)
    hessian, gradient = normal_equations(rows, error, weight)
    np.testing.assert_allclose(hessian, 2.0 * rows.T @ (weight[:, None] * rows), rtol=1e-12)
    np.testing.assert_allclose(gradient, 2.0 * rows.T @ (weight * error), rtol=1e-12)


def test_derivatives_that_are_zero_change_nothing():
    rng = np.random.default_rng(0)
    rows, error, weight = rng.normal(size=(40, 7)), rng.normal(size=40), rng.uniform(size=40)
    rows[rng.uniform(size=rows.shape) < 0.6] = 0.0
    weight[::3] = 0.0
    hessian, gradient = normal_equations(rows, error, weight)
    np.testing.assert_allclose(hessian, 2.0 * rows.T @ (weight[:, None] * rows), atol=1e-12)
    np.testing.assert_allclose(gradient, 2.0 * rows.T @ (weight * error), atol=1e-12)


def test_no_rows_give_zeros():
    hessian, gradient = normal_equations(np.zeros((0, 3)), np.zeros(0), np.zeros(0))
    assert not hessian.any()
    assert not gradient.any()


@pytest.mark.parametrize('size', [1, 2, 3, 4, 5, 6, 7, 30])
def test_solving_solves_and_reads_the_lower_triangle(size):
    rng = np.random.default_rng(1)
    root = rng.normal(size=(size, size))
    matrix, right = root @ root.T + np.eye(size), rng.normal(size=size)
    found = solve_positive(np.tril(matrix), right)
    np.testing.assert_allclose(matrix @ found, right, atol=1e-9)


def test_an_indefinite_matrix_gives_nan():
    assert np.isnan(solve_positive(np.diag([1.0, -1.0]), np.ones(2))).any()
