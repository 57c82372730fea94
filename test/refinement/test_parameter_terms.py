from __future__ import annotations

import numpy as np
import pytest

from realhands_ros.refinement.parameter_terms import FINGERS, NUM_PARAMETERS, ParameterTerms


@pytest.fixture
def terms(model) -> ParameterTerms:
    rng = np.random.default_rng(0)
    weights, centres = rng.uniform(size=(2, 2, NUM_PARAMETERS))
    return ParameterTerms(model.skeleton, 3.0, weights, centres)


@pytest.fixture
def beyond_limits() -> np.ndarray:
    return 1.5 * np.random.default_rng(1).normal(size=NUM_PARAMETERS)


def test_the_value_alone_is_that_with_derivatives(terms, beyond_limits):
    assert terms.value(beyond_limits) == terms.derivatives(beyond_limits)[0]


def test_derivatives_agree_with_finite_differences(terms, beyond_limits):
    _, gradient, hessian = terms.derivatives(beyond_limits)
    step = 1e-5
    for k in range(NUM_PARAMETERS):
        ahead, behind = beyond_limits.copy(), beyond_limits.copy()
        ahead[k] += step
        behind[k] -= step
        slope = (terms.value(ahead) - terms.value(behind)) / (2 * step)
        assert gradient[k] == pytest.approx(slope, rel=1e-6, abs=1e-6)
        bend = (terms.derivatives(ahead)[1] - terms.derivatives(behind)[1]) / (2 * step)
        np.testing.assert_allclose(hessian[k], bend, atol=1e-6)


def test_only_what_is_beyond_a_limit_counts(model):
    nothing = np.zeros((1, NUM_PARAMETERS))
    terms = ParameterTerms(model.skeleton, 3.0, nothing, nothing)
    straight = np.zeros(NUM_PARAMETERS)
    assert terms.value(straight) == 0.0
    assert not terms.derivatives(straight)[2].any()
    straight[:3], straight[FINGERS.stop :] = 3.0, 3.0
    assert terms.value(straight) == 0.0


def test_the_excess_is_counted_squared(model):
    nothing = np.zeros((1, NUM_PARAMETERS))
    terms = ParameterTerms(model.skeleton, 3.0, nothing, nothing)
    flexed = [np.zeros(NUM_PARAMETERS) for _ in range(3)]
    for vector, angle in zip(flexed, (3.0, 3.1, 3.2), strict=True):
        vector[FINGERS][:3] = angle * model.skeleton.frames[0][:, 0]
    values = [terms.value(vector) for vector in flexed]
    assert np.diff(values, 2)[0] == pytest.approx(2 * 3.0 * 0.1**2, rel=1e-6)
