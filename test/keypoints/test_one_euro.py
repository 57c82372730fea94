"""The One-Euro filter: calm at rest, its declared lag in motion."""

from __future__ import annotations

import numpy as np
import pytest

from realhands_ros.keypoints.observer import OneEuroConfig, OneEuroFilter

RATE = 30.0


def filtered(track: np.ndarray, config: OneEuroConfig, unit: float = 1.0) -> np.ndarray:
    smooth = OneEuroFilter(config)
    return np.array([smooth(p, round(i * 1e9 / RATE), unit) for i, p in enumerate(track)])


def test_noise_at_rest_is_reduced():
    noise = np.random.default_rng(0).normal(size=(300, 21, 2))
    calm = filtered(noise, OneEuroConfig(1.0, 0.0))
    assert calm[30:].std() < 0.4 * noise.std()


@pytest.mark.parametrize('beta', [0.0, 1.5])
def test_steady_motion_lags_as_declared(beta):
    """Within half a frame: the filter works in steps, the formula in continuous time."""
    speed, config = 2.0, OneEuroConfig(1.5, beta)
    position = speed * np.arange(300)[:, None, None] / RATE * np.array([[[1.0, 0.0]]])
    behind = (position - filtered(position, config))[-1, 0, 0] / speed
    assert behind == pytest.approx(config.lag_s(speed), abs=0.5 / RATE)


def test_speed_is_counted_in_units():
    speed, config = 200.0, OneEuroConfig(1.0, 1.0)
    position = speed * np.arange(200)[:, None, None] / RATE * np.ones((1, 1, 1))
    behind = (position - filtered(position, config, unit=100.0))[-1, 0, 0] / speed
    assert behind == pytest.approx(config.lag_s(2.0), abs=0.5 / RATE)


def test_each_point_has_its_own_speed():
    """A waving finger is followed while the still wrist stays calm."""
    rng = np.random.default_rng(1)
    still = rng.normal(scale=0.02, size=(300, 1, 2))
    moving = still + 5.0 * np.arange(300)[:, None, None] / RATE
    both = np.concatenate([still, moving], axis=1)
    smooth = filtered(both, OneEuroConfig(0.5, 2.0))
    assert smooth[60:, 0].std() < 0.6 * still[60:].std()
    assert np.abs(smooth[-1, 1] - both[-1, 1]).max() < 0.3


def test_a_clock_that_stands_still_or_goes_back_starts_anew():
    smooth = OneEuroFilter(OneEuroConfig())
    smooth(np.zeros((1, 2)), 10)
    np.testing.assert_array_equal(smooth(np.ones((1, 2)), 10), np.ones((1, 2)))
    np.testing.assert_array_equal(smooth(np.full((1, 2), 3.0), 5), np.full((1, 2), 3.0))
