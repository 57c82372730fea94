"""A synthetic photograph with one right hand in it, and the shipped network."""

from __future__ import annotations

import numpy as np
import pytest

from realhands_ros.handnet.stage import HandNetStageConfig
from realhands_ros.keypoints.stage import KeypointStageConfig
from realhands_ros.pipeline import HandPipeline, PipelineConfig
from realhands_ros.synthesis.config import SynthesisConfig
from realhands_ros.synthesis.fast.renderer import FastRenderer
from realhands_ros.synthesis.generator import SceneGenerator
from realhands_ros.synthesis.sample import StereoSample, make_sample
from realhands_ros.texture.stage import TextureStageConfig

# A scene of this generator with one right hand in full view.
_SEED, _SCENE = 77, 19


@pytest.fixture(scope='session')
def sample() -> StereoSample:
    return make_sample(SceneGenerator(SynthesisConfig(), _SEED).scene(_SCENE), FastRenderer())


@pytest.fixture(scope='session')
def photograph(sample: StereoSample) -> np.ndarray:
    """(H, W, 3) BGR."""
    return np.ascontiguousarray(sample.images[0][..., ::-1])


@pytest.fixture(scope='session')
def pipeline():
    """Still pictures through all four stages."""
    config = PipelineConfig(
        keypoints=KeypointStageConfig(still_images=True),
        handnet=HandNetStageConfig(backend='torch'),
        texture=TextureStageConfig(atlas_size=64),
    )
    with HandPipeline(config) as built:
        yield built
