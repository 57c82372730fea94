"""
Rooms and places as light: panoramas of a folder, as a soft environment and one key light.

The panorama's brightest part becomes the key light, the rest is projected onto the spherical
harmonics that the renderer has (Ramamoorthi and Hanrahan, "An efficient representation for
irradiance environment maps", 2001).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from realhands_ros.errors import DatasetError
from realhands_ros.synthesis.harmonics import BANDS, sh_basis
from realhands_ros.synthesis.mesh import rotation_between, unit
from realhands_ros.synthesis.scene import Lighting

FloatArray = NDArray[np.float64]

_SUFFIXES = ('.exr', '.hdr')
_ROWS = 48
# What is brighter than this many times the mean is the key light.
_KEY_LEVEL = 6.0
_KEY_RADIUS = (0.02, 0.35)
# Harmonics of what is left overshoot less when the higher bands are damped.
_DAMPING = np.array([(1.0, 0.9, 0.6)[band] for band in BANDS])
# Mean radiance of an environment, as sample_lighting draws it.
_MEAN_RADIANCE: tuple[float, float] = (0.5, 1.5)


@dataclass(frozen=True, eq=False)
class _Interior:
    """
    A panorama: unit ``directions`` (N, 3) with y up, their solid ``angles`` (N,) and the light.

    ``soft`` (N, 3) is the radiance without the key light's; ``key_direction`` (3,),
    ``key_irradiance`` (3,) and ``key_radius`` in radians are the key light. All relative to a
    mean radiance of one.
    """

    directions: FloatArray
    angles: FloatArray
    soft: FloatArray
    key_direction: FloatArray
    key_irradiance: FloatArray
    key_radius: float


class InteriorLights:
    """The panoramas of a folder: equirectangular EXR or HDR files, linear RGB, y up."""

    def __init__(self, folder: Path) -> None:
        """Read all; DatasetError when there is none or one is damaged."""
        self._interiors = [_read(path) for path in light_files(folder)]

    def sample(self, rng: np.random.Generator, up: FloatArray) -> Lighting:
        """Draw one place, turned about the direction against gravity ``up`` (3,)."""
        interior = self._interiors[rng.integers(len(self._interiors))]
        about = Rotation.from_rotvec([0.0, rng.uniform(-np.pi, np.pi), 0.0]).as_matrix()
        to_rig = rotation_between([0.0, 1.0, 0.0], up) @ about
        level = rng.uniform(*_MEAN_RADIANCE)
        basis = sh_basis(torch.from_numpy(interior.directions @ to_rig.T)).numpy()
        weighted = interior.soft * interior.angles[:, None]
        environment = (basis.T @ weighted) * _DAMPING[:, None]
        return Lighting(
            environment=level * environment,
            key_direction=to_rig @ interior.key_direction,
            key_irradiance=level * interior.key_irradiance,
            key_radius=interior.key_radius,
        )


def light_files(folder: Path) -> list[Path]:
    """Return the panoramas of a folder; raise DatasetError when there is none."""
    paths = sorted(path for path in folder.glob('*') if path.suffix.lower() in _SUFFIXES)
    if not paths:
        message = f'{folder} holds no panoramas; put equirectangular EXR or HDR files there'
        raise DatasetError(message)
    return paths


def _read(path: Path) -> _Interior:
    # OpenCV reads EXR only when it is asked to.
    os.environ['OPENCV_IO_ENABLE_OPENEXR'] = '1'
    try:
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        picture = None
    if picture is None or picture.ndim != 3 or picture.shape[1] != 2 * picture.shape[0]:
        message = (
            f'{path} is no equirectangular panorama (twice as wide as high) that can be read; '
            'remove it from the folder of lights'
        )
        raise DatasetError(message)
    size = (2 * _ROWS, _ROWS)
    small = cv2.resize(picture[..., :3].astype(np.float32), size, interpolation=cv2.INTER_AREA)
    radiance = np.nan_to_num(small[..., ::-1].astype(np.float64)).clip(0).reshape(-1, 3)
    polar = (np.arange(_ROWS) + 0.5) / _ROWS * np.pi
    azimuth = (np.arange(2 * _ROWS) + 0.5) / _ROWS * np.pi
    theta, phi = (grid.ravel() for grid in np.meshgrid(polar, azimuth, indexing='ij'))
    directions = np.stack(
        [np.sin(theta) * np.cos(phi), np.cos(theta), np.sin(theta) * np.sin(phi)], axis=1
    )
    angles = np.sin(theta) * (np.pi / _ROWS) ** 2
    mean = float((radiance.mean(1) * angles).sum() / angles.sum())
    radiance = radiance / max(mean, 1e-9)
    over = radiance.mean(1) > _KEY_LEVEL
    share = np.where(over, 1.0 - _KEY_LEVEL / np.maximum(radiance.mean(1), _KEY_LEVEL), 0.0)
    key = radiance * (share * angles)[:, None]
    energy = key.mean(1)
    direction = np.array([0.0, 1.0, 0.0])
    radius = _KEY_RADIUS[1]
    if energy.sum() > 0:
        # The lights about the brightest point, not those opposite to it.
        brightest = directions[int((radiance.mean(1) * over).argmax())]
        key *= (directions @ brightest > 0.5)[:, None]
        direction = unit((directions * key.mean(1)[:, None]).sum(0))
        spread = np.arccos(np.clip(directions @ direction, -1, 1))
        radius = float((spread * key.mean(1)).sum() / max(key.mean(), 1e-12) / len(key))
    soft = radiance - key / angles[:, None]
    return _Interior(
        directions=directions,
        angles=angles,
        soft=np.minimum(soft, 4 * _KEY_LEVEL),
        key_direction=direction,
        key_irradiance=key.sum(0),
        key_radius=float(np.clip(radius, *_KEY_RADIUS)),
    )
