"""Panoramas as light: bright parts shine from where they are, and energy is kept."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from realhands_ros.errors import DatasetError
from realhands_ros.synthesis.config import SynthesisConfig
from realhands_ros.synthesis.fast.renderer import FastRenderer
from realhands_ros.synthesis.generator import SceneGenerator
from realhands_ros.synthesis.harmonics import sh_basis
from realhands_ros.synthesis.interiors import InteriorLights
from realhands_ros.synthesis.sample import make_sample

UP = np.array([0.0, -1.0, 0.0])


def _panorama(folder: Path, name: str = 'room.hdr', lamp: float = 0.0) -> Path:
    """Write a sky that is bright above and dark below, perhaps with a red lamp overhead."""
    picture = np.full((64, 128, 3), 0.2, np.float32)
    picture[:32] = 1.0
    # OpenCV's order is blue, green, red.
    picture[:6] += np.float32(lamp) * np.array([0.1, 0.1, 1.0], np.float32)
    cv2.imwrite(str(folder / name), picture)
    return folder


def test_light_comes_from_above(tmp_path: Path) -> None:
    lights = InteriorLights(_panorama(tmp_path))
    light = lights.sample(np.random.default_rng(0), UP)
    directions = torch.from_numpy(np.stack([UP, -UP, [1.0, 0.0, 0.0]]))
    above, below, beside = (sh_basis(directions).numpy() @ light.environment).mean(1)
    assert above > beside > below > 0
    assert np.abs(light.key_irradiance).max() == 0


def test_a_lamp_is_the_key_light(tmp_path: Path) -> None:
    light = InteriorLights(_panorama(tmp_path, lamp=60.0)).sample(np.random.default_rng(1), UP)
    assert light.key_direction @ UP > 0.95
    assert light.key_irradiance[0] > 2 * light.key_irradiance[1] > 0


def test_scenes_are_lit_by_it(tmp_path: Path) -> None:
    config = SynthesisConfig(
        crop_size=64, lights=_panorama(tmp_path), interior_light_share=1.0, infrared_share=0.0
    )
    scene = SceneGenerator(config, 3).scene(0)
    assert np.abs(scene.lighting.key_irradiance).max() == 0
    assert make_sample(scene, FastRenderer()).images.std() > 5


def test_missing_and_damaged_panoramas_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match='no panoramas'):
        InteriorLights(tmp_path)
    (tmp_path / 'bad.exr').write_bytes(b'nothing')
    with pytest.raises(DatasetError, match=r'bad\.exr'):
        InteriorLights(tmp_path)
    (tmp_path / 'bad.exr').unlink()
    cv2.imwrite(str(tmp_path / 'square.hdr'), np.ones((8, 8, 3), np.float32))
    with pytest.raises(DatasetError, match=r'square\.hdr'):
        InteriorLights(tmp_path)
