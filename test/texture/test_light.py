"""The light is found again, whatever disturbs it."""

import numpy as np
import pytest

from realhands_ros.texture.light import NUM_COEFFICIENTS, fit_shading, gains, quadratic_basis


@pytest.fixture
def normals():
    rng = np.random.default_rng(0)
    towards = rng.normal(size=(800, 3)) * [1.0, 1.0, 0.5] - [0.0, 0.0, 1.0]
    return towards / np.linalg.norm(towards, axis=1, keepdims=True)


@pytest.fixture
def light():
    coefficients = np.zeros((NUM_COEFFICIENTS, 3))
    coefficients[0] = (0.2, 0.25, 0.3)
    coefficients[1:4] = np.array([0.3, -0.2, -0.1])[:, None]
    coefficients[4:] = 0.05
    return coefficients


def test_basis_spans_the_quadratics(normals) -> None:
    assert quadratic_basis(normals).shape == (800, NUM_COEFFICIENTS)
    assert np.linalg.matrix_rank(quadratic_basis(normals)) == NUM_COEFFICIENTS


def test_light_is_found(normals, light) -> None:
    found = fit_shading(
        normals, quadratic_basis(normals) @ light, np.ones(800), np.zeros_like(light)
    )
    for _ in range(3):
        found = fit_shading(normals, quadratic_basis(normals) @ light, np.ones(800), found)
    np.testing.assert_allclose(gains(found, normals), gains(light, normals), rtol=0.03)


def test_highlights_and_shadows_do_not_count(normals, light) -> None:
    ratios = quadratic_basis(normals) @ light
    spoilt = ratios.copy()
    spoilt[:120] += 1.5
    clean = fit_shading(normals, ratios, np.ones(800), light)
    robust = fit_shading(normals, spoilt, np.ones(800), light)
    np.testing.assert_allclose(gains(robust, normals), gains(clean, normals), rtol=0.05)


def test_exposure_may_jump(normals, light) -> None:
    brighter = light.copy()
    brighter[0] += np.log(2.0)
    found = fit_shading(normals, quadratic_basis(normals) @ brighter, np.ones(800), light)
    np.testing.assert_allclose(gains(found, normals), 2 * gains(light, normals), rtol=0.03)


def test_without_texels_the_light_stays(light) -> None:
    none = np.zeros((0, 3))
    found = fit_shading(none, none, np.zeros(0), light)
    assert np.abs(found - light).max() < 0.1


def test_gains_are_bounded(normals) -> None:
    blinding = np.full((NUM_COEFFICIENTS, 3), 50.0)
    assert gains(blinding, normals).max() < 5.0
    assert gains(-blinding, normals).min() > 0.2
