"""Both renderers see the same scene; skipped where Blender is not installed."""

from __future__ import annotations

import numpy as np
import pytest

from realhands_ros.errors import ConfigError
from realhands_ros.synthesis.blender.renderer import (
    PYTHON_VARIABLE,
    BlenderRenderer,
    blender_python,
)
from realhands_ros.synthesis.config import SynthesisConfig
from realhands_ros.synthesis.fast.renderer import FastRenderer
from realhands_ros.synthesis.generator import SceneGenerator
from realhands_ros.synthesis.sample import make_sample
from realhands_ros.synthesis.scene import Label


def has_blender() -> bool:
    try:
        blender_python()
    except ConfigError:
        return False
    return True


def test_a_missing_blender_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PYTHON_VARIABLE, raising=False)
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    with pytest.raises(ConfigError, match=r'pip install realhands\[blender\]'):
        BlenderRenderer()


@pytest.mark.slow
@pytest.mark.skipif(not has_blender(), reason='bpy is not installed (extra `blender`)')
def test_masks_depth_and_light_agree_with_blender() -> None:
    """The same pixels, depths within 0.3 mm, and much the same colours."""
    scene = SceneGenerator(SynthesisConfig(crop_size=96), 3).scene(0)
    fast = make_sample(scene, FastRenderer())
    fine = make_sample(scene, BlenderRenderer(samples=8))
    for eye in range(2):
        mask, other = fast.masks[eye], fine.masks[eye]
        assert mask.sum() > 300
        assert (mask & other).sum() / (mask | other).sum() > 0.995
        assert (fast.labels[eye] == fine.labels[eye]).mean() > 0.995
        both = mask & other
        assert np.abs(fast.depth[eye] - fine.depth[eye])[both].max() < 3e-4
        skin = np.isin(fast.labels[eye], (Label.HAND, Label.ARM)) & both
        means = [picture[eye][skin].mean(0) for picture in (fast.images, fine.images)]
        assert np.abs(means[0] - means[1]).max() < 30
