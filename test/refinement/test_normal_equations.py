import numpy as np

from realhands_ros.refinement.normal_equations import normal_equations, solve_positive


def test_the_normal_equations_are_those_of_the_sum_of_squares():
    rng = np.random.default_rng(0)
    rows, error, weight = rng.normal(size=(40, 7)), rng.normal(size=40), rng.uniform(size=40)
    hessian, gradient = normal_equations(rows, error, weight)
    np.testing.assert_allclose(hessian, 2.0 * rows.T @ (weight[:, None] * rows), rtol=1e-12)
    np.testing.assert_allclose(gradient, 2.0 * rows.T @ (weight * error), rtol=1e-12)


def test_no_rows_give_zeros():
    hessian, gradient = normal_equations(np.zeros((0, 3)), np.zeros(0), np.zeros(0))
    assert not hessian.any()
    assert not gradient.any()


def test_solving_solves():
    rng = np.random.default_rng(1)
    root = rng.normal(size=(30, 30))
    matrix, right = root @ root.T + np.eye(30), rng.normal(size=30)
    np.testing.assert_allclose(matrix @ solve_positive(matrix, right), right, atol=1e-9)


def test_an_indefinite_matrix_gives_nan():
    assert np.isnan(solve_positive(np.diag([1.0, -1.0]), np.ones(2))).any()
