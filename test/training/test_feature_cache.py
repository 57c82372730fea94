"""Features written once, read in batches; the regressor learns from them alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from realhands_ros.errors import DatasetError
from realhands_ros.handnet.network import HandNet
from realhands_ros.training.feature_cache import FeatureCache, HidingConfig, write_features
from realhands_ros.training.keypoint_noise import KeypointNoise


@pytest.fixture(scope='module')
def folder(few_hands, tiny_network, tmp_path_factory):
    out = tmp_path_factory.mktemp('features') / 'cache'
    noise = KeypointNoise.isotropic()
    crops = write_features(tiny_network, [(few_hands, 64)], noise, out, workers=0)
    assert crops == 128
    return out


@pytest.fixture(scope='module')
def tiny_network(tiny_config):
    torch.manual_seed(0)
    return HandNet(tiny_config).eval()


def test_a_crop_keeps_its_features_and_targets(folder, tiny_network):
    cache = FeatureCache(folder)
    assert len(cache) == 128
    (batch,) = cache.batches(0, 1, crops=16, seed=(0,))
    assert batch.pooled.shape == (16, tiny_network.config.pooled_channels)
    assert torch.isfinite(batch.pooled).all()
    assert batch.keypoints.shape == (16, 21, 3)
    assert not batch.has_mask.any()


def test_batches_follow_from_seed_and_step(folder):
    cache = FeatureCache(folder)
    one = list(cache.batches(0, 3, crops=8, seed=(1,), hiding=HidingConfig()))[2]
    (again,) = cache.batches(2, 3, crops=8, seed=(1,), hiding=HidingConfig())
    for a, b in zip(one, again, strict=True):
        torch.testing.assert_close(a, b, equal_nan=True)


def test_pairs_stay_together(folder):
    cache = FeatureCache(folder)
    (batch,) = cache.batches(0, 1, crops=16, seed=(0,), pairs_only=True)
    # Both views show the same fingers.
    torch.testing.assert_close(batch.fingers_aa[::2], batch.fingers_aa[1::2])
    assert not torch.equal(batch.fingers_aa[0], batch.fingers_aa[2])


def test_keypoints_are_hidden_as_asked(folder):
    hiding = HidingConfig(hide_all=0.5, hide_some=0.0, hide_world=0.0)
    (batch,) = FeatureCache(folder).batches(0, 1, crops=400, seed=(0,), hiding=hiding)
    hidden = torch.isnan(batch.keypoints_px).all(dim=2).all(dim=1)
    assert 0.4 < hidden.float().mean() < 0.6
    assert torch.isnan(batch.world[hidden]).all()


def test_what_is_no_cache_is_named(folder, tmp_path):
    with pytest.raises(DatasetError, match='realhands train cache'):
        FeatureCache(tmp_path)
    broken = tmp_path / 'broken'
    broken.mkdir()
    for path in folder.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    np.save(broken / 'root.npy', np.zeros((3, 3, 3)))
    with pytest.raises(DatasetError, match='columns of other lengths'):
        FeatureCache(broken)
