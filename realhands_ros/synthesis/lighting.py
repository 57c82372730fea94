"""Random light: lamps, windows and what the room throws back."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from realhands_ros.synthesis.harmonics import BANDS, sh_basis
from realhands_ros.synthesis.mesh import unit
from realhands_ros.synthesis.scene import Lighting

FloatArray = NDArray[np.float64]

# Linear RGB of black bodies, relative to daylight.
_KELVIN = np.array([2700.0, 3500.0, 4500.0, 5500.0, 6500.0, 8000.0])
_KELVIN_RGB = np.array(
    [
        [1.0, 0.62, 0.30],
        [1.0, 0.74, 0.47],
        [1.0, 0.86, 0.70],
        [1.0, 0.94, 0.87],
        [1.0, 1.0, 1.0],
        [0.88, 0.94, 1.07],
    ]
)
# How much of a broad light's higher bands is left.
_BROADNESS = (1.0, 0.75, 0.35)


def sample_lighting(rng: np.random.Generator, up: FloatArray) -> Lighting:
    """Draw the light of a room whose ceiling is in direction ``up`` (3,)."""
    warm = _colour(rng.choice([2900.0, 3400.0, 4200.0, 5600.0]) * rng.uniform(0.94, 1.06))
    cool = _colour(rng.uniform(4500.0, 8000.0))
    key_colour, ambient_colour = (warm, cool) if rng.random() < 0.5 else (cool, warm)
    ambient_colour = 0.5 * ambient_colour + 0.5 * key_colour
    coefficients = _lobe(np.zeros(3), ambient_colour * rng.uniform(0.3, 0.9))
    coefficients += _lobe(up, ambient_colour * rng.uniform(0.2, 1.0))
    bounce = np.array([1.0, 0.85, 0.7]) * ambient_colour * rng.uniform(0.0, 0.35)
    coefficients += _lobe(-up, bounce)
    for _ in range(rng.integers(1, 4)):
        direction = unit(rng.normal(size=3) + 0.4 * up)
        coefficients += _lobe(direction, _colour(rng.uniform(2800, 8000)) * rng.uniform(0.1, 0.9))
    # The key light's irradiance relative to the environment's, from overcast to a desk lamp.
    ratio = np.exp(rng.normal(0.5, 0.7))
    mean = 4.0 * 0.282095 * coefficients[0].mean()
    return Lighting(
        environment=coefficients,
        key_direction=_key_direction(rng, up),
        key_irradiance=key_colour * ratio * mean * 1.6,
        key_radius=float(np.exp(rng.uniform(np.log(0.015), np.log(0.25)))),
    )


def illuminant(lighting: Lighting) -> FloatArray:
    """Return the mean colour of the light, (3,), green 1: what white balance estimates."""
    total = lighting.environment[0] * 0.282095 * np.pi + 0.5 * lighting.key_irradiance
    return np.asarray(total / total[1])


def _key_direction(rng: np.random.Generator, up: FloatArray) -> FloatArray:
    """Return a direction mostly from above, seldom from behind what the camera looks at."""
    while True:
        direction = unit(rng.normal(size=3) + 0.8 * up - np.array([0.0, 0.0, 0.5]))
        if direction @ up > -0.2 and (direction[2] < 0.5 or rng.random() < 0.2):
            return direction


def _lobe(direction: FloatArray, radiance: FloatArray) -> FloatArray:
    """Return the harmonics (9, 3) of a broad light; a zero direction is light from everywhere."""
    if not direction.any():
        coefficients = np.zeros((9, 3))
        coefficients[0] = radiance / 0.282095
        return coefficients
    basis = sh_basis(torch.from_numpy(direction[None]))[0].numpy()
    damping = np.array([_BROADNESS[band] for band in BANDS])
    return np.asarray((basis * damping)[:, None] * radiance * 2.0)


def _colour(kelvin: float) -> FloatArray:
    return np.array([np.interp(kelvin, _KELVIN, _KELVIN_RGB[:, i]) for i in range(3)])
